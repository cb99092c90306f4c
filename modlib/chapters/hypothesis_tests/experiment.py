"""Chapter ``hypothesis-tests``: how often tests of many small p-values reject, and which of a paper's own tests stand.

Two studies. A cell of ``simulation`` is a condition and a batch of simulated networks; its rows count rejections. The
cell of ``table 1`` corrects the p-values that importance-coherence prints there for their number, a row a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from modlib.evidence.papers import paper_values
from modlib.stats import benjamini_hochberg, holm
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, optional, text

SIMULATION, TABLE_1 = "simulation", "table 1"
LEVEL = 0.05
REPLICATES = 5  # networks behind a median, as in the paper
ALONE, MEDIAN, BH, HOLM = "one network", f"median of {REPLICATES}", "benjamini-hochberg", "holm"
FISHER, UNSHIFTED, CHI_SQUARED = "fisher", "fisher, not shifted", "chi-squared"
SIMULATED = "simulated"
TESTS = {"fisher_p": FISHER, "chi2_p": CHI_SQUARED}  # as table 1 calls them

# For every effect its sizes, in standard deviations of the null distribution.
EFFECTS = {
    "no effect": (0.0,),
    "consistent": (0.1, 0.2, 0.4),
    "both ways": (0.5, 1.0, 1.5),
    "one sub-cluster": (2.0, 4.0),
}
TIES = ("no ties", "against", "for")
TIED = (0.05, 0.2, 0.5)  # shares of the null distribution that are one value, the lowest


@dataclass(frozen=True)
class Plan:
    """What is simulated in a profile.

    Attributes:
        n_random: numbers of random sets.
        sub_clusters: numbers of sub-clusters of a network.
        networks: of a batch.
        batches: their number.
    """

    n_random: tuple[int, ...]
    sub_clusters: tuple[int, ...]
    networks: int
    batches: int


PLANS = {
    "smoke": Plan((9,), (10,), 500, 1),
    "quick": Plan((9, 20), (10, 60), 2000, 2),
    "paper": Plan((9, 20, 50), (10, 30, 60), 10_000, 10),
}
CELL_KEY = ("profile", "study", "effect", "size", "ties", "tied", "batch")
ROW_KEY = ("n_random", "sub_clusters", "network", "measure", "test", "rule")
TOLERANCE = {"rejected": 0.0, "of": 0.0, "printed": 0.0}
COLUMNS = {
    "profile": PROFILE,
    "study": text(SIMULATION, TABLE_1),
    "effect": text(*EFFECTS),
    "size": number(0),
    "ties": text(*TIES),
    "tied": SHARE,
    "batch": integer(),
    "n_random": integer(),
    "sub_clusters": integer(),
    "network": text(),
    "measure": text(),
    "test": text(FISHER, UNSHIFTED, CHI_SQUARED),
    "rule": text(ALONE, MEDIAN, BH, HOLM),
    "rejected": integer(),
    "of": integer(1),
    "printed": optional(text("yes", "no", "unclear")),
}


def cells(profile: str) -> list[Cell]:
    """The paper's own p-values first, then every condition of a batch before the next batch."""
    found: list[Cell] = [_cell(profile, TABLE_1)]
    for batch in range(PLANS[profile].batches):
        for effect, sizes in EFFECTS.items():
            found += [_cell(profile, SIMULATION, effect=effect, size=size, batch=batch) for size in sizes]
        for tied in TIED:
            found += [_cell(profile, SIMULATION, ties=ties, tied=tied, batch=batch) for ties in TIES[1:]]
    return found


def _cell(profile: str, study: str, **condition: str | float) -> Cell:
    usual = {"effect": "no effect", "size": 0.0, "ties": "no ties", "tied": 0.0, "batch": 0}
    return {"profile": profile, "study": study, **usual, **condition}


def measure(cell: Cell) -> list[Row]:
    """Rows of a cell: of so many (``of``) tests, how many are significant (``rejected``), and what the paper prints."""
    return _corrected() if cell["study"] == TABLE_1 else _simulated(cell)


def shifts(effect: str, size: float, sub_clusters: int) -> np.ndarray:
    """How far each sub-cluster of a network lies above random sets, (sub_clusters,).

    ``consistent``: all of them; ``both ways``: every second one below instead; ``one sub-cluster``: the first alone.
    """
    place = np.arange(sub_clusters)
    patterns = {
        "no effect": np.zeros(sub_clusters),
        "consistent": np.ones(sub_clusters),
        "both ways": (-1.0) ** place,
        "one sub-cluster": 1.0 * (place == 0),
    }
    return size * patterns[effect]


def draw_levels(
    above: np.ndarray, tied: float, ties: str, n_random: int, networks: int, rng: np.random.Generator
) -> np.ndarray:
    """Places of right-sided Monte Carlo p-values on their grid, p = level / (n_random + 1).

    The statistic of a random sub-cluster is max(c, z), with z standard normal and P(z <= c) = ``tied``; that of a true
    one is max(c, z + shift). Given it, the number of random sets that are more extreme is binomial.

    Args:
        above: (m,) shifts of the sub-clusters.
        tied: share of the random statistics that equal the lowest value, in [0, 1).
        ties: ``for`` the true sub-cluster or ``against`` it; without ties anything.
        n_random: random sets for each.
        networks: how many.
        rng: decides the draws.

    Returns:
        (networks, m) whole numbers from 1 to n_random + 1.
    """
    from scipy.stats import norm

    floor = norm.ppf(tied)
    value = above + rng.standard_normal((networks, len(above)))
    beaten = norm.sf(np.maximum(value, floor))  # probability that a random one is more extreme
    if ties == "against":
        beaten[value <= floor] = 1.0  # or equal
    return 1 + rng.binomial(n_random, beaten)


def fisher_p(levels: np.ndarray, n_random: int, shift: float = 0.5) -> np.ndarray:
    """``modlib.stats.fisher_combined`` of every network; p-values are moved down by ``shift`` steps of their grid.

    Args:
        levels: (networks, m) places on the grid.
        n_random: random sets for each.
        shift: in steps; half a step in the paper.
    """
    from scipy.stats import chi2

    statistic = -2 * np.log((levels - shift) / (n_random + 1)).sum(axis=1)
    return np.asarray(chi2.sf(statistic, 2 * levels.shape[1]))


def chi_squared_p(levels: np.ndarray, n_random: int) -> np.ndarray:
    """``modlib.stats.chi_squared_uniform`` of every network.

    Args:
        levels: (networks, m) places on the grid.
        n_random: random sets for each.
    """
    from scipy.stats import chi2

    networks, m = levels.shape
    bins = levels - 1 + (n_random + 1) * np.arange(networks)[:, None]
    counts = np.bincount(bins.ravel(), minlength=networks * (n_random + 1)).reshape(networks, -1)
    expected = m / (n_random + 1)
    return np.asarray(chi2.sf(((counts - expected) ** 2).sum(axis=1) / expected, n_random))


P_VALUES: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = {
    FISHER: fisher_p,
    UNSHIFTED: partial(fisher_p, shift=0.0),
    CHI_SQUARED: chi_squared_p,
}


def printed(item: str) -> pd.DataFrame:
    """What a table of importance-coherence prints of every test: columns network, measure, test, value and n.

    Args:
        item: ``table-1`` with p-values, as text, or ``table-4`` or ``table-5`` with ``yes``, ``no`` or ``unclear``.
    """
    values = paper_values("importance-coherence").query("item == @item")
    values = values[values["metric"].isin([*TESTS, "significant_bh", "significant_holm"])]
    conditions = [dict(part.split("=", 1) for part in text.split(";")) for text in values["condition"]]
    names = [condition.get("statistic", metric) for condition, metric in zip(conditions, values["metric"], strict=True)]
    return pd.DataFrame(
        {
            "network": values["row"].tolist(),
            "measure": [condition["measure"] for condition in conditions],
            "test": [TESTS[name] for name in names],
            "value": values["value"].tolist(),
            "n": pd.to_numeric(values["n"]).tolist(),
        }
    )


def corrected(tests: pd.DataFrame) -> dict[str, pd.Series]:
    """Which tests remain significant, by rule: Benjamini-Hochberg apart for each test, Holm for all together.

    Args:
        tests: columns test and p.

    Source: importance-coherence A.7. Chapter: ``hypothesis-tests``.
    """
    by_test = tests.groupby("test")["p"]
    return {
        BH: by_test.transform(lambda p: benjamini_hochberg(p.to_numpy(), LEVEL)).astype(bool),
        HOLM: pd.Series(holm(tests["p"].to_numpy(), LEVEL), index=tests.index),
    }


def _corrected() -> list[Row]:
    tests = printed("table-1").assign(p=lambda table: table["value"].astype(float))
    key = ["network", "measure", "test"]
    rows: list[Row] = []
    for (rule, rejected), item in zip(corrected(tests).items(), ("table-4", "table-5"), strict=True):
        ticks = tests[key].merge(printed(item), on=key, validate="one_to_one")["value"]
        for names, yes, tick in zip(tests[key].itertuples(index=False, name=None), rejected, ticks, strict=True):
            about = {"n_random": 0, "sub_clusters": 0, **dict(zip(key, names, strict=True))}
            rows.append({**about, "rule": rule, "rejected": int(yes), "of": 1, "printed": tick})
    return rows


def _simulated(cell: Cell) -> list[Row]:
    plan = PLANS[cell["profile"]]
    condition = [list(EFFECTS).index(cell["effect"]), TIES.index(cell["ties"])]
    in_thousandths = [round(1000 * float(cell[column])) for column in ("size", "tied")]
    rows: list[Row] = []
    for n_random in plan.n_random:
        for m in plan.sub_clusters:
            rng = np.random.default_rng([int(cell["batch"]), *condition, *in_thousandths, n_random, m])
            above = shifts(cell["effect"], float(cell["size"]), m)
            levels = draw_levels(above, float(cell["tied"]), cell["ties"], n_random, plan.networks, rng)
            for test, function in P_VALUES.items():
                p = function(levels, n_random)
                for rule, values in {ALONE: p, MEDIAN: np.median(p.reshape(-1, REPLICATES), axis=1)}.items():
                    about = {"n_random": n_random, "sub_clusters": m, "network": SIMULATED, "measure": SIMULATED}
                    counts = {"rejected": int((values < LEVEL).sum()), "of": len(values), "printed": ""}
                    rows.append({**about, "test": test, "rule": rule, **counts})
    return rows


EXPERIMENT = Experiment("hypothesis-tests", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, columns=COLUMNS)
