"""Chapter ``weight-masks``: which weights does each of two functions need that one network computes?

A cell trains a network on both functions, then learns a mask for each. Addition and multiplication share inputs and
outputs; the two sums of double addition share neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.data.arithmetic import TASKS
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, optional, text

if TYPE_CHECKING:
    from torch import nn

    from modlib.masks.learning import LearnedMask
    from modlib.zoo.arithmetic import Task

BINS = 50  # of the histogram of probabilities
CELL_KEY = ("profile", "task", "network", "beta", "seed")
ROW_KEY = ("mask", "layer")
FULL = {"network_steps": 20_000, "mask_steps": 20_000}
TESTED = ("whole", "masked", "inverse")  # a network as it is, with the weights of a mask only, and without them
DRAWS = 5  # of as many random weights, to be removed in place of a mask's
# On one kind of machine all is equal. Elsewhere training drifts from the last digits.
TOLERANCE = {
    "network_steps": 0.0,
    "mask_steps": 0.0,
    "mask_rate": 0.0,
    "parameter": 0.0,
    "size": 0.0,
    "kept": math.inf,
    "shared": math.inf,
    "union": math.inf,
    "by_chance": math.inf,
    "by_chance_sd": math.inf,
    "p": 1.0,
    "loss_first": 0.5,
    "loss_before_last": 0.1,
    "loss_last": 0.1,
    "kept_course": 0.05,
    "histogram": math.inf,
    **{f"{network}_{place}": 0.05 for network in TESTED for place in ("first", "second")},
    "confusion": 0.1,
    "drawn": 0.1,
}
COLUMNS = {
    "profile": PROFILE,
    "task": text(*TASKS),
    "network": text(),
    "beta": number(0),
    "seed": integer(),
    "mask": text(),
    "layer": integer(),
    "parameter": text(),
    "size": integer(1),
    "kept": integer(),
    "shared": integer(),
    "union": integer(),
    "by_chance": number(0),
    "by_chance_sd": number(0),
    "p": SHARE,
    "network_steps": integer(1),
    "mask_steps": integer(1),
    "mask_rate": number(0),
    "loss_first": number(0),
    "loss_before_last": number(0),
    "loss_last": number(0),
    "kept_course": numbers(0, 1),
    "histogram": numbers(0),
    **{f"{network}_{place}": SHARE for network in TESTED for place in ("first", "second")},
    "confusion": optional(numbers(0, 1)),
    "drawn": optional(numbers(0, 1)),  # accuracies on both without as many random weights as a mask keeps
}


@dataclass(frozen=True)
class Plan:
    """What is trained of one network on one task.

    Attributes:
        task: one of ``TASKS``.
        network: ``fnn`` or ``lstm`` and the widths of its hidden layers, such as ``fnn 400-400-200``.
        seeds: of the networks.
        network_steps: batches of the network; 20,000 in the paper.
        mask_steps: batches of each mask; 20,000 in the paper.
        mask_rate: learning rate of a mask; 0.01 in the paper.
        betas: strengths of the regulariser, ``paper_beta`` by default.
    """

    task: str
    network: str
    seeds: range
    network_steps: int = 20_000
    mask_steps: int = 20_000
    mask_rate: float = 1e-2
    betas: tuple[float, ...] = ()


WIDE, LSTM = "fnn 2000-2000-2000-2000", "lstm 256"
SWEEP = (1e-5, 3.2e-5, 1e-4, 3.2e-4, 1e-3)  # the range of figure 8
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (Plan(TASKS[0], "fnn 64-32", range(1), 60, 60), Plan(TASKS[2], "lstm 8", range(1), 20, 20)),
    "quick": (
        Plan(TASKS[0], "fnn 400-400-200", range(2), 3000, 3000, 5e-2),
        Plan(TASKS[1], "fnn 400-400-200", range(2), 3000, 3000, 5e-2),
    ),
    "paper": (
        Plan(TASKS[0], "fnn 400-400-200", range(10)),
        Plan(TASKS[1], "fnn 400-400-200", range(10)),
        # what takes a processor long gets fewer steps, with a rate that is as much larger: a logit can go as far
        Plan(TASKS[0], LSTM, range(5), 20_000, 3000, 5e-2),
        Plan(TASKS[1], LSTM, range(5), 20_000, 3000, 5e-2),
        Plan(TASKS[2], LSTM, range(5), 20_000, 3000, 5e-2),
        Plan(TASKS[0], "fnn 800-800-800-800", range(3), 10_000, 5000, 4e-2),
        Plan(TASKS[1], "fnn 800-800-800-800", range(2), 10_000, 5000, 4e-2),
        Plan(TASKS[0], "fnn 400-400-200", range(1), betas=SWEEP),
        # the paper's own: one of each for an hour of a processor, ten at its steps for a GPU
        Plan(TASKS[0], WIDE, range(1), 5000, 2500, 8e-2),
        Plan(TASKS[1], WIDE, range(1), 5000, 2500, 8e-2),
        Plan(TASKS[0], WIDE, range(1, 11)),
        Plan(TASKS[1], WIDE, range(1, 11)),
        Plan(TASKS[0], "fnn 4000-4000-4000-4000", range(1)),
        Plan(TASKS[0], LSTM, range(5, 6)),  # with all steps, for hours: what do fewer change?
    ),
}


def paper_beta(task: str, network: str) -> float:
    """Strength of the regulariser in the paper.

    Source: weight-masks C.3 and C.4. Chapter: ``weight-masks``.
    """
    return 4e-4 if task == TASKS[1] and network.startswith("fnn") else 1e-4


def cells(profile: str) -> list[Cell]:
    """One network of every plan, then the next one of each, so that an unfinished table has every condition."""
    found: dict[tuple[Any, ...], Cell] = {}
    for seed in range(max(plan.seeds.stop for plan in PLANS[profile])):
        for plan in PLANS[profile]:
            for beta in (plan.betas or (paper_beta(plan.task, plan.network),)) if seed in plan.seeds else ():
                cell = {"profile": profile, "task": plan.task, "network": plan.network, "beta": beta, "seed": seed}
                found.setdefault(tuple(cell.values()), cell)
    return list(found.values())


def measure(cell: Cell) -> list[Row]:
    """Rows of a cell: for either mask one a layer, and one for all layers."""
    from modlib.masks.learning import MaskSettings, learn_mask
    from modlib.masks.mask import parameter_names
    from modlib.training.steps import Steps, train_steps
    from modlib.zoo.arithmetic import make_task

    seed, of = int(cell["seed"]), (cell["task"], cell["network"])
    plan = next(p for p in PLANS[cell["profile"]] if (p.task, p.network) == of and seed in p.seeds)
    task = make_task(cell["task"], cell["network"])
    module = task.network(np.random.default_rng([seed, 0]))
    train_steps(module, task.draw, Steps(plan.network_steps), np.random.default_rng([seed, 1]), task.loss)
    settings = MaskSettings(plan.mask_steps, learning_rate=plan.mask_rate, beta=float(cell["beta"]))
    names = parameter_names(module, unmasked=["*bias*"])
    learned = [
        learn_mask(module, function.draw, settings, np.random.default_rng([seed, 2, i]), function.loss, names)
        for i, function in enumerate(task.functions)
    ]
    about = {"network_steps": plan.network_steps, "mask_steps": plan.mask_steps, "mask_rate": plan.mask_rate}
    return mask_rows(module, task, learned, about, np.random.default_rng([seed, 3]))


def mask_rows(
    module: nn.Module, task: Task, learned: Sequence[LearnedMask], how: Row, rng: np.random.Generator
) -> list[Row]:
    """What two masks of a network keep, share and compute.

    Args:
        module: the network.
        task: what it was trained on.
        learned: a mask for each of its functions.
        how: columns that say how they were learned.
        rng: draws weights that are removed in place of a mask's.
    """
    from modlib.masks.controls import random_mask
    from modlib.masks.mask import TOTAL, chance_sharing

    first, second = (found.mask for found in learned)
    chance, whole = chance_sharing(first, second), task.test(module)
    union = (first | second).remaining()
    rows = []
    for function, found in zip(task.functions, learned, strict=True):
        inverse = ~found.mask
        draws = [task.test(random_mask(inverse, rng).apply(module)).accuracy for _ in range(DRAWS)]
        tested = (whole, task.test(found.mask.apply(module)), task.test(inverse.apply(module)))
        kept, size = found.mask.remaining(), found.mask.size()
        about = {
            **how,
            **found.course(),
            "histogram": _histogram(found),
            **{
                f"{name}_{place}": round(of.accuracy[i], 4)
                for name, of in zip(TESTED, tested, strict=True)
                for i, place in enumerate(("first", "second"))
            },
            "confusion": " ".join(f"{share:.4f}" for share in tested[1].confusion),
            "drawn": " ".join(f"{accuracy:.4f}" for accuracy in np.mean(draws, axis=0)),
        }
        for layer, name in enumerate((TOTAL, *found.mask.keep)):
            rows.append(
                {
                    "mask": function.name,
                    "layer": layer,  # 0 is all of them
                    "parameter": name,
                    "size": size[name],
                    "kept": kept[name],
                    "shared": chance[name].shared,
                    "union": union[name],
                    "by_chance": round(chance[name].expected, 3),
                    "by_chance_sd": round(chance[name].sd, 3),
                    "p": float(f"{chance[name].p:.4g}"),
                    **about,
                }
            )
    return rows


def _histogram(found: LearnedMask) -> str:
    values = np.concatenate([probabilities.ravel() for probabilities in found.probabilities.values()])
    return " ".join(map(str, np.histogram(values, bins=BINS, range=(0, 1))[0]))


EXPERIMENT = Experiment(
    "weight-masks", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("task", "network", "seed"), added={"drawn": None},
)  # fmt: skip
