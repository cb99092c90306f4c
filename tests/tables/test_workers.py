"""modlib.tables.workers: processes that make way for others, a Dask cluster, and when it is refused."""

from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import LocalCluster
from toy import FAULTS, PROCESSES, TOY, cells

from modlib.errors import InputError
from modlib.tables import run
from modlib.tables.workers import _Worker, measured_here


def cluster(workers: int, threads: int = 1) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    )


@pytest.mark.parametrize(("memory", "processes"), [(0, 3), (2**60, 1)])
def test_a_process_that_held_much_memory_makes_way_for_another(memory: int, processes: int) -> None:
    few = cells("smoke")[:3]
    found = list(measured_here(PROCESSES, few, 1, memory))
    assert [outcome.cell for outcome in found] == few
    assert len({outcome.rows[0]["value"] for outcome in found}) == processes


def test_a_process_that_made_way_leaves_no_pipe_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_Worker] = []
    original = _Worker.__init__

    def noted(worker: _Worker, *arguments: Any) -> None:
        original(worker, *arguments)
        made.append(worker)

    monkeypatch.setattr(_Worker, "__init__", noted)
    for number, _ in enumerate(measured_here(PROCESSES, cells("smoke")[:3], 1, memory=0), start=1):
        assert [worker.pipe.closed for worker in made] == [True] * number


@pytest.mark.parametrize("workers", [1, 2])
def test_dask_gives_the_same_table_and_names_what_failed(tmp_path: Path, workers: int) -> None:
    run(TOY, "smoke", folder=tmp_path / "here")
    with cluster(workers) as running:
        done = run(FAULTS, "smoke", dask=running.scheduler_address, folder=tmp_path, only={"seed": "0"})
        assert [outcome.error.splitlines()[0] for outcome in done.failed] == ["ValueError: no such network"]
        assert not run(TOY, "smoke", dask=running.scheduler_address, folder=tmp_path).failed
    assert (tmp_path / "toy.csv").read_bytes() == (tmp_path / "here" / "toy.csv").read_bytes()


def test_a_dask_cell_whose_worker_dies_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), cluster(2) as running:
        done = run(FAULTS, "smoke", dask=running.scheduler_address, folder=tmp_path)
    assert done.rows == 2 * (len(cells("smoke")) - len(done.failed))
    faults = {o.cell["seed"]: o.error for o in done.failed if (o.cell["dataset"], o.cell["dropout"]) == ("a", "yes")}
    assert faults.keys() == {0, 1, 2}
    assert faults[1].startswith("KilledWorker: ")


def test_a_dask_cluster_that_cannot_do_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        run(TOY, "smoke", dask="tcp://127.0.0.1:1", folder=tmp_path)
    with cluster(0) as running, pytest.raises(InputError, match="has no workers; start some with: dask worker tcp"):
        run(TOY, "smoke", dask=running.scheduler_address, folder=tmp_path)
    with cluster(1, threads=2) as running, pytest.raises(InputError, match="has 2 threads; expected one"):
        run(TOY, "smoke", dask=running.scheduler_address, folder=tmp_path)
