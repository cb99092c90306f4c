"""The rows that a claim picks, in words. Chapter: ``scorecard``; every chapter shows its own claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DATASETS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10 (JPEG copy)",
    "initialisation": "untrained",
    "mnist halves-same": "MNIST halves-same",
    "mnist halves-diff": "MNIST halves-diff",
    "mnist stack-diff": "MNIST stack-diff",
}
DROPOUT = {"yes": "dropout", "no": "no dropout"}


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
        case "k":
            return f"k = {value}"
    return value
