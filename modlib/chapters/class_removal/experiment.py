"""Chapter ``class-removal``: which weights does one class of images need? And how stable is a mask?

A cell learns one mask of a trained network: for all classes (the control), for all classes but one, or twice for a pair
of classes; for one pair with more steps as well: do the two masks come closer? The networks are the paper's small CNN,
and a residual network that others trained. Networks and control masks are kept in the cache, so that cells can share
them.
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
    from torch import nn

    from modlib.masks.learning import MaskSettings
    from modlib.zoo.colour_cnns import Split

SIMPLE, RESIDUAL = "simple cnn", "resnet-20"
CONTROL = "control"  # the mask for all classes
REMOVAL, STABILITY = "class removal", "mask stability"
LONGER, TIMES = "mask stability, longer", 4  # as many times the steps, with a rate as much smaller
CLASSES = tuple(range(10))
BETA = 1e-4  # of the regulariser, as in the paper's text; its code has 3e-4
RESIDUAL_BETA = 2e-5
CELL_KEY = ("profile", "dataset", "network", "study", "dropout", "seed", "target")
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
    "network": text(SIMPLE, RESIDUAL),
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
    """What is trained in a profile of the paper's small CNN.

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


@dataclass(frozen=True)
class ResidualPlan:
    """Masks of a residual network that others trained.

    Attributes:
        dataset: see ``load_colour_images``.
        network_steps: of its training, 200 epochs.
        mask_steps: batches of a mask; 30,000 in the paper.
        mask_rate: learning rate of a mask; 0.03 in the paper as well.
        batch_size: images a step; 256 in the paper.
    """

    dataset: str = "cifar10"
    network_steps: int = 78_200
    mask_steps: int = 500
    mask_rate: float = 0.03
    batch_size: int = 128


RESIDUAL_PLANS = {"smoke": (), "quick": (), "paper": (ResidualPlan(),)}  # there is none for images that are embedded


def cells(profile: str) -> list[Cell]:
    """The controls first, for other masks need them; with and without dropout in turns; residual networks last."""
    plan = PLANS[profile]
    found: list[Cell] = []
    for seed in range(plan.seeds):
        for target in (CONTROL, *map(str, CLASSES)):
            found += [_cell(profile, SIMPLE, REMOVAL, dropout, seed, target) for dropout in ("yes", "no")]
        pairs = np.random.default_rng([seed, 9]).permuted(np.tile(CLASSES, (plan.pairs, 1)), axis=1)[:, :2]
        stable = [_cell(profile, SIMPLE, STABILITY, "no", seed, f"{a}-{b}") for a, b in pairs.tolist()]
        found += [*stable, {**stable[0], "study": LONGER}]
    for _ in RESIDUAL_PLANS[profile]:
        found += [_cell(profile, RESIDUAL, REMOVAL, "no", 0, target) for target in (CONTROL, *map(str, CLASSES))]
    return found


def _cell(profile: str, network: str, study: str, dropout: str, seed: int, target: str) -> Cell:
    common = {"profile": profile, "dataset": PLANS[profile].dataset, "network": network, "study": study}
    return {**common, "dropout": dropout, "seed": seed, "target": target}


@dataclass(frozen=True, eq=False)
class _Asked:
    """A trained network, and how its masks are learned.

    Attributes:
        module: the network.
        data: its images.
        settings: of a mask.
        network_steps: of its training.
        control: where the mask for all classes is kept.
    """

    module: nn.Module
    data: Split
    settings: MaskSettings
    network_steps: int
    control: Path


def _simple(cell: Cell) -> _Asked:
    from modlib.masks.learning import MaskSettings
    from modlib.training.steps import Steps
    from modlib.zoo.colour_cnns import split_images, trained_cnn

    plan, seed, dropout = PLANS[cell["profile"]], int(cell["seed"]), cell["dropout"] == "yes"
    data = split_images(plan.dataset, seed)
    about = {"data": data.checksum, "plan": asdict(plan), "seed": seed}
    network, control = (
        cache_file(f"{what}-{plan.dataset}-{'dropout' if dropout else 'plain'}-{seed}", about)
        for what in ("cnn", CONTROL)
    )
    module = trained_cnn(data, dropout, Steps(plan.network_steps), seed, network)
    times = TIMES if cell["study"] == LONGER else 1
    settings = MaskSettings(plan.mask_steps * times, learning_rate=plan.mask_rate / times, beta=BETA)
    return _Asked(module, data, settings, plan.network_steps, control)


def _residual(cell: Cell) -> _Asked:
    from modlib.masks.learning import MaskSettings
    from modlib.zoo.resnets import residual_images, trained_resnet

    (plan,) = RESIDUAL_PLANS[cell["profile"]]
    data = residual_images(plan.dataset)
    settings = MaskSettings(plan.mask_steps, plan.batch_size, learning_rate=plan.mask_rate, beta=RESIDUAL_BETA)
    control = cache_file(f"{CONTROL}-{plan.dataset}-{RESIDUAL}", {"data": data.checksum, "plan": asdict(plan)})
    return _Asked(trained_resnet(RESIDUAL), data, settings, plan.network_steps, control)


def measure(cell: Cell) -> list[Row]:
    """The row of a mask, or of the second of two masks for the same pair of classes."""
    from modlib.chapters.class_removal.masks import confusion, learn_class_mask
    from modlib.masks.mask import TOTAL, Mask, intersection_over_union

    seed, target = int(cell["seed"]), str(cell["target"])
    asked = _simple(cell) if cell["network"] == SIMPLE else _residual(cell)
    module, data, settings = asked.module, asked.data, asked.settings
    whole, iou = confusion(module, data), math.nan
    if cell["study"] != REMOVAL:
        pair = [int(name) for name in target.split("-")]
        first = learn_class_mask(module, data, pair, settings, [seed, 4, *pair, 0]).mask
        # the output layer's mask is that of the first, as in the authors' code
        found = learn_class_mask(module, data, pair, settings, [seed, 4, *pair, 1], first)
        iou = intersection_over_union(first, found.mask)[TOTAL]
    else:
        if target == CONTROL or not asked.control.exists():
            found = learn_class_mask(module, data, CLASSES, settings, [seed, 2])
            found.mask.save(asked.control)
        if target != CONTROL:
            others = [name for name in CLASSES if name != int(target)]
            found = learn_class_mask(module, data, others, settings, [seed, 3, int(target)], Mask.load(asked.control))
    masked = confusion(found.mask.apply(module), data)
    return [
        {
            "mask": target,
            "network_steps": asked.network_steps,
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


EXPERIMENT = Experiment(
    "class-removal", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("dataset", "network", "dropout", "seed"), added={"network": SIMPLE},
    describe=partial(rows_in_words, first=("dataset", "network", "study", "dropout")),
)  # fmt: skip
