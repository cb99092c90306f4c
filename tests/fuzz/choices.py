"""What decides a random call: whole numbers, drawn by a seed, that can be replayed and made smaller.

A maker is a function of ``Choices`` that returns a value. All that is random in it comes from ``choose(n)``, a whole
number below n, and 0 is the simplest choice; so a call that fails is a list of numbers, and a smaller list that fails
as well is a simpler call. Hypothesis does this and more, but takes milliseconds a call; this takes some hundredths.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


class Choices:
    """Whole numbers below what is asked for, by a seed; or those of another call, and zeros after them.

    Attributes:
        made: the numbers so far.
    """

    def __init__(self, seed: int | None = None, again: Sequence[int] = ()) -> None:
        self.made: list[int] = []
        self._again = again
        self._rng = None if seed is None else random.Random(seed)

    def __call__(self, n: int) -> int:
        if self._rng is not None:
            chosen = int(self._rng.random() * n)
        else:
            chosen = min(self._again[len(self.made)], n - 1) if len(self.made) < len(self._again) else 0
        self.made.append(chosen)
        return chosen


Make: TypeAlias = Callable[[Choices], T]


def just(value: T) -> Make[T]:
    return lambda choose: value


def words(values: Sequence[T]) -> Make[T]:
    return lambda choose: values[choose(len(values))]


def whole(low: int, high: int) -> Make[int]:
    """Whole numbers, both ends included."""
    return lambda choose: low + choose(high - low + 1)


def lists(make: Make[T], least: int, most: int) -> Make[list[T]]:
    return lambda choose: [make(choose) for _ in range(least + choose(most - least + 1))]


def one_of(*makes: Make[Any]) -> Make[Any]:
    return lambda choose: makes[choose(len(makes))](choose)


def smallest(made: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Choices that still fail, of which none can be lowered."""
    found, lowered = list(made), True
    while lowered:
        lowered = False
        for i, chosen in enumerate(found):
            for lower in sorted({0, chosen // 2, chosen - 1} - {chosen, -1}):
                tried = [*found[:i], lower, *found[i + 1 :]]
                if fails(tried):
                    found, lowered = tried, True
                    break
    return found
