"""What networks of the chapter are trained on, what their masks are shown, and what both are tested on.

SCAN's commands have four splits, questions of Mathematics three levels; ``material_of`` gives both one form. Chapter:
``systematic-generalisation``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.checks import choice
from modlib.data.mathematics import AREAS, LEVELS, load_questions, small_questions
from modlib.data.scan import SPLITS, load_scan, small_scan

if TYPE_CHECKING:
    from torch import nn

    from modlib.training.steps import Steps
    from modlib.zoo.answers import Tokens

CONTROL, HALF = "all", "half"  # what a mask was learned on, where it is no part that differs in kind
SYSTEMATIC, EASY = SPLITS[1:], LEVELS[0]
SCANS = ("scan", "small scan")
MATHEMATICS, SMALL_SORT = "mathematics ", "small sort"  # the first one before a task
# The paper's beta over its batch: what every logit adds to the loss.
ALPHAS = {"lstm": 3e-5 / 256, "lstm 200": 3e-5 / 256, "transformer": 1e-3 / 256}  # for SCAN
ALPHAS_OF_TASKS = {
    "add_or_sub": 2e-5 / 256,
    "linear_1d": 1e-6 / 400,
    "differentiate": 1e-5 / 128,
    "sort": 3e-6 / 256,
    "collect": 1e-6 / 256,
}
SMALL_ALPHA = 1e-3 / 256  # by the paper's rule, its C.2: ten times as much costs a mask for all more than a twentieth
SMALL, LARGE = "transformer 64", "transformer 256"  # for questions; the second one is the paper's
# Questions a level, of which those of a test are held out: a small network is shown each about five times. 650,000
# derivatives take hours.
MADE = {SMALL: 100_000, LARGE: 650_000}


@dataclass(frozen=True)
class Material:
    """A data set for one network.

    Attributes:
        name: of its files in the cache.
        checksum: of all of it.
        shown: what there is to learn from, by what a mask or a network is trained on.
        tested: what is held out, by split or level.
        spelt: tokens of what is shown.
        network: a trained network, for settings, a seed and a file.
        alpha: of the regulariser.
        taught: probability that a batch shows the right answers.
        clip: largest norm of the gradient.
        samples: masks that are drawn for a batch.
    """

    name: str
    checksum: str
    shown: Mapping[str, Sequence[Any]]
    tested: Mapping[str, Tokens]
    spelt: Callable[[Sequence[Any]], Tokens]
    network: Callable[[Steps, int, Path], nn.Module]
    alpha: float
    taught: float
    clip: float
    samples: int


def material_of(dataset: str, network: str, seed: int, split: str = "simple") -> Material:
    """A data set by its name, for a kind of network.

    Args:
        dataset: ``scan`` or ``mathematics`` and a task of it; ``small scan`` and ``small sort`` need no file.
        network: see ``modlib.zoo.scan.NETWORKS`` and ``modlib.zoo.mathematics.SIZES``.
        seed: decides the random half.
        split: of SCAN, on which the network is trained.

    Raises:
        InputError: if there is no such data set, network for it, or split.
        DataError: if it cannot be read.
    """
    choice(dataset, (*SCANS, SMALL_SORT, *(f"{MATHEMATICS}{task}" for task in AREAS)), "dataset")
    choice(network, ALPHAS if dataset in SCANS else (SMALL, LARGE), "network")
    if dataset in SCANS:
        return _of_scan(dataset, network, seed, choice(split, SPLITS, "split"))
    return _of_questions(dataset, network, seed)


def _of_scan(dataset: str, network: str, seed: int, split: str) -> Material:
    from modlib.zoo.scan import CLIP, taught_for, tokens, trained_on_scan

    load = load_scan if dataset == "scan" else partial(small_scan, rng=np.random.default_rng(0))
    splits = {name: load(name) for name in SPLITS}
    own = splits[split]
    shown = {name: splits[name].train for name in SYSTEMATIC}
    return Material(
        own.name,
        own.checksum,
        {CONTROL: own.train, HALF: _half(own.train, seed), **shown},
        {name: tokens(part.test) for name, part in splits.items()},
        tokens,
        lambda settings, seed, path: trained_on_scan(network, own, settings, seed, path),
        ALPHAS[network],
        taught_for(network),
        CLIP,
        4,
    )


def _of_questions(dataset: str, network: str, seed: int) -> Material:
    from modlib.zoo.mathematics import CLIP, letters, of_levels, trained_on_questions

    small = dataset == SMALL_SORT
    task = "sort" if small else dataset.removeprefix(MATHEMATICS)
    data = small_questions(np.random.default_rng(0)) if small else load_questions(task, MADE[network])
    known = of_levels(data.train)
    return Material(
        data.name.replace(" ", "-"),
        data.checksum,
        {CONTROL: known, HALF: _half(known, seed), EASY: data.train[EASY]},
        {level: letters(part) for level, part in data.test.items()},
        letters,
        lambda settings, seed, path: trained_on_questions(network, data, settings, seed, path),
        SMALL_ALPHA if network == SMALL else ALPHAS_OF_TASKS[task],
        1.0,
        CLIP,
        8,
    )


def _half(known: Sequence[Any], seed: int) -> list[Any]:
    return [known[i] for i in np.random.default_rng([seed, 5]).permutation(len(known))[::2]]
