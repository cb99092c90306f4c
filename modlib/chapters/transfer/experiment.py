"""Chapter ``transfer``: tasks that differ in the order of their pixels, learned one after the other in one network.

A cell is one network that learns them all. Each task trains the free weights and its mask together; what the mask keeps
is frozen, the rest starts anew. Three starts of the masks: all weights alike, or used ones preferred, a little or more.
Few tasks of many steps, or many tasks of few: a mask loses weights until its last step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
    """What is learned in a profile.

    Attributes:
        dataset: see ``load_images``.
        hidden: units of each hidden layer; 800, 800 and 64 in the paper.
        tasks: number of orders of pixels, by batches a task; 11 of 30,000 in the paper.
        samples: of the mask in a batch; 8 in the paper.
        seeds: networks of each kind; 10 in the paper.
    """

    dataset: str
    hidden: tuple[int, ...]
    tasks: dict[int, int]
    samples: int
    seeds: int

    @property
    def network(self) -> str:
        """The widths in words, such as ``fnn 200-200-64``."""
        return f"fnn {'-'.join(map(str, self.hidden))}"


PLANS = {
    "smoke": Plan("digits", (32, 16), {20: 3}, 4, 1),
    "quick": Plan("mnist", (100, 100, 32), {1000: 4}, 4, 1),
    # one network of the paper's width and steps takes a processor four hours: a narrower one, which fewer tasks fill.
    # Eight tasks of a quarter of the steps show what the number of steps does.
    "paper": Plan("mnist", (200, 200, 64), {10_000: 4, 2500: 8}, 4, 5),
}


def cells(profile: str) -> list[Cell]:
    """The three starts, the first of them also with a first layer that is never frozen; fewer steps; the next seed."""
    plan = PLANS[profile]
    kinds = [*((start, FROZEN) for start in STARTS), (ALIKE, ANEW)]
    common = {"profile": profile, "dataset": plan.dataset, "network": plan.network}
    return [
        {**common, "steps": steps, "start": start, "first_layer": first, "seed": seed}
        for seed in range(plan.seeds)
        for steps in plan.tasks
        for start, first in kinds
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of a network: for every task one a layer of weights that is frozen, and one for all of them."""
    from modlib.masks.continual import learn_in_turn
    from modlib.masks.learning import MaskSettings
    from modlib.zoo.permuted_images import permuted_tasks, xavier_perceptron

    plan, seed, steps = PLANS[cell["profile"]], int(cell["seed"]), int(cell["steps"])
    tasks = permuted_tasks(plan.dataset, plan.tasks[steps], seed)
    pixels = tasks[0].x_test.shape[1]
    free, used = STARTS[cell["start"]]
    settings = MaskSettings(steps, samples=plan.samples, beta=ALPHA * 128, keep=free)
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
