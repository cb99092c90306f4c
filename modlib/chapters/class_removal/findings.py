"""Statistics that decide what the mask paper says about removing a class, from rows of ``class-removal``.

Chapter: ``class-removal``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from modlib.chapters.class_removal.experiment import CLASSES, CONTROL, LONGER, REMOVAL, RESIDUAL, SIMPLE, STABILITY
from modlib.evidence.criteria import FEWEST, Sample
from modlib.evidence.digits import signed
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, span
from modlib.tables import number_lists

# What the paper sees: a class removed, where its images go, and among how many of the most chosen classes.
GOES_TO = ((0, 2, 2), (0, 8, 2), (3, 5, 1), (5, 3, 1), (9, 1, 1), (1, 9, 1))
CAT, DOG = 3, 5
WITH, WITHOUT = "yes", "no"  # kinds of the small CNN: with dropout or without; another network's kind is its name
KINDS = {WITH: "with dropout", WITHOUT: "without"}
BARELY_LEARNED = 0.9  # a mask that keeps more of a network's weights has left too few out to tell what a class needs


def kinds(rows: pd.DataFrame) -> pd.Series:
    """What a network is: the small CNN with or without dropout, or a residual one."""
    return rows["dropout"].where(rows["network"] == SIMPLE, rows["network"])


def matrix(text: str) -> np.ndarray:
    """A stored confusion matrix (10, 10): shares of each true class."""
    return np.array(text.split(), dtype=float).reshape(len(CLASSES), len(CLASSES))


def differences(rows: pd.DataFrame) -> dict[tuple[str, int, int], np.ndarray]:
    """Confusion matrix without a class less that of the control mask, by kind of network, seed and class removed.

    Source: weight-masks 5, figures 18 to 20.
    """
    rows = rows[rows["study"] == REMOVAL].assign(kind=kinds)
    found: dict[tuple[str, int, int], np.ndarray] = {}
    for kind, seed in rows[["kind", "seed"]].drop_duplicates().itertuples(index=False):
        part = rows[(rows["kind"] == kind) & (rows["seed"] == seed)]
        of_target = {str(target): matrix(text) for target, text in zip(part["target"], part["confusion"], strict=True)}
        if CONTROL in of_target:
            control = of_target.pop(CONTROL)
            found |= {(str(kind), int(seed), int(target)): own - control for target, own in of_target.items()}
    return found


def gained(change: np.ndarray, removed: int) -> np.ndarray:
    """Share of a removed class's images that each class gains (10,); the class itself has -inf, so never most."""
    gains = change[removed].copy()
    gains[removed] = -np.inf
    return gains


def drops(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy that each class loses, one line a mask: kind, seed, removed, and one column a class."""
    lines = [
        {"kind": kind, "seed": seed, "removed": removed, **dict(zip(CLASSES, -np.diag(change), strict=True))}
        for (kind, seed, removed), change in differences(rows).items()
    ]
    return pd.DataFrame(lines, columns=["kind", "seed", "removed", *CLASSES])


def target_and_others(rows: pd.DataFrame) -> pd.DataFrame:
    """Drop of the removed class, and the largest one of any other: kind, seed, removed, target, other."""
    found = drops(rows)
    each = found[list(CLASSES)].to_numpy(dtype=float, copy=True)
    line, removed = np.arange(len(found)), found["removed"].to_numpy(dtype=int)
    target = each[line, removed]
    each[line, removed] = -np.inf
    largest = each.max(axis=1) if len(found) else target
    return found[["kind", "seed", "removed"]].assign(target=target, other=largest)


def _target_drop(rows: pd.DataFrame, end: str) -> Sample | None:
    """In percentage points, one a network: that of the class that loses least (``min``) or most (``max``)."""
    return sample_of(100 * target_and_others(rows).groupby("seed")["target"].agg(end))


def _share_of_target(rows: pd.DataFrame) -> Sample | None:
    """Largest drop of another class as a share of that of the removed one, in means over classes, by network."""
    means = target_and_others(rows).groupby("seed")[["other", "target"]].mean()
    return sample_of(means["other"].clip(lower=0) / means["target"])


def _controls(rows: pd.DataFrame) -> pd.DataFrame:
    """The row of the control mask of every network."""
    return rows[(rows["study"] == REMOVAL) & (rows["target"].astype(str) == CONTROL)]


def _control_loss(rows: pd.DataFrame) -> Sample | None:
    control = _controls(rows)
    return sample_of(control["whole_accuracy"] - control["accuracy"])


def _goes_where_the_paper_says(rows: pd.DataFrame) -> Sample | None:
    """Share of the paper's examples in which a class is among those that gain most images of the removed one.

    By network; one that lacks a class of the examples does not count.
    """
    changes = differences(rows)
    hits: dict[tuple[str, int], list[float]] = {}
    for removed, gains, among in GOES_TO:
        for (kind, seed, target), change in changes.items():
            if target == removed:
                hits.setdefault((kind, seed), []).append(float(gains in np.argsort(-gained(change, removed))[:among]))
    return sample_of([float(np.mean(found)) for found in hits.values() if len(found) == len(GOES_TO)])


def _cat_and_dog(rows: pd.DataFrame) -> Sample | None:
    """Accuracy that the other one gains, the smaller of the two gains, one a network."""
    found = drops(rows).set_index("seed")
    gains = [-found.loc[found["removed"] == removed, other] for removed, other in ((CAT, DOG), (DOG, CAT))]
    return sample_of(pd.concat(gains, axis=1, join="inner").astype(float).min(axis=1))


def _target_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Drop of the removed class, mean over classes: a line a seed, a column a kind of network; all three are there."""
    means = target_and_others(rows).groupby(["seed", "kind"])["target"].mean().unstack("kind")
    return means.reindex(columns=[WITHOUT, WITH, RESIDUAL])


def _dropout_drops_more(rows: pd.DataFrame) -> Sample | None:
    """Drop of the removed class with dropout less without, mean over classes, by seed."""
    means = _target_means(rows)
    return sample_of((means[WITH] - means[WITHOUT]).dropna())


def _dropout_drops_more_percent(rows: pd.DataFrame) -> Sample | None:
    """The same in percentage points."""
    means = _target_means(rows)
    return sample_of(100 * (means[WITH] - means[WITHOUT]).dropna())


def _less_without_dropout(rows: pd.DataFrame) -> Sample | None:
    """The same as a share of the drop with dropout, in percent."""
    means = _target_means(rows)
    return sample_of(100 * (1 - means[WITHOUT] / means[WITH]).dropna())


def _residual_drops_more(rows: pd.DataFrame) -> Sample | None:
    """Drop of the removed class in a residual network less the mean of the small CNNs with dropout, by network."""
    means = _target_means(rows)
    return sample_of((means[RESIDUAL] - means[WITH].mean()).dropna())


def receivers(rows: pd.DataFrame) -> pd.DataFrame:
    """The class that most images of a removed one go to: a line a seed and removed class, a column a kind."""
    lines = [
        (seed, removed, kind, int(gained(change, removed).argmax()))
        for (kind, seed, removed), change in differences(rows).items()
    ]
    found = pd.DataFrame(lines, columns=["seed", "removed", "kind", "receiver"])
    return found.pivot(index=["seed", "removed"], columns="kind", values="receiver").reindex(
        columns=[WITHOUT, WITH, RESIDUAL]
    )


def _same_without_dropout(rows: pd.DataFrame) -> Sample | None:
    """Share of removed classes whose images go to the same class with dropout and without, one a seed."""
    both = receivers(rows)[[WITHOUT, WITH]].dropna()
    return sample_of((both[WITHOUT] == both[WITH]).groupby(level="seed").mean())


def _same_in_residual(rows: pd.DataFrame) -> Sample | None:
    """Share of removed classes whose images go to the same class in a residual network and a small CNN, one a CNN."""
    found = receivers(rows)
    residual = found[RESIDUAL].unstack("seed").dropna(axis=1)
    small = pd.concat([found[kind].unstack("seed").dropna(axis=1) for kind in (WITHOUT, WITH)], axis=1)
    if residual.empty or small.empty:
        return None
    return sample_of((small.to_numpy() == residual.iloc[:, [0]].to_numpy()).mean(axis=0))


def _dropout_helps(rows: pd.DataFrame) -> Sample | None:
    """Accuracy of the whole network with dropout less without, in percentage points, one a seed."""
    pairs = _controls(rows).assign(kind=kinds).pivot(index="seed", columns="kind", values="whole_accuracy")
    return sample_of(100 * (pairs[WITH] - pairs[WITHOUT])) if {WITH, WITHOUT} <= set(pairs) else None


def _iou(rows: pd.DataFrame) -> Sample | None:
    """In percent, one a network: the mean over its pairs of masks."""
    pairs = rows[rows["study"] == STABILITY]
    return sample_of(100 * pd.to_numeric(pairs["iou"]).groupby(pairs["seed"]).mean())


FINDINGS = {
    "target_class_drop_min": Metric(
        "accuracy lost by the removed class that loses least, in percent", partial(_target_drop, end="min"), 1
    ),
    "target_class_drop_max": Metric(
        "accuracy lost by the removed class that loses most, in percent", partial(_target_drop, end="max"), 1
    ),
    "share_of_target": Metric("largest drop of another class, as a share of its own", _share_of_target, 2),
    "control_loss": Metric("accuracy lost by the control mask", _control_loss),
    "goes_to": Metric("share of the paper's confusions found", _goes_where_the_paper_says, 2),
    "cat_and_dog": Metric("accuracy that dogs gain without cats, and cats without dogs", _cat_and_dog, 2),
    "dropout_drops_more": Metric("drop of the removed class, with dropout minus without", _dropout_drops_more),
    "extra_drop_with_dropout_min": Metric(
        "drop of the removed class, with dropout minus without, in percent", _dropout_drops_more_percent, 1
    ),
    "extra_drop_with_dropout_max": Metric(
        "drop of the removed class, with dropout minus without, in percent (upper end)", _dropout_drops_more_percent, 1
    ),
    "drop_reduction_without_dropout_min": Metric(
        "by how much less the removed class loses without dropout, in percent",
        _less_without_dropout,
        1,
        compares=("dropout",),
    ),
    "drop_reduction_without_dropout_max": Metric(
        "by how much less the removed class loses without dropout, in percent (upper end)",
        _less_without_dropout,
        1,
        compares=("dropout",),
    ),
    "residual_drops_more": Metric("drop of the removed class, ResNet minus small CNN", _residual_drops_more),
    "same_without_dropout": Metric(
        "share of classes whose images go to the same class with and without dropout", _same_without_dropout, 2
    ),
    "same_in_residual": Metric(
        "share of classes whose images go to the same class in ResNet and small CNN", _same_in_residual, 2
    ),
    "dropout_helps": Metric(
        "accuracy with dropout minus without, percentage points",
        _dropout_helps,
        1,
        needs=("accuracy_loss_without_dropout",),
    ),
    "iou": Metric("intersection over union of two masks, in percent", _iou, 2, no_effect=100),
}


def found(rows: pd.DataFrame) -> Sentences:
    """What a removed class loses and the worst other one, what dropout changes, and how alike two masks are."""
    lost = target_and_others(rows)
    small = lost[lost["kind"] != RESIDUAL]
    compared = "; ".join(filter(None, (_told_networks(small), _told_residual(lost, rows))))
    told = f"{compared[0].upper()}{compared[1:]}." if compared else None
    return _told_removed(small, rows[rows["network"] == SIMPLE]), told, _told_stable(rows)


def _fewer_weights(rows: pd.DataFrame) -> pd.Series:
    """By what share a mask without a class keeps fewer weights than the mask for all of the same network."""
    masks = rows[(rows["study"] == REMOVAL) & (rows["target"].astype(str) != CONTROL)]
    both = masks.merge(_controls(rows), on=["network", "dropout", "seed"], suffixes=("", "_control"))
    return 1 - both["kept"] / both["kept_control"]


def _told_removed(lost: pd.DataFrame, rows: pd.DataFrame) -> str | None:
    if lost.empty:
        return None
    most = lost["target"] > lost["other"]
    told: list[str] = []
    for value, words in KINDS.items():
        target, other = 100 * lost.loc[lost["kind"] == value, ["target", "other"]].mean()
        if not np.isnan(target):
            told.append(
                f"{target:.0f} {words} ({other:.0f})"
                if told
                else f"{target:.0f} points of accuracy {words} (the worst other class loses {other:.0f})"
            )
    return (
        f"{'Yes' if most.mean() > 0.5 else 'Hardly any'}: a class for which a mask was not learned loses "
        f"{listed(told)}, most of all classes with {share_of(most)} masks; these keep "
        f"{span(_fewer_weights(rows), '.0%')} fewer weights than a mask for all."
    )


def _told_networks(lost: pd.DataFrame) -> str | None:
    means = lost.groupby(["removed", "kind"])["target"].mean().unstack().reindex(columns=[WITHOUT, WITH]).dropna()
    if means.empty:
        return None
    networks = lost.groupby("kind")["seed"].nunique()
    few = networks[[WITHOUT, WITH]].min() < FEWEST
    counts = listed([f"{networks[kind]} {words}" for kind, words in KINDS.items()])
    each = {kind: span(100 * part.astype(float), ".0f") for kind, part in lost.groupby("kind")["target"]}
    return (
        f"With dropout {share_of(means[WITH] > means[WITHOUT])} classes lose more than without (networks: {counts}"
        f"{', too few to tell' if few else ''}), each {each[WITH]} points, without {each[WITHOUT]}"
    )


def _told_residual(lost: pd.DataFrame, rows: pd.DataFrame) -> str | None:
    """What the removed class loses in a residual network, and whether its masks have learned enough to tell."""
    lost = lost[lost["kind"] == RESIDUAL]
    masks = rows[(rows["network"] == RESIDUAL) & (rows["study"] == REMOVAL)]
    if lost.empty:
        return None
    kept = number_lists(masks["kept_course"])[:, -1].mean()
    barely = f" still keep {kept:.0%} of its weights, too many to tell" if kept > BARELY_LEARNED else ""
    return (
        f"in a ResNet-20 a removed class loses {signed(100 * lost['target'].mean(), '.0f')} points and the worst other "
        f"class {signed(100 * lost['other'].mean(), '.0f')}; masks of {masks['mask_steps'].max():,} steps"
        f"{barely or f' keep {kept:.0%} of its weights'}"
    )


def _told_stable(rows: pd.DataFrame) -> str | None:
    both = rows[rows["study"] == STABILITY].merge(
        rows[rows["study"] == LONGER], on=["network", "dropout", "seed", "target"]
    )
    pairs = rows[rows["study"] == STABILITY]
    if both.empty or pairs.empty:
        return None
    before, after = (100 * pd.to_numeric(both[f"iou_{side}"]).mean() for side in ("x", "y"))
    return (
        f"Two masks learned for the same two classes agree in {100 * pd.to_numeric(pairs['iou']).mean():.0f}% of what "
        f"either keeps; in {'one pair' if len(both) == 1 else f'{len(both)} pairs'} that learned longer, this "
        f"{'rises' if after > before else 'falls'} from {before:.0f}% to {after:.0f}%."
    )
