"""Arithmetic tasks of two functions: a network for both, examples of each alone, and how a network answers.

Addition and multiplication share inputs and outputs; the two sums of double addition share neither.
Chapter: ``weight-masks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.data.arithmetic import OPERATIONS, PAIRS, TASKS, add_or_multiply, double_addition
from modlib.errors import InputError
from modlib.networks.architectures import perceptron, repeated_lstm
from modlib.networks.modules import device_of
from modlib.processor import device
from modlib.training.steps import Draw, Loss, draw_from

SHOWN = 3  # how often an LSTM is shown its input, per operation
TESTED = 10_000  # examples of double addition on which accuracy is measured


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
        network: an untrained network, for a generator; on a GPU if there is one.
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
        network: ``fnn`` or ``lstm`` and the widths of its hidden layers, such as ``fnn 400-400-200`` or ``lstm 256``.

    Raises:
        InputError: if there is no such task or network.

    Source: weight-masks 3.1 and 3.2. Chapter: ``weight-masks``.
    """
    if task not in TASKS:
        raise InputError(f"task = {task!r} arrived; expected one of {', '.join(TASKS)}")
    kind, _, hidden = network.partition(" ")
    if kind not in ("fnn", "lstm") or not all(width.isdigit() for width in hidden.split("-")):
        raise InputError(f"network = {network!r} arrived; expected fnn or lstm and widths, such as fnn 400-400-200")
    if (kind == "lstm" and "-" in hidden) or (task == TASKS[2] and kind == "fnn"):
        raise InputError(f"network = {network!r} arrived for {task}; an LSTM has one width, and a perceptron no memory")
    widths = [int(width) for width in hidden.split("-")]

    def make(inputs: int, outputs: int, shown: int) -> Callable[[np.random.Generator], nn.Module]:
        if kind == "fnn":
            return lambda rng: perceptron((inputs, *widths, outputs), rng).to(device())
        return lambda rng: repeated_lstm(inputs, widths[0], outputs, shown, rng).to(device())

    if task == TASKS[0]:
        return _addition_and_multiplication(make(42, 20, SHOWN))
    apart = kind == "fnn" or task == TASKS[2]
    return _double_addition(make(80, 40, SHOWN if apart else 2 * SHOWN), apart, recurrent=kind == "lstm")


def digit_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over all digits: outputs (n, 10 d), targets (n, d)."""
    return cross_entropy(outputs.reshape(-1, 10), targets.reshape(-1))


def _addition_and_multiplication(network: Callable[[np.random.Generator], nn.Module]) -> Task:
    each = [[torch.as_tensor(part) for part in add_or_multiply(only=operation)] for operation in OPERATIONS]
    both = [torch.cat(parts) for parts in zip(*each, strict=True)]

    def test(module: nn.Module) -> Tested:
        answers = [_digits(_outputs(module, inputs)) for inputs, _ in each]
        results = [targets for _, targets in each]  # of the same pairs of numbers, in the same order
        shares = []
        for asked, answer in enumerate(answers):
            right = (answer == results[asked]).all(-1)
            other = (answer == results[1 - asked]).all(-1) & ~right
            of_each = [right, other][:: 1 if asked == 0 else -1]
            shares += [float(part.double().mean()) for part in (*of_each, ~(right | other))]
        return Tested((shares[0], shares[4]), tuple(shares))

    functions = tuple(
        Function(operation, draw_from(*parts), digit_loss) for operation, parts in zip(OPERATIONS, each, strict=True)
    )
    return Task(network, draw_from(*both), digit_loss, functions, torch.no_grad()(test))  # type: ignore[arg-type]


def _double_addition(network: Callable[[np.random.Generator], nn.Module], apart: bool, recurrent: bool) -> Task:
    """With ``apart`` a network is shown the pairs one after the other, each alone, and answers it then."""

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
        outputs, targets = _outputs(module, tested[0]), tested[1].chunk(len(PAIRS), dim=1)
        right = [(_digits(answers(outputs, pair)) == targets[pair]).all(1) for pair in PAIRS]
        return Tested(tuple(float(part.double().mean()) for part in right))  # type: ignore[arg-type]

    # a perceptron does not remember, so a mask for one pair needs its pass alone
    functions = tuple(
        Function(f"pair {pair + 1}", draw_of([pair], apart and recurrent), loss_of([pair])) for pair in PAIRS
    )
    return Task(network, draw_of(PAIRS, apart), loss_of(PAIRS), functions, torch.no_grad()(test))  # type: ignore[arg-type]


def _outputs(module: nn.Module, inputs: Tensor) -> Tensor:
    """What a network says to all inputs, wherever it is."""
    outputs: Tensor = module(inputs.to(device_of(module)))
    return outputs.cpu()


def _digits(outputs: Tensor) -> Tensor:
    """The answer in digits: outputs (n, 10 d) to (n, d)."""
    return outputs.unflatten(-1, (-1, 10)).argmax(-1)
