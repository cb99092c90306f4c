"""Writes questions of the Mathematics data set into a file, one a line: level, question, answer.

It runs in an environment of its own, see ``modlib.data.mathematics``: the package that makes the questions needs
versions of NumPy and SymPy that are too old for modlib. So nothing of modlib is imported here. Chapter:
``systematic-generalisation``.
"""

from __future__ import annotations

import random
import sys
import zlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

LEVELS = ("easy", "medium", "hard")


def write(area: str, task: str, count: int, path: Path) -> None:
    """Make ``count`` questions of every level and write those that are not there already.

    Args:
        area: part of mathematics, such as ``comparison``.
        task: module of the package, such as ``sort``.
        count: questions a level.
        path: the file.

    Source: weight-masks C.6.2; Saxton et al. 2019. Chapter: ``systematic-generalisation``.
    """
    from mathematics_dataset.generate import _make_entropy_fn
    from mathematics_dataset.generate_settings import MAX_ANSWER_LENGTH, MAX_QUESTION_LENGTH
    from mathematics_dataset.modules import modules

    seed = zlib.crc32(task.encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the package draws from it
    known: set[str] = set()
    with path.open("w", encoding="utf-8", newline="") as file:
        for place, level in enumerate(LEVELS):
            make = modules.train(_make_entropy_fn(place, len(LEVELS)))[area][task]
            with tqdm(total=count, desc=f"{task}, {level}", unit="questions") as progress:
                while progress.n < count:
                    problem = make()
                    question, answer = str(problem.question), str(problem.answer)
                    if len(question) <= MAX_QUESTION_LENGTH and len(answer) <= MAX_ANSWER_LENGTH:
                        progress.update()
                        if question not in known:
                            known.add(question)
                            file.write(f"{level}\t{question}\t{answer}\n")


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
