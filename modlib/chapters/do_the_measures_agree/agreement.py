"""How far notions of a module agree on the layers of networks, beside themselves and beside chance.

Agreement is the element-centric similarity of two divisions of a layer less its mean over permuted labels, which falls
short of 1 where they have different numbers of modules; and mutual information, which does so less.
Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import TypeVar

import pandas as pd

from modlib.chapters.do_the_measures_agree.experiment import CELL_KEY, CNN, SMALL, STAGES, WEIGHTS
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import sample_of
from modlib.evidence.sentences import listed, told
from modlib.notions.names import EQUALLY_MANY, NOTIONS, OF_WEIGHTS
from modlib.tables.words import rows_in_words

T = TypeVar("T", pd.Series, pd.DataFrame)
FUNCTIONAL = tuple(notion for notion in NOTIONS if notion not in OF_WEIGHTS)  # notions of what units do
BEYOND, INFORMATION = "beyond", "mutual_information"  # two measures of agreement
NETWORK = ["dataset", "dropout", "seed"]
FAMILIES = {
    "what units do to the answers": ("loss Hessian", "output sensitivity", "lesions", "masks"),
    "what makes them active": ("covariance", "images", "input sensitivity"),
}  # of notions


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
    values = of_stage(between(on_images(rows), value), "pruned").unstack("dropout")
    return values["yes"] - values["no"]


def gain_in_words(rows: pd.DataFrame) -> str:
    """By how much more two notions agree with dropout, on each data set and by either measure.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks with dropout and without.
    """
    each = _by_measure(lambda value: gained_by_dropout(rows, value))
    return f"What dropout adds to the agreement of two notions, seed by seed: {each}."


def function_less_weights(rows: pd.DataFrame, value: str = BEYOND) -> pd.Series:
    """How much more two notions of what units do agree than clusters of weights with either, a number a network."""
    return of_function(rows, value) - of_weights(rows, value)


def weights_beside_function_in_words(rows: pd.DataFrame) -> str:
    """How much more two notions of what units do agree than clusters of weights with either, with dropout.

    Args:
        rows: of ``do-the-measures-agree``, of trained networks with dropout.
    """
    rows = rows[rows["dropout"] == "yes"]
    each = _by_measure(lambda value: of_stage(function_less_weights(rows, value), "pruned"))
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


def families_in_words(shares: pd.DataFrame) -> str:
    """What shares two notions of one of ``FAMILIES`` have, and two of different ones, in a sentence.

    Args:
        shares: see ``of_less_reliable``.
    """
    kinds = shares["notions"].map(_family)
    order = [*(f"two notions of {words}" for words in FAMILIES), "one of each"]
    each = []
    for dropout, words in (("yes", "with dropout"), ("no", "without")):
        means = shares["share"][shares["dropout"] == dropout].groupby(kinds).mean()
        told_of = [f"{kind} {means[kind]:.0%}" for kind in order if kind in means]
        if told_of:
            each.append(f"{words}, {listed(told_of)}")
    return f"Means over pairs: {'; '.join(each)}."


def _family(notions: str) -> str:
    pair = set(notions.split(" and "))
    return next((f"two notions of {words}" for words, those in FAMILIES.items() if pair <= {*those}), "one of each")


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
    for stage in [stage for stage in STAGES if len(of_stage(means, stage))]:
        found = of_stage(means, stage)
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


def channels_in_words(rows: pd.DataFrame) -> str | None:
    """How far two notions of the channels of pruned small CNNs agree, in a sentence; None if none is measured.

    Args:
        rows: of ``do-the-measures-agree``.
    """
    each = []
    cnns = on_images(rows[rows["dataset"].str.endswith(CNN)])
    for dataset, part in cnns.groupby("dataset"):
        two, one = (of_stage(measure(part, INFORMATION), "pruned") for measure in (between, itself))
        start = of_stage(between(part, INFORMATION), "untrained")
        if len(two):
            untrained = f"; untrained {start.mean():.2f}" if len(start) else ""
            name = rows_in_words({"dataset": str(dataset).removesuffix(CNN)})
            each.append(f"{two.mean():.2f} and {one.mean():.2f} on {name} (n = {len(two)}{untrained})")
    if not each:
        return None
    return (
        "Mutual information of two notions of the channels of pruned small CNNs, and of one with itself: "
        f"{listed(each)}."
    )


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


def of_stage(values: T, stage: str) -> T:
    """Values of networks at one stage."""
    return values[values.index.get_level_values("stage") == stage].droplevel("stage")
