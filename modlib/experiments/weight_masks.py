"""Chapter ``weight-masks``: which weights does each of two functions need that one network computes?

A cell trains a network on both functions, then learns a mask for each. Addition and multiplication share inputs and
outputs; the two sums of double addition share neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.experiments.runner import Cell, Experiment, Row

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modlib.mask_training import Draw, LearnedMask, Loss

TASKS = ("addition and multiplication", "double addition", "double addition, one at a time")
SHOWN = 3  # how often an LSTM is shown its input, per operation
TESTED = 10_000  # examples of double addition on which accuracy is measured
BINS = 50  # of the histogram of probabilities
BETAS = {TASKS[0]: 1e-4, TASKS[1]: 1e-4, TASKS[2]: 1e-4}
FNN_BETAS = {**BETAS, TASKS[1]: 4e-4}
CELL_KEY = ("profile", "task", "network", "beta", "seed")
ROW_KEY = ("mask", "layer")
# On one kind of machine all is equal. Elsewhere training drifts from the last digits.
TOLERANCE = {
    "steps": 0.0,
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
    **{f"{network}_{place}": 0.05 for network in ("whole", "masked", "inverse") for place in ("first", "second")},
    "confusion": 0.1,
}


@dataclass(frozen=True)
class Plan:
    """What is trained of one network on one task.

    Attributes:
        task: one of ``TASKS``.
        network: ``fnn`` or ``lstm`` and the widths of its hidden layers, such as ``fnn 400-400-200``.
        seeds: number of networks.
        steps: of the network, and of each mask.
        betas: strengths of the regulariser, the paper's by default.
    """

    task: str
    network: str
    seeds: int
    steps: int = 20_000
    betas: tuple[float, ...] = ()

    def strengths(self) -> tuple[float, ...]:
        """Strengths of the regulariser."""
        return self.betas or ((FNN_BETAS if self.network.startswith("fnn") else BETAS)[self.task],)


SWEEP = tuple(float(f"{beta:.3g}") for beta in np.logspace(-5, -3, 9))  # the range of figure 8
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (Plan(TASKS[0], "fnn 64-32", 1, 60), Plan(TASKS[2], "lstm 8", 1, 20)),
    "quick": (Plan(TASKS[0], "fnn 400-400-200", 2, 3000), Plan(TASKS[1], "fnn 400-400-200", 2, 3000)),
    "paper": (
        Plan(TASKS[0], "fnn 400-400-200", 10),
        Plan(TASKS[1], "fnn 400-400-200", 10),
        Plan(TASKS[0], "lstm 256", 3),
        Plan(TASKS[1], "lstm 256", 3),
        Plan(TASKS[2], "lstm 256", 3),
        Plan(TASKS[0], "fnn 800-800-800-800", 2),
        Plan(TASKS[1], "fnn 800-800-800-800", 2),
        Plan(TASKS[0], "fnn 400-400-200", 2, betas=SWEEP),
    ),
}


def cells(profile: str) -> list[Cell]:
    """One network of every plan, then the next one of each, so that an unfinished table has every condition."""
    found: dict[tuple[Any, ...], Cell] = {}
    for seed in range(max(plan.seeds for plan in PLANS[profile])):
        for plan in PLANS[profile]:
            for beta in plan.strengths() if seed < plan.seeds else ():
                cell = {"profile": profile, "task": plan.task, "network": plan.network, "beta": beta, "seed": seed}
                found.setdefault(tuple(cell.values()), cell)
    return list(found.values())


def measure(cell: Cell) -> list[Row]:
    """Rows of a cell: for either mask one a layer, and one for all layers."""
    from modlib.mask_training import MaskSettings, learn_mask
    from modlib.masks import parameter_names
    from modlib.training.pytorch import Steps, train_steps

    plan = next(p for p in PLANS[cell["profile"]] if (p.task, p.network) == (cell["task"], cell["network"]))
    seed = int(cell["seed"])
    task = make_task(cell["task"], cell["network"])
    module = task.network(np.random.default_rng([seed, 0]))
    train_steps(module, task.draw, Steps(plan.steps), np.random.default_rng([seed, 1]), task.loss)
    settings = MaskSettings(plan.steps, beta=float(cell["beta"]))
    names = parameter_names(module, unmasked=["*bias*"])
    learned = [
        learn_mask(module, function.draw, settings, np.random.default_rng([seed, 2, i]), function.loss, names)
        for i, function in enumerate(task.functions)
    ]
    return mask_rows(module, task, learned, plan.steps)


def mask_rows(module: nn.Module, task: Task, learned: Sequence[LearnedMask], steps: int) -> list[Row]:
    """What two masks of a network keep, share and compute.

    Args:
        module: the network.
        task: what it was trained on.
        learned: a mask for each of its functions.
        steps: how many each was learned for.
    """
    from modlib.masks import TOTAL, chance_sharing

    first, second = (found.mask for found in learned)
    chance, whole = chance_sharing(first, second), task.test(module)
    union = (first | second).remaining()
    rows = []
    for function, found in zip(task.functions, learned, strict=True):
        masked, inverse = task.test(found.mask.apply(module)), task.test((~found.mask).apply(module))
        kept, size, tenth = found.mask.remaining(), found.mask.size(), max(1, steps // 10)
        about = {
            "steps": steps,
            "loss_first": round(float(found.losses[0]), 4),
            "loss_before_last": round(float(found.losses[-2 * tenth : -tenth].mean()), 5),
            "loss_last": round(float(found.losses[-tenth:].mean()), 5),
            "kept_course": " ".join(f"{share:.4f}" for share in list(found.kept.values())[4::5]),
            "histogram": _histogram(found),
            **{
                f"{name}_{place}": round(tested.accuracy[i], 4)
                for name, tested in (("whole", whole), ("masked", masked), ("inverse", inverse))
                for i, place in enumerate(("first", "second"))
            },
            "confusion": " ".join(f"{share:.4f}" for share in masked.confusion),
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


@dataclass(frozen=True)
class Tested:
    """How a network answers.

    Attributes:
        accuracy: share of right answers for either function, all digits right, in [0, 1].
        confusion: for addition and multiplication, shares of the questions of each of the two that are answered by
            the sum, the product and neither: six numbers. An answer that is right counts for the function asked.
    """

    accuracy: tuple[float, float]
    confusion: tuple[float, ...] = ()


@dataclass(frozen=True)
class Function:
    """One of the functions of a task: its name, examples of it alone, and their loss."""

    name: str
    draw: Draw
    loss: Loss


@dataclass(frozen=True)
class Task:
    """What a network is trained on.

    Attributes:
        network: an untrained network, for a generator.
        draw: examples of both functions.
        loss: their loss.
        functions: both of them.
        test: how a network answers.
    """

    network: Callable[[np.random.Generator], nn.Module]
    draw: Draw
    loss: Loss
    functions: tuple[Function, Function]
    test: Callable[[nn.Module], Tested]


def make_task(task: str, network: str) -> Task:
    """A task with a network for it.

    Args:
        task: one of ``TASKS``.
        network: ``fnn`` or ``lstm`` with widths, see ``Plan``.

    Source: weight-masks 3.1 and 3.2. Chapter: ``weight-masks``.
    """
    from modlib.architectures import perceptron, repeated_lstm

    kind, _, hidden = network.partition(" ")
    widths = [int(width) for width in hidden.split("-")]

    def make(inputs: int, outputs: int, shown: int) -> Callable[[np.random.Generator], nn.Module]:
        if kind == "fnn":
            return lambda rng: perceptron((inputs, *widths, outputs), rng)
        return lambda rng: repeated_lstm(inputs, widths[0], outputs, shown, rng)

    if task == TASKS[0]:
        return _addition_and_multiplication(make(42, 20, SHOWN))
    apart = kind == "fnn" or task == TASKS[2]
    return _double_addition(make(80, 40, SHOWN if apart else 2 * SHOWN), apart, recurrent=kind == "lstm")


def digit_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over all digits: outputs (n, 10 d), targets (n, d)."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs.reshape(-1, 10), targets.reshape(-1))


def _addition_and_multiplication(network: Callable[[np.random.Generator], nn.Module]) -> Task:
    import torch

    from modlib.data.arithmetic import MODULUS, OPERATIONS, add_or_multiply
    from modlib.mask_training import from_arrays

    each = [[torch.as_tensor(part) for part in add_or_multiply(only=operation)] for operation in OPERATIONS]
    both = [torch.cat(parts) for parts in zip(*each, strict=True)]

    def test(module: nn.Module) -> Tested:
        answers = [_digits(module(inputs)) for inputs, _ in each]
        results = [targets for _, targets in each]  # of the same pairs of numbers, in the same order
        shares = []
        for asked, answer in enumerate(answers):
            right = (answer == results[asked]).all(-1)
            other = (answer == results[1 - asked]).all(-1) & ~right
            of_each = [right, other][:: 1 if asked == 0 else -1]
            shares += [float(part.double().mean()) for part in (*of_each, ~(right | other))]
        return Tested((shares[0], shares[4]), tuple(shares))

    functions = tuple(
        Function(operation, from_arrays(*parts), digit_loss) for operation, parts in zip(OPERATIONS, each, strict=True)
    )
    assert len(each[0][0]) == MODULUS**2
    return Task(network, from_arrays(*both), digit_loss, functions, torch.no_grad()(test))  # type: ignore[arg-type]


def _double_addition(network: Callable[[np.random.Generator], nn.Module], apart: bool, recurrent: bool) -> Task:
    """With ``apart`` a network is shown the pairs one after the other, each alone, and answers it then."""
    import torch

    from modlib.data.arithmetic import PAIRS, double_addition

    def draw_of(pairs: Sequence[int], split: bool) -> Draw:
        def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
            inputs, targets = double_addition(rng, n, pairs)
            if split:  # (n, 80) to (n, 2, 80), of which each part shows one pair
                halves = inputs.reshape(n, 1, len(PAIRS), -1) * np.eye(len(PAIRS), dtype=np.float32)[..., None]
                inputs = halves.reshape(n, len(PAIRS), -1)
            return torch.as_tensor(inputs), torch.as_tensor(targets)

        return draw

    def answers(outputs: Tensor, pair: int) -> Tensor:
        """Outputs (n, 20) for a pair: of its own part, where there are parts."""
        return (outputs[:, pair] if outputs.ndim == 3 else outputs).chunk(len(PAIRS), dim=-1)[pair]

    def loss_of(pairs: Sequence[int]) -> Loss:
        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            losses = [digit_loss(answers(outputs, pair), targets.chunk(len(PAIRS), dim=1)[pair]) for pair in pairs]
            return torch.stack(losses).mean()

        return loss

    tested = draw_of(PAIRS, apart)(np.random.default_rng(0), TESTED)

    def test(module: nn.Module) -> Tested:
        outputs, targets = module(tested[0]), tested[1].chunk(len(PAIRS), dim=1)
        right = [(_digits(answers(outputs, pair)) == targets[pair]).all(1) for pair in PAIRS]
        return Tested(tuple(float(part.double().mean()) for part in right))  # type: ignore[arg-type]

    # a perceptron does not remember, so a mask for one pair needs its pass alone
    functions = tuple(
        Function(f"pair {pair + 1}", draw_of([pair], apart and recurrent), loss_of([pair])) for pair in PAIRS
    )
    return Task(network, draw_of(PAIRS, apart), loss_of(PAIRS), functions, torch.no_grad()(test))  # type: ignore[arg-type]


def _digits(outputs: Tensor) -> Tensor:
    """The answer in digits: outputs (n, 10 d) to (n, d)."""
    return outputs.unflatten(-1, (-1, 10)).argmax(-1)


EXPERIMENT = Experiment("weight-masks", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE)
