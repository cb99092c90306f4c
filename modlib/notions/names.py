"""The notions of a module, by name, and what tells them apart. Chapter: ``do-the-measures-agree``."""

NOTIONS = (
    "weights",
    "weights within layers",
    "covariance",
    "images",
    "input sensitivity",
    "loss Hessian",
    "output sensitivity",
    "lesions",
    "masks",
)
OF_WEIGHTS = NOTIONS[:2]  # which see no input: only the start of their search differs when they are asked again
BY_Q = ("input sensitivity", "loss Hessian")  # communities, as many as Q makes them; the others are cut
EQUALLY_MANY = tuple(name for name in NOTIONS if name not in (*OF_WEIGHTS, *BY_Q))  # k modules in every layer
