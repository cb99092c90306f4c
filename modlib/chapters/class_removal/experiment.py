"""Chapter ``class-removal``: which weights does one class of images need? And how stable is a mask?

A cell learns one mask of a trained CNN: for all classes (the control), for all classes but one, or twice for a pair
of classes; for one pair with more steps as well: do the two masks come closer? Networks and control masks are kept in
the cache, so that cells can share them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modlib.files import cache_file
from modlib.tables import (
    PROFILE,
    SHARE,
    YES_NO,
    Cell,
    Experiment,
    Row,
    integer,
    number,
    numbers,
    optional,
    rows_in_words,
    text,
)

if TYPE_CHECKING:
    from modlib.zoo.colour_cnns import Split

CONTROL = "control"  # the mask for all classes
REMOVAL, STABILITY = "class removal", "mask stability"
LONGER, TIMES = "mask stability, longer", 4  # as many times the steps, with a rate as much smaller
CLASSES = tuple(range(10))
BETA = 1e-4  # of the regulariser, as in the paper's text; its code has 3e-4
CELL_KEY = ("profile", "dataset", "study", "dropout", "seed", "target")
ROW_KEY = ("mask",)
FULL = {"network_steps": 20_000, "mask_steps": 20_000}
TOLERANCE = {
    "network_steps": 0.0,
    "mask_steps": 0.0,
    "mask_rate": 0.0,
    "whole_accuracy": 0.02,
    "accuracy": 0.03,
    "kept": math.inf,
    "size": 0.0,
    "iou": 0.05,
    "loss_first": 0.5,
    "loss_before_last": 0.1,
    "loss_last": 0.1,
    "kept_course": 0.05,
    "whole_confusion": 0.1,
    "confusion": 0.15,
}
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "study": text(REMOVAL, STABILITY, LONGER),
    "dropout": YES_NO,
    "seed": integer(),
    "target": text(),
    "mask": text(),
    "network_steps": integer(1),
    "mask_steps": integer(1),
    "mask_rate": number(0),
    "whole_accuracy": SHARE,
    "accuracy": SHARE,
    "kept": integer(),
    "size": integer(1),
    "iou": optional(SHARE),
    "loss_first": number(),
    "loss_before_last": number(),
    "loss_last": number(),
    "kept_course": numbers(0, 1),
    "whole_confusion": numbers(0, 1),
    "confusion": numbers(0, 1),
}


@dataclass(frozen=True)
class Plan:
    """What is trained in a profile.

    Attributes:
        dataset: see ``load_colour_images``.
        seeds: networks of each kind.
        network_steps: batches of a network; 20,000 in the paper.
        mask_steps: batches of a mask; 20,000 in the paper.
        mask_rate: learning rate of a mask; 0.001 in the paper, for 20,000 steps.
        pairs: pairs of classes whose masks are learned twice, a network.
    """

    dataset: str
    seeds: int
    network_steps: int
    mask_steps: int
    mask_rate: float
    pairs: int


PLANS = {
    "smoke": Plan("digits", 1, 20, 10, 0.05, 1),
    "quick": Plan("cifar10", 1, 2000, 1000, 0.02, 1),
    # a processor takes 0.2 s a step: fewer steps with a rate that is as much larger
    "paper": Plan("cifar10", 3, 5000, 1500, 0.0133, 2),
}


def cells(profile: str) -> list[Cell]:
    """The controls first, for other masks need them; with and without dropout in turns."""
    plan = PLANS[profile]
    found: list[Cell] = []
    for seed in range(plan.seeds):
        for target in (CONTROL, *map(str, CLASSES)):
            found += [_cell(profile, REMOVAL, dropout, seed, target) for dropout in ("yes", "no")]
        pairs = np.random.default_rng([seed, 9]).permuted(np.tile(CLASSES, (plan.pairs, 1)), axis=1)[:, :2]
        stable = [_cell(profile, STABILITY, "no", seed, f"{a}-{b}") for a, b in pairs.tolist()]
        found += [*stable, {**stable[0], "study": LONGER}]
    return found


def _cell(profile: str, study: str, dropout: str, seed: int, target: str) -> Cell:
    common = {"profile": profile, "dataset": PLANS[profile].dataset, "study": study}
    return {**common, "dropout": dropout, "seed": seed, "target": target}


def measure(cell: Cell) -> list[Row]:
    """The row of a mask, or of the second of two masks for the same pair of classes."""
    from modlib.chapters.class_removal.masks import confusion, learn_class_mask
    from modlib.masks.learning import MaskSettings
    from modlib.masks.mask import TOTAL, Mask, intersection_over_union
    from modlib.training.steps import Steps
    from modlib.zoo.colour_cnns import split_images, trained_cnn

    plan, seed, target = PLANS[cell["profile"]], int(cell["seed"]), str(cell["target"])
    dropout = cell["dropout"] == "yes"
    data = split_images(plan.dataset, seed)
    path = _cache_path("cnn", plan, data, dropout, seed)
    module = trained_cnn(data, dropout, Steps(plan.network_steps), seed, path)
    times = TIMES if cell["study"] == LONGER else 1
    settings = MaskSettings(plan.mask_steps * times, learning_rate=plan.mask_rate / times, beta=BETA)
    whole, iou = confusion(module, data), math.nan
    if cell["study"] != REMOVAL:
        pair = [int(name) for name in target.split("-")]
        first = learn_class_mask(module, data, pair, settings, [seed, 4, *pair, 0]).mask
        # the output layer's mask is that of the first, as in the authors' code
        found = learn_class_mask(module, data, pair, settings, [seed, 4, *pair, 1], first)
        iou = intersection_over_union(first, found.mask)[TOTAL]
    else:
        path = _cache_path(CONTROL, plan, data, dropout, seed)
        if target == CONTROL or not path.exists():
            found = learn_class_mask(module, data, CLASSES, settings, [seed, 2])
            found.mask.save(path)
        if target != CONTROL:
            others = [name for name in CLASSES if name != int(target)]
            found = learn_class_mask(module, data, others, settings, [seed, 3, int(target)], Mask.load(path))
    masked = confusion(found.mask.apply(module), data)
    return [
        {
            "mask": target,
            "network_steps": plan.network_steps,
            "mask_steps": settings.steps,
            "mask_rate": settings.learning_rate,
            "whole_accuracy": round(float(np.trace(whole) / whole.sum()), 4),
            "accuracy": round(float(np.trace(masked) / masked.sum()), 4),
            "kept": found.mask.remaining()[TOTAL],
            "size": found.mask.size()[TOTAL],
            "iou": "" if math.isnan(iou) else round(iou, 4),
            **found.course(),
            "whole_confusion": _text(whole),
            "confusion": _text(masked),
        }
    ]


def _text(counts: np.ndarray) -> str:
    """Rows of a confusion matrix as shares of their true class, one line after the other."""
    return " ".join(f"{share:.4f}" for share in (counts / counts.sum(1, keepdims=True)).ravel())


def _cache_path(what: str, plan: Plan, data: Split, dropout: bool, seed: int) -> Path:
    settings = {"data": data.checksum, "plan": asdict(plan), "seed": seed}
    return cache_file(f"{what}-{plan.dataset}-{'dropout' if dropout else 'plain'}-{seed}", settings)


EXPERIMENT = Experiment(
    "class-removal", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("dataset", "dropout", "seed"), describe=partial(rows_in_words, first=("dataset", "study", "dropout")),
)  # fmt: skip
