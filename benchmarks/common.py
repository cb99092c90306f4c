"""What the benchmarks share: one thread, a network to measure, a table that is printed and stored."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from sklearn.cluster import SpectralClustering
from threadpoolctl import threadpool_limits

from modlib.files import replace_file
from modlib.graphs import N_INIT, NeuronGraph, ncut, neuron_graph
from modlib.tables import describe_run
from modlib.training import magnitude_mask

Row: TypeAlias = dict[str, float | str]

FOLDER = Path(__file__).parent

threadpool_limits(1)  # both sides of a ratio run on one thread


def random_network(widths: Sequence[int], sparsity: float, rng: np.random.Generator) -> NeuronGraph:
    """Graph of a random network, its smallest weights pruned."""
    weights = [rng.normal(size=shape) for shape in itertools.pairwise(widths)]
    return neuron_graph([w * magnitude_mask(w, sparsity) if sparsity else w for w in weights])


def scikit_learn(graph: NeuronGraph, k: int, seed: int, n_init: int = N_INIT) -> float:
    """n-cut by scikit-learn, with the settings of the papers' authors."""
    model = SpectralClustering(k, affinity="precomputed", eigen_solver="arpack", n_init=n_init, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = model.fit(graph.adjacency).labels_
    return ncut(graph.adjacency, labels)


def of_each(
    names: Iterable[str], file: str, run: Callable[[str], object], measured: Callable[[str], Row]
) -> pd.DataFrame:
    """What is measured of every network, and the most memory that a run of it needs, in a process of its own.

    Called with a name, a benchmark is that process, which prints the memory and ends.
    """
    if len(sys.argv) > 1:
        run(sys.argv[1])
        (most,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(most.split()[1]) / 1024)
        sys.exit()
    rows = []
    for name in names:
        alone = subprocess.run([sys.executable, file, name], capture_output=True, check=True, text=True)
        rows.append({**measured(name), "MB": float(alone.stdout.split()[-1])})
    return pd.DataFrame(rows)


def store(name: str, table: pd.DataFrame, by: Sequence[str] = ()) -> None:
    """Print a table and replace benchmarks/NAME.csv, or of its lines those that are the same ``by`` some columns."""
    about, path = describe_run("benchmark"), FOLDER / f"{name}.csv"
    table = table.assign(date=about["date"], commit=about["commit"][:7], cpu=about["cpu"])
    lines = table
    if by:
        known = pd.read_csv(path, dtype=str, keep_default_na=False)  # written again digit by digit
        lines = pd.concat([known, table]).drop_duplicates(list(by), keep="last")
    replace_file(path, lines.to_csv(index=False))
    print(table.drop(columns=["date", "commit", "cpu"]).to_string(index=False, float_format="{:.3f}".format))
