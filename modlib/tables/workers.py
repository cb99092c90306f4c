"""Processes that measure cells, here or on a Dask cluster: whatever happens to one cell, the others go on.

Every cell in flight has a process of its own, so a process that dies names the cell that it died of. Chapter: all with
a result table.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from modlib.errors import InputError, ModlibError, extra
from modlib.files import environment
from modlib.processor import ONE_THREAD
from modlib.tables.experiment import Cell, Experiment, Row

PR_SET_PDEATHSIG = 1  # of prctl(2)
MEMORY = 4 * 2**30  # bytes; a process that reached them makes way for a new one, for TensorFlow keeps what it compiled
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Outcome:
    """What came of a cell.

    Attributes:
        cell: which.
        rows: its rows; none if it failed.
        seconds: how long it took.
        error: why it failed; empty if it did not.
    """

    cell: Cell
    rows: Sequence[Row] = ()
    seconds: float = 0.0
    error: str = ""


def measure_cell(experiment: Experiment, cell: Cell) -> tuple[list[Row], float]:
    """Rows of a cell, each with the columns of the cell first, and the seconds they took."""
    from threadpoolctl import threadpool_limits

    began = time.perf_counter()
    with threadpool_limits(1):  # the order of a sum, and so the last digit, depends on the number of threads
        rows = [{**cell, **row} for row in experiment.measure(cell)]
    return rows, time.perf_counter() - began


def measured_here(
    experiment: Experiment, cells: Sequence[Cell], jobs: int, memory: int = MEMORY
) -> Generator[Outcome, None, None]:
    """What comes of some cells, as they are done, in worker processes on this machine.

    The processes end with the iterator, and with the process that iterates, however that ends.

    Args:
        experiment: what to measure.
        cells: which cells, in the order in which they are begun.
        jobs: number of processes, at least 1.
        memory: bytes; a process that held as many at once measures no further cell.
    """
    todo = list(reversed(cells))
    started: list[_Worker] = []  # an interrupt may come at any line, so none may be in no list
    idle: list[_Worker] = []
    busy: dict[Any, tuple[_Worker, Cell]] = {}
    try:
        while todo or busy:
            while todo and len(busy) < jobs:
                if not idle:
                    started.append(_Worker(experiment, memory))
                    idle.append(started[-1])
                worker = idle.pop()
                if worker.begin(todo[-1]):
                    busy[worker.pipe] = (worker, todo.pop())
                else:
                    worker.end()
                    started.remove(worker)
            for pipe in wait(busy):
                worker, cell = busy.pop(pipe)
                outcome = worker.outcome(cell)
                if not worker.full and worker.process.is_alive():
                    idle.append(worker)
                else:
                    worker.end()
                    started.remove(worker)
                yield outcome
    finally:
        for worker in started:
            worker.end()


def measured_on_dask(experiment: Experiment, cells: Sequence[Cell], address: str) -> Generator[Outcome, None, None]:
    """What comes of some cells, as they are done, on the workers of a Dask cluster.

    A cell whose worker dies is tried on others, as often as the scheduler allows; without any it waits for one.

    Args:
        experiment: what to measure.
        cells: which cells.
        address: of the scheduler.

    Raises:
        InputError: if no scheduler answers, it has no workers, or one with several threads: training draws from
            generators of the process, so two cells in one process would disturb each other.
    """
    with extra("dask", "--dask"):
        from distributed import Client, as_completed

    try:
        client = Client(address, timeout="20s")
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address!r} ({error}); start one with: dask scheduler"
        ) from error
    with client:
        threads = client.nthreads()
        start = f"dask worker {address} --nthreads 1"
        if not threads:
            raise InputError(f"the Dask scheduler at {address!r} has no workers; start some with: {start}")
        if several := [worker for worker, count in threads.items() if count != 1]:
            raise InputError(
                f"the Dask worker {several[0]} has {threads[several[0]]} threads; expected one, for networks in one "
                f"process disturb each other: start it with: {start}"
            )
        futures = {client.submit(attempt, experiment, cell, pure=False): cell for cell in cells}
        for future, found in as_completed(futures, with_results=True, raise_errors=False):
            if future.status == "error":  # of the cluster, as when the worker died
                yield Outcome(futures[future], error=_in_words(future.exception()))
            else:
                yield found


def attempt(experiment: Experiment, cell: Cell) -> Outcome:
    """What comes of a cell in this process."""
    try:
        rows, seconds = measure_cell(experiment, cell)
    except Exception as error:
        return Outcome(cell, error=_in_words(error))
    return Outcome(cell, rows, seconds)


class _Worker:
    """A process that measures one cell after the other."""

    def __init__(self, experiment: Experiment, memory: int) -> None:
        self.full = False
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(theirs, experiment, memory), daemon=True)
        with environment(ONE_THREAD):  # libraries read it when they are loaded
            self.process.start()
        theirs.close()

    def begin(self, cell: Cell) -> bool:
        """Whether it began; it did not if it was killed while it had nothing to do."""
        try:
            self.pipe.send(cell)
        except OSError:
            return False
        return True

    def outcome(self, cell: Cell) -> Outcome:
        """What came of the cell that it began."""
        try:
            found: Outcome
            found, self.full = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return Outcome(cell, error=f"its process was ended by {_cause(self.process.exitcode)}")
        return found

    def end(self) -> None:
        """End the process, whatever it does, and close the pipe to it; once more does no harm."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, experiment: Experiment, memory: int) -> None:
    _end_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP):  # sent to all processes of a terminal; the parent decides
        signal.signal(number, signal.SIG_IGN)
    full = False
    while not full:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        outcome = attempt(experiment, cell)
        full = _most_memory() >= memory
        pipe.send((outcome, full))


def _most_memory() -> int:
    """Bytes that this process held when it held most; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _end_with_parent() -> None:
    """End this process when its parent does."""
    if sys.platform == "linux":  # the kernel does it, whatever this process is busy with
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"{name}, as the system does when memory runs out" if name == "SIGKILL" else name
    return f"itself, with status {exitcode}"


def _in_words(error: BaseException) -> str:
    """An error that modlib raises on purpose says what to do; of others the last lines of code are wanted as well."""
    if isinstance(error, ModlibError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)[-2:]
    where = "".join(f"\n    {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames)
    return f"{type(error).__name__}: {error}{where}"
