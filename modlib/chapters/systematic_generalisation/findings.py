"""Statistics that decide what the mask paper says about SCAN and Mathematics, from rows of its chapter.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from modlib.chapters.systematic_generalisation.experiment import DIRECT, MASK
from modlib.chapters.systematic_generalisation.material import CONTROL, EASY, HALF, MATHEMATICS, SMALL_SORT, SYSTEMATIC
from modlib.data.scan import ACTIONS
from modlib.evidence.criteria import FEWEST, Grade, Sample, above_a_tenth
from modlib.evidence.metrics import Metric, over_networks, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, span, told

NETWORK = ["network", "seed"]
FIRST_INPUT, OUTPUT = "encoder.weight_ih_l0", "output.weight"
NARROW, WIDE = "lstm", "lstm 200"
OWN = ["own", "half", "all"]  # masks for a split or for easy questions, for a random half, and for all
SETTLED = 0.99  # of the weights that a mask kept a tenth of its steps ago: if it keeps fewer, it goes on removing some


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


def _over_split(rows: pd.DataFrame, split: str, other: str) -> Sample | None:
    found = accuracies(rows, split)
    return sample_of(found[other] - found[split])


def _split_over_direct(rows: pd.DataFrame) -> Sample | None:
    """Accuracy with a mask learned on a split less that of training on it, a mean over splits, by network."""
    each = [found[split] - found["direct"] for split in SYSTEMATIC for found in [accuracies(rows, split)]]
    return sample_of(pd.concat(each, axis=1).mean(axis=1, skipna=False))


def difference(rows: pd.DataFrame) -> pd.Series:
    """Share of the weights that a mask or the control keeps and the other one does not, in [0, 1]."""
    return 1 - rows["shared"] / rows["union"].where(rows["union"] > 0)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """``difference`` by layer, one line a network and layer, one column for what its mask was learned on.

    Args:
        rows: of the table.
    """
    rows = of_scan(rows)
    rows = rows[(rows["study"] == MASK) & (rows["layer"] > 0)].assign(difference=difference)
    found = rows.pivot(index=[*NETWORK, "layer", "parameter"], columns="trained_on", values="difference")
    return found.reindex(columns=[HALF, *SYSTEMATIC]).astype(float)


def _output_differs_most(rows: pd.DataFrame, beyond: str = "") -> Sample | None:
    """Share of networks in which the decoder's output layer differs most, of its layers, from the control.

    Args:
        rows: of the table.
        beyond: a mask for what; only what differs beyond its own difference counts. The fewer weights a layer keeps,
            the more two masks differ in it, whatever they were learned on.
    """
    found = differences(rows)
    values = found["jump"] - (found[beyond] if beyond else 0)
    by_layer = values.groupby([*NETWORK, "parameter"]).first().unstack("parameter")
    by_layer = by_layer.loc[:, by_layer.columns.str.startswith("decoder") | (by_layer.columns == OUTPUT)].dropna()
    return sample_of((by_layer.idxmax(axis=1) == OUTPUT).astype(float)) if len(by_layer) else None


def removed_by_token(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of the control's output weights of every action that another mask removes, one line a mask.

    Args:
        rows: of the table.
    """
    rows = totals(of_scan(rows))
    rows = rows[(rows["study"] == MASK) & (rows["trained_on"] != CONTROL)]
    texts = [text.split() for text in rows["removed_by_token"]]
    columns = [*ACTIONS, "end"]
    found = pd.DataFrame(texts, columns=columns, index=rows.index, dtype=float)
    return rows[[*NETWORK, "trained_on"]].join(found)


def _jump(rows: pd.DataFrame, learned_on: str = "jump") -> pd.DataFrame:
    found = removed_by_token(rows)
    return found[found["trained_on"] == learned_on].set_index(NETWORK)


def _jump_removed(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_jump(rows)["I_JUMP"])


def _jump_removed_near_half(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_jump(rows)["I_JUMP"] - 1 / 2)


def _jump_removed_most(rows: pd.DataFrame) -> Sample | None:
    """Share of networks in which no action loses more of its output weights than I_JUMP."""
    found = _jump(rows)
    return sample_of((found[list(ACTIONS)].idxmax(axis=1) == "I_JUMP").astype(float)) if len(found) else None


def _jump_removed_beyond_half(rows: pd.DataFrame) -> Sample | None:
    return sample_of(_jump(rows)["I_JUMP"] - _jump(rows, HALF)["I_JUMP"])


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
        "accuracy on length, mask for all minus mask for the split", partial(_over_split, split="length", other=CONTROL)
    ),
    "control_over_jump": Metric(
        "accuracy on jump, mask for all minus mask for the split", partial(_over_split, split="jump", other=CONTROL)
    ),
    "control_over_turn_left": Metric(
        "accuracy on turn left, mask for all minus mask for the split",
        partial(_over_split, split="turn_left", other=CONTROL),
    ),
    "half_over_length": Metric(
        "accuracy on length, mask for a random half minus mask for the split",
        partial(_over_split, split="length", other=HALF),
    ),
    "half_over_jump": Metric(
        "accuracy on jump, mask for a random half minus mask for the split",
        partial(_over_split, split="jump", other=HALF),
    ),
    "half_over_turn_left": Metric(
        "accuracy on turn left, mask for a random half minus mask for the split",
        partial(_over_split, split="turn_left", other=HALF),
    ),
    "split_over_direct": Metric("accuracy on a split, mask minus training directly", _split_over_direct),
    "output_differs_most": Metric("share of networks whose output layer differs most", _output_differs_most, 2),
    "output_differs_most_beyond_half": Metric(
        "share of networks whose output layer differs most, beyond what differs for a random half",
        partial(_output_differs_most, beyond=HALF),
        2,
    ),
    "removed_weight_fraction_approx": Metric("output weights of I_JUMP removed", _jump_removed),
    "jump_removed_near_half": Metric("output weights of I_JUMP removed, minus one half", _jump_removed_near_half),
    "jump_removed_most": Metric("share of networks in which I_JUMP loses most", _jump_removed_most, 2),
    "jump_removed_beyond_half": Metric(
        "output weights of I_JUMP removed, minus those that a mask for a random half removes", _jump_removed_beyond_half
    ),
    "wide_first_input": Metric("first weights kept, embeddings of 200", _wide_removed),
    "none_over_easy": Metric(
        "accuracy on hard questions, no mask minus mask for the easy", partial(_over_easy, other="whole")
    ),
    "all_over_easy": Metric(
        "accuracy on hard questions, mask for all minus mask for the easy", partial(_over_easy, other=CONTROL)
    ),
    "half_over_easy": Metric(
        "accuracy on hard questions, mask for a random half minus mask for the easy", partial(_over_easy, other=HALF)
    ),
    "narrow_keeps_more": Metric("first weights kept, embeddings of 16 minus of 200", _narrow_keeps_more),
}


def found(rows: pd.DataFrame) -> Sentences:
    """What masks of a part of the commands know of the rest, networks trained on that part, and what they remove."""
    lstm = rows[rows["network"] == NARROW]
    return _told_gap(rows), _told_direct(rows), _told_jump(_jump(lstm), _jump(lstm, HALF))


def _told_gap(rows: pd.DataFrame) -> str | None:
    """Answers by the criterion of the claims, so that the two cannot contradict each other."""
    mathematics = of_mathematics(rows)
    cases = {
        "commands": (_known_commands(rows), rows[~mathematics], "commands that a split withholds", "the others"),
        "questions": (_known_questions(rows), rows[mathematics], "hard questions, which are longer", "easy ones"),
    }
    answers, told_of = {}, []
    for case, (kinds, of_case, asked, shown) in cases.items():
        many = [kind for kind in kinds if len(kind) >= FEWEST]
        if not kinds:
            continue
        masks = of_case[of_case["study"] == MASK]
        answers[case] = _answer(many, masks)
        both = pd.concat(many or kinds)
        networks = both.index.nunique()
        told_of.append(
            f"of {asked}, masks of {span(masks['mask_steps'], ',.0f')} steps for {shown} know "
            f"{span(both['own'], '.0%')}, for a random half {span(both['half'], '.0%')} "
            f"({networks} network{'s' * (networks > 1)})"
        )
    if not answers:
        return None
    same = len(set(answers.values())) == 1
    answer = next(iter(answers.values())) if same else listed([f"by {case} {one}" for case, one in answers.items()])
    return f"{answer.capitalize()}: {'; '.join(told_of)}."


def _known_commands(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Accuracy on a split with masks for it, a random half and all, by network, for every split and kind of network."""
    parts = [accuracies(rows, split)[[split, HALF, CONTROL]].set_axis(OWN, axis=1) for split in SYSTEMATIC]
    return [kind for part in parts for _, kind in part.dropna().groupby("network")]


def _known_questions(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The same of hard questions by a mask for the easy ones, for every task and kind of network."""
    part = on_hard(rows)[[EASY, HALF, CONTROL]].set_axis(OWN, axis=1)
    return [kind for _, kind in part.dropna().groupby(["dataset", "network"])]


def _answer(kinds: list[pd.DataFrame], masks: pd.DataFrame) -> str:
    """Does it know the whole by its parts? No, if a mask for a part is clearly worse than those for all and for a half.

    Yes, if it is shown not to be clearly worse than that for all.
    """
    if not kinds:
        return "not decided yet"
    gaps = {beside: [over_networks(kind[beside] - kind["own"]) for kind in kinds] for beside in ("all", "half")}
    grades = {beside: {above_a_tenth(gap, gap)[0] for gap in of_kinds} for beside, of_kinds in gaps.items()}
    if grades["all"] | grades["half"] == {Grade.REPRODUCED}:
        return "no"
    if grades["all"] == {Grade.NOT_REPRODUCED}:
        # weights that still leave may be those that are needed
        kept = masks["kept_course"].str.split(expand=True).iloc[:, -2:].astype(float)
        return "yes" if (kept.iloc[:, 1] >= SETTLED * kept.iloc[:, 0]).all() else "yes so far"
    return "not clearly"


def _told_direct(rows: pd.DataFrame) -> str | None:
    parts = [accuracies(rows, split)[[split, "direct"]] for split in SYSTEMATIC]
    both = pd.concat([part.set_axis(["mask", "direct"], axis=1).dropna() for part in parts])
    if both.empty:
        return None
    better = both["mask"] > both["direct"]
    return (
        f"A network that was trained on such a part alone answers {span(both['direct'], '.0%')} of the rest right, and "
        f"in {share_of(better)} comparisons less than a network that knows all, with a mask learned on the same part."
    )


def _told_jump(removed: pd.DataFrame, by_half: pd.DataFrame) -> str | None:
    if removed.empty or by_half.empty:
        return None
    split, half = (told(sample_of(100 * part["I_JUMP"]), 0, "percent") for part in (removed, by_half))
    most = removed[list(ACTIONS)].idxmax(axis=1) == "I_JUMP"
    return (
        "Of the weights that write the action jump, an LSTM's mask that never saw this word joined to others drops "
        f"{split} of what the mask for all keeps, more than of any other action's in {share_of(most)} networks; one "
        f"for a random half drops {half}."
    )
