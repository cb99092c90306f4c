"""modlib.exercises: blanks, right answers and wrong ones, and functions of readers that do anything."""

from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st

from modlib.errors import InputError
from modlib.exercises import Feedback, check_answer, check_function

HINT = "Count the stubs."
RIGHT: list[tuple[Any, list[Any]]] = [  # the right answer, and what else is as right
    (0.5, [0.5, Fraction(1, 2), np.float32(0.5), np.array(0.5), 0.502]),
    (3, [3, 3.0, np.int8(3)]),
    (0, [0, 0.0, -0.0]),
    (np.inf, [float("inf")]),
    (True, [True, np.True_]),
    ("degree", ["degree", " Degree "]),
    ({1, 2}, [{1, 2}, frozenset({1, 2}), [2, 1, 1], (1, 2), np.array([2, 1])]),
    (np.eye(2), [np.eye(2), [[1, 0], [0, 1]], sp.eye_array(2), np.eye(2, dtype=bool)]),
]
WRONG: list[tuple[Any, Any, str]] = [
    (0.5, 0.6, "another number"),
    (0.5, np.nan, "NaN"),
    (0.5, True, "Expected is a number; True arrived"),
    (0.5, "0.5", "Expected is a number; 0.5 arrived"),
    (0.5, [0.5], "Expected is a number; an object of type list of shape (1,) arrived"),
    (0.5, 0.5j, "Expected is a number; an object of type complex arrived"),
    (0.5, len, "Expected is a number"),
    (True, False, "the other one"),
    (True, 1, "Expected is True or False; 1 arrived"),
    ("degree", "strength", "another one"),
    ("degree", 3, "Expected is a word; 3 arrived"),
    ({1, 2}, {2, 3, 4}, "Too many in it: 2, missing: 1."),
    ({1, 2}, 1, "Expected is a set; 1 arrived"),
    ({1, 2}, [[1], [2]], "Expected is a set"),
    ([1.0, 2.0], [1, 3], "Wrong values: 1 of 2"),
    ([1.0, 2.0], [1, np.nan], "NaN"),
    (np.eye(2), np.eye(3), "Its shape is (3, 3); (2, 2) is expected"),
    ([1.0, 2.0], 1, "Expected is a list or array of numbers; 1 arrived"),
    ([1.0, 2.0], {"a": 1}, "Expected is a list or array"),
    ([True, False], [True, True], "Wrong values: 1 of 2"),
    ([True, False], True, "Expected is several of True and False; True arrived"),
]


class Rude:
    """An object that raises whatever one asks of it."""

    def __array__(self, *_: object) -> np.ndarray:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(("right", "answers"), RIGHT, ids=repr)
def test_a_right_answer_is_right_however_it_is_written(right: Any, answers: list[Any]) -> None:
    for answer in answers:
        found = check_answer(answer, right, HINT)
        assert found, answer
        assert str(found) == "Right."


@pytest.mark.parametrize(("right", "answer", "says"), WRONG, ids=repr)
def test_a_wrong_answer_is_told_with_what_is_wrong_and_the_hint(right: Any, answer: Any, says: str) -> None:
    found = check_answer(answer, right, HINT)
    assert not found
    assert found.verdict == "not right yet"
    assert says in found.says
    assert found.says.endswith(HINT)


@pytest.mark.parametrize(("right", "kind"), [(1, "a number"), (True, "True or False"), ("a", "a word"), ({1}, "a set")])
@pytest.mark.parametrize("blank", [..., None, [...], (1, ...)])
def test_a_blank_is_not_answered_and_says_what_to_put_there(right: Any, kind: str, blank: Any) -> None:
    found = check_answer(blank, right, HINT)
    assert not found
    assert str(found) == f"Not answered yet. Put {kind} in place of the dots."


@pytest.mark.parametrize(("right", "each"), [((0, 1.0), "numbers"), ([True, False], "True or False")])
def test_of_several_blanks_one_may_be_left(right: Any, each: str) -> None:
    for blank in ((..., ...), (0, ...), [..., 1]):
        assert str(check_answer(blank, right, HINT)) == f"Not answered yet. Put {each} in place of the dots."


def test_of_words_to_choose_from_one_is_expected_and_a_slip_of_the_pen_is_told() -> None:
    words = ("layer", "degree")
    assert "one of 'layer', 'degree'" in check_answer(..., "degree", HINT, among=words).says
    assert "one of 'layer', 'degree'; degre arrived" in check_answer("degre", "degree", HINT, among=words).says
    assert "another one" in check_answer("layer", "degree", HINT, among=words).says
    assert check_answer("Degree", "degree", HINT, among=words)


def test_a_likely_mistake_gets_its_own_words_in_place_of_the_hint() -> None:
    mistakes = [(1.0, "That is the sum over clusters."), ("half", "A number, please.")]
    assert check_answer(1.0, 0.5, HINT, mistakes=mistakes).says == "That is the sum over clusters."
    assert HINT in check_answer(2.0, 0.5, HINT, mistakes=mistakes).says


@given(right=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3), off=st.floats(0.006, 10))
def test_a_number_is_right_within_a_share_of_its_size_and_no_feedback_tells_it(right: float, off: float) -> None:
    assert check_answer(right * 1.004, right, HINT)
    wrong = check_answer(right * (1 + off), right, HINT)
    assert not wrong
    assert repr(right) not in str(wrong)
    assert check_answer(right * (1 + off), right, HINT, within=1.0) or off > 1


ODD = [Rude(), object(), Ellipsis, float("nan"), 2j, b"x", {}, [], np.array([None]), len, 10**400, count()]


@pytest.mark.parametrize("answer", ODD, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("right", [1, True, "a", {1}, [1.0, 2.0]])
def test_whatever_arrives_is_no_right_answer_and_no_exception(answer: Any, right: Any) -> None:
    assert not check_answer(answer, right, HINT)


@pytest.mark.parametrize("right", [..., None, np.nan, [1, np.nan], object(), 2j, [], {"a": 1}])
def test_an_exercise_without_a_right_answer_is_refused(right: Any) -> None:
    with pytest.raises(InputError, match="say what the right answer is"):
        check_answer(1, right, HINT)


def double(x: float) -> float:
    return 2 * x


TRIES: list[tuple[Any, ...]] = [(2.0,), (3.0,), (np.ones(2),)]


def test_a_function_is_right_if_it_answers_alike_on_every_try() -> None:
    assert check_function(lambda x: x + x, double, TRIES, HINT)
    found = check_function(lambda x: x**2, double, TRIES, HINT)
    assert found.says == f"On try 2 of 3 it returns 9: it is another number. {HINT}"


@pytest.mark.parametrize("blank", [..., None, lambda x: ..., lambda x: None, lambda x: (x, ...), lambda x: ... + x])
def test_a_function_whose_body_is_a_blank_is_not_answered(blank: Any) -> None:
    found = check_function(blank, double, TRIES, HINT)
    assert found.verdict == "not answered yet"
    assert "in place of the dots" in found.says


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: 1 / 0, "On try 1 of 3 it stops with ZeroDivisionError: division by zero."),
        (lambda: 1, "it stops with TypeError"),
        (lambda x: float("nan"), "NaN"),
        (lambda x: "four", "expected is a number; four arrived"),
        (lambda x: x[:1] * 2 if np.ndim(x) else 2 * x, "On try 3 of 3"),
        (4.0, "A function is expected; 4 arrived"),
    ],
)
def test_what_a_function_does_wrong_is_told_in_words(function: Any, says: str) -> None:
    found = check_function(function, double, TRIES, HINT)
    assert not found
    assert says in found.says


def test_a_likely_mistake_of_a_function_gets_its_own_words() -> None:
    mistakes = [(lambda x: x, "That is x itself."), (lambda x: x**2, "That is the square.")]
    assert check_function(lambda x: x * x, double, TRIES, HINT, mistakes=mistakes).says == "That is the square."


def test_a_function_that_changes_its_arguments_spoils_neither_the_others_nor_the_exercise() -> None:
    def spoils(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    tries = [(np.ones(2),), (np.ones(2),)]
    assert check_function(spoils, double, tries, HINT)
    assert check_function(spoils, double, tries, HINT)
    assert (tries[0][0] == 1).all()


def test_of_a_function_that_draws_only_what_every_right_answer_has_is_compared() -> None:
    def shuffled(row: np.ndarray, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(row)

    def kept(answer: np.ndarray, row: np.ndarray, seed: int) -> np.ndarray:
        return np.append(np.sort(answer), (answer != row).any())

    ask = {"like": shuffled, "tries": [(np.arange(9), 0)], "hint": HINT, "compared": kept}
    assert check_function(lambda row, seed: row[::-1], **ask)
    assert "wrong values: 1 of 10" in check_function(lambda row, seed: row, **ask).says
    assert not check_function(lambda row, seed: "text", **ask)
    assert check_function(lambda row, seed: ..., **ask).verdict == "not answered yet"


def test_random_generators_are_as_they_were_at_every_call() -> None:
    def drawn(rng: np.random.Generator) -> float:
        return rng.random()

    assert check_function(drawn, drawn, [(np.random.default_rng(0),)] * 2, HINT)


@pytest.mark.parametrize(
    ("like", "tries"), [(lambda x: 1 / 0, TRIES), (lambda x: None, TRIES), (double, []), (double, 3), (3, TRIES)]
)
def test_an_exercise_that_fails_itself_is_refused(like: Any, tries: Any) -> None:
    with pytest.raises(InputError):
        check_function(double, like, tries, HINT)


@pytest.mark.parametrize("mistake", [lambda x: x + x, lambda x: 1 / 0, lambda x: None])
def test_a_mistake_that_is_right_or_fails_is_refused_whatever_the_answer_is(mistake: Any) -> None:
    for function in (..., double):
        with pytest.raises(InputError, match=r"of this exercise|say what the right answer is"):
            check_function(function, double, TRIES, HINT, mistakes=[(mistake, "So.")])


@pytest.mark.parametrize("mistakes", [3, [1], [(1, 2, 3)]])
def test_mistakes_are_pairs(mistakes: Any) -> None:
    with pytest.raises(InputError, match="mistakes"):
        check_answer(1, 2, HINT, mistakes=mistakes)


def test_text_that_is_code_is_shown_as_it_is() -> None:
    def evil(x: float) -> float:
        raise ValueError("<b>$x$</b> `a` *b*")

    shown = check_function(evil, double, TRIES, HINT)._repr_markdown_()
    assert "&lt;b&gt;\\$x\\$&lt;/b&gt; \\`a\\` \\*b\\*" in shown
    assert Feedback("right")._repr_markdown_() == "**Right.**"
