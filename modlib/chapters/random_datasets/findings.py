"""What the rows of ``random-datasets`` say about learning and clusters, in sentences. Chapter: ``random-datasets``."""

from __future__ import annotations

import pandas as pd

from modlib.evidence.metrics import are_below_all_shuffles
from modlib.evidence.sentences import Sentences, share_of

K = 4  # clusters
BY_HEART, NOTHING = "memorisation", "unlearnable"  # what can be learned of random images


def found(rows: pd.DataFrame) -> Sentences:
    """Whether clusters come without anything learned, what memorising networks know, and what dropout leaves of it."""
    rows = rows[(rows["stage"] == "pruned") & (rows["null"] == "layer") & (rows["k"] == K)]
    plain, dropped = (rows[rows["dropout"] == value] for value in ("no", "yes"))
    return _needs_learning(plain), _mean_ncut(plain), _with_dropout(dropped)


def _of(rows: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return rows[rows["dataset"] == dataset]


def _needs_learning(rows: pd.DataFrame) -> str | None:
    heart, nothing = (are_below_all_shuffles(_of(rows, dataset)) for dataset in (BY_HEART, NOTHING))
    if heart.empty or nothing.empty:
        return None
    if nothing.mean() >= 0.5:
        answer = "No, training and pruning are enough"
    elif heart.mean() >= 0.5:
        answer = "Yes, but learning by heart will do"
    else:
        answer = "Yes, and learning by heart will not do"
    return (
        f"{answer}: of pruned networks that saw a few random images again and again, {share_of(heart)} have a lower "
        f"n-cut than each of their shuffles, of those that saw many and learned none {share_of(nothing)}."
    )


def _mean_ncut(rows: pd.DataFrame) -> str | None:
    heart, nothing = (
        _of(rows, dataset)[["ncut", "shuffled_mean", "train_accuracy", "test_accuracy"]].mean()
        for dataset in (BY_HEART, NOTHING)
    )
    if heart.isna().any() or nothing.isna().any():
        return None
    return (
        f"The former know {heart['train_accuracy']:.1%} of their training labels and {heart['test_accuracy']:.1%} of "
        f"new ones, at a mean n-cut of {heart['ncut']:.3f} (shuffles {heart['shuffled_mean']:.3f}); the latter know "
        f"{nothing['train_accuracy']:.1%}, at {nothing['ncut']:.3f} (shuffles {nothing['shuffled_mean']:.3f})."
    )


def _with_dropout(rows: pd.DataFrame) -> str | None:
    heart = _of(rows, BY_HEART)
    if heart.empty:
        return None
    return (
        f"With dropout the networks with few images know {heart['train_accuracy'].mean():.1%} of their labels, and "
        f"{share_of(are_below_all_shuffles(heart))} are below all their shuffles."
    )
