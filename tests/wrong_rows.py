"""Rows in which a paper is right, made wrong in every way that ``modlib.verdicts.wrong`` knows for their table."""

import pandas as pd
import pytest

from modlib.evidence.criteria import Grade
from modlib.verdicts import claims, power, wrong


def wrongly_accepted(name: str, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Wrong results that claims of one table accept, once right rows reproduce and some wrong ones refute each of them.

    Args:
        name: of the table.
        rows: in which every claim on it is reproduced.
        monkeypatch: puts them in the place of the stored ones.
    """
    tables = {name: rows}.__getitem__
    monkeypatch.setattr(power, "tables_in", lambda _: tables)
    known = [claim for claim in claims.load() if set(claim.tables) == {name}]
    judged = [(claim, claims.verdict_on(claim, claims.rows_of(claim, tables))) for claim in known]
    assert {verdict.verdict for _, verdict in judged} == {Grade.REPRODUCED}
    kinds = [kind for kind in wrong.KINDS if kind.tables == (name,)]
    found = power.tried(judged, kinds)
    assert set(found["wrong rows"]) == {kind.name for kind in kinds}
    accepted = found["verdict"] == str(Grade.REPRODUCED)
    assert {claim.id for claim in known} == set(found[~accepted]["claim"]), "each is turned down by some of them"
    return found[accepted & ~found["legitimate"]]
