"""The runner: measure the cells of a grid that a result table lacks, and store their rows as they come.

A cell is one condition and one seed. Its measurement depends on the cell alone, so cells can be run in any
order, by any number of processes, and again. A killed run loses at most the cells in flight; the next one
goes on where it stopped.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from modlib.errors import CheckoutMissing, InputError, TableMissing, extra
from modlib.files import checkout, empty_cache
from modlib.tables.results import append_rows, read_table

Cell: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]
PROFILES = ("smoke", "quick", "paper")
VERSIONS = (
    *("numpy", "scipy", "scikit-learn", "tensorflow", "tf-keras", "tensorflow-model-optimization", "torch", "numba"),
    *("igraph", "leidenalg", "clusim", "torch-lucent", "kornia"),
)


@dataclass(frozen=True)
class Experiment:
    """A grid of cells and the function that measures one.

    Attributes:
        name: chapter and table.
        cells: the cells of a profile, in the order in which they are to be run; every cell has the columns
            of ``cell_key``.
        measure: rows of a cell; a module-level function, so that worker processes can import it.
        cell_key: columns that identify a cell.
        row_key: columns that identify a row within its cell.
        tolerance: for every measured column, the absolute difference that ``verify`` allows.
        full: columns that hold a number of steps, and the paper's number; a row with fewer is reduced.
    """

    name: str
    cells: Callable[[str], Sequence[Cell]]
    measure: Callable[[Cell], list[Row]]
    cell_key: tuple[str, ...]
    row_key: tuple[str, ...]
    tolerance: Mapping[str, float]
    full: Mapping[str, int] = field(default_factory=dict)


def missing_cells(experiment: Experiment, profile: str, folder: Path | None = None) -> list[Cell]:
    """Cells of a profile that the table does not hold, in the order of the grid.

    Raises:
        InputError: if the profile is not known.
        ResultsError: if the table is damaged.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} arrived; expected one of {', '.join(PROFILES)}")
    cells = experiment.cells(profile)
    try:
        table = read_table(experiment.name, folder)
    except TableMissing:
        return list(cells)
    done = set(table[list(experiment.cell_key)].astype(str).itertuples(index=False, name=None))
    return [cell for cell in cells if tuple(str(cell[column]) for column in experiment.cell_key) not in done]


def run(
    experiment: Experiment,
    profile: str = "smoke",
    jobs: int = 1,
    dask: str | None = None,
    folder: Path | None = None,
    only: Mapping[str, str] | None = None,
) -> int:
    """Measure the cells that are missing and append their rows; returns the number of new rows.

    Args:
        experiment: what to measure.
        profile: smoke, quick or paper.
        jobs: worker processes on this machine.
        dask: address of a Dask scheduler that runs the cells instead.
        folder: where the table lies.
        only: restrict the cells, by column and value.

    Raises:
        InputError: if the profile is not known or no cell has the values of ``only``.
        ResultsError: if the table is damaged.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    todo = missing_cells(experiment, profile, folder)
    for column, value in (only or {}).items():
        offered = sorted({str(cell.get(column)) for cell in experiment.cells(profile)})
        if value not in offered:
            raise InputError(f"{column} = {value} arrived; the cells of {experiment.name} have {', '.join(offered)}")
        todo = [cell for cell in todo if str(cell[column]) == value]
    provenance = describe_run(profile)
    new = 0
    with ExitStack() as stack:
        stack.enter_context(_backend(jobs, dask))
        calls = (delayed(measure_cell)(experiment, cell) for cell in todo)
        # batch_size 1: a cell is long, and its rows are to be stored as soon as it is done
        workers = Parallel(
            n_jobs=jobs if dask is None else -1, batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
        )
        key = (*experiment.cell_key, *experiment.row_key)
        for rows, seconds in tqdm(workers(calls), total=len(todo), desc=experiment.name, unit="cell", disable=not todo):
            new += append_rows(experiment.name, rows, key, {**provenance, "seconds": seconds}, folder)
    return new


def measure_cell(experiment: Experiment, cell: Cell) -> tuple[list[Row], float]:
    """Rows of a cell, each with the columns of the cell first, and the seconds they took."""
    from threadpoolctl import threadpool_limits

    began = time.perf_counter()
    with threadpool_limits(1):  # the order of a sum, and so the last digit, depends on the number of threads
        rows = [{**cell, **row} for row in experiment.measure(cell)]
    return rows, time.perf_counter() - began


@dataclass(frozen=True)
class Difference:
    """A stored value that measuring again did not give."""

    cell: str
    column: str
    stored: Any
    measured: Any


def verify(experiment: Experiment, sample: int, seed: int = 0, folder: Path | None = None) -> list[Difference]:
    """Measure stored cells again, picked at random, and compare every column with what is stored.

    Args:
        experiment: what was measured.
        sample: number of cells, at least 1; all if there are fewer.
        seed: decides the choice.
        folder: where the table lies.

    Returns:
        The differences beyond ``experiment.tolerance``; empty if all is well.

    Raises:
        InputError: if the sample is empty.
        ResultsError: if there is no table, or it is damaged.
    """
    from tqdm.auto import tqdm

    if sample < 1:
        raise InputError(f"sample = {sample} arrived; expected at least 1 cell")
    table = read_table(experiment.name, folder)
    columns = list(experiment.cell_key)
    keys = table[columns].drop_duplicates().reset_index(drop=True)
    chosen = np.random.default_rng(seed).choice(len(keys), size=min(sample, len(keys)), replace=False)
    differences = []
    with empty_cache():
        for number in tqdm(chosen, desc=f"verify {experiment.name}", unit="cell"):
            cell = {column: _plain(keys.at[number, column]) for column in columns}
            name = ", ".join(f"{column}={value}" for column, value in cell.items())
            stored = table[(table[columns] == keys.loc[number]).all(axis=1)]
            measured, _ = measure_cell(experiment, cell)
            wanted = {tuple(str(row[c]) for c in experiment.row_key): row for row in measured}
            found = {tuple(str(row[c]) for c in experiment.row_key): row for row in stored.to_dict("records")}
            for key in sorted(wanted.keys() | found.keys()):
                if key not in wanted or key not in found:
                    differences.append(
                        Difference(name, "/".join(key), key in found or "no row", key in wanted or "no row")
                    )
                    continue
                differences += [
                    Difference(f"{name}, {'/'.join(key)}", column, found[key][column], value)
                    for column, value in wanted[key].items()
                    if not _agrees(found[key][column], value, experiment.tolerance.get(column, 0.0))
                ]
    return differences


def describe_run(profile: str) -> Row:
    """Provenance of a run: id, profile, date, commit, versions and machine."""
    return {
        "id": uuid.uuid4().hex[:8],
        "profile": profile,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "python": platform.python_version(),
        "versions": _versions(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
    }


def _versions() -> dict[str, str]:
    """Versions of the packages that decide numbers; those of an extra may not be installed."""
    found = {}
    for package in VERSIONS:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def commit() -> str:
    """Commit of the checkout, with ``+`` if modlib has changes that are not committed; ``unknown`` without."""
    try:
        git = ["git", "-C", str(checkout())]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "-uno", "--", "modlib"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError, CheckoutMissing):
        return "unknown"
    return head + ("+" if changed.stdout.strip() else "")


def cpu_name() -> str:
    """Name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _backend(jobs: int, dask: str | None) -> AbstractContextManager[Any]:
    from joblib import parallel_config

    if dask is None:
        return parallel_config(backend="loky", inner_max_num_threads=1) if jobs != 1 else ExitStack()
    with extra("dask", "--dask"):
        from distributed import Client

    stack = ExitStack()
    try:
        stack.enter_context(Client(dask, timeout="20s"))
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {dask!r} ({error}); start one with: dask scheduler") from error
    stack.enter_context(parallel_config(backend="dask"))
    return stack


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _agrees(stored: Any, measured: Any, tolerance: float) -> bool:
    # an empty field is read as NaN, and a NaN is stored as an empty field
    missing = [value is None or value == "" or value != value for value in (stored, measured)]
    if any(missing):
        return all(missing)
    if isinstance(measured, str) and not tolerance:
        return str(stored) == measured
    try:  # a list of numbers is stored as text
        old, new = (np.array(str(value).split(), dtype=float) for value in (stored, measured))
    except ValueError:
        return False
    if old.shape != new.shape or np.isinf(tolerance):
        return old.shape == new.shape
    return bool(np.allclose(old, new, rtol=0, atol=tolerance + 1e-12, equal_nan=True))
