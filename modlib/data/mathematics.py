"""Mathematics: questions and answers as texts, in three levels of difficulty.

The package of the authors of the data set makes them, in an environment of its own that ``uv`` builds; every machine
makes the same ones. ``small_questions`` needs neither. Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from modlib.checks import choice, generator, whole
from modlib.data.mathematics_questions import LEVELS as LEVELS
from modlib.errors import DataError, InputError
from modlib.files import data_folder, replacing
from modlib.reprs import BriefRepr

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
DIGEST = "sha256"  # begins the last line of a file, which has the digest of all before
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
    """Questions that need no file: two (easy), three (medium) or four (hard) numbers below 100 are to be sorted.

    There are 5000 of a level, no two alike; a fifth is held out. Two in five of the easy ones that are held out are
    shown with their numbers exchanged, of the others next to none.

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
    """Run the package of the data set in an environment of its own, and keep what it writes if it is whole."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise DataError(f"{path.name} is not in {path.parent}, and uv, which makes it, is not here; pip install uv")
    script = Path(__file__).with_name("mathematics_questions.py").resolve()
    command = [
        uv, "run", "--isolated", "--no-project", "--no-config", "--python", "3.11",
        *(part for package in PACKAGES for part in ("--with", package)),
        "python", "-P", "-W", "ignore", str(script), AREAS[task], task, str(count),
    ]  # fmt: skip
    # sets of SymPy have an order with this; without the others nothing of ours is imported
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        with replacing(path) as part:
            _run([*command, str(part.resolve())], around | {"PYTHONHASHSEED": "0"})
            text = part.read_text(encoding="utf-8")
            part.write_text(f"{text}{DIGEST}\t{_digest(text)}\n", encoding="utf-8", newline="")
            if not all(_read(part).values()):
                raise DataError(f"uv ended well, but of {task} some level has no question; try again")
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error}); make room, or set MODLIB_DATA") from error
    except subprocess.CalledProcessError as error:
        raise DataError(
            f"{path.name} is not in {path.parent} and could not be made: uv ended with {error.returncode}, and said "
            f"{error.stderr!r}; the first time it needs a network; or put a copy of the file there"
        ) from error


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command, show what it says, which is a progress bar, and end it if we end."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        said = b""
        try:
            while chunk := process.stderr.read1():  # type: ignore[union-attr]
                sys.stderr.write(chunk.decode(errors="replace"))
                said = (said + chunk)[-300:]
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "uv", stderr=said.decode(errors="replace"))


def _read(path: Path) -> dict[str, list[Pair]]:
    """Questions and answers by level, of a file that is as it was written."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it and run again") from error
    lines = text.splitlines()
    whole_text = text.removesuffix(f"{lines[-1]}\n") if lines else ""
    if not lines or lines[-1] != f"{DIGEST}\t{_digest(whole_text)}":
        raise DataError(f"{path} is damaged: its last line is not the digest of the others; delete it and run again")
    found: dict[str, list[Pair]] = {level: [] for level in LEVELS}
    for line in lines[:-1]:
        level, question, answer = line.split("\t")
        found[level].append((question, answer))
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
