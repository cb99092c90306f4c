"""Chapter ``transfer``: tasks that differ in the order of their pixels, learned one after the other in one network.

A cell is one network that learns them all. Each task trains the free weights and its mask together; what the mask keeps
is frozen, the rest starts anew. Three starts of the masks: all weights alike, or used ones preferred, a little or more.
Few tasks of many steps, or many tasks of few: a mask loses weights until its last step. The paper's own width and steps
are in the grid for a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modlib.errors import InputError
from modlib.processor import device
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, text

if TYPE_CHECKING:
    from modlib.masks.learning import LearnedMask
    from modlib.masks.mask import Mask

ALIKE, OLD, OLDER = "alike", "prefer old", "prefer old more"
# Probabilities at the start that a free weight is kept, and a used one; logits of 2 and 0 or -1 in the paper.
STARTS = {ALIKE: (0.9, 0.9), OLD: (0.5, 0.88), OLDER: (0.27, 0.88)}
FROZEN, ANEW = "frozen", "anew"  # what becomes of the first layer's weights; the paper's code has both
ALPHA = 1e-5  # of the regulariser
CELL_KEY = ("profile", "dataset", "network", "steps", "start", "first_layer", "seed")
ROW_KEY = ("task", "layer")
FULL = {"steps": 30_000}
# On one kind of machine all is equal. Elsewhere training drifts from the last digits.
TOLERANCE = {
    "samples": 0.0,
    "parameter": 0.0,
    "size": 0.0,
    "kept": math.inf,
    "used_before": math.inf,
    "shared": math.inf,
    "by_chance": math.inf,
    "by_chance_sd": math.inf,
    "p": 1.0,
    "accuracy": 0.03,
    "loss_first": 3.0,  # of one batch, by weights of other tasks that have drifted
    "loss_before_last": 0.1,
    "loss_last": 0.1,
    "kept_course": 0.05,
}
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "network": text(),
    "steps": integer(1),
    "start": text(*STARTS),
    "first_layer": text(FROZEN, ANEW),
    "seed": integer(),
    "task": integer(),
    "layer": integer(),
    "parameter": text(),
    "size": integer(1),
    "kept": integer(),
    "used_before": integer(),
    "shared": integer(),
    "by_chance": number(0),
    "by_chance_sd": number(0),
    "p": SHARE,
    "samples": integer(1),
    "accuracy": SHARE,
    "loss_first": number(0),
    "loss_before_last": number(0),
    "loss_last": number(0),
    "kept_course": numbers(0, 1),
}


@dataclass(frozen=True)
class Plan:
    """What is learned by one kind of network.

    Attributes:
        dataset: see ``load_images``.
        hidden: units of each hidden layer.
        steps: batches a task; 30,000 in the paper.
        tasks: number of orders of pixels; 11 in the paper.
        samples: of the mask in a batch; 8 in the paper.
        seeds: networks of each start; 10 in the paper.
    """

    dataset: str
    hidden: tuple[int, ...]
    steps: int
    tasks: int
    samples: int
    seeds: int

    @property
    def network(self) -> str:
        """The widths in words, such as ``fnn 200-200-64``."""
        return f"fnn {'-'.join(map(str, self.hidden))}"


NARROW, WIDE = (200, 200, 64), (800, 800, 64)  # the latter is the paper's
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (Plan("digits", (32, 16), 20, 3, 4, 1),),
    "quick": (Plan("mnist", (100, 100, 32), 1000, 4, 4, 1),),
    # A processor takes 12 to 32 ms a step of a narrow network, by the stored runs: 13 to 35 minutes for eleven tasks.
    # Few tasks of 10,000 steps and more of a quarter of them show what the number of steps does. At the paper's width
    # and samples a step takes eight times as long, and a network 9 to 24 hours: that is for a GPU.
    "paper": (
        Plan("mnist", NARROW, 10_000, 4, 4, 5),
        Plan("mnist", NARROW, 2500, 8, 4, 5),
        Plan("mnist", NARROW, 6000, 11, 4, 2),
        Plan("mnist", WIDE, 30_000, 11, 8, 10),
    ),
}


def cells(profile: str) -> list[Cell]:
    """Of every plan the three starts, and the first one with a first layer that is never frozen; then the next seed.

    What needs a GPU comes last.
    """
    kinds = [*((start, FROZEN) for start in STARTS), (ALIKE, ANEW)]
    plans = PLANS[profile]
    return [
        {
            "profile": profile,
            "dataset": plan.dataset,
            "network": plan.network,
            "steps": plan.steps,
            "start": start,
            "first_layer": first,
            "seed": seed,
        }
        for on_gpu in (False, True)
        for seed in range(max(plan.seeds for plan in plans))
        for plan in plans
        if (plan.hidden == WIDE) == on_gpu and seed < plan.seeds
        for start, first in kinds
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of a network: for every task one a layer of weights that is frozen, and one for all of them.

    Raises:
        InputError: if a network of the paper's width is to learn without a GPU.
    """
    from modlib.masks.continual import learn_in_turn
    from modlib.masks.learning import MaskSettings
    from modlib.zoo.permuted_images import permuted_tasks, xavier_perceptron

    of, seed = (cell["network"], int(cell["steps"])), int(cell["seed"])
    plan = next(plan for plan in PLANS[cell["profile"]] if (plan.network, plan.steps) == of)
    if plan.hidden == WIDE and device() == "cpu":
        raise InputError(
            f"{plan.network} is to learn {plan.tasks} tasks of {plan.steps:,} steps, which takes most of a day without "
            "a GPU, and there is none; measure the narrower networks alone: modlib run transfer --grid paper "
            "-p network='fnn 200-200-64'"
        )
    tasks = permuted_tasks(plan.dataset, plan.tasks, seed)
    pixels = tasks[0].x_test.shape[1]
    free, used = STARTS[cell["start"]]
    settings = MaskSettings(plan.steps, samples=plan.samples, beta=ALPHA * 128, keep=free)
    accuracies: list[float] = []
    courses: list[Row] = []

    def note(task: int, masked: object, found: LearnedMask) -> None:
        accuracies.append(round(tasks[task].accuracy(masked), 4))  # type: ignore[arg-type]
        courses.append(found.course())

    _, masks = learn_in_turn(
        lambda rng: xavier_perceptron(pixels, plan.hidden, rng).to(device()),
        [task.draw for task in tasks],
        settings,
        np.random.default_rng([seed, 1]),
        used,
        ["0.*"] if cell["first_layer"] == ANEW else [],
        on_task=note,
    )
    return [
        {
            "task": task,
            **row,
            "samples": plan.samples,
            "accuracy": accuracies[task],
            **courses[task],
        }
        for task in range(len(masks))
        for row in _layers(masks, task)
    ]


def _layers(masks: list[Mask], task: int) -> list[Row]:
    """What a task's mask keeps and shares with all masks before it, by layer of weights; layer 0 is all parameters."""
    from modlib.masks.continual import union_before
    from modlib.masks.mask import TOTAL, Mask, chance_sharing

    mask = masks[task]
    nothing = Mask({name: np.zeros_like(kept) for name, kept in mask.keep.items()}, mask.network)
    before = union_before(masks, task) if task else nothing
    chance, kept, size, used = chance_sharing(mask, before), mask.remaining(), mask.size(), before.remaining()
    weights = [name for name in mask.keep if name.endswith("weight")]
    layers = {TOTAL: 0, **{name: int(name.split(".")[0]) // 2 + 1 for name in weights}}  # a ReLU after every layer
    return [
        {
            "layer": layer,
            "parameter": name,
            "size": size[name],
            "kept": kept[name],
            "used_before": used[name],
            "shared": chance[name].shared,
            "by_chance": round(chance[name].expected, 3),
            "by_chance_sd": round(chance[name].sd, 3),
            "p": float(f"{chance[name].p:.4g}"),
        }
        for name, layer in layers.items()
    ]


EXPERIMENT = Experiment(
    "transfer", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("dataset", "network", "steps", "start", "first_layer", "seed"),
)  # fmt: skip
