"""What trained networks are by five notions of a module, and whether the notions agree: the answer of the front page.

Each notion takes rows of its tables, and says in words for everybody whether trained networks are modular by it, how
much more than by chance, and what makes them more so. The picture shows the same numbers, a point a network.
Page: ``introduction``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from modlib.chapters.class_removal.findings import WITH, WITHOUT, target_and_others
from modlib.chapters.coherence.findings import K as K_OF_IMAGES, log_ratio
from modlib.chapters.convolutional_networks.findings import trained
from modlib.chapters.do_the_measures_agree.agreement import (
    INFORMATION,
    between,
    is_small,
    itself,
    on_images,
    started_once,
)
from modlib.chapters.do_the_measures_agree.experiment import KNOWN
from modlib.chapters.do_the_measures_agree.findings import HALF
from modlib.chapters.importance.experiment import DROP, ZERO
from modlib.chapters.importance.findings import K as K_OF_LESIONS
from modlib.chapters.null_models.findings import KS
from modlib.chapters.random_datasets.findings import BY_HEART, NOTHING
from modlib.chapters.rows import TEXT
from modlib.chapters.upstream_downstream.findings import (
    BASELINE,
    NAMES,
    SMALL,
    TRAINED,
    accepted,
    agreement,
    effect,
    largest_good,
    per_layer,
)
from modlib.chapters.weight_masks.findings import own_part, whole_masks
from modlib.data.arithmetic import TASKS
from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.digits import signed
from modlib.evidence.intervals import interval_of_share
from modlib.evidence.metrics import are_below_all_shuffles, sample_of
from modlib.evidence.sentences import by_verb, more_or_less, share_of, span, which_way
from modlib.lesions.kinds import MIN_PROPORTION
from modlib.verdicts.stored import stored_rows

Change: TypeAlias = tuple[str, Sample | None]  # what is changed, with the numbers, and by how much
IMAGES = ("mnist", "fashion_mnist", "cifar10")  # of the networks that the first notion tells of
FEW, MANY = KS  # clusters of the two papers on n-cuts
SAME = ("dataset", "seed")  # tell which networks are compared
WAYS = ("lowered by", "raised by", "not clearly raised by")
ANSWERS = {0.95: "Yes", 0.5: "Mostly", 0.3: "In part", 0.0: "Hardly"}  # by the least share of which it is said


@dataclass(frozen=True, eq=False)
class Told:
    """What trained networks are by one notion.

    Attributes:
        answer: whether they are modular, in a word or two.
        found: which of them are.
        beyond: how much more than by chance.
        raised: what makes them more so.
        modular: whether most networks are, more than by chance.
        points: networks in the picture, a number each, by what they are.
        chance: what they are compared with, in the same way.
    """

    answer: str
    found: str
    beyond: str
    raised: str
    modular: bool
    points: Mapping[str, pd.Series]
    chance: Mapping[str, pd.Series]


@dataclass(frozen=True)
class Notion:
    """A notion of a module.

    Attributes:
        name: in a few words.
        asks: what it asks, in words for everybody.
        axis: what the picture shows of a network.
        chapters: that measure it, with its claims.
        told: what trained networks are by it; None if rows are missing.
    """

    name: str
    asks: str
    axis: str
    chapters: tuple[str, ...]
    told: Told | None


def notions(folder: Path | None = None) -> list[Notion]:
    """The five notions, and last whether two of them agree, from the stored rows.

    Args:
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        ResultsError: if a table is damaged.
    """
    found = []
    for name, asks, axis, chapters, tables, tell in NOTIONS:
        rows = [stored_rows(table, folder) for table in tables]
        found.append(Notion(name, asks, axis, chapters, tell(*rows) if all(map(len, rows)) else None))
    return found


def weights(
    plain: pd.DataFrame, dropped: pd.DataFrame, random: pd.DataFrame, started: pd.DataFrame, cnns: pd.DataFrame
) -> Told | None:
    """Weights in clusters: how much of a group's weight stays inside it, beside the same weights in other places.

    An n-cut over its number of clusters is the mean share of a cluster's weight that leads out of it.

    Args:
        plain: rows of ``clusterability``, networks without dropout.
        dropped: of ``dropout``.
        random: of ``random-datasets``, networks that learn by heart or nothing.
        started: of ``promoting-clusterability``, networks that start in clusters.
        cnns: of ``convolutional-networks``.
    """
    rows = _beside_shuffles(pd.concat([plain, dropped], ignore_index=True))
    rows = rows[rows["dataset"].isin(IMAGES)]
    pruned, few = rows[rows["stage"] == "pruned"], rows[rows["k"] == FEW]
    of_few = {value: few[(few["stage"] == "pruned") & (few["dropout"] == value)] for value in ("yes", "no")}
    below = {(v, k): _one(pruned, "below", dropout=v, k=k) for v in ("yes", "no") for k in KS}
    before, after = (_one(few, "below", (*SAME, "dropout"), stage=stage) for stage in ("unpruned", "pruned"))
    random = _beside_shuffles(random[(random["stage"] == "pruned") & (random["dropout"] == "no")])
    nothing, heart = (_one(random, "below", ("seed",), dataset=name, k=FEW) for name in (NOTHING, BY_HEART))
    started = _beside_shuffles(started[(started["method"] == "initialisation") & (started["stage"] == "pruned")])
    cnns = trained(cnns)
    cnns = cnns[(cnns["graph"] == TEXT) & (cnns["stage"] == "pruned") & (cnns["k"] == MANY)]
    if cnns.empty or any(part.empty for part in below.values()):
        return None
    share = float(pd.concat(below.values()).mean())
    counts = {key: share_of(part) for key, part in below.items()}
    stays = {v: [f"{part[column].mean():.0%}" for column in ("inside", "shuffled")] for v, part in of_few.items()}
    return Told(
        answer=_answer(share),
        found=f"cut into {FEW} groups, {counts['yes', FEW]} pruned perceptrons with dropout and {counts['no', FEW]} "
        f"without beat each of their shuffles; into {MANY}, {counts['yes', MANY]} and {counts['no', MANY]}, and "
        f"{share_of(are_below_all_shuffles(cnns))} pruned CNNs",
        beyond=f"{stays['yes'][0]} of a group's weight stays inside it, {stays['yes'][1]} if shuffled; without dropout "
        f"{stays['no'][0]} and {stays['no'][1]}",
        raised=_raised(
            _counted("dropout", below["no", FEW], below["yes", FEW]),
            _counted("pruning", before, after),
            _counted("learning random images by heart", nothing, heart),
            _counted("a start in clusters", below["no", MANY], _one(started, "below", k=MANY), f", {MANY} groups"),
        ),
        modular=share > HALF,
        points={"with dropout": of_few["yes"]["inside"], "no dropout": of_few["no"]["inside"]},
        chance={"shuffled": pd.concat([part["shuffled"] for part in of_few.values()])},
    )


def lesions(rows: pd.DataFrame) -> Told | None:
    """Groups that matter: which cost more accuracy, silenced, than random sets of as many neurons do.

    Args:
        rows: of ``importance``.
    """
    rows = rows[(rows["measure"] == DROP) & (rows["biases"] == ZERO)]
    rows = rows[rows["size"] >= MIN_PROPORTION * rows["width"]]
    rows = rows.assign(worse=(rows["value"] > rows["random_max"]).astype(float), by_chance=1 / (rows["n_random"] + 1))
    own = rows[(rows["dropout"] == "no") & (rows["k"] == K_OF_LESIONS)]
    mlps, cnns = (own[own["network"] == kind] for kind in ("mlp", "cnn"))
    if mlps.empty or cnns.empty:
        return None
    shares, chance = own.groupby(["network", *SAME])["worse"].mean(), float(own["by_chance"].mean())
    lost, lost_at_random = (100 * mlps[column].mean() for column in ("value", "random_mean"))
    worse = [f"{part['worse'].mean():.0%}" for part in (mlps, cnns)]
    plain, dropped = (_one(rows, "worse", ("network", "k", "n_random", *SAME), dropout=v) for v in ("no", "yes"))
    counts = own.groupby(["network", *SAME])["worse"].agg(["sum", "size"]).astype(int)
    surely = [binomtest(*count, chance, "greater").pvalue < SIGNIFICANT for count in counts.itertuples(index=False)]
    return Told(
        answer=_answer(float(own["worse"].mean())),
        found=f"silenced, {worse[0]} of the groups in {len(shares['mlp'])} perceptrons and {worse[1]} in "
        f"{len(shares['cnn'])} small CNNs cost more accuracy than each of {span(mlps['n_random'], '.0f')} random sets "
        "of as many neurons",
        beyond=f"by chance {chance:.0%} would; a group costs a perceptron {lost:.1f} points of accuracy, random "
        f"neurons {lost_at_random:.1f}",
        raised=_raised(_shared("dropout", plain, dropped), tested=False),
        modular=float(np.mean(surely)) > HALF,  # of some twenty groups one wins by chance
        points={"perceptrons": shares["mlp"], "small CNNs": shares["cnn"]},
        chance={"by chance": pd.Series([chance])},
    )


def coherence(rows: pd.DataFrame) -> Told | None:
    """Groups that see one thing: the contrast of their mean correlation image beside that of random units.

    Args:
        rows: of ``coherence``.
    """
    more = log_ratio(rows[rows["k"] == K_OF_IMAGES]).map(np.expm1).rename("more").reset_index()
    kinds = ("mlp", "cnn", "mlp untrained")
    mlps, cnns, untrained = (_one(more, "more", (*SAME, "dropout"), network=kind) for kind in kinds)
    if mlps.empty or cnns.empty or untrained.empty:
        return None
    plain, dropped = (_one(more, "more", network="mlp", dropout=value) for value in ("no", "yes"))
    share = float((pd.concat([mlps, cnns]) > 0).mean())
    return Told(
        answer=_answer(share),
        found=f"in {share_of(mlps > 0)} perceptrons and {share_of(cnns > 0)} small CNNs the mean picture that a group "
        "responds to has more contrast than that of random neurons",
        beyond=f"{more_or_less(mlps.mean())} and {more_or_less(cnns.mean())}; in untrained perceptrons "
        f"{more_or_less(untrained.mean())}",
        raised=_raised(
            _shared("learning", untrained, mlps),
            _shared("dropout", plain, dropped),
        ),
        modular=interval_of_share(share, len(mlps) + len(cnns))[0] > HALF,  # by chance half of them have more contrast
        points={"perceptrons": mlps, "small CNNs": cnns},
        chance={"untrained": untrained},
    )


def alike(rows: pd.DataFrame) -> Told | None:
    """Neurons that do alike: Q of groups of units that are alike, beside that in untrained networks.

    Args:
        rows: of ``upstream-downstream``.
    """
    rows = rows[rows["hidden"] == SMALL]
    kept = accepted(rows)
    by_layer = per_layer(kept, "q")
    q = by_layer.groupby(level=TRAINED).mean()
    sweep, strength = (q.index.get_level_values(name) for name in ("sweep", "strength"))
    trained, untrained = q[sweep != "untrained"], q[sweep == "untrained"]
    conditions = (BASELINE, ("dropout", largest_good(rows, "dropout")))
    plain, dropped = (q[(sweep == name) & np.isclose(strength, value)] for name, value in conditions)
    if plain.empty or dropped.empty or untrained.empty:
        return None
    across = agreement(kept[kept["sweep"] != "untrained"], "across").mean()
    effects = {"learning": plain - untrained.mean()}
    effects |= {name: effect(rows, by_layer, of, SMALL) for of, name in NAMES.items()}
    more = trained > untrained.max()
    return Told(
        answer=_answer(float(more.mean())),
        found=f"more clearly in {share_of(more)} trained perceptrons than in each of {len(untrained)} untrained ones; "
        f"but groups by what neurons see and by what they do agree by {across:.2f} only, where 1 is the same",
        beyond=f"Q, at random 0, is {dropped.mean():.2f} with much dropout and {plain.mean():.2f} without "
        f"({_each(len(plain))}); untrained {untrained.mean():.2f}",
        raised=_raised(
            *((f"{name} ({signed(by.mean(), '+.2f')})", sample_of(by)) for name, by in effects.items() if len(by))
        ),
        modular=float(more.mean()) > HALF,
        points={"much dropout": dropped, "no dropout": plain},
        chance={"untrained": untrained},
    )


def masks(rows: pd.DataFrame, removed: pd.DataFrame) -> Told | None:
    """Weights for a function: what masks of two operations share, and masks of one operation on other numbers.

    Args:
        rows: of ``weight-masks``.
        removed: of ``class-removal``, with dropout and without.
    """
    rows = whole_masks(rows)
    by_chance = rows.assign(shared=rows["by_chance"], union=rows["union"] + rows["shared"] - rows["by_chance"])
    rows = rows.assign(both=1 - own_part(rows), random=1 - own_part(by_chance))  # masks of the same sizes
    two, one = (_one(rows, "both", ("network", "seed"), task=task) for task in TASKS[:2])
    if two.empty or one.empty:
        return None
    two_random, one_random = (_one(rows, "random", ("network", "seed"), task=task) for task in TASKS[:2])
    more = (one.groupby("network").mean() - two.groupby("network").mean()).dropna() > 0
    fewest = int(two.groupby("network").size().min())
    lost = 100 * target_and_others(removed).groupby(["kind", "seed"])["target"].mean().unstack("kind")
    lost = lost.reindex(columns=[WITHOUT, WITH]).dropna()
    changed = sample_of(lost[WITH] - lost[WITHOUT])
    costs = f"a removed class loses {lost[WITHOUT].mean():.0f} to {lost[WITH].mean():.0f} points of accuracy"
    return Told(
        answer=_answer(float(more.mean())),
        found=f"in {share_of(more)} kinds of network what one operation needs for other numbers is more alike than "
        f"what two operations need ({len(two)} networks, of one kind {fewest})",
        beyond=f"of the weights of the smaller mask two operations share {_percent(two)}, random masks "
        f"{_percent(two_random)}; one operation on other numbers {_percent(one)}, random masks {_percent(one_random)}",
        raised=_raised((f"dropout ({costs}; {_each(len(lost))})", changed), tested=False),
        modular=float(more.mean()) > HALF,
        points={"one operation": one, "two operations": two},
        chance={"random, one": one_random, "random, two": two_random},
    )


def agree(rows: pd.DataFrame) -> Told | None:
    """Whether two notions divide the units of a layer alike, beside one notion that is asked again.

    By mutual information, whose largest value depends little on how many groups either makes.

    Args:
        rows: of ``do-the-measures-agree``.
    """
    rows = on_images(started_once(rows[(rows["stage"] != KNOWN) & ~is_small(rows)]))
    two, one = (measure(rows, INFORMATION).rename("by").reset_index() for measure in (between, itself))
    network = (*SAME, "dropout")
    pruned, again = (_one(part, "by", network, stage="pruned") for part in (two, one))
    unpruned, untrained = (_one(two, "by", network, stage=stage) for stage in ("unpruned", "untrained"))
    plain, dropped = (_one(two, "by", stage="pruned", dropout=value) for value in ("no", "yes"))
    if pruned.empty or again.empty or untrained.empty:
        return None
    largely = bool(pruned.mean() >= HALF * again.mean())
    return Told(
        answer="Largely" if largely else "Only a little",
        found=f"in a layer of a pruned perceptron two notions share mutual information of {pruned.mean():.2f}, one "
        f"notion with itself, asked again with other images, {again.mean():.2f} ({len(pruned)} networks)",
        beyond=f"groups at random share 0, the same groups 1; two notions in {len(untrained)} untrained networks "
        f"{untrained.mean():.2f}",
        raised=_raised(
            _moved("learning", untrained, pruned),
            _moved("dropout", plain, dropped),
            _moved("pruning", unpruned, pruned),
        ),
        modular=largely,
        points={"two notions": pruned, "one, asked twice": again},
        chance={"untrained": untrained},
    )


def _beside_shuffles(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of layer shuffles: whether all are harder to cut, and what stays ``inside`` a group, ``shuffled`` too."""
    rows = rows[rows["null"] == "layer"]
    medians = rows["shuffled"].map(lambda text: np.median([float(value) for value in str(text).split()]))
    below = are_below_all_shuffles(rows).astype(float)
    return rows.assign(below=below, inside=1 - rows["ncut"] / rows["k"], shuffled=1 - medians / rows["k"])


def _one(rows: pd.DataFrame, column: str, by: Sequence[str] = SAME, /, **chosen: object) -> pd.Series:
    """A column of the rows that have some values, a number a network."""
    for name, value in chosen.items():
        rows = rows[rows[name] == value]
    return rows.groupby(list(by))[column].mean()


def _counted(name: str, before: pd.Series, after: pd.Series, where: str = "") -> Change:
    """How many networks are so before a change and after it, of those that are there for both."""
    before, after = before.align(after, "inner")
    return f"{name} ({before.sum():.0f} to {after.sum():.0f} of {len(after)}{where})", sample_of(after - before)


def _shared(name: str, before: pd.Series, after: pd.Series) -> Change:
    """The mean share before a change and after it, of networks that are there for both."""
    before, after = before.align(after, "inner")
    told = f"{signed(before.mean(), '.0%')} to {signed(after.mean(), '.0%')}"
    return f"{name} ({told}; {_each(len(after))})", sample_of(after - before)


def _moved(name: str, before: pd.Series, after: pd.Series) -> Change:
    """The mean number before a change and after it, of networks that are there for both."""
    before, after = before.align(after, "inner")
    return f"{name} ({before.mean():.2f} to {after.mean():.2f})", sample_of(after - before)


def _raised(*changes: Change, tested: bool = True) -> str:
    """What makes networks more so, what less so, and what does not clearly do either; nothing of what is not there.

    Args:
        changes: what is changed.
        tested: whether pruning and learning are among what the chapters change.
    """
    told = by_verb((which_way(by, *WAYS), name) for name, by in changes if by)
    return "; ".join(filter(None, [told, "" if tested else "pruning and learning were not tested"]))


def _answer(share: float) -> str:
    return next(answer for least, answer in ANSWERS.items() if share >= least)


def _each(n: int) -> str:
    return f"{n} network{'s' if n > 1 else ''} each"


def _percent(shares: pd.Series) -> str:
    """The least and the largest mean of a kind of network."""
    return span(shares.groupby("network").mean(), ".0%")


# Name, question, axis of the picture, chapters with its claims, tables that tell of it, and what tells it from them.
NOTIONS: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...], Callable[..., Told | None]], ...] = (
    (
        "Weights in clusters",
        "Do neurons fall into groups with little weight between them?",
        "share of a group's weight that stays inside it",
        (
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
        ),
        ("clusterability", "dropout", "random-datasets", "promoting-clusterability", "convolutional-networks"),
        weights,
    ),
    (
        "Groups that matter",
        "Does a network need such a group more than other neurons?",
        "share of groups that cost more than others",
        ("importance", "dependencies"),
        ("importance",),
        lesions,
    ),
    (
        "Groups that see one thing",
        "Do the neurons of such a group respond to the same images?",
        "contrast of what a group sees, above others",
        ("coherence", "hypothesis-tests"),
        ("coherence",),
        coherence,
    ),
    (
        "Neurons that do alike",
        "Do neurons fall into groups that see, or do, the same?",
        "Q: how alike neurons of a group are, above chance",
        ("upstream-downstream",),
        ("upstream-downstream",),
        alike,
    ),
    (
        "Weights for a function",
        "Does each function need weights of its own, and the same ones again?",
        "share of the smaller mask that is in both",
        ("weight-masks", "transfer", "systematic-generalisation", "class-removal"),
        ("weight-masks", "class-removal"),
        masks,
    ),
    (
        "Do the five agree?",
        "Do two notions find the same groups?",
        "agreement of groups: 0 is chance, 1 the same",
        ("do-the-measures-agree",),
        ("do-the-measures-agree",),
        agree,
    ),
)
