"""Executed pages of the book: a page is executed again when something that it depends on has changed.

Each lies in ``_build/executed`` with a stamp of what it was made from, by file (``modlib.book.dependencies``).
jupyter-cache looks at the code cells alone; a changed library would leave stale output behind it.
Chapter: none; all of them are executed this way.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from modlib.book import notebooks
from modlib.book.dependencies import Dependencies
from modlib.book.outputs import check_quiet, check_shown
from modlib.book.pages import WITHOUT_TORCH, Page
from modlib.errors import BookError
from modlib.files import build_folder
from modlib.processor import ONE_THREAD
from modlib.tables import describe_run

NAMED = 3  # changed files that are named; the others are counted
# Two notebooks run side by side.
THREADS = ONE_THREAD | dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """An executed notebook: what it was made from, and how it went.

    Attributes:
        page: name of the page.
        stamp: digest of every file that the output depends on.
        seconds: how long it took.
        finished: date and time, UTC, to the minute.
        machine: commit, versions and processor.
    """

    page: str
    stamp: Mapping[str, str]
    seconds: float
    finished: str
    machine: Mapping[str, Any]


def changes(page: Page, stamp: Mapping[str, str], root: Path) -> list[str]:
    """Why a page must be executed: the files that are not what they were when it was; empty if all are.

    Args:
        page: which.
        stamp: what it depends on now.
        root: folder of the book.
    """
    run = _read_run(page, root)
    if run is None:
        return ["never executed"]
    return [name for name in sorted({*stamp, *run.stamp}) if stamp.get(name) != run.stamp.get(name)]


def execute_pages(pages: Sequence[Page], force: bool, root: Path, jobs: int = 2) -> list[Run]:
    """Execute the notebooks that have changed; a failure does not stop the others.

    Raises:
        BookError: naming the notebooks that failed and their reports; before anything runs, if a source does not parse.
    """
    from joblib import Parallel, delayed

    dependencies = Dependencies(root)
    # taken before, so that a change while the notebooks run is noticed next time
    stamps = [dependencies.stamp(page) for page in pages]
    todo = []
    for page, stamp in zip(pages, stamps, strict=True):
        why = ["forced"] if force else changes(page, stamp, root)
        print(f"{page.name}: {f'executing ({_in_words(why)})' if why else 'unchanged'}", flush=True)
        if why:
            todo.append((page, stamp))
    workers = Parallel(n_jobs=min(jobs, max(len(todo), 1)), return_as="generator_unordered")
    failed = []
    for name, seconds, report in workers(delayed(_execute_page)(page, stamp, root) for page, stamp in todo):
        print(f"{name}: {'failed' if report else f'executed in {seconds:.0f} s'}", flush=True)
        if report:
            failed.append(f"  {name}: {report}")
    if failed:
        raise BookError(
            f"{len(failed)} of {len(pages)} notebooks failed; the others are kept. Correct them; reports:\n"
            + "\n".join(sorted(failed))
        )
    return [run for page in pages if (run := _read_run(page, root)) is not None]


def executed_file(name: str, root: Path, suffix: str = ".ipynb") -> Path:
    """Where the executed notebook of a page lies, or, with another suffix, its record."""
    return build_folder(root) / "executed" / f"{name}{suffix}"


def _execute_page(page: Page, stamp: Mapping[str, str], root: Path) -> tuple[str, float, Path | None]:
    """Execute a notebook in a worker process; returns its name, its seconds, and the report if it failed."""
    os.environ.update(THREADS)
    working = build_folder(root) / "reports" / f"{page.name}.ipynb"
    log = working.with_suffix(".log")
    working.parent.mkdir(parents=True, exist_ok=True)
    source = notebooks.read_notebook(page.source)
    source.metadata["kernelspec"] = notebooks.KERNEL
    nbformat.write(source, working)
    try:
        without = ["torch"] if page.source.stem in WITHOUT_TORCH else []  # what it says is tried
        seconds = notebooks.execute(working, working, {}, root, without=without)
        executed = notebooks.read_notebook(working)
        check_quiet(executed, page.name, root)
        check_shown(executed, page.name)
    except BookError as error:
        log.write_text(f"{error}\n", encoding="utf-8")
        return page.name, 0.0, log
    log.unlink(missing_ok=True)
    target = executed_file(page.name, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    working.replace(target)
    finished = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    run = Run(page.name, stamp, round(seconds, 1), finished, describe_run("book"))
    executed_file(page.name, root, ".json").write_text(json.dumps(run.__dict__, indent=1) + "\n", encoding="utf-8")
    notebooks.remember_time(root, page.source.stem, {}, seconds)
    return page.name, seconds, None


def _read_run(page: Page, root: Path) -> Run | None:
    """The run of a page whose executed notebook is there; None otherwise, or if the record does not parse."""
    if not executed_file(page.name, root).exists():
        return None
    try:
        return Run(**json.loads(executed_file(page.name, root, ".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _in_words(why: Sequence[str]) -> str:
    more = [f"and {len(why) - NAMED} more"] if len(why) > NAMED else []
    return ", ".join([*why[:NAMED], *more])
