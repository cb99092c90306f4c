"""How much verdicts can tell: the share of wrong results that the criteria accept.

Wrong rows of every kind of ``modlib.verdicts.wrong`` take the place of the stored ones, and each claim that is
reproduced, and whose numbers they change, is judged again. Chapter: ``scorecard``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from modlib.chapters import findings
from modlib.evidence.criteria import CRITERIA, IN_WORDS, NO_DIFFERENCE, Grade, Sample, combine
from modlib.verdicts.cards import Judged
from modlib.verdicts.claims import OURS, Claim, Tables, rows_of, tables_in, verdict_on
from modlib.verdicts.scorecard import repeated
from modlib.verdicts.stored import PROFILE
from modlib.verdicts.wrong import KINDS, Frames, Wrong

COLUMNS = ("wrong rows", "seed", "claim", "paper", "legitimate", "verdict")
COUNTS = ("wrong", "accepted", "legitimate", "legitimate accepted")
SEEDS = 5  # of what is drawn at random
EVERY = "every"  # in place of a seed, where nothing is drawn
MANY = 1000  # networks that only a value decides, not its spread
BOUND = 0.05  # share of the papers' results that, wrong, may be accepted as reproduced, with any seed


def tried(now: Judged, kinds: Iterable[Wrong] = KINDS, folder: Path | None = None) -> pd.DataFrame:
    """Verdicts on wrong rows, one for every kind, seed and reproduced claim whose numbers it changes.

    Args:
        now: the claims and what the stored rows say of them, see ``modlib.verdicts.cards.judged``.
        kinds: ways to make rows wrong.
        folder: where the result tables lie.

    Returns:
        Columns ``COLUMNS``; the seed is ``EVERY`` where nothing is drawn. Legitimate are rows that are not wrong for
        the claim: the paper says the same of the condition that took its place, says itself that there is no
        effect, or says in words what does not depend on a level that changed.
        Claims that the wrong rows leave without any row do not count, nor those whose main number an earlier claim
        holds: a number counts once, even where two papers print it.
    """
    stored = tables_in(folder)
    claims = [claim for claim, _ in now]
    again = repeated(claims)
    reproduced = [
        (claim, verdict)
        for claim, verdict in now
        if verdict.verdict is Grade.REPRODUCED and (claim.id, _main(claim)) not in again
    ]
    lines = []
    for kind in kinds:
        frames = {name: stored(name) for name in kind.tables}
        if any(frame.empty for frame in frames.values()):
            continue
        frames = {name: rows[rows["profile"] == PROFILE] for name, rows in frames.items()}
        concerned = [
            (claim, before)
            for claim, before in reproduced
            if set(claim.tables) & set(kind.tables) and kind.about not in claim.whatever
            if not kind.only or set(kind.only) & set(claim.criteria)
        ]
        for seed in range(SEEDS if kind.drawn else 1):
            wrong = kind.change(frames, np.random.default_rng(seed))
            for claim, before in concerned:
                found = verdict_on(claim, rows_of(claim, _instead(wrong, stored)))
                numbers = [[(detail.ours, detail.n) for detail in verdict.details] for verdict in (before, found)]
                if found.verdict is not Grade.NOT_TESTED and numbers[0] != numbers[1]:
                    legitimate = _is_legitimate(claim, kind, claims)
                    lines.append(
                        (
                            kind.name,
                            str(seed) if kind.drawn else EVERY,
                            claim.id,
                            claim.paper,
                            legitimate,
                            str(found.verdict),
                        )
                    )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """By kind of wrong rows, paper and seed, how many verdicts were *reproduced* of how many.

    Args:
        found: see ``tried``.

    Returns:
        Columns wrong rows, paper, seed, and ``COUNTS``.
    """
    found = found.assign(accepted=found["verdict"] == str(Grade.REPRODUCED))
    lines = []
    for group, part in found.groupby(["wrong rows", "paper", "seed"], sort=False):
        counts = [
            (len(rows), int(rows["accepted"].sum())) for rows in (part[~part["legitimate"]], part[part["legitimate"]])
        ]
        lines.append((*group, *counts[0], *counts[1]))
    return pd.DataFrame(lines, columns=["wrong rows", "paper", "seed", *COUNTS])


def accepted_shares(counts: pd.DataFrame) -> pd.Series:
    """For every seed, the share of wrong results that are accepted as reproduced; legitimate ones do not count.

    Nor do statements of our own: nobody printed a number for them, so they are decided by the sign of an effect alone.

    Args:
        counts: see ``summary``.
    """
    counts = counts[counts["paper"] != OURS]
    sums = counts.groupby("seed")[["accepted", "wrong"]].sum()
    always = sums.loc[EVERY] if EVERY in sums.index else 0
    drawn = sums.drop(index=EVERY, errors="ignore")
    sums = drawn + always if len(drawn) else sums
    return sums["accepted"] / sums["wrong"]


def _instead(wrong: Frames, stored: Tables) -> Tables:
    return lambda name: wrong[name] if name in wrong else stored(name)


def _is_legitimate(claim: Claim, kind: Wrong, claims: Sequence[Claim]) -> bool:
    if kind.level and claim.in_words:
        return True
    if kind.no_effect:
        return _claims_no_effect(claim)
    seen = {column: kind.seen.get(column, {}).get(value, value) for column, value in claim.rows.items()}
    if seen == dict(claim.rows):
        return claim.criteria[_main(claim)] in NO_DIFFERENCE
    known = [other for other in claims if _is_about(other, claim, seen)]
    return any(_says_the_same(other, claim) for other in known) if known else _claims_no_effect(claim)


def _main(claim: Claim) -> str:
    return next(iter(claim.printed))


def _claims_no_effect(claim: Claim) -> bool:
    """Whether the paper says that there is none, or prints a level without what it could be compared with."""
    main = _main(claim)
    metric, theirs = findings()[main], claim.printed[main].sample
    if claim.in_words:
        return claim.criteria[main] in NO_DIFFERENCE
    if main == "ncut" and "dist_ncut" not in claim.printed:
        return True
    return theirs is not None and _accepts(claim, {main: replace(theirs, mean=metric.no_effect)})


def _is_about(other: Claim, claim: Claim, rows: Mapping[str, str]) -> bool:
    """Whether another claim of the paper is about these rows, and says something of the main number."""
    if other.paper != claim.paper or dict(other.rows) != dict(rows) or other.in_words != claim.in_words:
        return False
    return bool(_shared(other, claim)) if not claim.in_words else other.criteria.keys() == claim.criteria.keys()


def _says_the_same(other: Claim, claim: Claim) -> bool:
    if claim.in_words:
        return (other.item, other.statement, dict(other.criteria)) == (
            claim.item,
            claim.statement,
            dict(claim.criteria),
        )
    return _accepts(claim, _shared(other, claim))


def _shared(other: Claim, claim: Claim) -> dict[str, Sample]:
    """What another claim prints of the numbers of this one, if the main one is among them."""
    found: dict[str, Sample] = {}
    for name in claim.printed:
        for alike, number in other.printed.items():
            if number.sample and findings()[alike].measure == findings()[name].measure:
                found.setdefault(name, number.sample)
    return found if _main(claim) in found else {}


def _accepts(claim: Claim, ours: Mapping[str, Sample]) -> bool:
    """Whether a claim would be reproduced by these numbers, all networks of either side being alike."""
    grades, in_words = [], []
    for name, printed in claim.printed.items():
        if name in ours and printed.sample:
            criterion, theirs = CRITERIA[claim.criteria[name]], replace(printed.sample, sd=0.0)
            same = (ours[name].mean,) * MANY
            in_words.append(claim.criteria[name] in IN_WORDS)
            grades.append(criterion(replace(ours[name], n=MANY, sd=0.0, values=same), theirs)[0])
    return combine(grades, in_words) is Grade.REPRODUCED
