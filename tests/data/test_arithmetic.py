"""Arithmetic tasks: the right answers, in the right digits, and every question as often as any other."""

import numpy as np
import pytest

from modlib.data.arithmetic import add_or_multiply, digits, double_addition
from modlib.errors import InputError


def numbers(onehot: np.ndarray) -> np.ndarray:
    """Numbers that digits of ten inputs each stand for."""
    read = onehot.reshape(len(onehot), -1, 2, 10)
    assert (read.sum(-1) == 1).all()
    return read.argmax(-1) @ np.array([1, 10])


def test_digits_are_least_significant_first_and_of_the_remainder():
    assert digits(np.array([7, 42, 199])).tolist() == [[7, 0], [2, 4], [9, 9]]
    assert digits(np.array([[7, 42]])).tolist() == [[7, 0, 2, 4]]


def test_all_questions_are_asked_once_and_answered():
    inputs, targets = add_or_multiply()
    assert inputs.shape == (20_000, 42)
    assert targets.shape == (20_000, 2)
    assert len(np.unique(inputs, axis=0)) == 20_000
    a, b = numbers(inputs[:, :40]).T
    addition = inputs[:, 40] == 1
    assert (inputs[:, 40:].sum(axis=1) == 1).all()
    assert addition.sum() == 10_000
    answers = targets @ np.array([1, 10])
    for one, other, adds, answer in zip(a[::37], b[::37], addition[::37], answers[::37], strict=True):
        assert answer == (one + other if adds else one * other) % 100


@pytest.mark.parametrize(("only", "column"), [("addition", 40), ("multiplication", 41)])
def test_one_operation_alone(only: str, column: int):
    assert (add_or_multiply(only=only)[0][:, column] == 1).all()
    assert (add_or_multiply(np.random.default_rng(0), 50, only)[0][:, column] == 1).all()


def test_drawn_questions_are_uniform_and_follow_from_the_seed():
    inputs, targets = add_or_multiply(np.random.default_rng(1), 40_000)
    again = add_or_multiply(np.random.default_rng(1), 40_000)
    np.testing.assert_array_equal(inputs, again[0])
    np.testing.assert_array_equal(targets, again[1])
    np.testing.assert_allclose(inputs[:, :40].mean(axis=0), 0.1, atol=0.01)
    np.testing.assert_allclose(inputs[:, 40:].mean(axis=0), 0.5, atol=0.02)


def test_double_addition_adds_each_pair():
    inputs, targets = double_addition(np.random.default_rng(2), 1000)
    assert inputs.shape == (1000, 80)
    assert targets.shape == (1000, 4)
    a, b, c, d = numbers(inputs).T
    sums = targets.reshape(1000, 2, 2) @ np.array([1, 10])
    np.testing.assert_array_equal(sums, np.column_stack([(a + b) % 100, (c + d) % 100]))


def test_a_number_of_questions_without_a_generator_is_refused():
    with pytest.raises(InputError, match="n = 50 arrived without rng; expected both or neither"):
        add_or_multiply(n=50)


@pytest.mark.parametrize("pair", [0, 1])
def test_a_pair_that_is_not_shown_is_zero(pair: int):
    whole, targets = double_addition(np.random.default_rng(3), 20)
    alone, same = double_addition(np.random.default_rng(3), 20, shown=[pair])
    half = slice(40 * pair, 40 * pair + 40)
    np.testing.assert_array_equal(alone[:, half], whole[:, half])
    assert alone.sum() == alone[:, half].sum()
    np.testing.assert_array_equal(same, targets)


def test_bad_questions_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="addition, multiplication"):
        add_or_multiply(only="division")
    with pytest.raises(InputError, match="n = 0"):
        add_or_multiply(rng, 0)
    with pytest.raises(InputError, match=r"shown\[0\] = 2"):
        double_addition(rng, 5, shown=[2])
    with pytest.raises(InputError, match="shown = "):
        double_addition(rng, 5, shown=[])
