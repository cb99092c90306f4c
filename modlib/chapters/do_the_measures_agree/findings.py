"""Whether notions of a module find the same modules. Chapter: ``do-the-measures-agree``.

What is compared is the element-centric similarity of two divisions of a layer less its mean over permuted labels, which
falls short of 1 where they have different numbers of modules; and mutual information, which does so less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import pandas as pd

from modlib.chapters.do_the_measures_agree.experiment import (
    CASES,
    CELL_KEY,
    CNN,
    FUNCTIONS,
    IDLE,
    KNOWN,
    SMALL,
    STAGES,
    WEIGHTS,
    K,
)
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.intervals import interval_of_mean, interval_of_rank_correlation
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, told
from modlib.notions.names import EQUALLY_MANY, NOTIONS, OF_WEIGHTS
from modlib.tables.words import rows_in_words

Frame = TypeVar("Frame", pd.Series, pd.DataFrame)
TABLES = ("do-the-measures-agree",)
NCUTS = ("clusterability", "dropout", "topology-shuffles", "null-models")  # tables with tests of the same networks
FUNCTIONAL = tuple(notion for notion in NOTIONS if notion not in OF_WEIGHTS)  # notions of what units do
DROPOUT = {"yes": "with dropout", "no": "without"}
BEYOND, INFORMATION = "beyond", "mutual_information"  # two measures of agreement
NETWORK = ["dataset", "dropout", "seed"]
FOUND = 0.25  # mutual information with what is known above which a notion finds it: the whole 90% interval
HALF = 0.5
NEGLIGIBLE = 0.05  # agreement beyond chance below which there is none to speak of
FEWEST = 5  # networks of which a rank correlation is told
DROP, ZERO, SCORE = "accuracy-change", "zero", "visualization-score"  # as the tables of these chapters have them
LESIONED_K = 8  # clusters of which networks with dropout are lesioned as well
CUTS = {
    f"n-cut, {null}, k = {k}": (null, k)
    for k, nulls in ((4, ("layer", "layer-nonzero", "degree", "strength")), (K, ("layer", "degree", "strength")))
    for null in nulls
}  # null models and numbers of clusters that are stored
MAIN_CUT = f"n-cut, layer, k = {K}"
ALL_Q, OVERLAP = "Q of all notions", "overlap of masks"
KINDS = (ALL_Q, "importance", "coherence", OVERLAP)
OTHERS = (*FUNCTIONAL, *KINDS[1:])


def beyond_chance(rows: pd.DataFrame) -> pd.Series:
    """Similarity of two divisions less what permuted labels have, for every row."""
    return rows["similarity"] - rows["by_chance"]


def _by_network(rows: pd.DataFrame, value: str) -> pd.Series:
    """Mean agreement over layers and pairs, one number a network and stage: ``BEYOND`` chance, or ``INFORMATION``."""
    return rows.assign(**{BEYOND: beyond_chance(rows)}).groupby([*NETWORK, "stage"])[value].mean()


def started_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those of untrained networks with dropout where one without it starts from the same weights."""
    untrained = rows["stage"] == "untrained"
    network = pd.MultiIndex.from_frame(rows[["dataset", "seed"]])
    plain = network[untrained & (rows["dropout"] == "no")]
    return rows[~(untrained & (rows["dropout"] == "yes") & network.isin(plain))]


def is_small(rows: pd.DataFrame) -> pd.Series:
    """Whether rows are of small perceptrons or CNNs, told apart from the perceptrons of the papers on n-cuts."""
    return rows["dataset"].str.endswith((*(kind for kind, _ in SMALL), CNN))


def on_images(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those of weights alone: beside themselves, for they see no images, and two cuts of one graph."""
    return rows[~(rows["first"].isin(OF_WEIGHTS) & rows["second"].isin(OF_WEIGHTS))]


def with_equally_many(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of pairs of notions that make the same number of modules in every layer, each beside itself as well."""
    return rows[rows["first"].isin(EQUALLY_MANY) & rows["second"].isin(EQUALLY_MANY)]


def itself(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How far notions agree with themselves when they are asked again, one number a network and stage."""
    return _by_network(rows[rows["first"] == rows["second"]], value)


def of_function(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How far two different notions of what units do agree, one number a network and stage."""
    both = rows["first"].isin(FUNCTIONAL) & rows["second"].isin(FUNCTIONAL)
    return _by_network(rows[both & (rows["first"] != rows["second"])], value)


def of_weights(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How far clusters of weights agree with notions of what units do, one number a network and stage."""
    return _by_network(rows[(rows["first"] == WEIGHTS) & rows["second"].isin(FUNCTIONAL)], value)


def between(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How far any two different notions agree, one number a network and stage."""
    return _by_network(rows[(rows["first"] != rows["second"]) & rows["second"].isin(NOTIONS)], value)


def as_with_itself(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which two notions agree as well as the less reliable of them agrees with itself.

    Args:
        rows: of ``do-the-measures-agree``; those of networks with known modules stay as they are.
    """
    rows = rows.reset_index(drop=True)
    sides = _beside_themselves(rows)
    two = sides[0].index
    rows.loc[two, "similarity"] = rows.loc[two, "by_chance"] + _less(sides, BEYOND)
    rows.loc[two, INFORMATION] = _less(sides, INFORMATION)
    return rows


def as_nested(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which two notions agree, but that one divides more finely: all else between them is their noise.

    S of two such divisions is the ratio of their numbers of modules, k. These are not stored; but permuted labels of k
    equal modules of n units have E[S] = (1 + (k - 1)^2 / n) / k, nearly. What is beyond chance is taken to suffer from
    noise as what the less reliable of the two has with itself does. Mutual information stays as it is.

    Args:
        rows: of ``do-the-measures-agree``; those of networks with known modules stay as they are.
    """
    rows = rows.reset_index(drop=True)
    sides = _beside_themselves(rows)
    two = sides[0].index
    for side in sides:
        half = 1 + side["units"] * side["by_chance"] / 2
        side["k"] = half - (half**2 - 1 - side["units"]).clip(lower=0) ** 0.5
        side["sure"] = side[BEYOND] / (1 - side["by_chance"])
    fewer, by_chance = _less(sides, "k"), rows.loc[two, "by_chance"]
    ratio = fewer / (sides[0]["k"] + sides[1]["k"] - fewer)
    rows.loc[two, "similarity"] = by_chance + (ratio - by_chance).clip(lower=0) * _less(sides, "sure")
    return rows


def _beside_themselves(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For every row of two notions, what the first has with itself in the same layer, and what the second has."""
    key = [*CELL_KEY, "layer"]
    own = rows[rows["first"] == rows["second"]].set_index([*key, "first"])
    own = own.assign(**{BEYOND: beyond_chance(own)})[["units", "by_chance", BEYOND, INFORMATION]]
    two = rows[(rows["first"] != rows["second"]) & rows["second"].isin(NOTIONS)]
    first, second = (
        own.reindex(pd.MultiIndex.from_frame(two[[*key, side]])).set_axis(two.index) for side in ("first", "second")
    )
    return first, second


def _less(sides: tuple[pd.DataFrame, pd.DataFrame], column: str) -> pd.Series:
    first, second = (side[column] for side in sides)
    return first.where(first < second, second)


def nested_in_words(rows: pd.DataFrame) -> str:
    """What share of the agreement of one notion with itself two have, and would have if their divisions were nested.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks with dropout.
    """
    rows = rows[(rows["dropout"] == "yes") & (rows["stage"] == "pruned")]
    shares = {
        words: (between(of) / itself(of)).groupby("dataset").mean()
        for words, of in (("as measured", rows), ("if nested", as_nested(rows)))
    }
    each = [
        f"{listed([f'{value:.2f} {words}' for words, values in shares.items() for value in [values[dataset]]])} on "
        f"{rows_in_words({'dataset': str(dataset)})}"
        for dataset in shares["as measured"].index
    ]
    return f"Agreement of two notions over that of one with itself, with dropout: {'; '.join(each)}."


def by_condition(rows: pd.DataFrame) -> pd.DataFrame:
    """How far two notions agree in pruned networks, and one with itself on other images, by images and dropout.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks.

    Returns:
        A line a condition: ``networks`` and ``n``; agreement of two notions and of one with itself beyond permuted
        labels; both of the notions that make ``equally many`` modules; and both by mutual information.
    """
    seen = on_images(rows[rows["stage"] == "pruned"])
    lines = []
    for (dataset, dropout), part in seen.groupby(["dataset", "dropout"]):
        line = {
            "networks": rows_in_words({"dataset": str(dataset), "dropout": str(dropout)}),
            "n": part["seed"].nunique(),
        }
        for name, those, value in (
            ("beyond chance", part, BEYOND),
            ("equally many", with_equally_many(part), BEYOND),
            ("mutual information", part, INFORMATION),
        ):
            line[f"{name}: two"], line[f"{name}: itself"] = (
                measure(those, value).mean() for measure in (between, itself)
            )
        lines.append(line)
    return pd.DataFrame(lines)


def gained_by_dropout(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How far two notions agree in pruned networks with dropout less the same without, by data set and seed."""
    values = _of_stage(between(on_images(rows), value), "pruned").unstack("dropout")
    return values["yes"] - values["no"]


def gain_in_words(rows: pd.DataFrame) -> str:
    """By how much more two notions agree with dropout, on each data set and by either measure.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks with dropout and without.
    """
    each = _by_measure(lambda value: gained_by_dropout(rows, value))
    return f"What dropout adds to the agreement of two notions, seed by seed: {each}."


def weights_beside_function_in_words(rows: pd.DataFrame) -> str:
    """How much more two notions of what units do agree than clusters of weights with either, with dropout.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks with dropout.
    """
    rows = rows[rows["dropout"] == "yes"]
    each = _by_measure(lambda value: _of_stage(_function_less_weights(rows, value), "pruned"))
    return f"Agreement of two notions of what units do minus that of clusters of weights with them: {each}."


def _by_measure(difference: Callable[[str], pd.Series]) -> str:
    """A difference on each data set, by both measures of agreement, in words."""
    each = []
    for value, words in ((BEYOND, "similarity beyond chance"), (INFORMATION, "mutual information")):
        means = {
            rows_in_words({"dataset": str(dataset)}): sample_of(values)
            for dataset, values in difference(value).groupby("dataset")
        }
        each.append(f"by {words} {listed([f'{told(sample, 3)} on {name}' for name, sample in means.items()])}")
    return "; ".join(each)


def of_less_reliable(rows: pd.DataFrame) -> pd.DataFrame:
    """What share two notions of what units do have of the agreement that the less reliable has with itself.

    Agreement is that of pruned networks, the mean over layers.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks.

    Returns:
        A line a pair, with dropout and without: ``dropout``, ``notions``, and the ``share`` of mutual information, a
        mean over networks; the same ``in words``, with its 90% interval; and, in words, the share ``by similarity``
        beyond chance, empty where notions make different numbers of modules.
    """
    pruned = rows[rows["stage"] == "pruned"]
    pruned = pruned.assign(**{BEYOND: beyond_chance(pruned)})
    by_pair = pruned.pivot_table(index=NETWORK, columns=["first", "second"], values=[INFORMATION, BEYOND])
    lines = []
    for dropout, part in by_pair.groupby("dropout"):
        for pair in combinations(FUNCTIONAL, 2):
            share = _share_of_less_reliable(part, INFORMATION, pair)
            if share is not None:
                alike = _share_of_less_reliable(part, BEYOND, pair) if set(pair) <= set(EQUALLY_MANY) else None
                line = {"dropout": dropout, "notions": listed(pair), "share": share.mean, "in words": told(share)}
                lines.append(line | {"by similarity": told(alike) if alike else ""})
    return pd.DataFrame(lines, columns=["dropout", "notions", "share", "in words", "by similarity"])


def _share_of_less_reliable(by_pair: pd.DataFrame, value: str, pair: tuple[str, str]) -> Sample | None:
    """A ratio of two means over networks; what each network adds to it is linearised, for the interval."""
    columns = [(value, *pair), *((value, notion, notion) for notion in pair)]
    if not {*columns} <= {*by_pair}:
        return None
    both, *own = (by_pair[column] for column in columns)
    least = min(own, key=lambda values: float(values.mean()))
    if not least.mean() > 0:
        return None
    ratio = both.mean() / least.mean()
    return sample_of(ratio + (both - ratio * least) / least.mean())


def of_activity(rows: pd.DataFrame) -> pd.DataFrame:
    """How far two different notions agree beyond either kind of permuted labels, in words, by stage.

    Args:
        rows: of ``do-the-measures-agree``; those without the second null, which older ones lack, are left out.

    Returns:
        A line a stage: ``networks``; similarity less that of labels permuted among all units of a layer, and among
        those of like activity, means over networks with their 90% intervals; and ``by activity``, the part of the first
        that the second takes away.
    """
    rows = on_images(rows)
    rows = rows[(rows["first"] != rows["second"]) & rows["second"].isin(NOTIONS) & rows["by_matched_chance"].notna()]
    rows = rows.assign(beyond=beyond_chance(rows), matched=rows["similarity"] - rows["by_matched_chance"])
    means = started_once(rows).groupby([*NETWORK, "stage"])[["beyond", "matched"]].mean()
    lines = []
    for stage in [stage for stage in STAGES if len(_of_stage(means, stage))]:
        found = _of_stage(means, stage)
        lines.append(
            {
                "stage": stage,
                "networks": len(found),
                "beyond permuted labels": told(sample_of(found["beyond"])),
                "beyond those of like activity": told(sample_of(found["matched"])),
                "by activity": f"{1 - found['matched'].mean() / found['beyond'].mean():.0%}",
            }
        )
    return pd.DataFrame(lines)


def of_small(rows: pd.DataFrame) -> pd.DataFrame:
    """How far notions agree in the small networks, in words, a line for each regularisation, and for untrained ones.

    Args:
        rows: of ``do-the-measures-agree``.

    Returns:
        Columns ``networks``, which they are; ``n``; agreement beyond permuted labels of ``two notions``, of ``one with
        itself`` on other images, and of ``weights and function``, means over networks with their 90% intervals; and the
        first two by mutual information.
    """
    lines = []
    for (dataset, dropout, stage), part in on_images(rows[is_small(rows)]).groupby(["dataset", "dropout", "stage"]):
        means = [sample_of(measure(part)) for measure in (between, itself, of_weights)]
        information = {
            f"mutual information: {name}": measure(part, INFORMATION).mean()
            for name, measure in (("two", between), ("itself", itself))
        }
        settings = {"dataset": str(dataset), "dropout": str(dropout)}
        if str(dataset).endswith(CNN):  # one start for both, and only they are pruned
            name = rows_in_words({**settings, "stage": str(stage)}, untold=["dropout"] * (stage == "untrained"))
        else:
            name = "untrained" if stage == "untrained" else rows_in_words(settings)
        columns = dict(zip(("two notions", "one with itself", "weights and function"), map(told, means), strict=True))
        lines.append({"networks": name, "n": part["seed"].nunique(), **columns, **information})
    return pd.DataFrame(lines)


def _of_stage(values: Frame, stage: str) -> Frame:
    return values[values.index.get_level_values("stage") == stage].droplevel("stage")


def _pruned(measure: Callable[[pd.DataFrame], pd.Series]) -> Callable[[pd.DataFrame], Sample | None]:
    return lambda rows: sample_of(_of_stage(measure(rows), "pruned"))


def _trained_less_untrained(
    measure: Callable[[pd.DataFrame], pd.Series],
) -> Callable[[pd.DataFrame], Sample | None]:
    def difference(rows: pd.DataFrame) -> Sample | None:
        values = measure(rows)
        return sample_of(_of_stage(values, "pruned") - _of_stage(values, "untrained"))

    return difference


def _function_less_weights(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    return of_function(rows, value) - of_weights(rows, value)


def _share_of_itself(rows: pd.DataFrame) -> pd.Series:
    """Agreement of two notions over that of one with itself, less a half."""
    return between(rows) / itself(rows) - HALF


FINDINGS = {
    "weights_and_function": Metric("agreement of weights and function beyond permuted labels", _pruned(of_weights)),
    "weights_and_function_learned": Metric(
        "the same minus that of untrained networks", _trained_less_untrained(of_weights), compares=("stage",)
    ),
    "function_less_weights": Metric(
        "agreement of two notions of function minus that of weights and function", _pruned(_function_less_weights)
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


def by_layer(rows: pd.DataFrame, first: str) -> pd.DataFrame:
    """Agreement of one notion with those that follow it, in pruned networks, beyond permuted labels.

    Args:
        rows: of ``do-the-measures-agree``, of trained and untrained networks.
        first: the notion.

    Returns:
        A line for each of the other notions, in ``second``: the mean in every ``layer``; over all layers, and less that
        of the same networks untrained, each in words, with its 90% interval.
    """
    rows = rows[(rows["first"] == first) & (rows["second"] != first)].assign(beyond=beyond_chance)
    wide = rows.pivot_table(index=["second", "layer", *NETWORK], columns="stage", values="beyond")
    wide = wide.reindex(columns=list(STAGES)).dropna(subset="pruned")
    wide["gain"] = wide["pruned"] - wide["untrained"]
    means = wide["pruned"].groupby(["second", "layer"]).mean().unstack()
    overall = wide.groupby(["second", *NETWORK]).mean()
    lines = []
    for second in (notion for notion in NOTIONS if notion in means.index):
        samples = {name: sample_of(overall.xs(second)[name]) for name in ("pruned", "gain")}
        nulls = {"all layers": told(samples["pruned"]), "minus untrained ones": told(samples["gain"])}
        lines.append({"second": second, **means.loc[second].add_prefix("layer ", axis=0), **nulls})
    return pd.DataFrame(lines)


def modularities(rows: pd.DataFrame) -> pd.DataFrame:
    """How modular each pruned network is by every notion, a line a network.

    Args:
        rows: of ``do-the-measures-agree``, of ``NCUTS``, ``importance`` and ``coherence``.

    Returns:
        Columns of ``NETWORK``; of ``CUTS``, Z of its n-cut against a null model, turned round, so that larger is more
        modular; Q by every notion of what units do, and ``ALL_Q``, the mean of the ranks of these; ``importance``, the
        share of its sub-clusters that are important; ``coherence``, how rarely random units respond as alike as those
        of a sub-cluster do, its mean; and ``OVERLAP`` of the masks of two classes. NaN where it is not measured.
    """
    rows = rows[rows["profile"] == "paper"]
    own = rows[(rows["table"] == TABLES[0]) & (rows["stage"] == "pruned") & (rows["first"] == rows["second"])]
    own = own[~is_small(own)]
    found = own[own["first"].isin(FUNCTIONAL)].pivot_table(index=NETWORK, columns="first", values="q")
    found[ALL_Q] = found.rank().mean(axis=1)
    cuts = rows[rows["table"].isin(NCUTS) & (rows["stage"] == "pruned")]
    mlp = rows[rows["network"] == "mlp"]  # pruned, as all that these chapters cluster
    lesions = mlp[(mlp["measure"] == DROP) & (mlp["k"] == LESIONED_K) & (mlp["biases"] == ZERO)]
    alike = mlp[(mlp["measure"] == SCORE) & (mlp["k"] == K)]
    for name, values in (
        *((name, -cuts.loc[(cuts["null"] == null) & (cuts["k"] == k), "z"]) for name, (null, k) in CUTS.items()),
        ("importance", (lesions["kind"] == "important").astype(float)),
        ("coherence", 1 - alike["p_ties_for"]),
        (OVERLAP, own["mask_overlap"]),
    ):
        of_network = values.groupby([rows.loc[values.index, column] for column in NETWORK]).mean()
        found = found.join(of_network.rename(name), how="left")
    return found.reset_index()


def rank_correlations(table: pd.DataFrame, column: str = MAIN_CUT, others: Sequence[str] = OTHERS) -> pd.DataFrame:
    """Spearman's correlation of one notion's modularity with that of others over networks, with 90% intervals.

    Over all networks, and within conditions: networks of one data set, with dropout or without, are ranked among
    themselves, and the distances from the middle rank correlated. Conditions that differ in both notions make the
    first large, and say nothing of networks that were trained alike.

    Args:
        table: see ``modularities``.
        column: the notion.
        others: some of its other columns.

    Returns:
        A line for every other notion of which ``FEWEST`` networks or more are known: ``notion``, ``networks``, ``rho``,
        ``low`` and ``high``, and ``within``, ``within_low`` and ``within_high``, NaN if no condition has so many, with
        ``networks within``.
    """
    lines = []
    for other in [name for name in others if name in table]:
        both = table[[*NETWORK, column, other]].dropna()
        if len(both) >= FEWEST and both[other].nunique() > 1:
            rho = both[column].corr(both[other], method="spearman")
            low, high = interval_of_rank_correlation(rho, len(both))
            line = {"notion": other, "networks": len(both), "rho": rho, "low": low, "high": high}
            lines.append(line | _within_conditions(both, column, other))
    names = ["notion", "networks", "rho", "low", "high", "within", "within_low", "within_high", "networks within"]
    return pd.DataFrame(lines, columns=names)


def within_by_null(table: pd.DataFrame) -> pd.DataFrame:
    """Rank correlations within conditions of Z against every null model with other kinds of modularity.

    Args:
        table: see ``modularities``.

    Returns:
        Columns ``null`` and ``k``, and those of ``rank_correlations`` with each of ``KINDS``.
    """
    parts = [
        rank_correlations(table, name, KINDS).dropna(subset="within").assign(null=null, k=k)
        for name, (null, k) in CUTS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def by_null(found: pd.DataFrame) -> pd.DataFrame:
    """The same in words, a line a null model and number of clusters: correlation, 90% interval, and networks.

    Args:
        found: see ``within_by_null``.
    """
    lines: dict[tuple[str, int], dict[str, str]] = {}
    for line in found.to_dict("records"):
        rho, low, high = (signed(line[name], ".2f") for name in ("within", "within_low", "within_high"))
        words = f"{rho} ({low} to {high}, n = {line['networks within']:.0f})"
        lines.setdefault((line["null"], line["k"]), {})[line["notion"]] = words
    return pd.DataFrame([{"null": null, "k": k, **words} for (null, k), words in lines.items()])


def joined_in_words(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """How many of these correlations are none by chance, and of which networks each kind is known.

    Args:
        table: see ``modularities``.
        found: see ``within_by_null``.
    """
    apart = int(((found["within_low"] > 0) | (found["within_high"] < 0)).sum())
    networks = []
    for kind in KINDS[1:]:
        known = table[table[kind].notna()].groupby(NETWORK[:2]).size().reset_index(name="n")
        each = [
            f"{line['n']} of {rows_in_words({name: str(line[name]) for name in NETWORK[:2]})}"
            for line in known.to_dict("records")
        ]
        networks.append(f"{kind[0].upper()}{kind[1:]}: {'; '.join(each) or 'none yet'}.")
    return (
        f"{apart} of {len(found)} intervals leave out 0; by chance alone a tenth of them would. Known of "
        f"networks: {' '.join(networks)}"
    )


def _within_conditions(table: pd.DataFrame, column: str, other: str) -> dict[str, float]:
    conditions = table.groupby(NETWORK[:2])
    large = table[conditions[other].transform("size") >= FEWEST]
    ranks = large.groupby(NETWORK[:2])[[column, other]].rank()
    ranks -= ranks.groupby([large[name] for name in NETWORK[:2]]).transform("mean")
    n = len(large) - large.groupby(NETWORK[:2]).ngroups + 1  # every further condition takes a mean
    if n < FEWEST or (ranks == 0).all(axis=0).any():
        return {}
    rho = ranks[column].corr(ranks[other])
    low, high = interval_of_rank_correlation(rho, n)
    return {"within": rho, "within_low": low, "within_high": high, "networks within": len(large)}


def found(rows: pd.DataFrame) -> Sentences:
    """Whether notions agree, which do and which do not, and what each can see where modules are known."""
    own = rows[rows["table"] == TABLES[0]]
    trained = own[(own["stage"] != KNOWN) & ~is_small(own)]
    return _answer(started_once(trained)), _weights(trained), _known(own)


def _by_dropout(rows: pd.DataFrame, measure: Callable[..., pd.Series], value: str) -> dict[str, Sample]:
    """Agreement in pruned networks, by whether they have dropout, in words; a condition without rows is left out."""
    parts = {words: rows[rows["dropout"] == dropout] for dropout, words in DROPOUT.items()}
    samples = {words: sample_of(_of_stage(measure(part, value), "pruned")) for words, part in parts.items()}
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
        f"least half as well as the less reliable with itself, most {best} ({means[best]:.0%}). With them, "
        f"clusters of weights share mutual information of {_each(of_both)}."
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
