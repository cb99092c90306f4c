"""An audit: one part after the other, each kept as it is done.

Chapter: ``your-network``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modlib.audits.findings import Findings, NotDone
from modlib.audits.parts import PARTS, Part, Run
from modlib.audits.report import Audit, Section
from modlib.audits.subject import AuditSettings, read_subject
from modlib.checks import function, instance, path as as_path, seed_number, whole
from modlib.errors import InputError
from modlib.files import cache_file, load_cached, save_cached

if TYPE_CHECKING:
    from modlib.training.steps import Draw

Progress = Callable[[str, int, int], object]  # the part, its steps done, and its steps in all
SECONDS = "seconds"  # of a part, beside what it found


def audit(
    model: object,
    data: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    *,
    classes: Sequence[str] | None = None,
    task: Draw | None = None,
    settings: AuditSettings | None = None,
    seed: int = 0,
    jobs: int = 1,
    folder: str | Path | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """All measures on one network: is it clusterable, what are its modules, and what do they do?

    A part that cannot be done is left out, and the report says why: without data there are no lesions, without images
    no correlation images. What does not fit at all is refused before anything is measured.

    Args:
        model: a Keras or PyTorch model of any shape, see ``modlib.networks.trace``, a ``Network``, or a list of weight
            matrices. It is not changed.
        data: (n, ...) inputs, such as a test set. Images are (n, height, width) or (n, channels, height, width).
        labels: (n,) classes of the inputs, from 0.
        classes: names of the outputs.
        task: draws inputs and targets for a generator and a number of them; its mask is learned in place of that of
            a class, see ``modlib.masks.learn_mask``.
        settings: how thoroughly; ``AuditSettings()`` by default, ``modlib.audits.QUICK`` for a first look.
        seed: decides everything random.
        jobs: worker processes for the shuffles.
        folder: where each part is kept when it is done. The same audit in the same folder goes on where it was; the
            names of the files hold a digest of network, data and settings, so that nothing else is taken for it.
        name: of the network, for the report.
        progress: called with the name of the part, its steps done and its steps in all.

    Raises:
        GraphError: if the weights make no graph.
        InputError: if the model cannot be read, or data and labels do not fit it or each other.
        DataError: if a kept part is damaged.

    Chapter: ``your-network``.

    >>> from modlib.networks import planted_weights
    >>> small = AuditSettings(ks=(4,), n_shuffles=39, n_starts=2)
    >>> found = audit(planted_weights((16, 16, 16, 16), 4, seed=0)[0], settings=small)
    >>> found["clusterable"].says[0]
    'Yes, at k = 4: it is cheaper to cut than its own weights in other places.'
    >>> found["lesions"].left_out.split(": ")[1]
    'a list of weights says nothing of biases and activations; pass a model'
    """
    settings = AuditSettings() if settings is None else settings
    settings = instance(settings, AuditSettings, "settings", "pass AuditSettings() or modlib.audits.QUICK")
    seed, jobs = seed_number(seed), whole(jobs, "jobs")
    folder = None if folder is None else as_path(folder, "folder")
    if progress is not None:
        function(progress, "progress", "of the name of a part, its steps done and its steps in all")
    subject = read_subject(model, data, labels, classes, task, name, settings.n_inputs, seed)
    key = subject.digest(settings, seed)
    found: dict[str, Findings] = {}
    sections = []
    for part, own in zip(PARTS, np.random.SeedSequence(seed).spawn(len(PARTS)), strict=True):
        report = _reporter(part, progress)
        report(0, 1)
        run = Run(subject, settings, seed, np.random.default_rng(own), jobs, found, report)
        try:
            found[part.name], seconds = _kept(part, run, folder, key)
            sections.append(Section(part, subject, found[part.name], "", seconds))
        except (NotDone, InputError) as error:  # a measure refuses a network that another one takes
            sections.append(Section(part, subject, None, str(error), 0.0))
        report(1, 1)
    return Audit(subject, settings, seed, tuple(sections))


def _kept(part: Part, run: Run, folder: Path | None, key: dict[str, object]) -> tuple[Findings, float]:
    """What a part found and its seconds, from the folder if it is there."""
    if missing := [name for name in part.rests_on if name not in run.found]:
        raise NotDone(f"it rests on the part {missing[0]}, which was left out")
    path = None if folder is None else cache_file(part.name, key, folder)
    stored = load_cached(path, key) if path else None
    if stored is None:
        began = time.perf_counter()
        arrays = part.measure(run).to_arrays()
        stored = {**arrays, SECONDS: np.array(time.perf_counter() - began)}
        if path:
            save_cached(path, stored, key)
    seconds = float(stored.pop(SECONDS))
    return Findings.from_arrays(stored), seconds


def _reporter(part: Part, progress: Progress | None) -> Callable[[int, int], object]:
    if progress is None:
        return lambda done, total: None
    return lambda done, total: progress(part.name, done, total)
