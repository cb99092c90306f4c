"""modlib.tables.experiment: the order in which planned networks are measured, and the way back from a cell."""

from dataclasses import dataclass

import pytest

from modlib.tables import in_turn, plan_of


@dataclass(frozen=True)
class Networks:
    dataset: str
    k: int
    seeds: int


PLANS = (Networks("a", 4, 3), Networks("b", 4, 1), Networks("a", 12, 2))


def test_every_plan_has_a_network_before_the_second_one_of_each() -> None:
    found = [(seed, plan.dataset, plan.k) for seed, plan in in_turn(PLANS)]
    assert found == [(0, "a", 4), (0, "b", 4), (0, "a", 12), (1, "a", 4), (1, "a", 12), (2, "a", 4)]
    assert in_turn(()) == []


def test_a_cell_finds_the_plan_that_it_is_of() -> None:
    assert plan_of({"dataset": "a", "k": "12", "seed": 0}, PLANS, ("dataset", "k")) is PLANS[2]
    for cell in ({"dataset": "c", "k": 4}, {"dataset": "a", "k": 5}):
        with pytest.raises(ValueError, match="not enough values"):
            plan_of(cell, PLANS, ("dataset", "k"))
    with pytest.raises(ValueError, match="too many values"):
        plan_of({"dataset": "a", "k": 4}, PLANS, ("dataset",))
