"""What tables and settings call things, as readers say it: values, columns, and the rows that a claim picks.

Chapter: ``scorecard``; every chapter shows its own claims and tables in these words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

WORDS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "scan": "SCAN",
    "lines": "LINES",
    "mathematics": "Mathematics",
    "add_or_sub": "add or sub",
    "linear_1d": "linear 1d",
    "halves-same": "halves of one class",
    "halves-diff": "halves of any classes",
    "stack-same": "stacked, of one class",
    "stack-diff": "stacked, of any classes",
    "mlp": "perceptron",
    "fnn": "perceptron",
    "cnn": "small CNN",
    "simple cnn": "small CNN",
    "resnet-20": "ResNet-20",
    "lstm": "LSTM",
    "lstm 200": "LSTM, embeddings of 200",
    "l1": "L1",
    "l2": "L2",
    "no-dropout": "no dropout",
    "mlp-mnist": "perceptron, MNIST",
    "mlp-fashion": "perceptron, Fashion-MNIST",
    "cnn-mnist": "small CNN, MNIST",
    "cnn-fashion": "small CNN, Fashion-MNIST",
    "vgg-cifar": "VGG, CIFAR-10",
    "vgg-cifar-unreg": "VGG without regularisation, CIFAR-10",
    "vgg-16-imagenet": "VGG-16, ImageNet",
    "accuracy-change": "change of accuracy",
    "classwise-range": "range over classes",
    "visualization-score": "visualisation score",
    "softmax-entropy": "softmax entropy",
    "activational-variance": "variance of activities",
    "activational-cov": "variation of activities",
    "fisher": "Fisher",
    "holm": "Holm",
    "ncut": "n-cut",
    "fashion": "Fashion-MNIST",
    "prefer old": "used weights preferred",
    "prefer old more": "used weights preferred more",
    "benjamini-hochberg": "Benjamini-Hochberg",
    "pruned-modular": "Pruned neural networks",
    "prop_sig": "share significant",
    "train_acc": "training accuracy",
    "dist_ncut": "n-cut of shuffles",
    "random_mean": "mean of random sets",
    "leiden_agreement": "agreement of Leiden",
    "test_loss": "test loss",
    "loss_first": "loss, first",
    "loss_before_last": "loss, last but one",
    "loss_last": "loss, last",
    "network_steps": "steps, network",
    "mask_steps": "steps, mask",
    "mask_rate": "rate, mask",
    "sweep": "regulariser",
    "hidden layers": "hidden layers",
    "hidden": "hidden layers",
    "dataset": "images",
    "item": "place",
}
TOKEN = re.compile(rf"(?<![\w.-])(?:{'|'.join(sorted(WORDS, key=len, reverse=True))})(?![\w-])")
PLACE = re.compile(r"^(table|figure|section|text|finding)-(?=\S+$)")


def in_words(text: object) -> str:
    """What stands in a field or over a column, as readers say it: ``mlp`` is a perceptron.

    Args:
        text: as tables and settings have it; what is no text becomes one.

    >>> in_words("fashion_mnist halves-diff, mlp"), in_words("table-A.5"), in_words(True), in_words("sub-mlp")
    ('Fashion-MNIST halves of any classes, perceptron', 'table A.5', 'yes', 'sub-mlp')
    """
    if isinstance(text, bool | np.bool_):
        return "yes" if text else "no"
    return PLACE.sub(r"\1 ", TOKEN.sub(lambda token: WORDS[token[0]], str(text)))


# Data sets in the order in which they are told, as headings say them.
DATASETS = {name: in_words(name) for name in ("digits", "mnist", "fashion_mnist")} | {
    "mnist 7x7": "MNIST, 7 x 7 pixels",
    "cifar10": "CIFAR-10 (JPEG copy)",
    "unlearnable": "unlearnable",
    "kilo-epoch": "kilo-epoch",
    "memorisation": "memorisation",
    "polynomials": "polynomials",
    "initialisation": "untrained",
}
DROPOUT = {"yes": "dropout", "no": "no dropout"}
METHODS = {
    "none": "trained as usual",
    "normalisation": "normalised neurons",
    "eigenvalues": "eigenvalue penalty",
    "initialisation": "clusterable start",
    "initialisation-outputs": "clusterable start, outputs too",
}
PENALTIES = {
    "none": "no penalty",
    "l1-l2": "L1 in the first layer, L2 in the others",
    "start": METHODS["initialisation"],
}
NETWORKS = {"small": "small CNN", "vgg": "VGG-16"}


def dataset_in_words(name: str) -> str:
    """A data set as headings say it.

    >>> [dataset_in_words(name) for name in ("cifar10", "mnist stack-same", "lines+mnist separate")]
    ['CIFAR-10 (JPEG copy)', 'MNIST stacked, of one class', 'LINES and MNIST, separate']
    """
    if name in DATASETS:
        return DATASETS[name]
    both, plus, second = name.partition("+")
    if not plus:
        return in_words(name)
    second, _, layout = second.partition(" ")
    return f"{in_words(both)} and {in_words(second)}{', separate' if layout == 'separate' else ''}"


def rows_in_words(
    rows: Mapping[str, str],
    first: Sequence[str] = ("dataset",),
    untold: Sequence[str] = (),
) -> str:
    """Rows in words, such as ``MNIST, no dropout, pruned, k = 4``.

    Args:
        rows: for every column that picks them, its value.
        first: columns that are told first, in this order; k comes last, and others stay in theirs.
        untold: columns that are not told, for the chapter tells of them.
    """
    order = {name: place for place, name in enumerate(first)} | {"k": len(rows) + len(first)}
    told = sorted((name for name in rows if name not in untold), key=lambda name: order.get(name, len(first)))
    return ", ".join(_value(name, rows[name]) for name in told) or "all networks"


def _value(column: str, value: str) -> str:
    match column:
        case "dataset":
            return dataset_in_words(value)
        case "dropout":
            return DROPOUT.get(value, value)
        case "penalty":
            return PENALTIES.get(value, in_words(value))
        case "faint":
            return f"faint weights {value}"
        case "method":
            return METHODS.get(value, value)
        case "network":
            return NETWORKS.get(value, in_words(value))
        case "batch_norm":
            return f"batch normalisation {value}"
        case "steps":
            return f"{int(value):,} steps a task"
        case "start":
            return f"weights start {value}" if value == "alike" else f"weights {value}"
        case "first_layer":
            return f"first layer {value}"
        case "k":
            return f"k = {value}"
    return in_words(value)
