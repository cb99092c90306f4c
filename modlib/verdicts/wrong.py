"""Wrong rows: the stored tables with conditions exchanged, effects taken away or labels dealt at random.

What a scorecard is worth shows in what it says of such rows; ``modlib.verdicts.power`` judges them. Chapter:
``scorecard``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.chapters import find_experiment
from modlib.chapters.coherence.experiment import SCORE, VARIANCE
from modlib.chapters.do_the_measures_agree.agreement import as_nested, as_with_itself
from modlib.chapters.importance.experiment import DROP, RANGE
from modlib.chapters.systematic_generalisation.experiment import DIRECT, MASK
from modlib.chapters.systematic_generalisation.findings import OUTPUT
from modlib.chapters.systematic_generalisation.material import CONTROL, EASY, HALF, SYSTEMATIC
from modlib.chapters.transfer.experiment import ALIKE, OLDER
from modlib.communities.similarity import DOWNSTREAM, MEASURES, UPSTREAM
from modlib.data.arithmetic import TASKS
from modlib.data.mathematics import LEVELS
from modlib.data.mixtures import MIXTURES
from modlib.data.scan import ACTIONS
from modlib.zoo.perceptrons import SOURCES

Frames: TypeAlias = dict[str, pd.DataFrame]
Change: TypeAlias = Callable[[Frames, np.random.Generator], Frames]
NULLS, AGREE = ("null-models",), ("do-the-measures-agree",)
# the same networks in several of them
NCUTS = ("clusterability", "dropout", "random-datasets", "topology-shuffles", *NULLS)
REGULARISED, STRUCTURED = ("regularisation",), ("structured-tasks",)
CONVOLUTIONAL, PROMOTED, IMAGENET = ("convolutional-networks",), ("promoting-clusterability",), ("imagenet",)
ALONE = (REGULARISED, STRUCTURED, CONVOLUTIONAL, PROMOTED)  # n-cuts of networks of their own
ALIKE_AS_ONE = ("half_of_itself",)  # what is untrue where two notions find the same
KEEP_DEGREES = ("degree", "strength")  # null models of one of these tables
RANDOM = ("unlearnable", "memorisation", "kilo-epoch")
SUB_CLUSTERS = ("importance", "coherence")
LESIONED = (*SUB_CLUSTERS, "dependencies")
UNTRAINED = "mlp untrained"
SWEPT = ["sweep", "strength", "seed"]
SPLIT_BY_SPLIT = {split: split for split in SYSTEMATIC}  # what a mask was learned on, and what it must answer
HARD = {EASY: LEVELS[-1]}


@dataclass(frozen=True)
class Wrong:
    """A way to make rows wrong.

    Attributes:
        name: in words.
        tables: which it touches.
        change: takes these tables and a generator, and gives them back wrong.
        seen: column, value that a claim asks for, value of the rows that it sees instead; empty if it exchanges no
            condition that a claim asks for.
        no_effect: whether it takes effects away.
        drawn: whether what it makes wrong is drawn at random.
        level: whether it changes levels only, of which a claim in words says nothing.
        only: metrics of which claims are wrong now; empty for all.
        about: what a claim must be about to be wrong now, one of ``modlib.verdicts.claims.WHATEVER``; empty for all.
    """

    name: str
    tables: tuple[str, ...]
    change: Change
    seen: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    no_effect: bool = False
    drawn: bool = False
    level: bool = False
    only: tuple[str, ...] = ()
    about: str = ""


def _swapped(*pairs: tuple[str, str]) -> dict[str, str]:
    return {a: b for pair in pairs for a, b in (pair, pair[::-1])}


def _rotated(values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(values, values[1:] + values[:1], strict=True))


def _exchange(name: str, tables: tuple[str, ...], column: str, seen: Mapping[str, str], about: str = "") -> Wrong:
    """Rows with one value of a column are shown as those with another."""
    shown = {source: asked for asked, source in seen.items()}

    def change(frames: Frames, _: np.random.Generator) -> Frames:
        changed = {}
        for table, rows in frames.items():
            values = rows[column].astype(str)
            changed[table] = rows.assign(**{column: values.map(shown).fillna(values)})
        return _homes(_together(changed), frames) if set(frames) == set(NCUTS) else changed

    return Wrong(name, tables, change, {column: seen}, about=about)


def _together(frames: Frames) -> pd.DataFrame:
    return pd.concat(frames.values(), ignore_index=True)


def _homes(rows: pd.DataFrame, frames: Frames) -> Frames:
    """Rows of n-cuts, each in the table where claims look for it."""
    if set(frames) != set(NCUTS):
        (name,) = frames
        return {name: rows}
    null = rows["null"]
    places = [
        null.isin(KEEP_DEGREES),
        null == "layer-nonzero",
        rows["dataset"].isin(RANDOM),
        rows["dropout"] == "yes",
    ]
    homes = np.select(places, [*NULLS, "topology-shuffles", "random-datasets", "dropout"], "clusterability")
    return {name: rows[homes == name] for name in NCUTS}


def _numbers(texts: pd.Series) -> list[np.ndarray]:
    return [np.array(text.split(), dtype=float) for text in texts.fillna("").astype(str)]


def _shuffles_for_networks(frames: Frames, rng: np.random.Generator) -> Frames:
    """Each network becomes one of its own shuffles; where a null keeps degrees, one of those that keep them."""
    experiment = find_experiment(next(iter(frames)))
    key = [*experiment.cell_key[1:], *(column for column in experiment.row_key if column != "null")]
    rows = _together(frames)
    shuffles = rows[rows["null"] == "layer"]
    drawn = pd.Series([rng.choice(found) for found in _numbers(shuffles["shuffled"])], index=shuffles.index)
    rows = rows.merge(shuffles[key].assign(drawn=drawn), on=key, how="left")
    own = rows["null"].isin(KEEP_DEGREES)
    rows.loc[own, "drawn"] = [rng.choice(found) for found in _numbers(rows.loc[own, "shuffled"])]
    below = [int((found <= ncut).sum()) for found, ncut in zip(_numbers(rows["shuffled"]), rows["drawn"], strict=True)]
    changed = {
        "ncut": rows["drawn"],
        "p": (np.array(below) + 1) / (rows["n_shuffles"] + 1),
        "z": (rows["drawn"] - rows["shuffled_mean"]) / rows["shuffled_sd"],
    }
    tested = rows["drawn"].notna()
    return _homes(rows.assign(**{c: values.where(tested, rows[c]) for c, values in changed.items()}), frames)


def _higher(frames: Frames, _: np.random.Generator) -> Frames:
    columns = ["ncut", "shuffled_mean", "shuffled_sd"]
    return {name: rows.assign(**{c: 1.02 * rows[c] for c in columns}) for name, rows in frames.items()}


def _dealt(rows: pd.DataFrame, key: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Every network gets the labels of another one."""
    networks = rows[key].drop_duplicates(ignore_index=True)
    dealt = networks.iloc[rng.permutation(len(networks))].reset_index(drop=True)
    place = rows[key].merge(networks.assign(place=networks.index), on=key, how="left")["place"]
    return rows.assign(**{column: dealt[column].to_numpy()[place] for column in key})


def _dealt_ncuts(frames: Frames, rng: np.random.Generator) -> Frames:
    """Networks of one kind among themselves, and those on images and on random data."""
    rows = _together(frames)
    kind = rows["dataset"].isin(RANDOM).astype(str) + rows.get("network", "")
    trained, key = rows["stage"] != "initial", [*find_experiment(next(iter(frames))).network_key, "stage"]
    parts = [_dealt(part, key, rng) for _, part in rows[trained].groupby(kind)]
    return _homes(pd.concat([*parts, rows[~trained]], ignore_index=True), frames)


def _random_sets(frames: Frames, rng: np.random.Generator) -> Frames:
    """Each sub-cluster becomes one of the random sets like it."""
    changed = {}
    for name, rows in frames.items():
        n = rows["n_random"].to_numpy()
        rank = rng.integers(1, n + 2)
        p = rank / (n + 1)
        if name == "dependencies":
            changed[name] = rows.assign(p=p, important=np.where(rank == 1, "yes", "no"))
            continue
        rows = rows.assign(p_ties_for=p, p_ties_against=p)
        if name == "coherence":
            drawn = [rng.choice(found) if found.size else np.nan for found in _numbers(rows["random"])]
            changed[name] = rows.assign(value=drawn)
            continue
        for column in ("kind", "kind_in_first_paper"):
            rows[column] = rows[column].where(rows[column] == "small", np.where(rank == 1, "important", "other"))
        changed[name] = rows
    return changed


def _dealt_sweeps(frames: Frames, rng: np.random.Generator) -> Frames:
    rows = frames["upstream-downstream"]
    trained = rows[rows["sweep"] != "untrained"]
    parts = [_dealt(part, SWEPT, rng) for _, part in trained.groupby("hidden")]
    return {"upstream-downstream": pd.concat([*parts, rows[rows["sweep"] == "untrained"]])}


def _untrained(frames: Frames, rng: np.random.Generator) -> Frames:
    """Trained networks become untrained ones, and these trained ones."""
    rows = frames["upstream-downstream"]
    measured = [str(column) for column in rows.loc[:, "l1_norm":]]  # what comes after labels and accuracies
    key = ["hidden", "layer", "measure"]
    parts = []
    for _, part in rows.groupby(key):
        untrained = (part["sweep"] == "untrained").to_numpy()
        order = np.arange(len(part))
        source = np.where(untrained, rng.choice(order[~untrained], len(part)), rng.choice(order[untrained], len(part)))
        parts.append(part.assign(**{c: part[c].to_numpy()[source] for c in measured}))
    return {"upstream-downstream": pd.concat(parts)}


def _sweeps(first: str, second: str) -> Change:
    """Networks of two regularisers change places, the weakest with the weakest."""

    def change(frames: Frames, _: np.random.Generator) -> Frames:
        rows = frames["upstream-downstream"].copy()
        for _hidden, part in rows.groupby("hidden"):
            of_both = {sweep: part[part["sweep"] == sweep] for sweep in (first, second)}
            strengths = {sweep: np.sort(found["strength"].unique()) for sweep, found in of_both.items()}
            for sweep, other in ((first, second), (second, first)):
                place = np.searchsorted(strengths[sweep], of_both[sweep]["strength"])
                place = np.minimum(place, len(strengths[other]) - 1)
                rows.loc[of_both[sweep].index, "strength"] = strengths[other][place]
                rows.loc[of_both[sweep].index, "sweep"] = other
        return {"upstream-downstream": rows.drop_duplicates([*SWEPT, "hidden", "layer", "measure"])}

    return change


def _families(frames: Frames, _: np.random.Generator) -> Frames:
    """Upstream similarities are called downstream ones, and these upstream ones."""
    names = _swapped(*zip(UPSTREAM, DOWNSTREAM, strict=True))
    places = [MEASURES.index(names[measure]) for measure in MEASURES]
    rows = frames["upstream-downstream"]
    texts = {
        c: [" ".join(np.array(text.split())[places]) for text in rows[c]]
        for c in ("element_similarity", "transferability")
    }
    return {"upstream-downstream": rows.assign(measure=rows["measure"].map(names), **texts)}


def _sharing_by_chance(frames: Frames, _: np.random.Generator) -> Frames:
    return {name: rows.assign(shared=rows["by_chance"]) for name, rows in frames.items()}


def _tasks(frames: Frames, _: np.random.Generator) -> Frames:
    """Addition and multiplication become double addition, and this addition and multiplication."""
    rows = frames["weight-masks"]
    names = _swapped((TASKS[0], TASKS[1]), ("addition", "pair 1"), ("multiplication", "pair 2"))
    betas = _swapped(("0.0001", "0.0004"))
    other = {c: rows[c].astype(str).map(names).fillna(rows[c]) for c in ("task", "mask")}
    fnn = rows["network"].str.startswith("fnn")
    beta = rows["beta"].astype(str).map(betas).astype(float).where(fnn).fillna(rows["beta"])
    confusion = rows["confusion"].fillna("0.3 0.3 0.4 0.3 0.3 0.4")  # double addition has none
    return {"weight-masks": rows.assign(**other, beta=beta, confusion=confusion)}


def _no_class_of_its_own(frames: Frames, _: np.random.Generator) -> Frames:
    """Every class mask confuses as the mask of the whole task does."""
    rows = frames["class-removal"]
    key = ["network", "study", "dropout", "seed"]
    control = rows[rows["target"].astype(str) == "control"].set_index(key)["confusion"]
    shown = [control.get(tuple(name), own) for *name, own in rows[[*key, "confusion"]].itertuples(index=False)]
    return {"class-removal": rows.assign(confusion=shown)}


def _agreement_by_chance(frames: Frames, _: np.random.Generator) -> Frames:
    """Notions agree as permuted labels do, with themselves as well."""
    (rows,) = frames.values()
    return {name: rows.assign(similarity=rows["by_chance"], mutual_information=0.0) for name in frames}


def _agreement(made: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def change(frames: Frames, _: np.random.Generator) -> Frames:
        return {name: made(rows) for name, rows in frames.items()}

    return change


def _all_is_shared(frames: Frames, _: np.random.Generator) -> Frames:
    """Tasks keep nothing but what earlier ones use."""
    rows = frames["transfer"]
    return {"transfer": rows.assign(shared=rows["kept"].where(rows["task"] > 0, 0))}


def _turned(column: str) -> Change:
    """What the last task or layer shares, and would by chance, the first one does, and so on."""

    def change(frames: Frames, _: np.random.Generator) -> Frames:
        rows = frames["transfer"]
        told = rows[(rows["task"] > 0) & (rows["layer"] > 0)]
        group = [*find_experiment("transfer").network_key, *({"task", "layer"} - {column})]
        ends = told.groupby(group)[column]
        values = ends.transform("min") + ends.transform("max") - told[column]
        moved = ["shared", "kept", "by_chance"]
        turned = told.assign(**{column: values})[[*group, column, *moved]]
        return {"transfer": pd.concat([told.drop(columns=moved).merge(turned), rows.drop(told.index)])}

    return change


def _knowledge(study: str, column: str, trained_on: str = "", hard: Mapping[str, str] = SPLIT_BY_SPLIT) -> Change:
    """What the mask for a part knows of ``hard`` changes places with what another mask, or a network, knows of it."""

    def change(frames: Frames, _: np.random.Generator) -> Frames:
        rows, key = frames["systematic-generalisation"].copy(), ["dataset", "network", "seed"]
        for part, tested in hard.items():
            here = rows["study"].eq(MASK) & rows["trained_on"].eq(part)
            there = rows["study"].eq(study) & rows["trained_on"].eq(trained_on or part)
            theirs, ours = (
                rows[which & rows["layer"].eq(0)].set_index(key)[f"{name}_{tested}"]
                for which, name in ((there, column), (here, "masked"))
            )
            for which, name, values in ((here, "masked", theirs), (there, column, ours)):
                networks = pd.MultiIndex.from_frame(rows.loc[which, key])
                rows.loc[which, f"{name}_{tested}"] = values.reindex(networks).to_numpy()
        return {"systematic-generalisation": rows}

    return change


def _actions(frames: Frames, _: np.random.Generator) -> Frames:
    """What is removed of an action is shown as that of the next one."""
    rows = frames["systematic-generalisation"]
    texts = [text.split() for text in rows["removed_by_token"].fillna("").astype(str)]
    n = len(ACTIONS)
    return {
        "systematic-generalisation": rows.assign(
            removed_by_token=[" ".join([*text[1:n], *text[:1], *text[n:]]) for text in texts]
        )
    }


UD, WM = ("upstream-downstream",), ("weight-masks",)
TURN, SCAN = ("transfer",), ("systematic-generalisation",)
NETWORKS = ("fnn 400-400-200", "fnn 800-800-800-800", "lstm 256")
FASHION, CIFAR = _swapped(("mnist", "fashion_mnist")), _swapped(("mnist", "cifar10"))
PARTED = [f"{layout}-{task}" for layout in ("halves", "stack") for task in ("same", "diff")]
FASHION_PARTED = _swapped(*((f"mnist {parts}", f"fashion_mnist {parts}") for parts in PARTED))
TASKS_PARTED = _swapped(
    *((f"{name} {layout}-same", f"{name} {layout}-diff") for name in FASHION for layout in ("halves", "stack"))
)
LAYOUTS = _swapped(*((f"{pair} {MIXTURES[0]}", f"{pair} {MIXTURES[1]}") for pair in SOURCES))
RECURRENT = "decoder.weight_hh_l0"
DROPOUT, STAGES = _swapped(("yes", "no")), _swapped(("pruned", "unpruned"))
PENALTIES, METHODS = _rotated(("none", "l1", "l2")), _swapped(("none", "eigenvalues"))
MASKS = _swapped(("addition", "multiplication"), ("pair 1", "pair 2"))
KS_OF_IMAGES, KS = _rotated(("2", "4", "7", "10", "12")), {**_rotated(("8", "12", "18")), "10": "8"}
DROPS, EXCITES = _swapped((DROP, RANGE)), _swapped((SCORE, VARIANCE))


def _null(name: str, tables: tuple[str, ...], change: Change, about: str) -> Wrong:
    return Wrong(name, tables, change, no_effect=True, drawn=True, about=about)


KINDS = (
    *(
        _exchange("MNIST and Fashion-MNIST exchanged", tables, "dataset", FASHION | FASHION_PARTED, "dataset")
        for tables in (NCUTS, SUB_CLUSTERS, *ALONE, AGREE)
    ),
    _exchange("MNIST and CIFAR-10 exchanged", NCUTS, "dataset", CIFAR, "dataset"),
    *(
        _exchange("with and without dropout exchanged", tables, "dropout", DROPOUT, "dropout")
        for tables in (NCUTS, SUB_CLUSTERS, STRUCTURED, CONVOLUTIONAL, AGREE)
    ),
    *(
        _exchange("pruned and unpruned exchanged", tables, "stage", STAGES, "pruning")
        for tables in (NCUTS, *ALONE, AGREE)
    ),
    *(
        _exchange("another number of clusters", tables, "k", ks, "clusters")
        for tables, ks in ((NCUTS, KS_OF_IMAGES), (SUB_CLUSTERS, KS), (STRUCTURED, _swapped(("4", "12"))))
    ),
    _exchange("kinds of random data exchanged", NCUTS, "dataset", _rotated(RANDOM), "dataset"),
    _exchange("tasks with one part and with two exchanged", STRUCTURED, "dataset", TASKS_PARTED, "dataset"),
    _exchange("overlapping and separate mixtures exchanged", STRUCTURED, "dataset", LAYOUTS, "dataset"),
    _exchange("L1 and L2 exchanged", REGULARISED, "penalty", _swapped(("l1", "l1-l2")), "regulariser"),
    *(
        _exchange("penalties exchanged", tables, "penalty", PENALTIES, "regulariser")
        for tables in (STRUCTURED, CONVOLUTIONAL)
    ),
    _exchange("with and without the eigenvalue penalty exchanged", PROMOTED, "method", METHODS, "regulariser"),
    _exchange("small and large CNNs exchanged", CONVOLUTIONAL, "network", _swapped(("small", "vgg")), "network"),
    _exchange("perceptrons and CNNs exchanged", SUB_CLUSTERS, "network", _swapped(("mlp", "cnn")), "network"),
    _exchange("measures exchanged", ("importance",), "measure", DROPS),
    _exchange("measures exchanged", ("coherence",), "measure", EXCITES),
    _exchange("trained and untrained exchanged", ("coherence",), "network", _swapped(("mlp", UNTRAINED)), "training"),
    _exchange("trained and untrained exchanged", AGREE, "stage", _swapped(("pruned", "untrained")), "training"),
    _exchange("trained and random exchanged", IMAGENET, "weights", _swapped(("kernels", "random")), "training"),
    _exchange("networks exchanged", IMAGENET, "network", _swapped(("resnet-18", "inception-v3")), "network"),
    _exchange("channels read and computed exchanged", IMAGENET, "graph", _swapped(("read", "computed"))),
    _exchange("masks of two functions exchanged", WM, "mask", MASKS, "mask"),
    _exchange("networks exchanged", WM, "network", _rotated(NETWORKS), "network"),
    *(
        _null("networks replaced by their shuffles", tables, _shuffles_for_networks, "shuffles")
        for tables in (NCUTS, *ALONE, IMAGENET)
    ),
    *(Wrong("all n-cuts 2% too high", tables, _higher, level=True) for tables in (NCUTS, *ALONE, IMAGENET)),
    *(Wrong("labels dealt at random", tables, _dealt_ncuts, drawn=True) for tables in (NCUTS, *ALONE)),
    _null("sub-clusters replaced by random sets", LESIONED, _random_sets, "sub-clusters"),
    Wrong("trained and untrained exchanged", UD, _untrained, drawn=True, about="training"),
    _null("labels dealt at random", UD, _dealt_sweeps, "strength"),
    Wrong("dropout and L1 exchanged", UD, _sweeps("dropout", "l1"), about="regulariser"),
    Wrong("dropout and L2 exchanged", UD, _sweeps("dropout", "l2"), about="regulariser"),
    Wrong("upstream and downstream exchanged", UD, _families, about="similarity"),
    *(
        Wrong("masks share what chance would", tables, _sharing_by_chance, no_effect=True, about="sharing")
        for tables in (WM, TURN)
    ),
    Wrong("tasks exchanged", WM, _tasks, about="task"),
    Wrong("notions agree as chance would", AGREE, _agreement_by_chance, no_effect=True),
    Wrong("two notions agree as one with itself", AGREE, _agreement(as_with_itself), only=ALIKE_AS_ONE),
    Wrong("one notion divides more finely than another", AGREE, _agreement(as_nested), only=ALIKE_AS_ONE),
    _exchange("starts exchanged", TURN, "start", _swapped((ALIKE, OLDER)), "start"),
    Wrong("tasks share all that they keep", TURN, _all_is_shared),
    Wrong("tasks in the opposite order", TURN, _turned("task")),
    Wrong("layers in the opposite order", TURN, _turned("layer"), about="layer"),
    Wrong("masks for a split and for all exchanged", SCAN, _knowledge(MASK, "masked", CONTROL), about="mask"),
    Wrong("masks for a split and for a half exchanged", SCAN, _knowledge(MASK, "masked", HALF), about="mask"),
    Wrong("masks and networks trained directly exchanged", SCAN, _knowledge(DIRECT, "whole"), about="training"),
    Wrong("masks for the easy and for all exchanged", SCAN, _knowledge(MASK, "masked", CONTROL, HARD), about="mask"),
    Wrong("masks for the easy and for a half exchanged", SCAN, _knowledge(MASK, "masked", HALF, HARD), about="mask"),
    Wrong("actions exchanged", SCAN, _actions),
    _exchange("layers exchanged", SCAN, "parameter", _swapped((OUTPUT, RECURRENT))),
    _exchange("networks exchanged", SCAN, "network", _rotated(("lstm", "transformer", "lstm 200")), "network"),
    Wrong("no class has weights of its own", ("class-removal",), _no_class_of_its_own, no_effect=True),
)
