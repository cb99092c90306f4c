"""Statistics that decide what importance-coherence says of coherence, from rows of ``coherence``.

Chapter: ``coherence``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from modlib.chapters.coherence.experiment import (
    CONTRAST,
    CORRELATIONS,
    EXPERIMENT,
    LIKENESS,
    ONE_SIDED,
    SCORE,
    VARIATION,
)
from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.metrics import Metric, combined_by_network, over_networks, sample_of
from modlib.evidence.sentences import Sentences, more_or_less, share_of
from modlib.stats import fisher_combined
from modlib.tables import number_lists

EARLY = 2  # hidden layers that count as early
NETWORK = list(EXPERIMENT.network_key)
K = 12  # clusters, of what is told of all networks
ALIKE = 0.5  # cosine above which two halves count as similar


def random_mean(rows: pd.DataFrame) -> pd.Series:
    """Mean over the random sets of every row."""
    return pd.Series([number_lists([text]).mean() for text in rows["random"]], rows.index, dtype=float)


def log_ratio(rows: pd.DataFrame) -> pd.Series:
    """How much more contrast has a sub-cluster than random sets like it? Logarithm of the ratio, mean by network."""
    rows = rows[rows["measure"] == CONTRAST]
    ratio: pd.Series = (rows["value"] / random_mean(rows)).map(np.log)
    return ratio.groupby([rows[column] for column in NETWORK]).mean()


def _of(rows: pd.DataFrame, measure: str, network: str = "mlp") -> pd.DataFrame:
    return rows[(rows["measure"] == measure) & (rows["network"] == network)] if len(rows) else rows


def _more_contrast(rows: pd.DataFrame) -> Sample | None:
    found = _of(rows, CONTRAST)
    return sample_of(log_ratio(found)) if len(found) else None


def _halves_alike(rows: pd.DataFrame) -> Sample | None:
    """Cosine of the two halves in trained networks less that in untrained ones, by seed."""
    means = [_of(rows, LIKENESS, name) for name in ("mlp", "mlp untrained")]
    if not all(map(len, means)):
        return None
    trained, untrained = (found.groupby("seed")["value"].mean() for found in means)
    return sample_of(trained - untrained)


def _share_alike(rows: pd.DataFrame) -> Sample | None:
    found = _of(rows, LIKENESS)
    return sample_of((found["value"] > ALIKE).astype(float).groupby(found["seed"]).mean()) if len(found) else None


def _more_one_sided(rows: pd.DataFrame) -> Sample | None:
    """One-sidedness of sub-clusters in early layers less that of random sets like them, by seed."""
    found = _of(rows, ONE_SIDED)
    found = found[found["layer"] <= EARLY] if len(found) else found
    return sample_of((found["value"] - random_mean(found)).groupby(found["seed"]).mean()) if len(found) else None


def _less_than_perceptrons(rows: pd.DataFrame) -> Sample | None:
    """One-sided Mann-Whitney test over networks: is the contrast ratio of CNNs below that of perceptrons? Its p.

    Of networks without dropout that see two images, side by side or stacked: dropout and tasks change the ratio, too.
    """
    from scipy.stats import mannwhitneyu

    if rows.empty:
        return None
    of_two = rows["dataset"].str.contains("halves-|stack-")
    ratios = log_ratio(rows[of_two & (rows["study"] == CORRELATIONS) & (rows["dropout"] == "no")])
    kinds = ratios.index.get_level_values("network")
    cnns, mlps = (ratios[kinds == kind].to_numpy() for kind in ("cnn", "mlp"))
    if min(len(cnns), len(mlps)) < 3:
        return None
    return Sample(float(mannwhitneyu(cnns, mlps, alternative="less").pvalue), len(cnns) + len(mlps))


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of every trained network, one row each."""
    return rows.dropna(subset=["test_accuracy"]).drop_duplicates(NETWORK)[[*NETWORK, "test_accuracy"]]


def _test_accuracy(rows: pd.DataFrame) -> Sample | None:
    """In percent, one a network."""
    return sample_of(100 * accuracies(rows)["test_accuracy"]) if len(rows) else None


def _dropout_costs(rows: pd.DataFrame) -> Sample | None:
    """Percentage points of test accuracy that perceptrons lose to dropout, by seed."""
    if rows.empty:
        return None
    found = accuracies(rows[rows["network"] == "mlp"]).pivot(index="seed", columns="dropout", values="test_accuracy")
    return sample_of(100 * (found["no"] - found["yes"])) if {"no", "yes"} <= set(found) else None


def middle_network(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the network whose median coefficient of variation is in the middle of all networks.

    Of an even number the lower one of the two in the middle is taken.
    """
    rows = rows[rows["measure"] == VARIATION].dropna(subset=["value"])
    medians = rows.groupby("seed")["value"].median().sort_values()
    return rows[rows["seed"] == medians.index[(len(medians) - 1) // 2]]


def _quartile(rows: pd.DataFrame, q: float) -> Sample | None:
    """A quartile over the sub-clusters of the middle network, with the spread of that quartile between networks."""
    found = rows[rows["measure"] == VARIATION] if len(rows) else rows
    if found.empty:
        return None
    each = found.groupby("seed")["value"].quantile(q)
    sample = over_networks(each)
    return Sample(float(middle_network(found)["value"].quantile(q)), sample.n, sample.sd, values=sample.values)


def _share_of_variation(rows: pd.DataFrame, test: Callable[[pd.Series], pd.Series]) -> Sample | None:
    found = rows[rows["measure"] == VARIATION].dropna(subset=["value"]) if len(rows) else rows
    return sample_of(test(found["value"]).astype(float).groupby(found["seed"]).mean()) if len(found) else None


FINDINGS = {
    "more_contrast": Metric("log of the contrast of sub-clusters to that of random sets", _more_contrast),
    "halves_alike": Metric("cosine of halves, trained minus untrained", _halves_alike),
    "share_alike": Metric("share of sub-clusters whose halves have a cosine above 0.5", _share_alike),
    "more_one_sided": Metric("one-sidedness in early layers, sub-clusters minus random sets", _more_one_sided),
    "less_than_mlps": Metric("p, contrast ratio of CNNs below that of perceptrons", _less_than_perceptrons),
    "dropout_costs": Metric("test accuracy lost to dropout, percentage points", _dropout_costs, 2),
    "min_test_accuracy": Metric("test accuracy, percent", _test_accuracy, 1),
    "cov_q1": Metric("coefficient of variation, lower quartile", partial(_quartile, q=0.25), no_effect=1),
    "cov_median": Metric("coefficient of variation, median", partial(_quartile, q=0.5), no_effect=1),
    "cov_q3": Metric("coefficient of variation, upper quartile", partial(_quartile, q=0.75), no_effect=1),
    "cov_below_one": Metric(
        "share of sub-clusters with a coefficient of variation below 1",
        partial(_share_of_variation, test=lambda v: v < 1),
    ),
    "cov_above_one": Metric(
        "share of sub-clusters with a coefficient of variation above 1",
        partial(_share_of_variation, test=lambda v: v > 1),
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """Contrast of correlation images, which layers look at one half of an image, and scores of optimised images."""
    rows = rows[rows["k"] == K]
    return _told_contrast(rows), _told_halves(rows), _told_score(rows)


def _told_contrast(rows: pd.DataFrame) -> str | None:
    ratios = log_ratio(rows)
    kinds = ratios.index.get_level_values("network")
    trained, cnns, untrained = (ratios[kinds == kind] for kind in ("mlp", "cnn", "mlp untrained"))
    if trained.empty or cnns.empty or untrained.empty:
        return None
    answer = "More" if trained.mean() > max(untrained.mean(), 0) else "No more"
    mlps, small, none = (more_or_less(np.expm1(part.mean())) for part in (trained, cnns, untrained))
    return (
        f"{answer} than random units do: in trained perceptrons the mean correlation image of a sub-cluster has {mlps} "
        f"contrast than that of random units of its layer ({share_of(trained > 0)} networks have more), in small "
        f"convolutional networks {small}, in untrained perceptrons {none}."
    )


def _told_halves(rows: pd.DataFrame) -> str | None:
    rows = _of(rows, ONE_SIDED)
    rows = rows[(rows["dataset"] == "mnist halves-diff") & (rows["dropout"] == "no")]
    if rows["layer"].nunique() < 2:
        return None
    means = rows.assign(random=random_mean(rows)).groupby("layer")[["value", "random"]].mean()
    first, last = means.iloc[0], means.iloc[-1]
    nearer = first["value"] - first["random"] > last["value"] - last["random"]
    return (
        f"Where the halves of an image have separate jobs, sub-clusters {'near' if nearer else 'far from'} the image "
        f"divide them more clearly: one-sidedness is {first['value']:.2f} in the first hidden layer (random units "
        f"{first['random']:.2f}) and {last['value']:.2f} in the last ({last['random']:.2f})."
    )


def _told_score(rows: pd.DataFrame) -> str | None:
    rows = rows[rows["measure"] == SCORE]
    if rows.empty:
        return None
    p = combined_by_network(rows, NETWORK, fisher_combined, "against")
    untrained = p.index.get_level_values("network").str.endswith("untrained")
    trained, none = (share_of(part < SIGNIFICANT) for part in (p[~untrained], p[untrained]))
    return trained and (
        f"One image excites the units of a sub-cluster more than random units in {trained} trained networks"
        f"{f' and in {none} untrained ones' if none else ''} (Fisher's p over sub-clusters below {SIGNIFICANT})."
    )
