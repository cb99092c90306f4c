"""Claims of the papers, and verdicts computed from results/.

``book/claims.yml`` says what is claimed and which rows decide it, ``book/papers/*.csv`` what the paper prints, the
findings of the chapters what our rows give, ``modlib.evidence.criteria`` when the two agree. Only rows of the profile
``paper`` count. Chapter: ``scorecard``; every chapter shows its own claims.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.chapters import NAMES, find_experiment, findings
from modlib.errors import BookError, TableMissing, nearest
from modlib.evidence.criteria import CRITERIA, IN_WORDS, Grade, Sample, combine
from modlib.evidence.metrics import Metric
from modlib.evidence.papers import Place, Printed, paper_values, printed_at, rows_at
from modlib.evidence.written import WrittenClaim, written_claims
from modlib.files import checkout, results_folder, version_of
from modlib.verdicts.stored import PROFILE, stored_table

OURS = "ours"  # the paper of statements that are no paper's
PREFIX = {
    "pruned-modular": "pm",
    "clusterability": "cl",
    "clusterability-released": "cr",  # what its authors released, for a table that our source has lost
    "upstream-downstream": "ud",
    "weight-masks": "wm",
    "importance-coherence": "ic",
    OURS: "own",  # statements of our own, written before the rows that decide them; no paper prints them
}
KEYS = (
    "paper",
    "item",
    "row",
    "id",
    "statement",
    "criteria",
    "networks",
    "shuffles",
    "effect",
    "whatever",
    "decided_by",
    "chapter",
    "claims",
)
SHUFFLES = ("pooled", "averaged")
ILLEGIBLE = "the number is illegible in our copy of the paper"  # why is in the remarks of the paper's file
# What rows of ours have in place of what the paper has, by a column that picks them and a part of its value.
OTHERWISE = {
    ("network", "fnn 800-800-800-800"): "another width",
    ("network", "fnn 200-200-64"): "another width",
    ("network", "transformer 64"): "another width",
    ("dataset", "cifar10"): "JPEG copy of CIFAR-10",
    ("weights", "kernels"): "other weights, not exact",
    ("weights", "torchvision"): "weights of another training",
}
WHATEVER = (
    "dataset",
    "dropout",
    "pruning",
    "clusters",
    "network",
    "layer",
    "start",
    "training",
    "regulariser",
    "strength",
    "similarity",
    "mask",
    "task",
    "sharing",
    "sub-clusters",
    "shuffles",
)


Tables: TypeAlias = Callable[[str], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Claim:
    """One claim of a paper.

    Attributes:
        id: unique name, such as ``pm-table-1-mnist-dropout``.
        paper: id of the paper.
        item: table, figure or section that prints it.
        row: name of its row in ``book/papers/PAPER.csv``; a pattern if it takes several. Of a claim in words, the row
            of the numbers that it puts into words, empty if all of its item or none.
        statement: what is claimed, in words.
        chapter: where it is shown.
        criteria: for every metric the name of its criterion.
        shuffles: how standard deviations of shuffles are summarised, ``pooled`` or ``averaged``.
        whatever: what the paper claims it regardless of, some of ``WHATEVER``, and the item that says so.
        tables: result tables that decide it.
        rows: for every column that picks their rows, its value.
        printed: for every metric that the paper prints in this row, what it prints; the main metric first, values that
            the source has lost last.
    """

    id: str
    paper: str
    item: str
    row: str
    statement: str
    chapter: str
    criteria: Mapping[str, str]
    shuffles: str
    whatever: Mapping[str, str]
    tables: tuple[str, ...]
    rows: Mapping[str, str]
    printed: Mapping[str, Printed] = field(repr=False)

    @property
    def paper_metrics(self) -> list[str]:
        """Metrics of the paper's file that it is about."""
        return list(dict.fromkeys(name for m in self.criteria for name in (findings()[m].needs or (m,))))

    @property
    def in_words(self) -> bool:
        """Whether it is compared with words of the paper, and not with a number that it prints."""
        return all(criterion in IN_WORDS for criterion in self.criteria.values())

    @property
    def what(self) -> str:
        """The networks that it is about, in words."""
        return find_experiment(self.tables[0]).describe(self.rows)


@dataclass(frozen=True)
class Detail:
    """One number of a claim: the paper's, ours, how they were compared, and what came out."""

    metric: str
    criterion: str
    theirs: str
    ours: str
    n: str
    reduced: bool
    grade: Grade
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the results say about a claim.

    Attributes:
        verdict: that of its main number, or partly if another one is not reproduced.
        ours: our number of the main metric.
        theirs: the paper's.
        n: our number of networks, and the paper's where it differs.
        reduced: whether we have less than the paper: fewer networks or steps, another width, a copy of the data.
        details: one for every number, the main metric first.
        explanation: what did not agree, or why nothing could be said; empty if all agrees.
    """

    verdict: Grade
    ours: str
    theirs: str
    n: str
    reduced: bool
    details: tuple[Detail, ...]
    explanation: str


def load(path: Path | None = None) -> list[Claim]:
    """All claims, with what the papers print for them.

    Args:
        path: the YAML file, book/claims.yml by default; the papers' numbers lie beside it in ``papers/``.

    Raises:
        BookError: if the file does not parse, or a claim names a paper, row, metric, criterion, table or column that
            is not there, or leaves open what the paper fixes.
    """
    path = path or checkout() / "book" / "claims.yml"
    return list(_load_version(path, version_of(path)))


@functools.lru_cache(maxsize=4)
def _load_version(path: Path, version: tuple[int, ...]) -> tuple[Claim, ...]:
    """Looking up what the papers print takes two seconds: once for each version of the file."""
    claims = tuple(_claim(written, path) for written in written_claims(path))
    ids = [claim.id for claim in claims]
    if doubled := sorted({name for name in ids if ids.count(name) > 1}):
        raise BookError(f"{path} has more than one claim {', '.join(doubled)}; give each its own id")
    return claims


def judge(claim: Claim, folder: Path | None = None) -> Verdict:
    """Verdict on a claim, from rows of the profile ``paper``.

    Args:
        claim: one of ``load()``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        ResultsError: if a table is damaged. One that is not there yet has no rows.
        BookError: if the claim picks several rows of the same network.
    """
    folder = folder or results_folder()
    return _judge_version(claim, folder, tuple(version_of(folder / f"{name}.csv") for name in claim.tables))


@functools.lru_cache(maxsize=1024)
def _judge_version(claim: Claim, folder: Path, versions: tuple[tuple[int, ...], ...]) -> Verdict:
    """A verdict, once as long as the tables stay the same: the front page, cards and counts ask for it again."""
    return verdict_on(claim, rows_of(claim, tables_in(folder)))


def verdict_on(claim: Claim, rows: pd.DataFrame) -> Verdict:
    """Verdict on a claim from the rows that decide it, see ``rows_of``."""
    details = tuple(_detail(claim, metric, rows) for metric in claim.printed)
    short = [detail for detail in details if detail.grade is not Grade.REPRODUCED]
    if len(short) == len(details) and len({detail.why for detail in short}) == 1:
        explanation = short[0].why
    else:
        explanation = "; ".join(f"{findings()[d.metric].label} {d.grade}: {d.why}" for d in short)
    return Verdict(
        verdict=combine([detail.grade for detail in details], [detail.criterion in IN_WORDS for detail in details]),
        ours=details[0].ours,
        theirs=details[0].theirs,
        n=details[0].n,
        reduced=any(detail.reduced for detail in details),
        details=details,
        explanation=explanation,
    )


def _claim(written: WrittenClaim, path: Path) -> Claim:
    merged, tables, rows = written.keys, written.tables, written.rows
    where = f"{path.name}: {merged.get('item')}, {merged.get('id')}"
    for key in merged:
        expect(key, KEYS, f"{where}: key")
    if missing := [key for key in ("paper", "item", "id", "statement", "criteria") if key not in merged]:
        raise BookError(f"{where}: the claim has no {', '.join(missing)}; write it in its entry")
    expect(merged["paper"], PREFIX, f"{where}: paper")
    expect(merged.get("shuffles", "averaged"), SHUFFLES, f"{where}: shuffles")
    if not tables:
        raise BookError(f"{where}: decided_by is {rows}; expected a table at least")
    effect = merged.get("effect", {})
    if effect and (not isinstance(effect, dict) or not {"item"} <= set(effect) <= {"item", "row"}):
        raise BookError(f"{where}: effect is {effect}; expected an item of the paper, and its row if it is another")
    whatever = merged.get("whatever", {})
    if not isinstance(whatever, dict):
        raise BookError(f"{where}: whatever is {whatever}; expected what the paper claims it regardless of, and where")
    for changed, said_in in whatever.items():
        expect(changed, WHATEVER, f"{where}: whatever")
        items = paper_values(merged["paper"], path.parent / "papers")["item"].unique()
        expect(said_in, items, f"{where}: whatever: {changed}: item of {merged['paper']}")
    in_words = all(criterion in IN_WORDS for criterion in merged["criteria"].values())
    for name in tables:
        expect(name, NAMES, f"{where}: table")
        experiment = find_experiment(name)
        if not in_words and "dataset" in experiment.cell_key and "dataset" not in rows:
            raise BookError(f"{where}: decided_by is {rows}, but rows of {name} differ in the dataset; fix it")
        if "k" in experiment.row_key and "k" not in rows:
            raise BookError(f"{where}: decided_by is {rows}, but rows of {name} differ in k; fix k")
        for column in rows:
            expect(column, (*experiment.cell_key, *experiment.row_key), f"{where}: column of {name}")
    for metric, criterion in merged["criteria"].items():
        expect(metric, findings(), f"{where}: metric")
        expect(criterion, CRITERIA, f"{where}: criterion")
    row, metrics = merged.get("row", ""), {name: findings()[name] for name in merged["criteria"]}
    if not row and not in_words:
        raise BookError(f"{where}: the claim has no row, but is compared with a printed number; name the row")
    needed = [name for metric in metrics.values() for name in metric.needs]
    if row and in_words:
        values = paper_values(merged["paper"], path.parent / "papers")
        if rows_at(values, Place(merged["item"], row, rows), needed).empty:
            raise BookError(f"{where}: {merged['paper']} prints no {', '.join(needed)} in row {row!r}; look the row up")
    return Claim(
        id=f"{PREFIX[merged['paper']]}-{merged['item']}-{merged['id']}",
        paper=merged["paper"],
        item=merged["item"],
        row=row,
        statement=merged["statement"],
        chapter=written.chapter,
        criteria=merged["criteria"],
        shuffles=merged.get("shuffles", "averaged"),
        whatever=whatever,
        tables=tables,
        rows=rows,
        printed=printed_at(
            merged["paper"],
            Place(merged["item"], row, rows),
            metrics,
            path.parent / "papers",
            Place(effect["item"], effect.get("row", row), {}) if effect else None,
            {column for name in tables for column in find_experiment(name).columns}
            - {column for metric in metrics.values() for column in metric.compares},
        )
        if row and not in_words
        else dict.fromkeys(metrics, Printed("in words", Sample(math.nan, int(merged.get("networks", 0))))),
    )


def earlier_verdicts() -> dict[str, str]:
    """Verdicts by version 1 of the criteria, by claim; a later claim has none."""
    stored = pd.read_csv(checkout() / "book" / "verdicts-v1.csv", index_col="claim")
    return {str(claim): str(verdict) for claim, verdict in stored["verdict"].items()}


def tables_in(folder: Path | None = None) -> Tables:
    """The stored tables, by name; one that is not there yet has no rows."""
    folder = folder or results_folder()

    def read(name: str) -> pd.DataFrame:
        try:
            return stored_table(name, folder)
        except TableMissing:
            return pd.DataFrame()

    return read


def rows_of(claim: Claim, tables: Tables) -> pd.DataFrame:
    """Our rows that decide a claim, of all its tables.

    Raises:
        BookError: if it picks several rows of the same network.
    """
    found = []
    for name in claim.tables:
        rows = tables(name)
        if rows.empty:
            continue
        wanted = {"profile": PROFILE, **claim.rows}
        spelt = {key: [own for own in rows[key].unique() if str(own) == value] for key, value in wanted.items()}
        found.append(rows[np.all([rows[key].isin(values) for key, values in spelt.items()], axis=0)])
    found = [rows for rows in found if len(rows)]
    if not found:
        return pd.DataFrame()
    rows = pd.concat(found, ignore_index=True)
    network = find_experiment(claim.tables[0]).network_key
    compared = (column for metric in claim.criteria for column in findings()[metric].compares)
    if "null" in rows and rows.duplicated(list(dict.fromkeys((*network, *compared, "null")))).any():
        raise BookError(
            f"{claim.id} picks several rows of the same network with {_words(claim.rows)}; "
            "expected one for each null model: fix stage and k in its decided_by"
        )
    return rows


def _detail(claim: Claim, metric: str, rows: pd.DataFrame) -> Detail:
    printed, name = claim.printed[metric], claim.criteria[metric]
    theirs = printed.sample
    ours = None if rows.empty else _measured(findings()[metric], rows, claim.shuffles)
    fewer_steps = ours is not None and any(
        (rows[column] < steps).any() for table in claim.tables for column, steps in find_experiment(table).full.items()
    )
    instead = [words for (column, value), words in OTHERWISE.items() if ours and value in claim.rows.get(column, "")]
    marks = [*instead, *(["fewer steps"] if fewer_steps else [])]
    reduced = bool(marks) or (ours is not None and theirs is not None and ours.n < theirs.n)
    if theirs is None:
        grade, why = Grade.NO_VALUE, ILLEGIBLE
    elif ours is None:
        missing = "no rows at the paper's scale" if rows.empty else "not all that this needs is measured"
        grade, why = Grade.NOT_TESTED, f"{missing} for {claim.what} in {', '.join(claim.tables)}"
    else:
        grade, why = CRITERIA[name](ours, theirs)
    count = ", ".join([_count(ours, theirs), *marks])
    return Detail(metric, name, printed.text, findings()[metric].text(ours), count, reduced, grade, why)


def _measured(metric: Metric, rows: pd.DataFrame, shuffles: str) -> Sample | None:
    measure = metric.pooled if shuffles == "pooled" and metric.pooled else metric.measure
    return measure(rows)


def _count(ours: Sample | None, theirs: Sample | None) -> str:
    if ours is None:
        return "–"
    if theirs is None or theirs.n in (0, ours.n):
        return f"{ours.n}"
    return f"{ours.n} of {theirs.n}, reduced" if ours.n < theirs.n else f"{ours.n} (paper {theirs.n})"


def _words(rows: Mapping[str, str]) -> str:
    return ", ".join(f"{column} = {value}" for column, value in rows.items())


def expect(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is not known.

    Raises:
        BookError: saying which are, and which was probably meant.
    """
    known = list(known)
    if name not in known:
        raise BookError(f"{what} {name!r} arrived; {nearest(name, known)}")
