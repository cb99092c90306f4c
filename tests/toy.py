"""Grids whose cells take milliseconds, to test the runner; ``python toy.py WORDS`` is ``modlib WORDS`` with them."""

import itertools
import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from modlib.tables import PROFILE, YES_NO, Cell, Experiment, Row, integer, number, numbers, optional, text


def cells(profile: str) -> list[Cell]:
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for dataset in ("b", "a")
        for seed in range(12 if profile == "paper" else 3)
        for dropout in ("no", "yes")
    ]


def measure(cell: Cell) -> list[Row]:
    rng = np.random.default_rng([int(cell["seed"]), cell["dataset"] == "a", cell["dropout"] == "yes"])
    absent = {"missing": None, "undefined": float("nan"), "name": "none"}
    return [{"k": k, "value": rng.normal(), **absent, "list": " ".join(map(str, rng.random(3)))} for k in (12, 4)]


def measure_with_faults(cell: Cell) -> list[Row]:
    """Of the cells of data set a with dropout one raises, one is killed, and one runs out of memory."""
    if (cell["dataset"], cell["dropout"]) == ("a", "yes"):
        match cell["seed"]:
            case 0:
                raise ValueError("no such network")
            case 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case 2:
                raise MemoryError
    return measure(cell)


def measure_refused(cell: Cell) -> list[Row]:
    raise ValueError("no GPU here")


def measure_process(cell: Cell) -> list[Row]:
    """Which process it was."""
    return [{"k": 4, "value": os.getpid()}]


def measure_at_the_second_try(cell: Cell) -> list[Row]:
    mark = Path(os.environ["TOY_FOLDER"]) / "-".join(map(str, cell.values()))
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(cell)


def measure_for_ever(cell: Cell) -> list[Row]:
    """Networks with dropout take for ever; those on data set b never let another thread of their process run."""
    if cell["dropout"] == "no":
        return measure(cell)
    signal.alarm(600)  # no test leaves it behind, right or wrong
    (Path(os.environ["TOY_FOLDER"]) / f"busy-{os.getpid()}").touch()
    if cell["dataset"] == "b":
        re.match("(a+)+$", "a" * 64 + "b")
    while True:
        time.sleep(60)


COLUMNS = {
    "profile": PROFILE,
    "dataset": text("a", "b"),
    "dropout": YES_NO,
    "seed": integer(),
    "k": integer(2),
    "value": optional(number()),
    "missing": optional(number()),
    "undefined": optional(number()),
    "name": text(),
    "list": numbers(),
}
TOY = Experiment(
    "toy", cells, measure, ("profile", "dataset", "dropout", "seed"), ("k",), {"value": 1e-9, "list": 1e-9},
    columns=COLUMNS, network_key=("dataset", "dropout", "seed"),
)  # fmt: skip
FAULTS = replace(TOY, measure=measure_with_faults)
REFUSED = replace(TOY, measure=measure_refused)
PROCESSES = replace(TOY, measure=measure_process)
SECOND_TRY = replace(TOY, measure=measure_at_the_second_try)
FOR_EVER = replace(TOY, measure=measure_for_ever)


def run_and_die(folder: Path, step: int) -> None:
    """Measure the grid, and be killed at the ``step``-th of the steps with which tables are written."""
    from modlib.tables.runner import run

    steps = itertools.count(1)

    def dying(call):  # type: ignore[no-untyped-def]
        def wrapped(*arguments, **options):  # type: ignore[no-untyped-def]
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return wrapped

    os.fsync, Path.replace = dying(os.fsync), dying(Path.replace)  # type: ignore[method-assign]
    run(TOY, "paper", folder=folder)


if __name__ == "__main__":
    from modlib import chapters, cli

    toys = {"toy": TOY, "faults": FAULTS, "for-ever": FOR_EVER}
    chapters.find_experiment = lambda name: toys[name]
    cli.main()
