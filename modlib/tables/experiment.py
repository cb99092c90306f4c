"""What a chapter measures: its grid of cells, the function that measures one, and the columns of its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypeVar

from modlib.errors import InputError
from modlib.tables.schema import Column
from modlib.tables.words import rows_in_words

Cell: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]


class Plan(Protocol):
    """Networks of one kind, as chapters plan them."""

    @property
    def seeds(self) -> int:
        """How many of them."""


P = TypeVar("P", bound=Plan)


@dataclass(frozen=True, eq=False)
class Experiment:
    """A grid of cells, the function that measures one, and the schema of the table that holds their rows.

    Attributes:
        name: chapter and table.
        cells: the cells of a profile, in the order in which they are to be run; every cell has the columns
            of ``cell_key``.
        measure: rows of a cell; a module-level function, so that worker processes can import it.
        cell_key: columns that identify a cell, the first ones of the table.
        row_key: columns that identify a row within its cell.
        tolerance: for every measured column, the absolute difference that ``verify`` allows.
        of_means: columns of which a search decides single values, and the difference that ``verify`` allows between the
            means over a cell's rows, where a row may differ by its tolerance. On the kernels of the run a search ends
            where it ended, and rows must be equal.
        full: columns that hold a number of steps, and the paper's number; a row with fewer is reduced.
        columns: what every column may hold, in the order of the table.
        network_key: columns that identify a network within a profile; empty for a simulation.
        parts: columns of ``row_key`` that number the parts of one network, such as its clusters: number 3 of another
            network is something else.
        added: columns that earlier versions of the table lack, and what their rows have there.
        describe: the rows that a claim picks, by column and value, in words.
        remeasure: rows of a cell that was measured before a column was added: the columns of ``row_key``, the one that
            is added, and others that tell whether the network is the same; ``measure`` by default.

    Raises:
        InputError: if another attribute names a column that is not in ``columns``, the cell's are not the first, or a
            column may not hold what is added.
    """

    name: str
    cells: Callable[[str], Sequence[Cell]]
    measure: Callable[[Cell], list[Row]]
    cell_key: tuple[str, ...]
    row_key: tuple[str, ...]
    tolerance: Mapping[str, float]
    full: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(kw_only=True)
    network_key: tuple[str, ...] = field(default=(), kw_only=True)
    parts: tuple[str, ...] = field(default=(), kw_only=True)
    of_means: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    added: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    describe: Callable[[Mapping[str, str]], str] = field(default=rows_in_words, kw_only=True)
    remeasure: Callable[[Cell], list[Row]] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        named = (
            *self.cell_key,
            *self.row_key,
            *self.tolerance,
            *self.of_means,
            *self.full,
            *self.network_key,
            *self.parts,
            *self.added,
        )
        if unknown := sorted(set(named) - set(self.columns)):
            raise InputError(f"{self.name} names {', '.join(unknown)}; expected columns of its table: add them there")
        if tuple(self.columns)[: len(self.cell_key)] != self.cell_key:
            raise InputError(f"the columns of {self.name} begin otherwise than its cell_key; put {self.cell_key} first")
        for name, value in self.added.items():
            if expected := self.columns[name].fault(self.columns[name].write(value)):
                raise InputError(f"{self.name}: what it adds in {name} is {value!r}; expected {expected}")

    @cached_property
    def unmeasured(self) -> frozenset[str]:
        """Columns that are empty in rows of earlier versions of the table, until they are filled."""
        return frozenset(name for name, value in self.added.items() if value is None)

    @cached_property
    def key_columns(self) -> tuple[tuple[int, Column], ...]:
        """The columns of the key, cell first, and their places in the table."""
        order = list(self.columns)
        return tuple((order.index(name), self.columns[name]) for name in (*self.cell_key, *self.row_key))

    def cell_fields(self, cell: Cell) -> tuple[str, ...]:
        """The fields with which every line of a cell begins."""
        return tuple(self.columns[name].write(cell[name]) for name in self.cell_key)


def in_turn(plans: Sequence[P]) -> list[tuple[int, P]]:
    """Seed and plan of every network: one of every plan, then the next one of each.

    So a table that is not finished has networks of all kinds.
    """
    return [
        (seed, plan) for seed in range(max((p.seeds for p in plans), default=0)) for plan in plans if seed < plan.seeds
    ]


def plan_of(cell: Cell, plans: Sequence[P], names: Sequence[str]) -> P:
    """The plan that a cell is of: the only one whose attributes of some names are the cell's."""
    (found,) = (plan for plan in plans if all(str(getattr(plan, name)) == str(cell[name]) for name in names))
    return found
