"""modlib.tables.runner and modlib.tables.results: no row lost, doubled or torn, whatever happens."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import TOY, cells

from modlib.chapters import NAMES, find_experiment
from modlib.errors import InputError, ResultsError
from modlib.files import results_folder
from modlib.tables.results import append_rows, caption, read_provenance, read_table
from modlib.tables.runner import PROFILES, missing_cells, run, verify

SCRIPT = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(TOY, "paper", folder=folder) == 2 * len(cells("paper"))
    return (folder / "toy.csv").read_bytes()


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], stderr=subprocess.DEVNULL)


def test_killed_at_random_moments_and_resumed(tmp_path: Path, undisturbed: bytes) -> None:
    moments = random.Random(0)
    kills = 0
    for _ in range(6):
        before = len(read_table("toy", tmp_path)) if (tmp_path / "toy.csv").exists() else 0
        process = start(tmp_path)
        # let it come as far as writing rows, then kill it a random moment later
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if (tmp_path / "toy.csv").exists() and len(read_table("toy", tmp_path)) > before:
                time.sleep(moments.uniform(0, 0.05))
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        kills += killed
        if not missing_cells(TOY, "paper", tmp_path):
            break
    assert kills >= 2, "the run was over before it could be killed"
    run(TOY, "paper", folder=tmp_path)
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed


def test_two_runners_on_one_table(tmp_path: Path, undisturbed: bytes) -> None:
    both = [start(tmp_path), start(tmp_path)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed
    assert sum(r["rows"] for r in read_provenance("toy", tmp_path)["runs"]) == 2 * len(cells("paper"))


def test_the_table_does_not_depend_on_the_number_of_workers(tmp_path: Path, undisturbed: bytes) -> None:
    run(TOY, "paper", jobs=2, folder=tmp_path)
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed


def test_dask_gives_the_same_table(tmp_path: Path, undisturbed: bytes) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        run(TOY, "paper", dask=cluster.scheduler_address, folder=tmp_path)
    assert (tmp_path / "toy.csv").read_bytes() == undisturbed


def test_no_dask_scheduler_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        run(TOY, "smoke", dask="tcp://127.0.0.1:1", folder=tmp_path)


def test_a_second_run_measures_nothing(tmp_path: Path) -> None:
    assert run(TOY, "smoke", folder=tmp_path) == 24
    assert run(TOY, "smoke", folder=tmp_path) == 0
    assert run(TOY, "paper", folder=tmp_path, only={"dataset": "a"}) == 48
    assert len(missing_cells(TOY, "paper", tmp_path)) == 24


def test_provenance_accounts_for_every_row(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    (entry,) = read_provenance("toy", tmp_path)["runs"]
    assert entry["rows"] == 24
    assert entry["profile"] == "smoke"
    assert entry["seconds"] > 0
    assert {"commit", "date", "versions", "cpu", "python"} <= set(entry)
    assert caption("toy", folder=tmp_path).startswith("smoke profile, 12 networks, ")


def test_verify_finds_nothing_to_object_to(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    assert verify(TOY, 12, folder=tmp_path) == []


@pytest.mark.parametrize(
    ("column", "value"), [("value", 0.123), ("list", "1 2 3"), ("name", "other"), ("missing", 1.0), ("value", None)]
)
def test_verify_catches_a_tampered_row(tmp_path: Path, column: str, value: object) -> None:
    run(TOY, "smoke", folder=tmp_path)
    table = read_table("toy", tmp_path).astype(object)
    table.loc[5, column] = value
    table.to_csv(tmp_path / "toy.csv", index=False)
    differences = verify(TOY, 12, folder=tmp_path)
    assert [difference.column for difference in differences] == [column]
    assert f"seed={table.loc[5, 'seed']}" in differences[0].cell


def test_verify_catches_a_lost_row(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    read_table("toy", tmp_path).drop(index=7).to_csv(tmp_path / "toy.csv", index=False)
    assert len(verify(TOY, 12, folder=tmp_path)) == 1


def test_verify_does_not_read_trained_networks_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from modlib.tables import runner

    run(TOY, "smoke", folder=tmp_path)
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "cache"))
    seen = []
    original = runner.measure_cell
    monkeypatch.setattr(runner, "measure_cell", lambda *a: (seen.append(os.environ["MODLIB_CACHE"]), original(*a))[1])
    verify(TOY, 1, folder=tmp_path)
    assert seen
    assert seen[0] != str(tmp_path / "cache")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],  # cut off within a row
        lambda text: text.replace("\n", "\n,,,,,,,,,,,,\n", 1),  # too many fields
        lambda text: "",
        lambda text: "\x00\x01" * 40,
    ],
)
def test_a_damaged_table_is_refused_and_left_alone(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    run(TOY, "smoke", folder=tmp_path)
    path = tmp_path / "toy.csv"
    path.write_text(damage(path.read_text()))
    damaged = path.read_bytes()
    with pytest.raises(ResultsError, match=r"toy\.csv"):
        run(TOY, "smoke", folder=tmp_path)
    assert path.read_bytes() == damaged


def test_damaged_provenance_is_refused(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    (tmp_path / "toy.json").write_text('{"runs": 3}')
    with pytest.raises(ResultsError, match="holds no list 'runs'"):
        read_provenance("toy", tmp_path)
    (tmp_path / "toy.json").write_text("{")
    with pytest.raises(ResultsError, match="does not parse as JSON"):
        caption("toy", folder=tmp_path)


def test_a_missing_table_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="modlib run toy --grid paper"):
        read_table("toy", tmp_path)


def test_rows_with_other_columns_are_refused(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    with pytest.raises(ResultsError, match="move the old table away"):
        append_rows("toy", [{"profile": "smoke", "k": 1}], ("profile", "k"), {"id": "x", "seconds": 0}, tmp_path)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of smoke, quick, paper"):
        run(TOY, "full", folder=tmp_path)
    with pytest.raises(InputError, match="dataset = c arrived; the cells of toy have a, b"):
        run(TOY, "smoke", folder=tmp_path, only={"dataset": "c"})
    with pytest.raises(InputError, match="expected at least 1 cell"):
        verify(TOY, 0, folder=tmp_path)
    with pytest.raises(InputError, match=r"expected one of class-removal, .* did you mean dropout"):
        find_experiment("dropuot")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_grid_has_distinct_cells(name: str, profile: str) -> None:
    experiment = find_experiment(name)
    keys = [tuple(cell[column] for column in experiment.cell_key) for cell in experiment.cells(profile)]
    assert keys
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_table_parses_and_has_no_duplicates(name: str) -> None:
    if not (results_folder() / f"{name}.csv").exists():
        pytest.skip(f"{name} is not measured yet")
    table, experiment = read_table(name), find_experiment(name)
    assert not table.duplicated([*experiment.cell_key, *experiment.row_key]).any()
    assert sum(run["rows"] for run in read_provenance(name)["runs"]) == len(table)
