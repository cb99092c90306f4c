"""Whether a network that is more modular by one notion is so by the others: rank correlations over networks.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from modlib.chapters.do_the_measures_agree.agreement import FUNCTIONAL, NETWORK, is_small
from modlib.chapters.do_the_measures_agree.experiment import K
from modlib.chapters.do_the_measures_agree.findings import TABLES
from modlib.evidence.digits import signed
from modlib.evidence.intervals import interval_of_rank_correlation
from modlib.tables.words import rows_in_words

NCUTS = ("clusterability", "dropout", "topology-shuffles", "null-models")  # tables with tests of the same networks
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
