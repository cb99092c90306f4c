"""Mathematics: questions and answers as texts, in three levels of difficulty.

The package of the authors of the data set makes them, in an environment of its own that ``uv`` builds; every machine
makes the same ones. ``small_questions`` needs neither. Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from modlib.checks import choice, generator, whole
from modlib.errors import DataError, InputError
from modlib.files import data_folder, environment, replacing
from modlib.reprs import BriefRepr

LEVELS = ("easy", "medium", "hard")
AREAS = {  # the tasks of the paper, and the part of mathematics to which each belongs
    "add_or_sub": "arithmetic",
    "linear_1d": "algebra",
    "differentiate": "calculus",
    "sort": "comparison",
    "collect": "polynomials",
}
N_TEST = 10_000  # questions a level that are held out, in the paper
PACKAGES = (
    "mathematics-dataset==1.0.1",
    "numpy==1.23.5",
    "sympy==1.5.1",
    "absl-py==2.1.0",
    "mpmath==1.3.0",
    "six==1.16.0",
    "tqdm==4.67.1",
)
N_SMALL = 5000  # small questions a level

Pair: TypeAlias = tuple[str, str]  # a question and its answer


@dataclass(frozen=True, eq=False, repr=False)
class Questions(BriefRepr):
    """Questions of one task with their answers.

    Attributes:
        name: of the task.
        train: pairs to learn from, by level.
        test: pairs to be tested on, by level; none of their questions is in ``train``, of whatever level.
    """

    name: str
    train: Mapping[str, tuple[Pair, ...]]
    test: Mapping[str, tuple[Pair, ...]]

    @property
    def checksum(self) -> str:
        """SHA-256 over all questions and answers."""
        parts = (f"{level}\t{q}\t{a}" for part in (self.train, self.test) for level in LEVELS for q, a in part[level])
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_questions(task: str, n: int, n_test: int = N_TEST) -> Questions:
    """Questions of a task, the same on every machine; made once and kept in ``$MODLIB_DATA``/mathematics.

    Args:
        task: one of ``AREAS``.
        n: questions a level that are made; those that are there already are left out.
        n_test: how many of a level are held out.

    Raises:
        InputError: if there is no such task, or a number is below 1.
        DataError: if they cannot be made, or a file is not what it should be.

    Source: weight-masks C.6.2. Chapter: ``systematic-generalisation``.

    A thousand take a second, but derivatives twelve. Without them, see ``small_questions``:

    >>> load_questions("sort", 0)
    Traceback (most recent call last):
        ...
    modlib.errors.InputError: n = 0 arrived; expected a whole number of at least 1
    """
    task, n, n_test = choice(task, AREAS, "task"), whole(n, "n"), whole(n_test, "n_test")
    path = data_folder() / "mathematics" / f"{task}-{n}.tsv"
    if not path.exists():
        _make(task, n, path)
    found = _read(path)
    fewest = min(found, key=lambda level: len(found[level]))
    if len(found[fewest]) <= n_test:
        raise InputError(
            f"n = {n} and n_test = {n_test} arrived, of which {len(found[fewest])} {fewest} questions of {task} come; "
            "expected more than are held out: raise n"
        )
    return Questions(
        task,
        {level: tuple(pairs[n_test:]) for level, pairs in found.items()},
        {level: tuple(pairs[:n_test]) for level, pairs in found.items()},
    )


def small_questions(rng: np.random.Generator) -> Questions:
    """Questions that need no file: two (easy), three or four (hard) numbers below 100 are to be sorted.

    There are 5000 of a level, no two alike; a fifth is held out.

    Args:
        rng: decides which.

    Source: none. Chapter: ``systematic-generalisation``.

    >>> data = small_questions(np.random.default_rng(0))
    >>> data.test["easy"][0], len(data.train["easy"])
    (('Sort 85, 63.', '63, 85'), 4000)
    """
    rng, train, test = generator(rng), {}, {}
    for count, level in enumerate(LEVELS, start=2):
        known: dict[tuple[int, ...], None] = {}
        while len(known) < N_SMALL:
            known[tuple(rng.integers(100, size=count).tolist())] = None
        pairs = [(f"Sort {_listed(numbers)}.", _listed(sorted(numbers))) for numbers in known]
        train[level], test[level] = tuple(pairs[N_SMALL // 5 :]), tuple(pairs[: N_SMALL // 5])
    return Questions("small sort", train, test)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _make(task: str, count: int, path: Path) -> None:
    """Run the package of the data set in an environment of its own."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    command = [
        uv, "run", "--isolated", "--no-project", "--python", "3.11",
        *(part for package in PACKAGES for part in ("--with", package)),
        "python", "-P", "-W", "ignore", str(Path(__file__).with_name("mathematics_questions.py")),
    ]  # fmt: skip
    try:
        with replacing(path) as part, environment({"PYTHONHASHSEED": "0"}):  # sets of SymPy have an order
            subprocess.run([*command, AREAS[task], task, str(count), str(part)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = error if isinstance(error, OSError) else f"uv ended with {error.returncode}, and has said why"
        raise DataError(
            f"{path.name} is not in {path.parent} and could not be made ({why}); this needs the program uv and, the "
            "first time, a network; or put a copy of the file there"
        ) from error


def _read(path: Path) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {level: [] for level in LEVELS}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match line.split("\t"):
            case [level, question, answer] if level in found:
                found[level].append((question, answer))
            case _:
                raise DataError(
                    f"{path}, line {number}: {line[:60]!r} arrived; expected a level, a question and an answer with "
                    "tabs between: delete the file and run again"
                )
    return found
