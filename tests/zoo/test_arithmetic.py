"""The tasks ask what the paper asks, and answers are judged by hand-made networks."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modlib.data.arithmetic import TASKS, digits
from modlib.errors import InputError
from modlib.zoo.arithmetic import make_task


class Calculator(nn.Module):
    """Answers in ones and zeros what a function of the two numbers of each pair gives."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, inputs: Tensor) -> Tensor:
        read = inputs[..., : inputs.shape[-1] // 40 * 40].unflatten(-1, (-1, 2, 2, 10)).argmax(-1).numpy()
        numbers = read @ np.array([1, 10])
        answers = self.function(numbers[..., 0], numbers[..., 1])
        answers[inputs.numpy()[..., : answers.shape[-1] * 40].reshape(*answers.shape, -1).sum(-1) == 0] = 77
        found = digits(answers.reshape(-1, answers.shape[-1])).reshape(*answers.shape[:-1], -1)
        return torch.as_tensor(np.eye(10, dtype=np.float32)[found]).flatten(-2)


def test_a_network_that_always_adds_is_found_out():
    task = make_task(TASKS[0], "fnn 8")
    tested = task.test(Calculator(lambda a, b: (a + b) % 100))
    alike = np.mean([(a + b) % 100 == a * b % 100 for a in range(100) for b in range(100)])
    assert tested.accuracy == pytest.approx((1, alike))
    assert tested.confusion == pytest.approx((1, 0, 0, 1 - alike, alike, 0))
    wrong = task.test(Calculator(lambda a, b: (a + b + 1) % 100))
    assert wrong.accuracy[0] == 0
    assert wrong.confusion[2] > 0.95


@pytest.mark.parametrize(("task", "network"), [(TASKS[1], "fnn 8"), (TASKS[1], "lstm 8"), (TASKS[2], "lstm 8")])
def test_each_pair_is_judged_by_its_own_sum(task: str, network: str):
    made = make_task(task, network)
    assert made.test(Calculator(lambda a, b: (a + b) % 100)).accuracy == (1, 1)
    first, second = made.test(
        Calculator(lambda a, b: np.stack([a + b, a + b + 1], -1)[..., [0, 1], [0, 1]] % 100)
    ).accuracy
    assert (first, second) == (1, 0)


@pytest.mark.parametrize(("task", "network"), [(TASKS[1], "fnn 8"), (TASKS[1], "lstm 8"), (TASKS[2], "lstm 8")])
def test_a_mask_for_a_pair_neither_sees_nor_answers_the_other(task: str, network: str):
    made = make_task(task, network)
    module = made.network(np.random.default_rng(0))
    for pair, function in enumerate(made.functions):
        inputs, targets = function.draw(np.random.default_rng(1), 20)
        halves = inputs.unflatten(-1, (2, 40)).sum(tuple(range(inputs.ndim - 1)))
        assert halves[pair].sum() > 0
        assert halves[1 - pair].sum() == 0
        outputs = module(inputs).requires_grad_()
        (gradient,) = torch.autograd.grad(function.loss(outputs, targets), outputs)
        answered = gradient.abs().unflatten(-1, (2, 20)).sum(tuple(range(gradient.ndim - 1)))
        assert answered.sum(-1)[1 - pair] == 0
        other = targets.clone()
        other[:, 2 * (1 - pair) : 2 * (1 - pair) + 2] = 0
        assert function.loss(outputs, other) == function.loss(outputs, targets)


def test_pairs_are_shown_one_after_the_other_or_together():
    rng = np.random.default_rng(0)
    together, _ = make_task(TASKS[1], "lstm 8").draw(rng, 5)
    apart, _ = make_task(TASKS[2], "lstm 8").draw(rng, 5)
    assert together.shape == (5, 80)
    assert apart.shape == (5, 2, 80)
    assert apart[:, 0, 40:].sum() == apart[:, 1, :40].sum() == 0
    assert apart.sum() == together.sum() == 5 * 8
    networks = [make_task(task, "lstm 8").network(rng) for task in TASKS]
    assert [network.steps for network in networks] == [3, 6, 3]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("task", "network", "message"),
    [
        ("division", "fnn 8", "expected one of addition and multiplication"),
        (TASKS[0], "cnn 8", "expected fnn or lstm and widths"),
        (TASKS[0], "fnn", "expected fnn or lstm and widths"),
        (TASKS[0], "lstm 8-8", "an LSTM has one width"),
        (TASKS[2], "fnn 8", "a perceptron no memory"),
    ],
)
def test_unknown_tasks_and_networks_are_refused(task: str, network: str, message: str):
    with pytest.raises(InputError, match=message):
        make_task(task, network)
