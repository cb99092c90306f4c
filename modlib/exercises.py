"""Exercises with a blank: what a reader put in its place is right, or wrong in a way that is told with a hint.

A blank is ``...``: a value, or what a function returns. A check is made from the right answer, and never shows it.
Chapters: all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp

from modlib import checks
from modlib.errors import InputError
from modlib.reprs import brief

CLOSE = 0.005  # of a number's size: readers round to three digits
FEW_DIGITS = 10**9  # a whole number below it is told as it is
EACH = {"a list or array of numbers": "numbers", "several of True and False": "True or False"}  # each blank of several


@dataclass(frozen=True, repr=False)
class Feedback:
    """What is said of an answer. It is true only if the answer is right.

    Attributes:
        verdict: ``right``, ``not right yet`` or ``not answered yet``.
        says: what to put in place of the blank, or what is wrong and a hint; empty if it is right.
    """

    verdict: str
    says: str = ""

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __repr__(self) -> str:
        return f"{self.verdict.capitalize()}. {self.says}".strip()

    def _repr_markdown_(self) -> str:
        said = escape(self.says, quote=False).replace("$", r"\$").replace("`", r"\`").replace("*", r"\*")
        return f"**{self.verdict.capitalize()}.** {said}".strip()


def check_answer(
    answer: object,
    right: object,
    hint: str,
    *,
    mistakes: Sequence[tuple[object, str]] = (),
    among: Sequence[str] = (),
    within: float = CLOSE,
) -> Feedback:
    """Whether an answer is right: a number, True or False, a word, a set, or an array.

    Args:
        answer: what the reader gave; ``...`` is a blank.
        right: the right answer, whose type says what is expected; a list or tuple of numbers counts as an array.
        hint: said with what is wrong.
        mistakes: wrong answers that are likely, each with what to say of it in place of the hint.
        among: the words to choose from, where the answer is a word.
        within: numbers may differ by this share of their size.

    Raises:
        InputError: if ``right`` is no answer, or ``within`` is no share.

    >>> check_answer(0.333, 1 / 3, "Count the stubs.")
    Right.
    >>> check_answer(0.5, 1 / 3, "Count the stubs.")
    Not right yet. It is another number. Count the stubs.
    >>> check_answer(..., 1 / 3, "Count the stubs.")
    Not answered yet. Put a number in place of the dots.
    """
    checks.real(within, "within", least=0, most=1)
    checks.instance(hint, str, "hint", "pass a sentence")
    kind = _kind(right)
    words = [checks.instance(word, str, "among", "pass the words") for word in checks.items(among, "among", least=0)]
    known = _pairs(mistakes)
    if _is_blank(answer):
        wanted = EACH.get(kind, kind) if isinstance(answer, list | tuple) else _expected(kind, words)
        return Feedback("not answered yet", f"Put {wanted} in place of the dots.")
    wrong = _difference(answer, right, within, words)
    if not wrong:
        return Feedback("right")
    for mistake, says in known:
        if not _difference(answer, mistake, within, []):
            return Feedback("not right yet", says)
    return Feedback("not right yet", f"{wrong} {hint}")


def check_function(
    function: object,
    like: Callable[..., object],
    tries: Sequence[tuple[Any, ...]],
    hint: str,
    *,
    mistakes: Sequence[tuple[Callable[..., object], str]] = (),
    within: float = CLOSE,
    compared: Callable[..., object] = lambda answer, *_: answer,
) -> Feedback:
    """Whether a function does what another does, on some arguments. An exception in it is told in words.

    Args:
        function: the reader's; one that returns ``...`` or nothing is a blank.
        like: the right one.
        tries: tuples of arguments; each call gets copies.
        hint: said with what is wrong.
        mistakes: wrong functions that are likely, each with what to say of it in place of the hint.
        within: numbers may differ by this share of their size.
        compared: where many answers are right, as of a shuffle: what is compared of an answer and the arguments.

    Raises:
        InputError: if there is nothing to try, ``like`` or a mistake fails on a try, or no try tells them apart.

    >>> def double(x):
    ...     return x**2
    >>> check_function(double, lambda x: 2 * x, [(2,), (3,)], "Twice.")
    Not right yet. On try 2 of 2 it returns 9: it is another number. Twice.
    """
    checks.real(within, "within", least=0, most=1)
    checks.instance(hint, str, "hint", "pass a sentence")
    checks.function(like, "like", "pass the function that is right")
    arguments = [tuple(checks.items(each, "tries", least=0)) for each in checks.items(tries, "tries")]
    rights = [_own(like, compared, each) for each in arguments]
    known = [([_own(mistake, compared, each) for each in arguments], says) for mistake, says in _pairs(mistakes)]
    if any(not any(_differences(wrong, rights, within)) for wrong, _ in known):
        raise InputError("a mistake of this exercise is right on every try; expected another answer: add a try")
    blank = Feedback("not answered yet", "It returns nothing: put what it should return in place of the dots.")
    if _is_blank(function):
        return blank
    if not callable(function):
        return Feedback("not right yet", f"A function is expected; {_told(function)} arrived. Give its name alone.")
    answers, seen = [], []
    for number, each in enumerate(arguments, 1):
        try:
            answer = function(*deepcopy(each))
        except Exception as error:
            if "ellipsis" in str(error).lower():  # the dots are a part of what is computed
                return blank
            stopped = f"On try {number} of {len(arguments)} it stops with {type(error).__name__}: {error}."
            return Feedback("not right yet", f"{stopped} {hint}")
        if _is_blank(answer):
            return blank
        answers.append(answer)
        try:
            seen.append(compared(answer, *deepcopy(each)))
        except Exception:  # it is nothing like what is expected
            seen.append(None)
    wrongs = _differences(seen, rights, within)
    if not any(wrongs):
        return Feedback("right")
    for mistaken, says in known:
        if not any(_differences(seen, mistaken, within)):
            return Feedback("not right yet", says)
    first = next(number for number, wrong in enumerate(wrongs) if wrong)
    told = f"On try {first + 1} of {len(wrongs)} it returns {_told(answers[first])}"
    return Feedback("not right yet", f"{told}: {wrongs[first][0].lower()}{wrongs[first][1:]} {hint}")


def _is_blank(answer: object) -> bool:
    inside = isinstance(answer, list | tuple | set | frozenset) and any(item is ... for item in answer)
    return answer is ... or answer is None or inside


def _kind(right: object) -> str:
    """What sort of answer is right.

    Raises:
        InputError: if it is none that can be compared.
    """
    if isinstance(right, bool | np.bool_):
        return "True or False"
    if isinstance(right, str):
        return "a word"
    if isinstance(right, set | frozenset):
        return "a set"
    numbers = _numbers(right)
    if numbers is None or np.isnan(numbers).any():
        raise InputError(
            f"right = {checks.arrived(right)} arrived; expected a number, True or False, a word, a set or an array "
            "without NaN: say what the right answer is"
        )
    if numbers.ndim == 0:
        return "a number"
    return "several of True and False" if np.asarray(right).dtype == bool else "a list or array of numbers"


def _expected(kind: str, words: list[str]) -> str:
    return f"one of {', '.join(map(repr, words))}" if words else kind


def _difference(answer: Any, right: Any, within: float, words: list[str]) -> str:
    """What is wrong with an answer, in a sentence that does not tell the right one; nothing if it is right."""
    kind = _kind(right)
    unexpected = f"Expected is {_expected(kind, words)}; {_told(answer)} arrived."
    if kind == "True or False":
        same = isinstance(answer, bool | np.bool_) and bool(answer) == bool(right)
        return "" if same else "It is the other one." if isinstance(answer, bool | np.bool_) else unexpected
    if kind == "a word":
        word = answer.strip().casefold() if isinstance(answer, str) else ""
        if not word or (words and word not in [each.casefold() for each in words]):
            return unexpected
        return "" if word == str(right).strip().casefold() else "It is another one."
    if kind == "a set":
        return _of_sets(answer, right, unexpected)
    given, wanted = _numbers(answer), _numbers(right)
    if given is None or wanted is None or (wanted.ndim == 0) != (given.ndim == 0):
        return unexpected
    if given.shape != wanted.shape:
        return f"Its shape is {given.shape}; {wanted.shape} is expected."
    if np.isnan(given).any():
        return "Not a number (NaN) is in it: something was divided by nought, or an empty mean taken."
    with np.errstate(over="ignore", invalid="ignore"):  # the largest numbers, infinite ones
        wrong = ~np.isclose(given, wanted, rtol=within, atol=1e-9)
    if given.ndim == 0:
        return "It is another number." if wrong else ""
    return f"Wrong values: {wrong.sum()} of {wrong.size}." if wrong.any() else ""


def _differences(answers: list[Any], rights: list[Any], within: float) -> list[str]:
    return [_difference(*pair, within, []) for pair in zip(answers, rights, strict=True)]


def _of_sets(answer: Any, right: set[Any], unexpected: str) -> str:
    try:
        given = set(answer) if hasattr(answer, "__len__") and not isinstance(answer, str | dict) else None
    except Exception:  # the reader's object may do anything
        given = None
    if given is None:
        return unexpected
    extra, missing = len(given - right), len(right - given)
    return f"Too many in it: {extra}, missing: {missing}." if extra or missing else ""


def _numbers(value: Any) -> np.ndarray | None:
    """Real numbers as an array; none if it is something else. A truth value is no number, an array of them is."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        if isinstance(value, Real):
            return np.asarray(float(value))
        found = np.asarray(value.toarray() if sp.issparse(value) else value)
        return found.astype(float) if found.dtype.kind in "biuf" and found.size else None
    except Exception:  # the reader's object may do anything
        return None


def _told(value: object) -> str:
    """An answer in a few words, whatever it is."""
    if isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < FEW_DIGITS):
        return str(value)[:60]
    numbers = _numbers(value)
    if numbers is not None and numbers.ndim == 0:
        return brief(float(numbers))
    shape = f" of shape {numbers.shape}" if numbers is not None else ""
    return f"an object of type {type(value).__name__}{shape}"


def _own(function: Callable[..., object], compared: Callable[..., object], arguments: tuple[Any, ...]) -> object:
    """What is compared of what a function of the exercise returns.

    Raises:
        InputError: if it fails; then the exercise is wrong, not the reader.
    """
    try:
        found = compared(function(*deepcopy(arguments)), *deepcopy(arguments))
    except Exception as error:
        raise InputError(
            f"a function of this exercise stopped with {type(error).__name__}: {error}; expected an answer on every "
            "try: mend the exercise"
        ) from error
    _kind(found)
    return found


def _pairs(mistakes: Any) -> list[tuple[Any, str]]:
    """Mistakes with what to say of them.

    Raises:
        InputError: if they are no pairs.
    """
    found = checks.items(mistakes, "mistakes", least=0)
    if any(not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str)) for pair in found):
        raise InputError(f"mistakes = {checks.arrived(mistakes)} arrived; expected pairs of an answer and a text")
    return found
