"""Statistics that decide what the mask paper says about SCAN and Mathematics, from rows of its chapter.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from modlib.chapters.systematic_generalisation.experiment import DIRECT, MASK
from modlib.chapters.systematic_generalisation.material import CONTROL, EASY, HALF, MATHEMATICS, SMALL_SORT, SYSTEMATIC
from modlib.data.scan import ACTIONS
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, span, told

NETWORK = ["network", "seed"]
FIRST_INPUT, OUTPUT = "encoder.weight_ih_l0", "output.weight"
NARROW, WIDE = "lstm", "lstm 200"
CLEAR = 0.1  # of accuracy: less is no gap to speak of


def of_scan(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of networks that were trained on commands."""
    return rows[~of_mathematics(rows)]


def of_mathematics(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of networks that were trained on questions."""
    return rows["dataset"].eq(SMALL_SORT) | rows["dataset"].str.startswith(MATHEMATICS)


def totals(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a mask or network, of all layers."""
    return rows[rows["layer"] == 0]


def accuracies(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Accuracy on the test part of a split, one line a network: masked by ``all``, ``half``, and the split, ``direct``.

    ``whole`` is the network without a mask; what is not measured is NaN.

    Args:
        rows: of the table.
        split: one of ``SPLITS``.
    """
    rows = totals(of_scan(rows))
    masks, direct = rows[rows["study"] == MASK], rows[(rows["study"] == DIRECT) & (rows["trained_on"] == split)]
    found = masks.pivot(index=NETWORK, columns="trained_on", values=f"masked_{split}")
    found["whole"] = masks.groupby(NETWORK)[f"whole_{split}"].first()
    found["direct"] = direct.set_index(NETWORK)[f"whole_{split}"]
    return found.reindex(columns=["whole", CONTROL, HALF, *SYSTEMATIC, "direct"]).astype(float)


def _control_over_split(rows: pd.DataFrame, split: str) -> Sample | None:
    found = accuracies(rows, split)
    return sample_of(found[CONTROL] - found[split])


def _split_over_direct(rows: pd.DataFrame) -> Sample | None:
    """Accuracy with a mask learned on a split less that of training on it, a mean over splits, by network."""
    each = [found[split] - found["direct"] for split in SYSTEMATIC for found in [accuracies(rows, split)]]
    return sample_of(pd.concat(each, axis=1).mean(axis=1, skipna=False))


def difference(rows: pd.DataFrame) -> pd.Series:
    """Share of the weights that a mask or the control keeps and the other one does not, in [0, 1]."""
    return 1 - rows["shared"] / rows["union"].where(rows["union"] > 0)


def _output_differs_most(rows: pd.DataFrame) -> Sample | None:
    """Share of networks in which the decoder's output layer differs most, of its layers, from the control."""
    rows = rows[(rows["trained_on"] == "jump") & (rows["study"] == MASK) & (rows["layer"] > 0)]
    rows = rows[rows["parameter"].str.startswith("decoder") | (rows["parameter"] == OUTPUT)]
    if rows.empty:
        return None
    by_layer = difference(rows).groupby([*(rows[name] for name in NETWORK), rows["parameter"]]).mean()
    return sample_of((by_layer.unstack("parameter").idxmax(axis=1) == OUTPUT).astype(float))


def removed_by_token(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the control's output weights of every action that the mask for a split removes, one line a mask."""
    rows = totals(rows)
    rows = rows[(rows["study"] == MASK) & rows["trained_on"].isin(SYSTEMATIC)]
    texts = [text.split() for text in rows["removed_by_token"]]
    columns = [*ACTIONS, "end"]
    found = pd.DataFrame(texts, columns=columns, index=rows.index, dtype=float)
    return rows[[*NETWORK, "trained_on"]].join(found)


def _jump(rows: pd.DataFrame) -> pd.DataFrame:
    found = removed_by_token(rows)
    return found[found["trained_on"] == "jump"]


def _jump_removed(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_jump(rows)["I_JUMP"])


def _jump_removed_near_half(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_jump(rows)["I_JUMP"] - 1 / 2)


def _jump_removed_most(rows: pd.DataFrame) -> Sample | None:
    """Share of networks in which no action loses more of its output weights than I_JUMP."""
    found = _jump(rows)
    return sample_of((found[list(ACTIONS)].idxmax(axis=1) == "I_JUMP").astype(float)) if len(found) else None


def first_input(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the encoder's first weights that the control keeps, by seed and network."""
    rows = rows[(rows["parameter"] == FIRST_INPUT) & (rows["trained_on"] == CONTROL) & (rows["study"] == MASK)]
    return (rows["kept"] / rows["size"]).groupby([rows["seed"], rows["network"]]).mean().unstack("network")


def _wide_removed(rows: pd.DataFrame) -> Sample | None:
    found = first_input(rows)
    return sample_of(found[WIDE]) if WIDE in found else None


def _narrow_keeps_more(rows: pd.DataFrame) -> Sample | None:
    found = first_input(rows)
    return sample_of(found[NARROW] - found[WIDE]) if {NARROW, WIDE} <= set(found) else None


def on_hard(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on hard questions, one line a network: without a mask (``whole``), and by what its mask was learned on.

    Args:
        rows: of the table.
    """
    rows = totals(rows[of_mathematics(rows)])
    key = ["dataset", *NETWORK]
    found = rows.pivot(index=key, columns="trained_on", values="masked_hard")
    found["whole"] = rows.groupby(key)["whole_hard"].first()
    return found.reindex(columns=["whole", CONTROL, HALF, EASY]).astype(float)


def _over_easy(rows: pd.DataFrame, other: str) -> Sample | None:
    if not of_mathematics(rows).any():
        return None
    found = on_hard(rows)
    return sample_of(found[other] - found[EASY])


FINDINGS = {
    "control_over_length": Metric(
        "accuracy on length, mask for all minus mask for the split", partial(_control_over_split, split="length")
    ),
    "control_over_jump": Metric(
        "accuracy on jump, mask for all minus mask for the split", partial(_control_over_split, split="jump")
    ),
    "control_over_turn_left": Metric(
        "accuracy on turn left, mask for all minus mask for the split", partial(_control_over_split, split="turn_left")
    ),
    "split_over_direct": Metric("accuracy on a split, mask minus training directly", _split_over_direct),
    "output_differs_most": Metric("share of networks whose output layer differs most", _output_differs_most, 2),
    "removed_weight_fraction_approx": Metric("output weights of I_JUMP removed", _jump_removed),
    "jump_removed_near_half": Metric("output weights of I_JUMP removed, minus one half", _jump_removed_near_half),
    "jump_removed_most": Metric("share of networks in which I_JUMP loses most", _jump_removed_most, 2),
    "wide_first_input": Metric("first weights kept, embeddings of 200", _wide_removed),
    "none_over_easy": Metric(
        "accuracy on hard questions, no mask minus mask for the easy", partial(_over_easy, other="whole")
    ),
    "all_over_easy": Metric(
        "accuracy on hard questions, mask for all minus mask for the easy", partial(_over_easy, other=CONTROL)
    ),
    "narrow_keeps_more": Metric("first weights kept, embeddings of 16 minus of 200", _narrow_keeps_more),
}


def found(rows: pd.DataFrame) -> Sentences:
    """What masks of a part of the commands know of the rest, networks trained on that part, and what they remove."""
    by_split = {split: accuracies(rows, split) for split in SYSTEMATIC}
    return (
        _told_gap(by_split, on_hard(rows)),
        _told_direct(by_split),
        _told_jump(_jump(rows[rows["network"] == NARROW])),
    )


def _told_gap(by_split: dict[str, pd.DataFrame], hard: pd.DataFrame) -> str | None:
    own, half = (
        pd.concat([part[column or split].dropna().groupby("network").mean() for split, part in by_split.items()])
        for column in ("", HALF)
    )
    networks = len({network for split, part in by_split.items() for network in part[split].dropna().index})
    hard = hard[[EASY, HALF]].dropna()
    cases = {
        "commands": (own, half, networks, "the commands that a split holds out, a mask learned on the others answers"),
        "questions": (hard[EASY], hard[HALF], len(hard), "hard questions, a mask learned on easy ones answers"),
    }
    answers, told_of = {}, []
    for case, (split, other, n, words) in cases.items():
        if split.empty or other.empty:
            continue
        answers[case] = "no" if other.mean() - split.mean() > CLEAR else "yes"
        told_of.append(
            f"of {words} {span(split, '.0%')} right, one on a random half {span(other, '.0%')} "
            f"({n} network{'s' * (n > 1)})"
        )
    if not answers:
        return None
    same = len(set(answers.values())) == 1
    answer = next(iter(answers.values())) if same else listed([f"by {case} {one}" for case, one in answers.items()])
    return f"{answer.capitalize()}: {'; '.join(told_of)}."


def _told_direct(by_split: dict[str, pd.DataFrame]) -> str | None:
    both = pd.concat(
        [part[[split, "direct"]].set_axis(["mask", "direct"], axis=1).dropna() for split, part in by_split.items()]
    )
    if both.empty:
        return None
    better = both["mask"] > both["direct"]
    return (
        f"A network that was trained on such a part alone answers {span(both['direct'], '.0%')} of the rest right, and "
        f"in {share_of(better)} comparisons less than a network that knows all, with a mask learned on the same part."
    )


def _told_jump(removed: pd.DataFrame) -> str | None:
    share = sample_of(100 * removed["I_JUMP"]) if len(removed) else None
    if share is None:
        return None
    most = removed[list(ACTIONS)].idxmax(axis=1) == "I_JUMP"
    return (
        "The weights that write the action jump suffer: an LSTM's mask that never saw this word joined to others drops "
        f"{told(share, 0, 'percent')} of those that the mask for all keeps, more than of any other action's in "
        f"{share_of(most)} networks."
    )
