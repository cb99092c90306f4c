"""Whether notions of a module find the same modules, and which of them find known ones.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from modlib.chapters.do_the_measures_agree.agreement import (
    BEYOND,
    INFORMATION,
    between,
    function_less_weights,
    is_small,
    itself,
    of_function,
    of_less_reliable,
    of_stage,
    of_weights,
    on_images,
    started_once,
)
from modlib.chapters.do_the_measures_agree.experiment import CASES, FUNCTIONS, IDLE, KNOWN
from modlib.evidence.criteria import Sample
from modlib.evidence.intervals import interval_of_mean
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, told
from modlib.notions.names import NOTIONS

TABLES = ("do-the-measures-agree",)
DROPOUT = {"yes": "with dropout", "no": "without"}
FOUND = 0.25  # mutual information with what is known above which a notion finds it: the whole 90% interval
HALF = 0.5
NEGLIGIBLE = 0.05  # agreement beyond chance below which there is none to speak of


def _pruned(measure: Callable[[pd.DataFrame], pd.Series]) -> Callable[[pd.DataFrame], Sample | None]:
    return lambda rows: sample_of(of_stage(measure(rows), "pruned"))


def _trained_less_untrained(
    measure: Callable[[pd.DataFrame], pd.Series],
) -> Callable[[pd.DataFrame], Sample | None]:
    def difference(rows: pd.DataFrame) -> Sample | None:
        values = measure(rows)
        return sample_of(of_stage(values, "pruned") - of_stage(values, "untrained"))

    return difference


def _share_of_itself(rows: pd.DataFrame) -> pd.Series:
    """Agreement of two notions over that of one with itself, less a half."""
    return between(rows) / itself(rows) - HALF


FINDINGS = {
    "weights_and_function": Metric("agreement of weights and function beyond permuted labels", _pruned(of_weights)),
    "weights_and_function_learned": Metric(
        "the same minus that of untrained networks", _trained_less_untrained(of_weights), compares=("stage",)
    ),
    "function_less_weights": Metric(
        "agreement of two notions of function minus that of weights and function", _pruned(function_less_weights)
    ),
    "function_learned": Metric(
        "agreement of two notions of function, trained minus untrained",
        _trained_less_untrained(of_function),
        compares=("stage",),
    ),
    "half_of_itself": Metric(
        "agreement of two notions over that of one with itself, minus a half", _pruned(_share_of_itself)
    ),
}


def finds(rows: pd.DataFrame, case: str, known: str = FUNCTIONS) -> dict[str, Sample]:
    """Mutual information of every notion with what is known of a case, one number a network.

    Args:
        rows: of ``do-the-measures-agree``.
        case: one of ``experiment.CASES``.
        known: which of what is known, its functions or its idle weights.
    """
    rows = rows[(rows["stage"] == KNOWN) & (rows["dataset"] == case) & (rows["second"] == known)]
    values = rows.groupby(["first", "seed"])["mutual_information"].mean()
    samples = {notion: sample_of(values[notion]) for notion in NOTIONS if notion in values}
    return {notion: sample for notion, sample in samples.items() if sample is not None}


def found_by(samples: dict[str, Sample]) -> list[str]:
    """Notions of which the whole 90% interval lies above ``FOUND``."""
    return [notion for notion, sample in samples.items() if interval_of_mean(sample.values)[0] > FOUND]


def layers_of(rows: pd.DataFrame, case: str, known: str) -> dict[str, list[str]]:
    """Layers of a case in which notions find what is known, by notion: a mean over layers may hide one of them.

    Args:
        rows: of ``do-the-measures-agree``.
        case: one of ``experiment.CASES``.
        known: see ``finds``.
    """
    where: dict[str, list[str]] = {}
    for layer in CASES[case].layers:
        for notion in found_by(finds(rows[rows["layer"] == layer], case, known)):
            where.setdefault(notion, []).append(str(layer))
    return {notion: where[notion] for notion in NOTIONS if notion in where}


def found(rows: pd.DataFrame) -> Sentences:
    """Whether notions agree, which do and which do not, and what each can see where modules are known."""
    own = rows[rows["table"] == TABLES[0]]
    trained = own[(own["stage"] != KNOWN) & ~is_small(own)]
    return _answer(started_once(trained)), _weights(trained), _known(own)


def _by_dropout(rows: pd.DataFrame, measure: Callable[..., pd.Series], value: str) -> dict[str, Sample]:
    """Agreement in pruned networks, by whether they have dropout, in words; a condition without rows is left out."""
    parts = {words: rows[rows["dropout"] == dropout] for dropout, words in DROPOUT.items()}
    samples = {words: sample_of(of_stage(measure(part, value), "pruned")) for words, part in parts.items()}
    return {words: sample for words, sample in samples.items() if sample is not None}


def _means(samples: Mapping[str, Sample]) -> str:
    return listed([f"{sample.mean:.2f}" for sample in samples.values()])


def _each(samples: Mapping[str, Sample]) -> str:
    return listed([f"{told(sample)} {words}" for words, sample in samples.items()])


def _answer(rows: pd.DataFrame) -> str | None:
    rows = on_images(rows)
    two, one = (_by_dropout(rows, measure, INFORMATION) for measure in (between, itself))
    more, most = (_by_dropout(rows, measure, BEYOND) for measure in (between, itself))
    if not two or two.keys() != one.keys():
        return None
    intervals = [interval_of_mean(sample.values) for sample in more.values()]
    if all(low > 0 for low, _ in intervals):
        largely = all(two[words].mean >= HALF * one[words].mean for words in two)
        answer = "Largely" if largely else "Only a little on average"
    else:
        answer = "No" if all(high < NEGLIGIBLE for _, high in intervals) else "Not clearly"
    return (
        f"{answer}: in layers of pruned networks two notions share mutual information of {_each(two)}; one notion, on "
        f"other images, {_means(one)} with itself (1 if equal). Similarity beyond permuted labels: {_means(more)}, "
        f"against {_means(most)}."
    )


def _weights(rows: pd.DataFrame) -> str | None:
    shares, of_both = of_less_reliable(rows), _by_dropout(rows, of_weights, INFORMATION)
    if shares.empty or not of_both:
        return None
    enough = (shares["share"] >= HALF).groupby(shares["dropout"]).sum()
    counts = [f"{enough[dropout]} {words}" for dropout, words in DROPOUT.items() if dropout in enough]
    means = shares.groupby("notions")["share"].mean()
    best = str(means.idxmax())
    return (
        f"Of {len(means)} pairs of notions of what units do, {listed(counts)} agree at "
        f"least half as well as the less reliable with itself, most {best} ({means[best]:.0%}). Their "
        f"mutual information with clusters of weights is {_each(of_both)}."
    )


def _known(rows: pd.DataFrame) -> str | None:
    apart, rotated = (finds(rows, case) for case in ("two functions in turn", "rotated functions"))
    idle = finds(rows, "idle weights", IDLE)
    if not (apart and rotated and idle):
        return None
    seen, surely = found_by(apart), found_by(rotated)
    blind = [notion for notion in seen if rotated[notion].mean <= FOUND]  # others miss them unrotated as well
    unsure = [notion for notion in seen if notion not in (*surely, *blind)]
    partly = f"; not in all networks: by {listed(unsure)}" if unsure else ""
    misled = [
        notion if len(layers) == len(CASES["idle weights"].layers) else f"{notion} (layer {listed(layers)})"
        for notion, layers in layers_of(rows, "idle weights", IDLE).items()
    ]
    return (
        f"Where modules are known, {len(seen)} of {len(apart)} notions find two functions that share no weights "
        f"(mutual information above {FOUND:g}). Once hidden layers are rotated, of these miss them: "
        f"{listed(blind) or 'none'}{partly}. Led astray by strong weights that do nothing: "
        f"{listed(misled) or 'none of them'}."
    )
