"""What the upstream/downstream paper says in words, as statistics of our rows.

The paper shows its results in figures without numbers, so a claim is a sentence: dropout raises Q more than
the other regularisers do. Each sentence becomes one number a seed, the same networks with the same start
compared; ``modlib.evidence.criteria`` says when such numbers bear it out. Chapter: ``upstream-downstream``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import combinations, product
from operator import gt, lt
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.chapters.upstream_downstream.experiment import EXPERIMENT, LEAST_L2
from modlib.communities.similarity import DOWNSTREAM, MEASURES, PLAIN, UPSTREAM
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, told, which_way
from modlib.tables import number_lists

TRAINED = [name for name in EXPERIMENT.network_key if name != "dataset"]  # there is only one
LAYER = [*TRAINED, "layer"]  # columns that identify a layer of a network
ACCURACY = 0.8  # networks below it are left out, as in the paper
EXTREME = 2  # strengths of each sweep, the largest ones
SIDES = ("within", "across")  # kinds of pairs: of one family, or one upstream and one downstream
BASELINE = ("l2", LEAST_L2)  # the least regularised networks; every other one has this L2 too
SMALL = "64-64"  # the networks of which most is told
NAMES = {"dropout": "dropout", "l2": "L2", "l1": "L1"}  # of regularisers
Pair: TypeAlias = tuple[str, str]


def accepted(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the networks that the paper keeps: trained ones with a test accuracy of 80%, and untrained ones."""
    return rows[(rows["test_accuracy"] >= ACCURACY) | (rows["sweep"] == "untrained")]


def largest_good(rows: pd.DataFrame, sweep: str) -> float:
    """Largest strength of a regulariser at which at least half of the seeds reach 80% test accuracy.

    Source: upstream-downstream, figures S9 and S10.
    """
    networks = rows[rows["sweep"] == sweep].drop_duplicates(["strength", "seed"])
    share = (networks["test_accuracy"] >= ACCURACY).groupby(networks["strength"]).mean()
    good = share[share >= 0.5]
    return float(good.index.max()) if len(good) else float("nan")


def kinds_of_pairs() -> dict[str, list[Pair]]:
    """The 28 pairs of similarities, by what they have in common; some belong to more than one kind."""
    upstream, downstream = list(combinations(UPSTREAM, 2)), list(combinations(DOWNSTREAM, 2))
    forms = [(name, f"normalised {name}") for name in PLAIN]
    return {
        "upstream": upstream,
        "downstream": downstream,
        "within": upstream + downstream,
        "across": list(product(UPSTREAM, DOWNSTREAM)),
        "across, plain downstream": [pair for pair in product(UPSTREAM, DOWNSTREAM) if pair[1] in PLAIN],
        "across, normalised downstream": [pair for pair in product(UPSTREAM, DOWNSTREAM) if pair[1] not in PLAIN],
        "normalisation": forms,
        "normalisation, downstream": [pair for pair in forms if pair[0] in DOWNSTREAM],
        "covariance against gradient": [pair for pair in upstream + downstream if pair not in forms],
    }


def per_layer(rows: pd.DataFrame, column: str, measures: Collection[str] = MEASURES) -> pd.Series:
    """Mean of a column over similarities, for every layer of every network."""
    return rows[rows["measure"].isin(measures)].groupby(LAYER)[column].mean()


def agreement(rows: pd.DataFrame, kind: str, column: str = "element_similarity") -> pd.Series:
    """Mean over the pairs of a kind, for every layer of every network.

    Args:
        rows: of the table.
        kind: see ``kinds_of_pairs``.
        column: ``element_similarity`` or ``transferability``, whose text holds one number a similarity.
    """
    pairs = pd.DataFrame(kinds_of_pairs()[kind], columns=["measure", "other"])
    pairs["place"] = pairs["other"].map({name: i for i, name in enumerate(MEASURES)})
    found = rows[[*LAYER, "measure", column]].merge(pairs, on="measure")
    if found.empty:
        return pd.Series(dtype=float)
    numbers = number_lists(found[column])
    found["value"] = numbers[np.arange(len(found)), found["place"]]
    return found.groupby(LAYER)["value"].mean()


def effect(
    rows: pd.DataFrame, values: pd.Series, sweep: str, hidden: str, layers: Collection[int] | None = None
) -> pd.Series:
    """What a regulariser changes: value at its largest good strength less that of the baseline, by seed.

    Args:
        rows: of the table, for the accuracies.
        values: one a layer, see ``per_layer``.
        sweep: which regulariser.
        hidden: architecture.
        layers: means are taken over these; all by default.
    """
    rows = rows[rows["hidden"] == hidden]
    kept = accepted(rows).set_index(LAYER).index
    values = values[values.index.isin(kept)]
    if layers is not None:
        values = values[values.index.get_level_values("layer").isin(list(layers))]
    means = values.groupby(level=TRAINED).mean()
    ends = [_at(means, hidden, *condition) for condition in ((sweep, largest_good(rows, sweep)), BASELINE)]
    return (ends[0] - ends[1]).dropna()


def _at(means: pd.Series, hidden: str, sweep: str, strength: float) -> pd.Series:
    index = means.index.to_frame(index=False) if len(means) else pd.DataFrame(columns=["hidden", "sweep", "strength"])
    chosen = (
        (index["hidden"] == hidden) & (index["sweep"] == sweep) & np.isclose(index["strength"].astype(float), strength)
    )
    found = means[chosen.to_numpy(dtype=bool)]
    return found.droplevel(["hidden", "sweep", "strength"]) if len(found) else pd.Series(dtype=float)


def _trained_less_untrained(values: pd.Series) -> Sample | None:
    """Trained networks, all strengths of a seed together, less the mean of untrained networks, by seed."""
    if values.empty:
        return None
    untrained = values.index.get_level_values("sweep") == "untrained"
    if untrained.all() or not untrained.any():
        return None
    return sample_of(values[~untrained].groupby(level="seed").mean() - values[untrained].mean())


def _friedman(table: pd.DataFrame) -> Sample | None:
    """Friedman's p that all columns are alike; None with fewer than three whole rows."""
    from scipy.stats import friedmanchisquare

    table = table.dropna()
    return Sample(float(friedmanchisquare(*table.to_numpy().T).pvalue), len(table)) if len(table) > 2 else None


def _q_effect(rows: pd.DataFrame, sweep: str, measures: Collection[str] = MEASURES, column: str = "q") -> Sample | None:
    return sample_of(effect(rows, per_layer(rows, column, measures), sweep, _only(rows)))


def _l2_over_dropout(rows: pd.DataFrame) -> Sample | None:
    values, hidden = per_layer(rows, "q"), _only(rows)
    l2, dropout = (effect(rows, values, sweep, hidden) for sweep in ("l2", "dropout"))
    return sample_of((l2 / dropout.mean()).dropna())


def _advantage(rows: pd.DataFrame, hidden: str, measures: Collection[str] = MEASURES) -> pd.Series:
    """By how much dropout raises Q more than the better of L1 and L2."""
    values = per_layer(rows, "q", measures)
    dropout, l1, l2 = (effect(rows, values, sweep, hidden) for sweep in ("dropout", "l1", "l2"))
    return (dropout - np.maximum(l1, l2)).dropna()


def _dropout_over_others(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_advantage(rows, _only(rows)))


def _advantage_against_small(rows: pd.DataFrame, hidden: str, measures: Collection[str] = MEASURES) -> Sample | None:
    """The advantage of dropout in another architecture less that in (64, 64)."""
    return sample_of((_advantage(rows, hidden, measures) - _advantage(rows, SMALL, measures)).dropna())


def _difference_of_families(
    rows: pd.DataFrame, sweep: str, more: Collection[str], less: Collection[str]
) -> Sample | None:
    """Effect of a regulariser on Q, for one family of similarities less that for the other."""
    sides = [effect(rows, per_layer(rows, "q", side), sweep, _only(rows)) for side in (more, less)]
    return sample_of((sides[0] - sides[1]).dropna())


def _first_over_second(rows: pd.DataFrame) -> Sample | None:
    values, hidden = per_layer(rows, "q"), _only(rows)
    layers = [effect(rows, values, "dropout", hidden, [layer]) for layer in (1, 2)]
    return sample_of((layers[0] - layers[1]).dropna())


def _slope_over_layers(rows: pd.DataFrame, measures: Collection[str]) -> Sample | None:
    """Rank correlation of dropout's effect with the layer, by seed."""
    from scipy.stats import spearmanr

    values, hidden = per_layer(rows, "q", measures), _only(rows)
    layers = sorted(rows["layer"].unique())
    effects = pd.DataFrame({layer: effect(rows, values, "dropout", hidden, [layer]) for layer in layers}).dropna()
    return sample_of([float(spearmanr(layers, line).statistic) for line in effects.to_numpy()])


def _l1_like_l2(rows: pd.DataFrame, column: str) -> Sample | None:
    """Effect of L1 less that of L2, as a share of that of dropout for Q and as it is for sparsity."""
    values, hidden = per_layer(rows, column), _only(rows)
    l1, l2, dropout = (effect(rows, values, sweep, hidden) for sweep in ("l1", "l2", "dropout"))
    return sample_of(((l1 - l2) / (dropout.mean() if column == "q" else 1)).dropna())


def _trends_differ(rows: pd.DataFrame, column: str) -> Sample | None:
    """Friedman's p that dropout changes a column alike whatever the similarity."""
    hidden = _only(rows)
    effects = {name: effect(rows, per_layer(rows, column, [name]), "dropout", hidden) for name in MEASURES}
    return _friedman(pd.DataFrame(effects))


def _difference_of_kinds(
    rows: pd.DataFrame, more: str, less: str, column: str = "element_similarity", sweep: str = "dropout"
) -> Sample | None:
    """How much more one kind of pairs agrees than another, by seed, at the largest good strength of a regulariser."""
    strength = 0.0 if sweep == "untrained" else largest_good(rows, sweep)
    rows = accepted(rows)
    difference = (agreement(rows, more, column) - agreement(rows, less, column)).dropna()
    means = difference.groupby(level=TRAINED).mean()
    return sample_of(_at(means, _only(rows), sweep, strength))


def _agreement_effect(rows: pd.DataFrame, kind: str, sweep: str) -> Sample | None:
    return sample_of(effect(rows, agreement(rows, kind), sweep, _only(rows)))


def _trained_over_untrained(rows: pd.DataFrame, kind: str) -> Sample | None:
    """Agreement in trained networks, all strengths of a seed together, less the mean of untrained networks."""
    return _trained_less_untrained(agreement(accepted(rows), kind))


def _share_of_searches(rows: pd.DataFrame, compare: Callable[[pd.Series, pd.Series], pd.Series]) -> Sample | None:
    """Share of partitions whose Q the search raises (``gt``) or lowers (``lt``), by network."""
    return sample_of(compare(rows["q"], rows["q_start"]).astype(float).groupby([rows[c] for c in TRAINED]).mean())


def _spectral_over_single(rows: pd.DataFrame) -> Sample | None:
    """Q of the search from the spectral splitting less Q of the one from a single community, by network."""
    difference = rows.assign(gain=rows["q"] - rows["q_from_one"])
    return sample_of(difference.groupby(["sweep", "strength", "seed"])["gain"].mean())


def _between_two_and_six(rows: pd.DataFrame) -> Sample | None:
    rows = accepted(rows)
    return sample_of(rows["effective_number"].between(2, 6).astype(float).groupby([rows[c] for c in TRAINED]).mean())


def _number_trained(rows: pd.DataFrame) -> Sample | None:
    """Effective number of communities in trained networks less the mean of untrained ones, by seed."""
    return _trained_less_untrained(per_layer(accepted(rows), "effective_number"))


def _depth_matters(rows: pd.DataFrame) -> Sample | None:
    """Friedman's p that Q of untrained networks is alike in all layers."""
    values = per_layer(rows[rows["sweep"] == "untrained"], "q")
    return _friedman(values.unstack("layer")) if len(values) else None


def _failures_elsewhere(rows: pd.DataFrame) -> Sample | None:
    """Share of the networks with less than the ``EXTREME`` strongest regularisations of a sweep that miss 80%."""
    networks = rows[rows["sweep"] != "untrained"].drop_duplicates(["sweep", "strength", "seed"])
    if networks.empty:
        return None
    from_above = networks.groupby("sweep")["strength"].rank(method="dense", ascending=False)
    weaker = networks[from_above > EXTREME]
    return Sample(float((weaker["test_accuracy"] < ACCURACY).mean()), len(weaker))


def _same_by_every_index(rows: pd.DataFrame) -> Sample | None:
    """Least difference, over indices of clusim, between agreement within a family and across, by seed.

    Partitions at the largest good dropout are compared; units without use form a community.
    """
    from clusim import sim
    from clusim.clustering import Clustering

    indices = (sim.adjrand_index, sim.nmi, sim.fowlkes_mallows_index, sim.jaccard_index, sim.element_sim)
    kinds = kinds_of_pairs()
    out: dict[object, list[list[float]]] = {}
    strength = largest_good(rows, "dropout")
    chosen = accepted(rows[(rows["sweep"] == "dropout") & np.isclose(rows["strength"], strength)])
    for (seed, _), layer in chosen.groupby(["seed", "layer"]):
        parts = {
            measure: Clustering().from_membership_list(str(labels).split())
            for measure, labels in zip(layer["measure"], layer["labels"], strict=True)
        }
        out.setdefault(seed, []).append([])
        for index in indices:
            within, across = (np.mean([index(parts[a], parts[b]) for a, b in kinds[kind]]) for kind in SIDES)
            out[seed][-1].append(float(within - across))
    return sample_of([float(np.min(np.mean(layers, axis=0))) for layers in out.values()])


def _only(rows: pd.DataFrame) -> str:
    return str(rows["hidden"].iloc[0]) if len(rows) else ""


FINDINGS = {
    "dropout_over_others": Metric("effect of dropout on Q, minus that of L1 or L2", _dropout_over_others),
    "dropout_effect": Metric("effect of dropout on Q", partial(_q_effect, sweep="dropout")),
    "l2_over_dropout": Metric("effect of L2 on Q, as a share of dropout's", _l2_over_dropout, 2),
    "l2_effect": Metric("effect of L2 on Q", partial(_q_effect, sweep="l2")),
    "l1_effect_downstream": Metric(
        "effect of L1 on Q, downstream", partial(_q_effect, sweep="l1", measures=DOWNSTREAM)
    ),
    "l1_downstream_over_upstream": Metric(
        "effect of L1 on Q, downstream minus upstream",
        partial(_difference_of_families, sweep="l1", more=DOWNSTREAM, less=UPSTREAM),
    ),
    "dropout_effect_number": Metric(
        "effect of dropout on the number of communities", partial(_q_effect, sweep="dropout", column="effective_number")
    ),
    "upstream_over_downstream": Metric(
        "effect of dropout on Q, upstream minus downstream",
        partial(_difference_of_families, sweep="dropout", more=UPSTREAM, less=DOWNSTREAM),
    ),
    "first_over_second": Metric("effect of dropout on Q, first layer minus second", _first_over_second),
    "l1_like_l2": Metric("L1 minus L2, as a share of dropout's effect on Q", partial(_l1_like_l2, column="q"), 2),
    "sparsity_l1_like_l2": Metric("sparsity, L1 minus L2", partial(_l1_like_l2, column="sparsity")),
    "trends_of_q_differ": Metric("p, equal effects on Q", partial(_trends_differ, column="q"), 4),
    "trends_of_number_differ": Metric(
        "p, equal effects on the number", partial(_trends_differ, column="effective_number"), 4
    ),
    "advantage_wide": Metric(
        "advantage of dropout, wide minus small", partial(_advantage_against_small, hidden="256-256")
    ),
    "advantage_deep_upstream": Metric(
        "advantage of dropout upstream, deep minus small",
        partial(_advantage_against_small, hidden="64-64-64-64-64", measures=UPSTREAM),
    ),
    "slope_upstream": Metric(
        "dropout's effect against depth, upstream", partial(_slope_over_layers, measures=UPSTREAM), 2
    ),
    "slope_downstream": Metric(
        "dropout's effect against depth, downstream", partial(_slope_over_layers, measures=DOWNSTREAM), 2
    ),
    "within_over_across": Metric(
        "agreement, within a family minus across", partial(_difference_of_kinds, more="within", less="across")
    ),
    "normalisation_over_type": Metric(
        "agreement, of normalised forms minus of covariance and gradient",
        partial(_difference_of_kinds, more="normalisation", less="covariance against gradient"),
    ),
    "transfer_within_over_across": Metric(
        "transferability, within a family minus across",
        partial(_difference_of_kinds, more="within", less="across", column="transferability"),
    ),
    "untrained_downstream_over_upstream": Metric(
        "agreement in untrained networks, downstream minus upstream",
        partial(_difference_of_kinds, more="downstream", less="upstream", sweep="untrained"),
    ),
    "across_at_large_l1": Metric(
        "agreement across at large L1, plain minus normalised downstream",
        partial(
            _difference_of_kinds, more="across, plain downstream", less="across, normalised downstream", sweep="l1"
        ),
    ),
    **{
        f"upstream_agreement_{sweep}": Metric(
            f"effect of {name} on agreement upstream", partial(_agreement_effect, kind="upstream", sweep=sweep)
        )
        for sweep, name in (("l1", "L1"), ("l2", "L2"), ("dropout", "dropout"))
    },
    **{
        f"normalisation_downstream_{sweep}": Metric(
            f"effect of {name} on agreement of normalised forms, downstream",
            partial(_agreement_effect, kind="normalisation, downstream", sweep=sweep),
        )
        for sweep, name in (("l1", "L1"), ("l2", "L2"))
    },
    "upstream_trained": Metric(
        "agreement upstream, trained minus untrained", partial(_trained_over_untrained, kind="upstream")
    ),
    "across_trained": Metric(
        "agreement across, trained minus untrained", partial(_trained_over_untrained, kind="across")
    ),
    "every_index": Metric("least difference within minus across, over indices", _same_by_every_index),
    "refined": Metric("share of partitions that the search improves", partial(_share_of_searches, compare=gt)),
    "lowered": Metric("share of partitions that the search makes worse", partial(_share_of_searches, compare=lt)),
    "spectral_over_single": Metric("Q with spectral start minus Q without", _spectral_over_single),
    "number_two_to_six": Metric(
        "share of layers with 2 to 6 communities",
        _between_two_and_six,
        2,
        needs=("n_clusters_typical_min", "n_clusters_typical_max", "n_clusters_rarely_above"),
    ),
    "number_trained": Metric("number of communities, trained minus untrained", _number_trained, 2),
    "depth_matters": Metric("p, Q of untrained networks equal in all layers", _depth_matters, 4),
    "failures_elsewhere": Metric(
        "share below 80% accuracy at weaker regularisation", _failures_elsewhere, needs=("min_test_accuracy",)
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """Whether the two families of similarity find the same groups, and what regularisers do to Q."""
    of_each = {str(hidden): _effects(rows, str(hidden)) for hidden in rows["hidden"].unique()}
    small = rows[rows["hidden"] == SMALL]
    return _told_agreement(small), _told_effects(small, of_each.get(SMALL, {})), _told_largest(of_each)


def _effects(rows: pd.DataFrame, hidden: str) -> dict[str, pd.Series]:
    """What each regulariser does to Q in networks of one architecture, by seed, where that is measured."""
    effects = {name: effect(rows, per_layer(rows, "q"), sweep, hidden) for sweep, name in NAMES.items()}
    return {name: of_seeds for name, of_seeds in effects.items() if len(of_seeds)}


def _told_agreement(rows: pd.DataFrame) -> str | None:
    rows = accepted(rows[rows["sweep"] != "untrained"])
    within, across = (agreement(rows, kind) for kind in SIDES)
    if within.empty or across.empty:
        return None
    return (
        f"{'Only in part' if across.mean() < within.mean() else 'Yes'}: in networks with two layers of 64, groups by "
        f"an upstream and by a downstream similarity agree at {across.mean():.2f} on average, those by two "
        f"similarities of one family at {within.mean():.2f}, two searches with the same similarity at "
        f"{rows['stability'].mean():.2f}; 1 is equal."
    )


def _told_effects(rows: pd.DataFrame, effects: dict[str, pd.Series]) -> str | None:
    parts = []
    for sweep, name in NAMES.items():
        if name in effects:
            change = sample_of(effects[name])
            networks = accepted(rows[(rows["sweep"] == sweep) & (rows["strength"] == largest_good(rows, sweep))])
            right = networks.drop_duplicates("seed")["test_accuracy"].mean()
            way = which_way(change, "lowers Q", "raises Q", "does not clearly change Q")
            parts.append(f"{name} {way}, {told(change, 3)}, at {right:.0%}")
    strength = f"At the largest strength measured that keeps {ACCURACY:.0%} accuracy"
    return f"{strength}, {listed(parts)} accuracy." if parts else None


def _told_largest(of_each: dict[str, dict[str, pd.Series]]) -> str | None:
    most = [max(by, key=lambda name: by[name].mean()) for by in of_each.values() if len(by) == len(NAMES)]
    first = max(NAMES.values(), key=most.count)
    architectures = f"in {most.count(first)} of {len(most)} architectures"
    return f"Of the three, {first} does most for Q {architectures}." if most else None
