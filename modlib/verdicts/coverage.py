"""How much of what the papers print is decided: every printed result, counted once, by table.

Chapter: ``scorecard``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from modlib.chapters import findings
from modlib.evidence.criteria import Grade
from modlib.evidence.papers import Place, paper_values, rows_at
from modlib.evidence.sentences import listed
from modlib.verdicts.cards import COLOURS, PAPERS, Judged, place
from modlib.verdicts.claims import OURS
from modlib.verdicts.scorecard import repeated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECIDED, OPEN, UNTESTED, LOST, MISSING = "decided", "inconclusive", "not tested", "lost in the source", "not covered"
STATES = dict(
    zip(
        (DECIDED, OPEN, UNTESTED, LOST, MISSING),
        (COLOURS[Grade.REPRODUCED], COLOURS[Grade.INCONCLUSIVE], "#56B4E9", "#F0E442", "#EEEEEE"),
        strict=True,
    )
)
HATCHES = ("", "///", "...", "xxx", "---")  # say what colours say
OF_GRADE = {Grade.INCONCLUSIVE: OPEN, Grade.NOT_TESTED: UNTESTED, Grade.NO_VALUE: LOST}  # all others are decided
# Results that no statistic of ours measures under this name; what else the papers' files hold are settings.
UNMEASURED = frozenset(
    {
        "x_given_y",
        "y_given_x",
        "delta_x_given_y",
        "delta_y_given_x",
        "acc_diff",
        "proportion",
        "type",
        "acc_diff_dist",
        "test_loss",
        "train_loss",
        "top1_acc",
        "shuffles_beaten",
        "test_loss_min",
        "test_loss_max",
        "test_loss_typical",
        "delta_percent",
        "mark",
        "significant_bh",
        "significant_holm",
        "acc_diff_random",
        "x_important_given_y",
        "y_important_given_x",
        "delta_x_y",
        "delta_y_x",
        "n_values_crossing_threshold",
        "extra_drop_with_dropout_min",
        "extra_drop_with_dropout_max",
        "drop_reduction_without_dropout_min",
        "drop_reduction_without_dropout_max",
        "accuracy_loss_without_dropout",
        "validation_accuracy",
        "shared_fraction_first_and_last_layer",
        "target_class_drop_upper_approx",
        "n_clusters_rarely_above",
        "n_clusters_typical_min",
        "n_clusters_typical_max",
    }
)


def by_table(found: Judged) -> pd.DataFrame:
    """What became of every printed result.

    A number that two papers print, or one prints twice, counts where it comes first. Claims in words are not counted:
    they have no number.

    Args:
        found: see ``modlib.verdicts.cards.judged``.

    Returns:
        One row a paper and item that prints results, one column a state of ``STATES``.
    """
    again = repeated(claim for claim, _ in found)
    lines = []
    for paper in PAPERS:
        if paper == OURS or paper.endswith("-released"):  # the papers print nothing of these
            continue
        values = paper_values(paper)
        results = values[values["metric"].isin(UNMEASURED | findings().keys())]
        state = pd.Series(MISSING, index=results.index).where(results["value"] != "", LOST)
        for claim, verdict in found:
            if claim.paper == paper:
                at = Place(claim.item, claim.row or "*", claim.rows)
                rows = rows_at(values, at, claim.paper_metrics)
                for detail in verdict.details:
                    held = rows.index[rows["metric"].isin(findings()[detail.metric].needs or (detail.metric,))]
                    state[held] = OF_GRADE.get(detail.grade, DECIDED)
                    if (claim.id, detail.metric) in again:
                        state = state.drop(held)
        counts = state.groupby([results["item"].reindex(state.index), state], sort=False).size().unstack(fill_value=0)
        lines.append(pd.concat({paper: counts}, names=["paper"]))
    return pd.concat(lines).reindex(columns=list(STATES)).fillna(0).astype(int)


def figure(counts: pd.DataFrame) -> Figure:
    """A bar for every table, figure or section that prints results: which share of its numbers is decided.

    Args:
        counts: see ``by_table``.
    """
    import matplotlib.pyplot as plt

    papers = list(dict.fromkeys(counts.index.get_level_values("paper")))
    heights = [len(counts.loc[paper]) for paper in papers]
    fig, axes = plt.subplots(
        len(papers), figsize=(6.5, 0.21 * sum(heights) + 0.6 * len(papers)), height_ratios=heights, layout="constrained"
    )
    for ax, paper in zip(axes, papers, strict=True):
        of_paper = counts.loc[paper]
        total = of_paper.sum(axis=1)
        left = pd.Series(0.0, index=of_paper.index)
        names = [place(paper, str(item)) for item in of_paper.index]
        for (state, colour), hatch in zip(STATES.items(), HATCHES, strict=True):
            share = of_paper[state] / total
            style = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.3}
            ax.barh(names, share, left=left, label=state, **style)
            left += share
        for name, number in zip(names, total, strict=True):
            ax.text(1.01, name, f"{number}", va="center", fontsize=7)
        ax.set(xlim=(0, 1), xticks=[], ylim=(len(names) - 0.5, -0.5))
        ax.tick_params(axis="y", labelsize=7, length=0)
        ax.set_title(f"{PAPERS[paper]}: {of_paper[DECIDED].sum()} of {total.sum()} decided", loc="left", fontsize=9)
        ax.spines[:].set_visible(False)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return fig


def in_words(counts: pd.DataFrame) -> str:
    """How much of each paper ``figure`` shows as decided.

    Args:
        counts: see ``by_table``.
    """
    sums = counts.groupby(level="paper", sort=False).sum()
    each = [f"{line[DECIDED]} of {line.sum()} numbers of {PAPERS[str(paper)]}" for paper, line in sums.iterrows()]
    return f"Decided are {listed(each)}; {sums[MISSING].sum()} numbers in all are not covered."
