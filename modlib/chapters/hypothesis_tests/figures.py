"""Figures of the chapter on tests of many p-values.

Colours and markers are those of ``modlib.plots``. Chapter: ``hypothesis-tests``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.chapters.hypothesis_tests.experiment import LEVEL, REPLICATES
from modlib.evidence.digits import p_in_words
from modlib.plots import MARKERS, PALETTE
from modlib.stats import chi_squared_uniform, fisher_combined
from modlib.tables.words import in_words

GREY = "#999999"
LOWEST = 1e-4  # of an axis that shows where p-values meet their limits


def levels(cases: Mapping[str, np.ndarray], n_random: int) -> Figure:
    """How often each level of the grid occurs, a panel a network, with what both tests say.

    Args:
        cases: for the name of a network, (m,) p-values of its sub-clusters.
        n_random: random sets behind each p-value.
    """
    figure, axes = plt.subplots(1, len(cases), figsize=(2.9 * len(cases), 3), sharey=True, layout="constrained")
    for ax, (name, p) in zip(np.atleast_1d(axes), cases.items(), strict=True):
        counts = np.bincount(np.rint(p * (n_random + 1)).astype(int), minlength=n_random + 2)[1:]
        ax.bar(np.arange(1, n_random + 2) / (n_random + 1), counts, 0.8 / (n_random + 1), color=PALETTE[0])
        ax.axhline(len(p) / (n_random + 1), color=PALETTE[5], ls="--")
        fisher, chi_squared = p_in_words(fisher_combined(p, n_random)), p_in_words(chi_squared_uniform(p, n_random))
        ax.set_title(f"{name}\nFisher: p {fisher}\nchi-squared: p {chi_squared}", fontsize="small")
    figure.supxlabel("p-value of a sub-cluster", fontsize="small")
    figure.supylabel("sub-clusters", fontsize="small")
    return figure


def rates(rows: pd.DataFrame, x: str, lines: str, panels: str, labels: Mapping[str, str]) -> Figure:
    """Share of simulated networks that are significant, with two standard errors; the level is dashed.

    Args:
        rows: of ``hypothesis-tests``, with rejected and of.
        x: column of the horizontal axis.
        lines: column that tells lines apart.
        panels: column that tells panels apart.
        labels: for ``x`` and ``lines``, what to call them.
    """
    names, kinds = (list(dict.fromkeys(rows[column])) for column in (panels, lines))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3 * len(names) + 0.8, 3), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, name in zip(axes[0], names, strict=True):
        part = rows[rows[panels] == name]
        for line, of_line in part.groupby(lines, sort=False):
            i = kinds.index(line)
            counts = of_line.groupby(x)[["rejected", "of"]].sum()
            share = counts["rejected"] / counts["of"]
            error = 2 * np.sqrt(share * (1 - share) / counts["of"])
            style = {"color": PALETTE[i], "marker": MARKERS[i], "ms": 5}
            ax.errorbar(counts.index, share, error, label=in_words(line), **style)
        ax.axhline(LEVEL, color="black", ls="--", lw=1)
        ax.set_title(in_words(name), fontsize="small")
    axes[0, 0].set_ylim(0)
    figure.supxlabel(labels[x], fontsize="small")
    figure.supylabel("share significant", fontsize="small")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside right center", title=labels[lines], fontsize="small"
    )
    return figure


def rate(rows: pd.DataFrame, *by: str) -> pd.Series:
    """Share of simulated networks that are significant, as ``rates`` draws it.

    Args:
        rows: of ``hypothesis-tests``, with rejected and of.
        by: columns that tell conditions apart.
    """
    counts = rows.groupby(list(by))[["rejected", "of"]].sum()
    return counts["rejected"] / counts["of"]


def corrections(tests: pd.DataFrame, limits: Mapping[str, np.ndarray]) -> Figure:
    """Sorted p-values of a table with the limits of a rule, a panel a rule and the tests that it corrects together.

    Args:
        tests: columns panel, p and tick, which is ``yes``, ``no`` or ``unclear``.
        limits: for every panel the limits of its sorted p-values.
    """
    figure, axes = plt.subplots(
        1, len(limits), figsize=(3.4 * len(limits) + 1, 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    kinds = {"yes": (PALETTE[0], "o"), "no": (PALETTE[1], "X"), "unclear": (GREY, "D")}
    for ax, (panel, of_rank) in zip(axes[0], limits.items(), strict=True):
        part = tests[tests["panel"] == panel].sort_values("p").assign(rank=lambda rows: np.arange(1, len(rows) + 1))
        for tick, (colour, marker) in kinds.items():
            chosen = part[part["tick"] == tick]
            ax.scatter(chosen["rank"], chosen["p"].clip(lower=LOWEST), color=colour, marker=marker, s=28, label=tick)
        ax.plot(np.arange(1, len(of_rank) + 1), of_rank, color="black", label="limit of the rule")
        ax.set(yscale="log", ylim=(LOWEST / 1.5, 1.5))
        ax.set_title(panel, fontsize="small")
    figure.supxlabel("rank of the p-value", fontsize="small")
    figure.supylabel("p-value; smaller ones at the bottom", fontsize="small")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside right center", title="tick in the paper", fontsize="small")
    return figure


def medians(found: Mapping[str, np.ndarray]) -> Figure:
    """Distribution functions of medians of p-values, beside those of one p-value and of the median of five.

    Args:
        found: for a name, medians that were simulated.
    """
    from scipy.stats import beta

    middle = (REPLICATES + 1) // 2
    at = np.linspace(0, 1, 201)
    figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    ax.plot(at, at, color=GREY, ls=":", label="one p-value")
    ax.plot(at, beta.cdf(at, middle, middle), color="black", label=f"median of {REPLICATES}: Beta({middle}, {middle})")
    for i, (name, values) in enumerate(found.items()):
        ax.plot(np.sort(values), np.arange(1, len(values) + 1) / len(values), color=PALETTE[i], ls="--", label=name)
    ax.axvline(LEVEL, color=PALETTE[5], lw=1, label=str(LEVEL))
    ax.set(xlabel="p", ylabel="share at or below p")
    ax.legend(fontsize="small")
    return figure


def replicates(tests: pd.DataFrame) -> Figure:
    """P-values of the single networks behind each median, a line a test, a panel a kind of test.

    Args:
        tests: columns label, test, p (as printed) and replicates, an array each.
    """
    names = list(dict.fromkeys(tests["test"]))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names) + 2, 0.24 * len(tests) / len(names) + 1.6), squeeze=False, sharey=True,
        layout="constrained",
    )  # fmt: skip
    for ax, name in zip(axes[0], names, strict=True):
        part = tests[tests["test"] == name].reset_index(drop=True)
        for i, values in enumerate(part["replicates"]):
            ax.scatter(values, np.full(len(values), i), color=PALETTE[4], s=14, label="_" if i else "one network")
        ax.scatter(part["p"], part.index, color="black", marker="|", s=90, label="printed median")
        ax.axvline(LEVEL, color=PALETTE[5], lw=1, label=str(LEVEL))
        ax.set_yticks(part.index, part["label"].map(in_words), fontsize="x-small")
        ax.set_xscale("log")
        ax.set_xlabel("p-value", fontsize="small")
        ax.set_title(in_words(name), fontsize="small")
    axes[0, 0].invert_yaxis()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return figure
