"""The rows that a claim picks, in words. Chapter: ``scorecard``; every chapter shows its own claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DATASETS = {
    "mnist": "MNIST",
    "mnist 7x7": "MNIST, 7 x 7 pixels",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10 (JPEG copy)",
    "initialisation": "untrained",
    "mnist halves-same": "MNIST halves-same",
    "mnist halves-diff": "MNIST halves-diff",
    "mnist stack-same": "MNIST stack-same",
    "mnist stack-diff": "MNIST stack-diff",
    "fashion_mnist halves-same": "Fashion-MNIST halves-same",
    "fashion_mnist halves-diff": "Fashion-MNIST halves-diff",
    "fashion_mnist stack-same": "Fashion-MNIST stack-same",
    "fashion_mnist stack-diff": "Fashion-MNIST stack-diff",
    "lines": "LINES",
    "lines+mnist overlapping": "LINES and MNIST",
    "lines+mnist separate": "LINES and MNIST, separate",
    "lines+cifar10 overlapping": "LINES and CIFAR-10",
    "lines+cifar10 separate": "LINES and CIFAR-10, separate",
    "mnist+cifar10 overlapping": "MNIST and CIFAR-10",
    "mnist+cifar10 separate": "MNIST and CIFAR-10, separate",
}
DROPOUT = {"yes": "dropout", "no": "no dropout"}
PENALTIES = {"none": "no penalty", "l1-l2": "l1 in the first layer, l2 in the others"}
METHODS = {
    "none": "trained as usual",
    "normalisation": "normalised neurons",
    "eigenvalues": "eigenvalue penalty",
    "initialisation": "clusterable start",
}


def in_words(
    rows: Mapping[str, str],
    first: Sequence[str] = ("dataset",),
    untold: Sequence[str] = (),
    every: str = "all networks",
) -> str:
    """Rows in words, such as ``MNIST, no dropout, pruned, k = 4``.

    Args:
        rows: for every column that picks them, its value.
        first: columns that are told first, in this order; k comes last, and others stay in theirs.
        untold: columns that are not told, for the chapter tells of them.
        every: what is said if no column picks them.
    """
    order = {name: place for place, name in enumerate(first)} | {"k": len(rows) + len(first)}
    told = sorted((name for name in rows if name not in untold), key=lambda name: order.get(name, len(first)))
    return ", ".join(_spelt(name, rows[name]) for name in told) or every


def _spelt(column: str, value: str) -> str:
    match column:
        case "dataset":
            return DATASETS.get(value, value)
        case "dropout":
            return DROPOUT.get(value, value)
        case "penalty":
            return PENALTIES.get(value, value)
        case "faint":
            return f"faint weights {value}"
        case "method":
            return METHODS.get(value, value)
        case "batch_norm":
            return f"batch normalisation {value}"
        case "k":
            return f"k = {value}"
    return value
