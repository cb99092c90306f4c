"""The chapters: one package each, with its grid (``experiment``), what its rows say (``findings``) and its ``figures``.

A chapter is imported when it is asked for, so that one of them does not load the frameworks of all others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeAlias

from modlib.errors import BookError, InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from modlib.evidence.metrics import Metric
    from modlib.evidence.sentences import Sentences
    from modlib.tables import Experiment

NAMES = (
    "clusterability",
    "dropout",
    "random-datasets",
    "topology-shuffles",
    "null-models",
    "regularisation",
    "structured-tasks",
    "convolutional-networks",
    "imagenet",
    "promoting-clusterability",
    "importance",
    "dependencies",
    "coherence",
    "upstream-downstream",
    "weight-masks",
    "transfer",
    "systematic-generalisation",
    "class-removal",
    "hypothesis-tests",
    "do-the-measures-agree",
)
# Tables that the page of another chapter shows: one of its questions has an experiment and a package of its own.
SHOWN_ELSEWHERE = {"cifar-dropout": "topology-shuffles"}
TABLES = (*NAMES, *SHOWN_ELSEWHERE)  # of all experiments

Found: TypeAlias = "Callable[[pd.DataFrame], Sentences]"


def package(name: str) -> str:
    """Where the code of a chapter is, such as ``modlib.chapters.random_datasets``."""
    return f"{__name__}.{name.replace('-', '_')}"


@functools.cache
def find_experiment(name: str) -> Experiment:
    """The experiment of a chapter, also of one that is being written and has no page in the book yet.

    Raises:
        InputError: if there is no chapter of that name.
    """
    packages = {part.name.replace("_", "-") for part in iter_modules(__path__) if part.ispkg}
    if name not in packages or not find_spec(f"{package(name)}.experiment"):
        raise InputError(f"chapter {name!r} arrived; {nearest(name, NAMES)}")
    experiment: Experiment = import_module(f"{package(name)}.experiment").EXPERIMENT
    return experiment


@functools.cache
def findings() -> dict[str, Metric]:
    """What the rows of all chapters say, by the name that claims give it.

    Raises:
        BookError: if two chapters give the same name to two findings.
    """
    found: dict[str, Metric] = {}
    for name in NAMES:
        if find_spec(f"{package(name)}.findings"):
            own: dict[str, Metric] = getattr(import_module(f"{package(name)}.findings"), "FINDINGS", {})
            if doubled := sorted(own.keys() & found.keys()):
                raise BookError(f"{name} names the findings {', '.join(doubled)}, as another chapter does; rename them")
            found |= own
    return found


def find_found(name: str) -> tuple[tuple[str, ...], Found]:
    """The tables whose rows say what a chapter found, its own unless it names ``TABLES``, and what tells it.

    Raises:
        InputError: if there is no chapter of that name, or it does not tell what was found.
    """
    find_experiment(name)
    path = f"{package(name)}.findings"
    module = import_module(path) if find_spec(path) else None
    found: Found | None = getattr(module, "found", None)
    if found is None:
        raise InputError(f"chapter {name!r} arrived, but {path} has no found(rows); write it as skeleton/ does")
    return getattr(module, "TABLES", (name,)), found
