"""Chapter ``systematic-generalisation``: which weights do commands or questions need, learned from a part of them?

A network is trained on SCAN's simple split and knows nearly every command. Masks are then learned on all that it was
trained on (the control), on a random half of that, and on what each systematic split trains on. Likewise one is trained
on questions of Mathematics of all levels, and its masks on all, on a half and on the easy ones. A cell is one mask of
a network, or a network that is trained on a systematic split directly. Networks and control masks are kept in the
cache, so that cells can share them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from modlib.chapters.systematic_generalisation.material import (
    ALPHAS,
    CONTROL,
    EASY,
    HALF,
    LARGE,
    MATHEMATICS,
    SMALL,
    SMALL_SORT,
    SYSTEMATIC,
    Material,
    material_of,
)
from modlib.data.mathematics import LEVELS
from modlib.data.scan import SPLITS
from modlib.errors import InputError
from modlib.files import cache_file
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, optional, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from modlib.masks.learning import LearnedMask
    from modlib.masks.mask import Mask

MASK, DIRECT = "mask", "direct"
QUESTIONS = (CONTROL, HALF, EASY)  # what masks of questions are learned on
NEW = tuple(f"{what}_{level}" for what in ("whole", "masked") for level in LEVELS)
CELL_KEY = ("profile", "dataset", "network", "study", "trained_on", "seed")
ROW_KEY = ("layer",)
FULL = {"network_steps": 25_000, "mask_steps": 25_000}
# On one kind of machine all is equal. Elsewhere training drifts from the last digits.
TOLERANCE = {
    "network_steps": 0.0,
    "network_rate": 0.0,
    "mask_steps": 0.0,
    "mask_rate": 0.0,
    "batch_size": 0.0,
    "parameter": 0.0,
    "size": 0.0,
    "kept": math.inf,
    "shared": math.inf,
    "union": math.inf,
    "by_chance": math.inf,
    "by_chance_sd": math.inf,
    "p": 1.0,
    **{f"{network}_{split}": 0.1 for network in ("whole", "masked") for split in (*SPLITS, *LEVELS)},
    "removed_by_token": 0.3,
    "loss_first": 1.0,
    "loss_before_last": 0.3,
    "loss_last": 0.3,
    "kept_course": 0.05,
}
# What is of a mask is empty for a network that is trained on a split directly, and so is what it is not tested on.
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "network": text(*ALPHAS, SMALL, LARGE),
    "study": text(MASK, DIRECT),
    "trained_on": text(CONTROL, HALF, *SYSTEMATIC, EASY),
    "seed": integer(),
    "layer": integer(),
    "network_steps": integer(1),
    "network_rate": number(0),
    "mask_steps": integer(1),
    "mask_rate": number(0),
    "batch_size": integer(1),
    "parameter": optional(text()),
    "size": optional(integer(1)),
    "kept": optional(integer()),
    "shared": optional(integer()),
    "union": optional(integer()),
    "by_chance": optional(number(0)),
    "by_chance_sd": optional(number(0)),
    "p": optional(SHARE),
    **{
        f"{what}_{part}": optional(SHARE)
        for parts in (SPLITS, LEVELS)
        for what in ("whole", "masked")
        for part in parts
    },
    "removed_by_token": optional(numbers(0, 1)),
    "loss_first": optional(number(0)),
    "loss_before_last": optional(number(0)),
    "loss_last": optional(number(0)),
    "kept_course": optional(numbers(0, 1)),
}


@dataclass(frozen=True)
class Plan:
    """What is trained of one network.

    Attributes:
        network: see ``modlib.zoo.scan.NETWORKS`` and ``modlib.zoo.mathematics.SIZES``.
        dataset: see ``material_of``.
        seeds: number of networks.
        network_steps: batches of a network; 25,000 in the paper for SCAN.
        network_rate: learning rate of a network; 0.001 in the paper, 0.0001 for Mathematics.
        mask_steps: batches of a mask; 25,000 in the paper for SCAN.
        mask_rate: learning rate of a mask; 0.01 in the paper for SCAN.
        batch_size: sequences a batch, of networks and masks; 256 in the paper for SCAN.
        masks: what masks are learned on.
        direct: splits that networks are trained on directly.
    """

    network: str
    dataset: str
    seeds: int
    network_steps: int
    network_rate: float
    mask_steps: int
    mask_rate: float
    batch_size: int
    masks: tuple[str, ...] = (CONTROL, HALF, *SYSTEMATIC)
    direct: tuple[str, ...] = SYSTEMATIC


PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan("lstm", "small scan", 1, 3, 1e-3, 2, 0.05, 16, (CONTROL, "jump"), ("jump",)),
        Plan("transformer", "small scan", 1, 3, 1e-3, 2, 0.05, 16, (CONTROL, "jump"), ()),
        Plan(SMALL, SMALL_SORT, 1, 3, 1e-3, 2, 0.05, 16, (CONTROL, EASY), ()),
    ),
    "quick": (Plan("transformer", "small scan", 1, 600, 1e-3, 300, 0.05, 64, direct=()),),
    # a processor takes 0.2 s a step even for a quarter of the batch: fewer steps, and larger rates
    "paper": (
        Plan("lstm", "scan", 3, 4000, 2e-3, 1500, 3e-2, 64),
        Plan("transformer", "scan", 3, 4000, 1e-3, 1500, 3e-2, 64),
        Plan("lstm 200", "scan", 3, 4000, 2e-3, 1500, 3e-2, 64, (CONTROL,), ()),
        Plan(SMALL, SMALL_SORT, 3, 5000, 1e-3, 2000, 3e-2, 64, QUESTIONS, ()),
        # up to an hour and a half each on a core, of which the network takes two thirds
        Plan(SMALL, f"{MATHEMATICS}sort", 1, 20_000, 1e-3, 3000, 3e-2, 64, QUESTIONS, ()),
        Plan(SMALL, f"{MATHEMATICS}add_or_sub", 1, 20_000, 1e-3, 3000, 3e-2, 64, QUESTIONS, ()),
        Plan(LARGE, f"{MATHEMATICS}sort", 5, 30_000, 1e-4, 30_000, 3e-2, 256, QUESTIONS, ()),
        Plan(LARGE, f"{MATHEMATICS}add_or_sub", 5, 30_000, 1e-4, 30_000, 3e-2, 256, QUESTIONS, ()),
        Plan(LARGE, f"{MATHEMATICS}differentiate", 5, 40_000, 1e-4, 40_000, 3e-2, 128, QUESTIONS, ()),
        Plan(LARGE, f"{MATHEMATICS}linear_1d", 5, 200_000, 1e-4, 50_000, 2e-2, 512, QUESTIONS, ()),
        Plan(LARGE, f"{MATHEMATICS}collect", 5, 200_000, 1e-4, 50_000, 2e-2, 128, QUESTIONS, ()),
    ),
}


def cells(profile: str) -> list[Cell]:
    """All of the first network of every kind, the control first, for other masks need it; then the next ones.

    Those that need a GPU come last.
    """
    found: list[Cell] = []
    for on_gpu in (False, True):
        plans = [plan for plan in PLANS[profile] if (plan.network == LARGE) == on_gpu]
        for seed in range(max((plan.seeds for plan in plans), default=0)):
            for plan in plans:
                studies = [*((MASK, name) for name in plan.masks), *((DIRECT, name) for name in plan.direct)]
                common = {"profile": profile, "dataset": plan.dataset, "network": plan.network}
                if seed < plan.seeds:
                    found += [{**common, "study": study, "trained_on": on, "seed": seed} for study, on in studies]
    return found


def measure(cell: Cell) -> list[Row]:
    """Rows of a mask, one a layer and one for all of them; or the row of a network trained on a split directly.

    Raises:
        InputError: if the paper's network for Mathematics is to be trained without a GPU.
    """
    from modlib.masks.mask import Mask
    from modlib.processor import device
    from modlib.zoo.answers import exactly_right

    plan = next(p for p in PLANS[cell["profile"]] if (p.dataset, p.network) == (cell["dataset"], cell["network"]))
    if plan.network == LARGE and device() == "cpu":
        raise InputError(
            f"{plan.network} is to be trained for {plan.network_steps:,} steps, which takes days without a GPU, and "
            "there is none; measure another network, such as: modlib run systematic-generalisation --grid paper "
            "-p network='transformer 64'"
        )
    seed, on, direct = int(cell["seed"]), str(cell["trained_on"]), cell["study"] == DIRECT
    material = material_of(plan.dataset, plan.network, seed, *([on] if direct else []))

    def accuracies(module: nn.Module, name: str) -> Row:
        return {f"{name}_{part}": round(exactly_right(module, held), 4) for part, held in material.tested.items()}

    how: Row = {
        name: getattr(plan, name) for name in ("network_steps", "network_rate", "mask_steps", "mask_rate", "batch_size")
    }
    module = _network(plan, material, seed)
    if direct:
        return [_row({"layer": 0, **how, **accuracies(module, "whole")})]
    path = _cache_path("answers-mask", plan, material, seed, alpha=material.alpha)
    if on == CONTROL or not path.exists():
        found = _learn(module, plan, material, CONTROL, [seed, 2])
        found.mask.save(path)
    control = Mask.load(path)
    if on != CONTROL:
        found = _learn(module, plan, material, on, [seed, 3, [*material.shown].index(on) - 1])
    about = {
        **how,
        **accuracies(module, "whole"),
        **accuracies(found.mask.apply(module), "masked"),
        "removed_by_token": _removed_by_token(found.mask, control),
        **found.course(),
    }
    return [_row({**row, **about}) for row in _layers(found.mask, control)]


def _row(values: Row) -> Row:
    """The same columns for masks and for networks that have none."""
    return {column: values.get(column, "") for column in (*ROW_KEY, *TOLERANCE)}


def _network(plan: Plan, material: Material, seed: int) -> nn.Module:
    from modlib.training.steps import Steps

    settings = Steps(plan.network_steps, plan.batch_size, plan.network_rate, material.clip)
    return material.network(settings, seed, _cache_path("answers", plan, material, seed))


def _learn(module: nn.Module, plan: Plan, material: Material, on: str, seed: Sequence[int]) -> LearnedMask:
    """A mask over all weights but embeddings and biases."""
    from modlib.masks.learning import MaskSettings, learn_mask
    from modlib.masks.mask import parameter_names
    from modlib.zoo.answers import draw_sequences, token_loss

    settings = MaskSettings(
        plan.mask_steps,
        plan.batch_size,
        samples=material.samples,
        learning_rate=plan.mask_rate,
        beta=material.alpha * plan.batch_size,  # so that a logit is pushed as hard as in the paper
        clip=material.clip,
    )
    names = parameter_names(module, unmasked=["*embedding*", "*bias*"])
    draw = draw_sequences(material.spelt(material.shown[on]), material.taught)
    return learn_mask(module, draw, settings, np.random.default_rng(list(seed)), token_loss, names)


def _layers(mask: Mask, control: Mask) -> list[Row]:
    """What a mask keeps and shares with the control, by parameter; layer 0 is all of them."""
    from modlib.masks.mask import TOTAL, chance_sharing

    chance, kept, size, union = (
        chance_sharing(mask, control),
        mask.remaining(),
        mask.size(),
        (mask | control).remaining(),
    )
    return [
        {
            "layer": layer,
            "parameter": name,
            "size": size[name],
            "kept": kept[name],
            "shared": chance[name].shared,
            "union": union[name],
            "by_chance": round(chance[name].expected, 3),
            "by_chance_sd": round(chance[name].sd, 3),
            "p": float(f"{chance[name].p:.4g}"),
        }
        for layer, name in enumerate((TOTAL, *mask.keep))
    ]


def _removed_by_token(mask: Mask, control: Mask) -> str:
    """For every action, then the end: the share of the control's output weights that a mask removes.

    Nothing where outputs are those of an embedding, which has no mask.
    """
    if "output.weight" not in mask.keep:
        return ""
    removed = share_removed(*(part.keep["output.weight"] for part in (control, mask)))
    return " ".join(f"{share:.4f}" for share in removed)


def share_removed(control: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share (outputs,) of the weights of an output, kept by the control, that a mask removes, in [0, 1].

    Args:
        control: (outputs, units) True where it keeps a weight.
        mask: the same of the mask.

    Source: weight-masks, figure 4b. Chapter: ``systematic-generalisation``.
    """
    return np.asarray((control & ~mask).sum(1) / np.maximum(control.sum(1), 1))


def _cache_path(what: str, plan: Plan, material: Material, seed: int, **others: float) -> Path:
    settings = {"data": material.checksum, "plan": asdict(plan), "seed": seed, **others}
    return cache_file(f"{what}-{plan.network.replace(' ', '-')}-{material.name}-{seed}", settings)


EXPERIMENT = Experiment(
    "systematic-generalisation", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("dataset", "network", "seed"), added=dict.fromkeys(NEW, ""),
)  # fmt: skip
