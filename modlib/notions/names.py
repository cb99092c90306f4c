"""The notions of a module, by name. Chapter: ``do-the-measures-agree``."""

NOTIONS = (
    "weights",
    "weights within layers",
    "activations",
    "images",
    "upstream",
    "downstream",
    "Jacobians",
    "lesions",
    "masks",
)
