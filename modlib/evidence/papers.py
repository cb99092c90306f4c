"""What the papers print: book/papers/PAPER.csv, one number a row, and how its words translate into ours.

Chapter: ``scorecard``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
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
NCUTS = ("ncut", "dist_ncut")
RELEASED_SD = " (sd released by the authors)"  # after a number of which the paper prints none
RELEASED = {"clusterability": "clusterability-released"}  # a paper, and what its authors released of its networks


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
    """

    text: str
    sample: Sample | None


def paper_values(paper: str, folder: Path | None = None) -> pd.DataFrame:
    """Everything that a paper prints, one number a row, all of it as text.

    Raises:
        BookError: if there is no such file.
    """
    return _read(_file(paper, folder)).copy()  # the caller's own, to change as it likes


def _file(paper: str, folder: Path | None) -> Path:
    folder = folder or checkout() / "book" / "papers"
    path = folder / f"{paper}.csv"
    if not path.exists():
        raise BookError(f"paper {paper!r} arrived; {nearest(paper, (file.stem for file in folder.glob('*.csv')))}")
    return path


@functools.lru_cache(maxsize=8)
def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@functools.lru_cache(maxsize=512)
def _read_item(path: Path, item: str) -> pd.DataFrame:
    values = _read(path)
    return values[values["item"].str.casefold() == item.casefold()]


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
    values = values[(values["item"].str.casefold() == place.item.casefold()) & values["metric"].isin(metrics)]
    fits = [
        fnmatchcase(row, place.row)
        and all(place.settings.get(key, value) == value for key, value in settings(condition).items())
        for row, condition in zip(values["row"], values["condition"], strict=True)
    ]
    return values[pd.Series(fits, values.index, dtype=bool)]


def printed_at(
    paper: str,
    place: Place,
    metrics: Mapping[str, Metric],
    folder: Path | None = None,
    effect_at: Place | None = None,
    columns: Collection[str] | None = None,
) -> dict[str, Printed]:
    """What a paper prints at a place, by metric; those that the source has lost come last.

    Args:
        paper: id of the paper.
        place: where.
        metrics: which, by name; those that are not printed there are left out.
        folder: of the papers' files; those of the checkout by default.
        effect_at: where the paper prints the effect that margins are a share of, if it claims none at the place itself:
            a network and its shuffles, whose distance is taken in proportion to their n-cut.
        columns: of our tables, which the place must fix if the paper does; all by default.

    Raises:
        BookError: if nothing is printed there, or the place leaves open what the paper fixes.
    """
    path = _file(paper, folder)
    needed = {part for metric in metrics.values() for part in (*(metric.effect_of or ()), *metric.needs)}
    found = rows_at(_read_item(path, place.item), place, [*metrics, *needed])
    _check_place(paper, place, found, metrics, columns)
    if paper in RELEASED:
        found = _with_released_sds(found, _released_sds(_file(RELEASED[paper], folder)))
    by_metric = {str(metric): rows for metric, rows in found.groupby("metric")}
    printed = {}
    for name, metric in metrics.items():
        number = _number(name, metric, found, by_metric)
        if number is None:
            continue
        if number.sample is not None:
            elsewhere = None
            if effect_at and metric.effect_of:
                elsewhere = rows_at(_read_item(path, effect_at.item), effect_at, metric.effect_of)
            effect = _effect(metric, number.sample, by_metric, elsewhere)
            if math.isnan(effect):
                raise BookError(
                    f"{place.item}, row {place.row!r} of {paper} prints no {' and '.join(metric.effect_of or ())}, of "
                    f"whose difference the margin of {name} is a share; name another place under effect"
                )
            number = replace(number, sample=replace(number.sample, effect=effect))
        printed[name] = number
    return dict(sorted(printed.items(), key=lambda pair: pair[1].sample is None))


def _check_place(
    paper: str, place: Place, found: pd.DataFrame, metrics: Collection[str], columns: Collection[str] | None
) -> None:
    """Refuse a place where nothing is printed, or that leaves open what the paper fixes."""
    if found.empty:
        raise BookError(
            f"{paper}.csv prints no {', '.join(metrics)} in {place.item}, row {place.row!r} "
            f"for {dict(place.settings)}; look the row up there"
        )
    for condition in found["condition"]:
        fixed = set(settings(condition)) if columns is None else set(settings(condition)) & set(columns)
        if left_open := sorted(fixed - set(place.settings)):
            raise BookError(
                f"{place.item}, row {place.row!r} of {paper} fixes {condition}, but {', '.join(left_open)} "
                "is left open; fix it in decided_by"
            )


def _number(name: str, metric: Metric, found: pd.DataFrame, by_metric: Mapping[str, pd.DataFrame]) -> Printed | None:
    """What is printed of a metric: of a table as a whole, by itself, or as the difference of two; None if nothing."""
    if metric.of_table:
        sample = Sample(metric.of_table(found[found["metric"].isin(metric.needs)]), 1)
        return Printed(metric.text(sample), sample)
    if name in by_metric:
        return _printed(name, metric, by_metric)
    if metric.effect_of and set(metric.effect_of) <= set(by_metric):
        return _printed_difference(metric, _differences(metric, by_metric), by_metric[metric.effect_of[0]])
    return None


def _effect(
    metric: Metric, sample: Sample, by_metric: Mapping[str, pd.DataFrame], elsewhere: pd.DataFrame | None
) -> float:
    """What margins are a share of: the number itself, or the difference of two, here or as printed elsewhere."""
    if metric.effect_of is None:
        return sample.mean - metric.no_effect
    if elsewhere is None:
        return float(_differences(metric, by_metric).mean())
    level = by_metric[metric.effect_of[0]]["value"].astype(float).mean()
    return float(level * _relative_distance(elsewhere))


@functools.lru_cache(maxsize=4)
def _released_sds(path: Path) -> dict[str, str]:
    """Standard deviations that authors released, by data set, row of a table, metric and architecture.

    Rows name the data set, then what the table's row names: ``mnist|dropout|pruned``.
    """
    released = _read(path)
    names = released["row"] + " " + released["metric"] + " " + released["condition"].str.split(";").str[0]
    return dict(zip(names, released["sd"], strict=True))


def _with_released_sds(printed: pd.DataFrame, known: Mapping[str, str]) -> pd.DataFrame:
    """Printed rows, with the standard deviation between networks where only what the authors released says it.

    Of shuffles it says another one than the papers, and of shares none.
    """
    fields = [dict(part.split("=", 1) for part in text.split(";") if part) for text in printed["condition"]]
    rows = zip(fields, printed["row"], printed["metric"], printed["sd"], strict=True)
    sds = [
        sd or ("" if metric == NCUTS[1] else known.get(_released_name(field, row, metric), ""))
        for field, row, metric, sd in rows
    ]
    return printed.assign(sd=sds, said=np.where(np.array(sds) == printed["sd"], "", RELEASED_SD))


def _released_name(condition: Mapping[str, str], row: str, metric: str) -> str:
    return f"{condition.get('dataset')}|{row} {metric} arch={condition.get('arch')}"


def _differences(metric: Metric, by_metric: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Of the two metrics that are the effect, run by run; empty if one of them is not printed, or lost."""
    found = [by_metric[name].set_index("row")["value"] for name in metric.effect_of or () if name in by_metric]
    if len(found) < 2 or any((values == "").any() for values in found):
        return pd.Series(dtype=float)
    return found[0].astype(float) - found[1].astype(float)


def _printed_difference(metric: Metric, differences: pd.Series, first: pd.DataFrame) -> Printed:
    """What follows from two printed numbers."""
    if differences.empty:
        return Printed("–", None)  # a number that it follows from is lost
    if len(differences) > 1:
        sample = over_networks(differences)
        return Printed(metric.text(sample), sample)
    # Its spread between networks is not printed; that of the first number is about as large.
    row = first.iloc[0]
    sample = Sample(float(differences.iloc[0]), int(row["n"] or 0), float(row["sd"] or "nan"))
    return Printed(f"{sample.mean:.{metric.digits}f}", sample)


def _relative_distance(rows: pd.DataFrame) -> float:
    """How far networks lie from their shuffles, as a share of the n-cut of these."""
    network, shuffles = (rows.loc[rows["metric"] == name, "value"].astype(float).mean() for name in NCUTS)
    return float((network - shuffles) / shuffles)


def _printed(name: str, metric: Metric, by_metric: Mapping[str, pd.DataFrame]) -> Printed:
    found = by_metric[name]
    if len(found) > 1 or (metric.is_p and found["value"].all()):
        values = found["value"].astype(float)
        if metric.is_p:
            sample = share_below_all_shuffles(values, found["n"].astype(int))
        else:
            sample = over_networks(values, float(pd.to_numeric(found["sd"]).mean()))
        return Printed(metric.text(sample), sample)
    row = found.iloc[0]
    if not row["value"]:
        return Printed("–", None)
    value = NUMERALS[row["value"]] if row["value"] in NUMERALS else float(row["value"])
    sd = float(row["sd"] or "nan")
    text = (f"{row['value']} ± {row['sd']}" if row["sd"] else row["value"]) + row.get("said", "")
    if metric.of_shuffles:
        # Its n counts shuffles; their networks are those of the n-cut beside them.
        return Printed(text, Sample(value, int(by_metric["ncut"].iloc[0]["n"]), shuffle_sd=sd))
    return Printed(text, Sample(value, int(row["n"] or 0), sd))
