"""What the papers print: book/papers/PAPER.csv, one number a row, and how its words translate into ours.

Chapter: ``scorecard``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from modlib.errors import BookError, nearest
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks, share_below_all_shuffles
from modlib.files import checkout

SPELLING = {
    "fashion-mnist": "fashion_mnist",
    "cifar-10": "cifar10",
    "memorization": "memorisation",
    "polynomial": "polynomials",
    "halves-diff-mnist": "mnist halves-diff",
    "stack-diff-mnist": "mnist stack-diff",
}
STAGES = {"yes": "pruned", "no": "unpruned"}
NUMERALS = {"two-thirds": 2 / 3}


@dataclass(frozen=True)
class Place:
    """Where a paper prints something.

    Attributes:
        item: table, figure or section.
        row: name of the row, or a pattern that takes several, such as ``run-*``.
        settings: what the networks have in common, in the columns and words of our tables.
    """

    item: str
    row: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Printed:
    """What a paper prints of a metric.

    Attributes:
        text: as printed; of several runs, their mean and standard deviation.
        sample: as numbers, None if the source has lost them.
        note: remark of the transcription; says why there is no number.
    """

    text: str
    sample: Sample | None
    note: str = ""


@functools.lru_cache(maxsize=4)
def paper_values(paper: str, folder: Path | None = None) -> pd.DataFrame:
    """Everything that a paper prints, one number a row, all of it as text.

    Raises:
        BookError: if there is no such file.
    """
    folder = folder or checkout() / "book" / "papers"
    path = folder / f"{paper}.csv"
    if not path.exists():
        raise BookError(f"paper {paper!r} arrived; {nearest(paper, (file.stem for file in folder.glob('*.csv')))}")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def settings(condition: str) -> dict[str, str]:
    """What a condition of the papers' files fixes, in the columns and words of our tables.

    >>> settings("dataset=fashion-mnist;arch=mlp-4x256;dropout=no;pruned=yes;k=4")
    {'dropout': 'no', 'k': '4', 'dataset': 'fashion_mnist', 'stage': 'pruned'}
    >>> settings("dataset=lines-cifar-10;variant=separate")
    {'dataset': 'lines+cifar10 separate'}
    """
    parts = dict(part.split("=", 1) for part in condition.split(";") if part)
    found = {key: value for key, value in parts.items() if key in ("dropout", "k", "measure")}
    if dataset := parts.get("experiment", parts.get("dataset")):
        found["dataset"] = _spelt(dataset, parts.get("variant", ""))
    if parts.get("trained") == "no":
        found["stage"] = "initial"
    elif "pruned" in parts:
        found["stage"] = STAGES[parts["pruned"]]
    return found


def _spelt(dataset: str, variant: str) -> str:
    """A data set in our words; made of two, it has a variant: ``mnist halves-same``, ``lines+mnist separate``."""
    source, _, layout = dataset.rpartition("-")
    if variant and layout in ("halves", "stack"):
        return f"{SPELLING.get(source, source)} {layout}-{variant}"
    if variant:
        first, _, second = dataset.partition("-")
        return f"{first}+{SPELLING.get(second, second)} {variant}"
    return SPELLING.get(dataset, dataset)


def rows_at(values: pd.DataFrame, place: Place, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows of ``paper_values`` with these metrics at a place; a setting that a row does not fix is no obstacle."""
    values = values[(values["item"] == place.item) & values["metric"].isin(metrics)]
    fits = [
        fnmatchcase(row, place.row)
        and all(place.settings.get(key, value) == value for key, value in settings(condition).items())
        for row, condition in zip(values["row"], values["condition"], strict=True)
    ]
    return values[fits]


def printed_at(
    paper: str, place: Place, metrics: Mapping[str, Metric], folder: Path | None = None
) -> dict[str, Printed]:
    """What a paper prints at a place, by metric; those that the source has lost come last.

    Args:
        paper: id of the paper.
        place: where.
        metrics: which, by name; those that are not printed there are left out.
        folder: of the papers' files; those of the checkout by default.

    Raises:
        BookError: if nothing is printed there, or the place leaves open what the paper fixes.
    """
    found = rows_at(paper_values(paper, folder), place, list(metrics))
    if found.empty:
        raise BookError(
            f"{paper}.csv prints no {', '.join(metrics)} in {place.item}, row {place.row!r} "
            f"for {dict(place.settings)}; look the row up there"
        )
    for condition in found["condition"]:
        if left_open := sorted(set(settings(condition)) - set(place.settings)):
            raise BookError(
                f"{place.item}, row {place.row!r} of {paper} fixes {condition}, but {', '.join(left_open)} "
                "is left open; fix it in decided_by"
            )
    by_metric = {str(metric): rows for metric, rows in found.groupby("metric")}
    printed = {name: _printed(name, metric, by_metric) for name, metric in metrics.items() if name in by_metric}
    return dict(sorted(printed.items(), key=lambda pair: pair[1].sample is None))


def _printed(name: str, metric: Metric, by_metric: Mapping[str, pd.DataFrame]) -> Printed:
    found = by_metric[name]
    if len(found) > 1:
        values = found["value"].astype(float)
        if metric.is_p:
            sample = share_below_all_shuffles(values, found["n"].astype(int))
        else:
            sample = over_networks(values, float(pd.to_numeric(found["sd"]).mean()))
        return Printed(metric.text(sample), sample)
    row = found.iloc[0]
    if not row["value"]:
        return Printed("–", None, row["note"])
    value = NUMERALS[row["value"]] if row["value"] in NUMERALS else float(row["value"])
    sd = float(row["sd"] or "nan")
    text = f"{row['value']} ± {row['sd']}" if row["sd"] else row["value"]
    if metric.of_shuffles:
        # Its n counts shuffles; their networks are those of the n-cut beside them.
        return Printed(text, Sample(value, int(by_metric["ncut"].iloc[0]["n"]), shuffle_sd=sd), row["note"])
    return Printed(text, Sample(value, int(row["n"] or 0), sd), row["note"])
