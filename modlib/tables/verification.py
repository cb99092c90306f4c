"""Whether the code still gives what a table stores, on this processor and on any other.

The last digits of a sum depend on the processor's kernels, and after some thousand steps of training they have decided
what the network is. So there are three questions. Do the same weights give the same rows? Some networks are kept for
that, and every processor must agree. Does training again give the same network? It must, where the kernels are those
of the run. Where they are not, a network is one more draw from its condition, and must look like one. Chapter: all
with a result table.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.checks import seed_number
from modlib.errors import InputError, ResultsError
from modlib.files import empty_cache, results_folder
from modlib.tables.experiment import Cell, Experiment, Row
from modlib.tables.integrity import cell_text, read_provenance
from modlib.tables.provenance import other_kernels
from modlib.tables.results import read_table
from modlib.tables.runner import restricted, stopped_by_signals
from modlib.tables.schema import INFINITE, number_lists
from modlib.tables.workers import measure_cell

if TYPE_CHECKING:
    import pandas as pd

KEPT = "networks"  # folder of kept networks beside the tables, and the list of the cells that are measured on them
ROUNDED = 1e-5  # by which values that are equal may differ, as they are stored with five digits
ERROR = 0.001  # chance that a draw from the condition is refused, for all values of a cell together


@dataclass(frozen=True)
class Difference:
    """A stored value that measuring again did not give."""

    cell: str
    column: str
    stored: Any
    measured: Any


@dataclass(frozen=True)
class Redrawn:
    """A cell whose network came out as another one, which looks like a draw from its condition.

    Attributes:
        cell: which, in words.
        reason: what differs between this machine and that of the run.
        values: number of values that were compared, each with its prediction interval.
        networks: smallest number of stored networks that an interval rests on.
    """

    cell: str
    reason: str
    values: int
    networks: int


@dataclass(frozen=True)
class Verified:
    """What measuring again showed.

    Attributes:
        differences: values beyond what is allowed; empty if all is well.
        redrawn: cells that are other draws of their condition.
        kept: cells that were measured on their kept networks.
        trained: cells that were trained again.
    """

    differences: tuple[Difference, ...]
    redrawn: tuple[Redrawn, ...]
    kept: tuple[str, ...]
    trained: tuple[str, ...]


def verify(
    experiment: Experiment,
    sample: int,
    seed: int = 0,
    folder: Path | None = None,
    oldest: bool = False,
    only: Mapping[str, str] | None = None,
) -> Verified:
    """Measure stored cells again, and compare every column with what is stored.

    Cells of which the network is kept are measured on it. Of all others some are picked, and their networks are trained
    again.

    Args:
        experiment: what was measured.
        sample: number of cells that are trained again, at least 1; all if there are fewer.
        seed: decides the choice.
        folder: where the table lies; nothing is written there.
        oldest: whether those are picked that were measured longest ago, and not any.
        only: restrict the cells that are trained again, by column and value.

    Returns:
        Differences beyond ``experiment.tolerance``. Of what a search decides, those beyond rounding on the kernels of
        the run, and elsewhere also those of means over a cell beyond ``experiment.of_means``. Where a run had other
        kernels or versions, or did not record them, and the table has two networks of the condition or more, values
        beyond the interval that holds all values of one more network with a chance of 1 - ``ERROR``: mean +- t sd
        sqrt(1 + 1/n) over the n stored networks, with Student's t for n - 1 degrees of freedom and Bonferroni's
        correction, and an sd of at least the tolerance.

    Raises:
        InputError: if the sample is empty, the seed is no number from 0, or no stored cell has the values of ``only``.
        ResultsError: if there is no table, or a file is damaged.
    """
    from tqdm import tqdm

    if sample < 1:
        raise InputError(f"sample = {sample} arrived; expected at least 1 cell")
    seed = seed_number(seed)
    folder = folder or results_folder()
    table, runs = read_table(experiment, folder), read_provenance(experiment.name, folder)["runs"]
    keys = table[[*experiment.cell_key]].drop_duplicates().reset_index(drop=True)
    chosen = np.random.default_rng(seed).permutation(len(keys))
    cells = [{column: _plain(keys.at[number, column]) for column in experiment.cell_key} for number in chosen]
    if oldest:
        cells.sort(key=lambda cell: _number_of_run(experiment, cell, runs))
    drawn = restricted(experiment, cells, only or {})[:sample]
    kept = kept_cells(experiment, folder)
    differences: list[Difference] = []
    redrawn: list[Redrawn] = []
    with stopped_by_signals(), tqdm(total=len(kept) + len(drawn), desc=f"verify {experiment.name}", unit="cell") as bar:
        for cell in kept:
            with _kept_networks(folder):
                measured, _ = measure_cell(experiment, cell)
            differences += _differences(experiment, table, cell, measured, _other_kernels(experiment, cell, runs))
            bar.update()
        with empty_cache():
            for cell in drawn:
                measured, _ = measure_cell(experiment, cell)
                reason = _other_kernels(experiment, cell, runs)
                found = _differences(experiment, table, cell, measured, reason)
                compared = _intervals(experiment, table, cell, measured) if found and reason else None
                if compared is not None:
                    found = [
                        Difference(
                            f"{_in_words(cell)}, {row['key']}",
                            row["column"],
                            f"{row['low']:.6g} to {row['high']:.6g}",
                            row["value"],
                        )
                        for row in compared[~compared["inside"]].to_dict("records")
                    ]
                    if not found:
                        redrawn.append(Redrawn(_in_words(cell), reason, len(compared), int(compared["n"].min())))
                differences += found
                bar.update()
    return Verified(tuple(differences), tuple(redrawn), tuple(map(_in_words, kept)), tuple(map(_in_words, drawn)))


def _number_of_run(experiment: Experiment, cell: Cell, runs: Sequence[dict[str, Any]]) -> int:
    """Which run measured a cell, the last that did so; -1 for runs before those that list their cells."""
    text = cell_text(experiment.cell_fields(cell))
    return max((number for number, run in enumerate(runs) if text in run.get("cells", ())), default=-1)


def kept_cells(experiment: Experiment, folder: Path | None = None) -> list[Cell]:
    """Cells of a table of which the networks are kept beside it.

    Raises:
        ResultsError: if the list of them is damaged.
    """
    path = (folder or results_folder()) / KEPT / "cells.json"
    try:
        cells = json.loads(path.read_text(encoding="utf-8")).get(experiment.name, [])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError) as error:
        raise ResultsError(f"{path} is no list of cells, table by table ({error}); restore it from git") from error
    for cell in cells:
        if not isinstance(cell, dict) or set(cell) != set(experiment.cell_key):
            raise ResultsError(
                f"{path} has {cell!r} for {experiment.name}; expected a value of each of "
                f"{', '.join(experiment.cell_key)}: restore it from git"
            )
    return [{name: cell[name] for name in experiment.cell_key} for cell in cells]


@contextmanager
def _kept_networks(folder: Path) -> Iterator[None]:
    """A cache that holds the kept networks, for the time of the block; it is an error to train another one."""
    with empty_cache() as cache:
        networks = list((folder / KEPT).glob("*.npz"))
        for path in networks:
            shutil.copy(path, cache / path.name)
        yield
        if more := {path.name for path in cache.glob("*.npz")} - {path.name for path in networks}:
            raise ResultsError(
                f"{folder / KEPT} lacks {', '.join(sorted(more))}, which a cell of its cells.json is measured on; "
                "restore it from git, or take the cell off the list"
            )


def _differences(
    experiment: Experiment, table: pd.DataFrame, cell: Cell, measured: Sequence[Row], other_kernels: str
) -> list[Difference]:
    """Values of a cell that are not what is stored, and means of those that a search decides elsewhere."""
    equal = {} if other_kernels else dict.fromkeys(experiment.of_means, ROUNDED)
    tolerance = {**experiment.tolerance, **equal}
    name, rows = _in_words(cell), _of_cell(table, cell).to_dict("records")
    stored = {tuple(str(row[c]) for c in experiment.row_key): row for row in rows}
    again = {tuple(str(row[c]) for c in experiment.row_key): row for row in measured}
    differences = []
    for key in sorted(stored.keys() | again.keys()):
        if key not in stored or key not in again:
            there = ["a row" if key in part else "no row" for part in (stored, again)]
            differences.append(Difference(name, "/".join(key), *there))
            continue
        differences += [
            Difference(f"{name}, {'/'.join(key)}", column, stored[key][column], value)
            for column, value in again[key].items()
            if not (column in experiment.unmeasured and (value is None or _missing(stored[key][column])))
            and not _agrees(stored[key][column], value, tolerance.get(column, 0.0))
        ]
    both = [(stored[key], again[key]) for key in stored.keys() & again.keys()]
    for column, allowed in experiment.of_means.items():
        pairs = [
            (old[column], new[column]) for old, new in both if not (_missing(old[column]) or _missing(new[column]))
        ]
        if pairs:
            before, after = np.mean(np.array(pairs, dtype=float), axis=0).tolist()
            if abs(after - before) > allowed:
                differences.append(Difference(name, f"mean of {column}", before, after))
    return differences


def _other_kernels(experiment: Experiment, cell: Cell, runs: Sequence[dict[str, Any]]) -> str:
    """Why the network of a cell may be another one here; empty if it must be the same."""
    number = _number_of_run(experiment, cell, runs)
    asked = runs if number < 0 else [runs[number]]
    reasons = [other_kernels(run) for run in asked if run["profile"] == cell["profile"]]
    return next((reason for reason in reasons if reason), "")


def _intervals(experiment: Experiment, table: pd.DataFrame, cell: Cell, measured: Sequence[Row]) -> pd.DataFrame | None:
    """Every number of a network beside its prediction interval from the stored networks of its condition.

    Rows of parts that correspond to nothing in another network are averaged, but for counts, which depend on how many
    parts there are. Lists of numbers count by their mean, and infinite ones not at all.

    Returns:
        A row a number, with columns key, column, n, low, high, value and inside; None where there is no such interval:
        cells are no networks, a number has fewer than two, or the network lacks rows that all others have.
    """
    import pandas as pd
    from scipy.stats import t as student

    if "seed" not in experiment.cell_key or not experiment.network_key:
        return None
    stored = _of_cell(table, {name: value for name, value in cell.items() if name != "seed"})
    key = [name for name in experiment.row_key if name not in experiment.parts]
    columns = [
        name
        for name, column in experiment.columns.items()
        if column.kind != "text"
        and not (column.kind == "integer" and experiment.parts)
        and name not in (*experiment.cell_key, *experiment.row_key)
        and experiment.tolerance.get(name, 0.0) < math.inf
        and not (name in experiment.unmeasured and stored[name].isna().all())
    ]
    networks = {seed: _means(rows, key, columns) for seed, rows in stored.groupby("seed")}
    of_cell = _means(pd.DataFrame(measured), key, columns)
    if not set.intersection(*(set(found.index) for found in networks.values())) <= set(of_cell.index):
        return None
    rows = []
    for (index, values), name in product(of_cell.iterrows(), columns):
        if math.isnan(values[name]):
            continue
        draws = pd.Series([found.at[index, name] for found in networks.values() if index in found.index]).dropna()
        if len(draws) < 2:
            return None
        sd = max(float(draws.std()), experiment.tolerance.get(name, 0.0))
        error = sd * math.sqrt(1 + 1 / len(draws))
        told = "/".join(map(str, index if isinstance(index, tuple) else [index]))
        rows.append((told, name, len(draws), float(draws.mean()), error, values[name]))
    if not rows:
        return None
    found = pd.DataFrame(rows, columns=["key", "column", "n", "mean", "error", "value"])
    half = student.ppf(1 - ERROR / 2 / len(found), found["n"] - 1) * found["error"] + 1e-12
    return found.assign(
        low=found["mean"] - half, high=found["mean"] + half, inside=abs(found["value"] - found["mean"]) <= half
    )


def _means(frame: pd.DataFrame, key: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Mean of every column over the rows of each key; a list of numbers counts by its mean."""
    import pandas as pd

    def number(value: Any) -> float:
        if isinstance(value, str):
            value = float(np.mean(number_lists([value]))) if value else math.nan
        return float(value) if value is not None and abs(value) < INFINITE else math.nan

    numbers = frame[list(columns)].map(number).astype(float)
    by = [frame[name] for name in key] or [pd.Series("all rows", frame.index)]
    return numbers.groupby(by if len(by) > 1 else by[0]).mean()


def _of_cell(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    picked = np.ones(len(table), dtype=bool)
    for name, value in cell.items():
        picked &= (table[name] == value).to_numpy()
    return table[picked]


def _in_words(cell: Cell) -> str:
    return ", ".join(f"{column}={value}" for column, value in cell.items())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _missing(value: Any) -> bool:
    # an empty field is read as NaN, that of a text as it is, and a NaN is stored as an empty field
    return bool(value is None or value == "" or value != value)


def _agrees(stored: Any, measured: Any, tolerance: float) -> bool:
    missing = [_missing(value) for value in (stored, measured)]
    if any(missing):
        return all(missing)
    if isinstance(measured, str) and not tolerance:
        return str(stored) == measured
    try:  # a list of numbers is stored as text
        old, new = (number_lists([str(value)]) for value in (stored, measured))
    except ValueError:
        return False
    if old.shape != new.shape or np.isinf(tolerance):
        return old.shape == new.shape
    return bool(np.allclose(old, new, rtol=0, atol=tolerance + 1e-12, equal_nan=True))
