"""modlib.tables.runner: every cell is measured once, whatever happens to the others."""

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import toy
from toy import FAULTS, SECOND_TRY, TOY, cells

from modlib.chapters import TABLES, find_experiment
from modlib.errors import InputError, ResultsError
from modlib.tables import PROFILES, read_accounted, read_provenance, read_table
from modlib.tables.runner import command, missing_cells, run

SCRIPT = Path(toy.__file__)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(TOY, "paper", folder=folder).rows == 2 * len(cells("paper"))
    return (folder / "toy.csv").read_bytes()


def hear_signals() -> None:
    """Undo what a parent such as nohup, or a shell that runs the tests in the background, has set to be ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(folder: Path, name: str = "toy", jobs: int = 1) -> subprocess.Popen[str]:
    """``modlib run`` in a process of its own; what its workers write is written to the same place."""
    words = ["run", name, "--grid", "paper", "--jobs", str(jobs), "--results", str(folder)]
    variables = os.environ | {"TOY_FOLDER": str(folder)}
    arguments = [sys.executable, str(SCRIPT), *words]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=variables,
        start_new_session=True,
        preexec_fn=hear_signals,
    )


def wait_until_busy(process: subprocess.Popen[str], folder: Path, workers: int) -> None:
    while len(list(folder.glob("busy-*"))) < workers:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


# --- killed, stopped, resumed


def test_killed_at_every_step_of_writing_and_resumed(tmp_path: Path, undisturbed: bytes) -> None:
    """Processes are forks of one that has imported what they need, which takes longer than what they do."""
    ready = multiprocessing.get_context("forkserver")
    ready.set_forkserver_preload(["toy", "torch", "scipy.optimize", "modlib.tables.runner"])
    for step in range(1, 13):  # one in the first look whether the folder can be written, then five a cell
        process = ready.Process(target=toy.run_and_die, args=(tmp_path, step))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        if (tmp_path / "toy.csv").exists():
            stored, provenance = read_accounted(TOY, tmp_path)
            assert sum(entry["rows"] for entry in provenance["runs"]) == len(stored.lines)
    run(TOY, "paper", folder=tmp_path)
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {"toy.csv", "toy.json", ".toy.lock"}
    assert sum(entry["rows"] for entry in read_provenance("toy", tmp_path)["runs"]) == 2 * len(cells("paper"))


def test_workers_end_when_the_runner_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "for-ever", jobs=3)
    wait_until_busy(process, tmp_path, workers=3)
    process.kill()
    process.communicate(timeout=60)  # ends when the last process that writes there has ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_a_run_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    """A terminal sends to all its processes."""
    process = start(tmp_path, "for-ever", jobs=2)
    wait_until_busy(process, tmp_path, workers=2)
    (os.kill if number is signal.SIGTERM else os.killpg)(process.pid, number)
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "failed" not in said
    stored = len(read_table(TOY, tmp_path)) // 2 if (tmp_path / "toy.csv").exists() else 0
    again = f"modlib run for-ever --grid paper --jobs 2 --results {tmp_path}"
    assert f"stopped; {stored} cells were stored, go on with: {again}" in " ".join(said.split())
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("busy-")} <= {
        "toy.csv",
        "toy.json",
        ".toy.lock",
    }


def test_two_runners_on_one_table(tmp_path: Path, undisturbed: bytes) -> None:
    both = [start(tmp_path), start(tmp_path)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed
    assert sum(entry["rows"] for entry in read_provenance("toy", tmp_path)["runs"]) == 2 * len(cells("paper"))


# --- cells that fail


def test_a_cell_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    done = run(FAULTS, "smoke", jobs=2, folder=tmp_path)
    assert done.rows == 18
    errors = {outcome.cell["seed"]: outcome.error for outcome in done.failed}
    assert sorted(errors) == [0, 1, 2]
    assert errors[0].startswith("ValueError: no such network\n")
    assert "in measure_with_faults: raise ValueError" in errors[0]
    assert errors[1] == "its process was ended by SIGKILL, as the system does when memory runs out"
    assert errors[2].startswith("MemoryError: ")
    assert {str(cell["seed"]) for cell in missing_cells(FAULTS, "smoke", tmp_path)} == {"0", "1", "2"}
    # what it says to type measures this cell alone
    words = shlex.split(command(FAULTS, "smoke", done.failed[0].cell, tmp_path))
    assert words[:5] == ["modlib", "run", "toy", "--grid", "smoke"]
    assert words[-2:] == ["--results", str(tmp_path)]
    only = dict(pair.split("=") for option, pair in pairwise(words) if option == "-p")
    assert run(TOY, "smoke", folder=tmp_path, only=only).rows == 2


def test_a_cell_that_fails_is_tried_again_as_often_as_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    results = tmp_path / "results"
    assert len(run(SECOND_TRY, "smoke", folder=results, only={"dataset": "a"}).failed) == 6
    assert not run(SECOND_TRY, "smoke", folder=results, only={"dataset": "a"}).failed
    done = run(SECOND_TRY, "smoke", folder=results, retry=1)
    assert (done.rows, done.failed) == (12, ())


def test_rows_that_do_not_fit_the_table_are_refused(tmp_path: Path) -> None:
    other = replace(TOY, columns={**TOY.columns, "list": TOY.columns["k"]})
    with pytest.raises(ResultsError, match=r"a row of toy has list = .*; expected integer from 2"):
        run(other, "smoke", folder=tmp_path)
    assert not (tmp_path / "toy.csv").exists()


# --- where cells are run


def test_the_table_does_not_depend_on_the_number_of_workers(tmp_path: Path, undisturbed: bytes) -> None:
    run(TOY, "paper", jobs=2, folder=tmp_path)
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed


def test_a_second_run_measures_nothing(tmp_path: Path) -> None:
    assert run(TOY, "smoke", folder=tmp_path).rows == 24
    assert run(TOY, "smoke", folder=tmp_path).rows == 0
    assert run(TOY, "paper", folder=tmp_path, only={"dataset": "a"}).rows == 48
    assert len(missing_cells(TOY, "paper", tmp_path)) == 24


def test_a_cell_that_was_deleted_is_measured_again(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    path = tmp_path / "toy.csv"
    whole = path.read_text()
    path.write_text("".join(line for line in whole.splitlines(keepends=True) if not line.startswith("smoke,a,yes,1,")))
    assert run(TOY, "smoke", folder=tmp_path).rows == 2
    assert path.read_text() == whole
    read_accounted(TOY, tmp_path)


def test_a_table_that_was_changed_is_not_added_to(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path, only={"dataset": "a"})
    path = tmp_path / "toy.csv"
    path.write_text(path.read_text().replace(",none,", ",nine,", 1))
    changed = path.read_bytes()
    with pytest.raises(ResultsError, match="rows of the cell smoke,a,no,0 were changed"):
        run(TOY, "smoke", folder=tmp_path)
    assert path.read_bytes() == changed


def test_provenance_accounts_for_every_row_and_names_the_machine(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    (entry,) = read_provenance("toy", tmp_path)["runs"]
    assert entry["rows"] == 24
    assert entry["profile"] == "smoke"
    assert entry["seconds"] > 0
    assert {"commit", "date", "versions", "cpu", "instructions", "blas", "l1", "choices", "python", "cells"} <= set(
        entry
    )


# --- what is refused, and the grids


def test_unknown_names_and_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of smoke, quick, paper"):
        run(TOY, "full", folder=tmp_path)
    with pytest.raises(InputError, match="dataset = c arrived; the cells of toy have a, b"):
        run(TOY, "smoke", folder=tmp_path, only={"dataset": "c"})
    with pytest.raises(InputError, match=r"datsaet = a arrived; .* did you mean dataset"):
        run(TOY, "smoke", folder=tmp_path, only={"datsaet": "a"})
    for jobs in (0, -5):
        with pytest.raises(InputError, match=f"jobs = {jobs}, .*expected at least 1 worker"):
            run(TOY, "smoke", jobs, folder=tmp_path)
    with pytest.raises(InputError, match="expected at least 1 worker and 0 more tries"):
        run(TOY, "smoke", folder=tmp_path, retry=-1)
    with pytest.raises(InputError, match=r"expected one of class-removal, .* did you mean dropout"):
        find_experiment("dropuot")
    for strange in ("", "..", "rows", "a.b", "weight masks"):
        with pytest.raises(InputError, match="expected one of class-removal"):
            find_experiment(strange)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_grid_has_distinct_cells(name: str, profile: str) -> None:
    experiment = find_experiment(name)
    keys = [tuple(cell[column] for column in experiment.cell_key) for cell in experiment.cells(profile)]
    assert keys
    assert len(set(keys)) == len(keys)
    for cell in experiment.cells(profile):  # every cell may be stored
        fields = experiment.cell_fields(cell)
        assert not any(experiment.columns[c].fault(f) for c, f in zip(experiment.cell_key, fields, strict=True))
