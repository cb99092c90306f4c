"""Parts of an audit that need the weights alone: what the network is, whether it is clusterable, what its modules are.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from modlib.audits.findings import Findings, NotDone
from modlib.audits.subject import WEIGHTS_ALONE, AuditSettings, Subject
from modlib.evidence.sentences import listed, span
from modlib.graphs.kmeans import kmeans_labels
from modlib.graphs.neurons import NeuronGraph
from modlib.graphs.nulls import PAPER_NULLS
from modlib.graphs.shuffles import ShuffleTest, shuffle_tests
from modlib.graphs.spectral import spectral_embedding
from modlib.graphs.weak import decayed_clusters
from modlib.networks.traces import Trace
from modlib.stats import benjamini_hochberg, monte_carlo_interval

OnStep = Callable[[int, int], object]  # of a part: steps done, and steps in all
LEVEL = 0.05  # false discovery rate of every part
ALONE = 0.9  # share of a layer's units in one module from which the layer counts as lying in it


def about(subject: Subject) -> Findings:
    """What the network is: its layers, and how much of it is alive."""
    graph = subject.graph
    live = np.array([len(units) for units in graph.live])
    degrees = np.add.reduceat(np.append(graph.degrees, 0), graph.offsets[:-1]) * (live > 0)
    layers = pd.DataFrame(
        {
            "layer": graph.names,
            "units": graph.sizes,
            "with an edge": live,
            "mean degree": degrees / np.maximum(live, 1),
        }
    )
    possible = sum(graph.sizes[i] * graph.sizes[j] for i, j in graph.edges)
    edges = sum(np.count_nonzero(_dense(block)) for block in graph.edges.values())
    says = [
        f"{len(graph.sizes)} layers of {sum(graph.sizes):,} units, {graph.n_vertices:,} of them with an edge; "
        f"{edges:,} edges, {edges / possible:.1%} of those that adjacent layers could have."
    ]
    tables = {"layers of the graph": layers}
    if subject.network is None:
        says.append(f"Only its weights are read: {WEIGHTS_ALONE}.")
    elif isinstance(subject.network, Trace):
        tables["layers of weights"] = pd.DataFrame(
            [
                {
                    "layer": subject.network.layers[weights.layer].name,
                    "weights": " x ".join(map(str, weights.kernel.shape)),
                    "reads": ", ".join(subject.network.layers[source].name for source in weights.reads),
                    "scaled behind": "no" if weights.gain is None else "yes",
                }
                for weights in subject.network.weights
            ]
        )
    else:
        tables["layers of weights"] = pd.DataFrame(
            {
                "layer": [layer.name for layer in subject.network.layers],
                "weights": [" x ".join(map(str, layer.kernel.shape)) for layer in subject.network.layers],
                "activation": [layer.activation for layer in subject.network.layers],
                "batch norm": ["yes" if layer.batch_norm else "no" for layer in subject.network.layers],
            }
        )
    if subject.inputs is not None:
        shape = subject.inputs.shape[1:] if subject.images is None else subject.images.shape[1:]
        kind, unit = ("inputs", "numbers") if subject.images is None else ("images", "pixels")
        says.append(f"{len(subject.inputs):,} {kind} of {' x '.join(map(str, shape))} {unit} each.")
    if subject.network is not None and subject.inputs is not None and subject.labels is not None:
        right = (subject.network.answers(subject.inputs) == subject.labels).mean()
        says.append(f"It answers {right:.1%} of them right.")
    return Findings((*says, *subject.notes), tables)


def clusterable(subject: Subject, settings: AuditSettings, seed: int, jobs: int, on_step: OnStep) -> Findings:
    """Whether the network can be cut more cheaply than its own weights in other places, at several numbers of modules.

    Raises:
        NotDone: if the graph is too small for any of the numbers.
    """
    graph = subject.graph
    ks = [k for k in settings.ks if 2 * k <= graph.n_vertices]
    if not ks:
        raise NotDone(f"{graph.n_vertices} units with an edge are too few for {settings.ks[0]} modules")
    nulls = PAPER_NULLS if any((block == 0).any() for block in map(_dense, graph.edges.values())) else PAPER_NULLS[:1]
    stable = _stability(graph, ks, settings.n_starts, seed)
    tests: list[ShuffleTest] = []
    total = len(nulls) * settings.n_shuffles
    for number, null in enumerate(nulls):
        on_shuffle = partial(_step, on_step, number * settings.n_shuffles, total)
        tests += shuffle_tests(graph, ks, settings.n_shuffles, seed, null, jobs=jobs, on_shuffle=on_shuffle)
    lines = []
    for test in tests:
        low, high = monte_carlo_interval(test.p, settings.n_shuffles)
        lines.append(
            {
                "null": test.null,
                "k": test.k,
                "n-cut": test.ncut,
                "shuffled": test.shuffled.mean(),
                "sd": test.shuffled.std(ddof=1) if settings.n_shuffles > 1 else np.nan,
                "Z": test.z if settings.n_shuffles > 1 else np.nan,
                "p": test.p,
                "p from": low,
                "p to": high,
                "stability": stable[test.k],
                "layers in one module": _layers_alone(graph, test.labels),
            }
        )
    table = pd.DataFrame(lines)
    table["significant"] = benjamini_hochberg(table["p"].to_numpy(), LEVEL)
    own = table[table["null"] == PAPER_NULLS[0]]
    runs = own["layers in one module"] > len(graph.sizes) / 2
    chosen = own["Z"].fillna(np.inf).where(~runs | bool(runs.all()), np.inf).to_numpy().argmin()
    arrays = {f"labels {test.k}": test.labels for test in tests if test.null == PAPER_NULLS[0]}
    arrays |= {f"shuffled {test.null} {test.k}": test.shuffled for test in tests}
    unmoved = {test.null for test in tests if not test.moved}
    says = [*_said_of_cuts(table, nulls, unmoved), power(len(table), settings.n_shuffles)]
    if decayed := {test.k: n for test in tests if (n := decayed_clusters(graph, test.labels))}:
        each = listed([f"{n} of {k}" for k, n in decayed.items()])
        says.append(
            f"But {each} modules are neurons whose weights have all decayed to next to nothing, as with an L2 penalty, "
            "and cost about 1 each: set such weights to 0, which leaves these neurons out."
        )
    if left_out := [str(k) for k in settings.ks if k not in ks]:
        says.append(
            f"{listed(left_out)} modules were not tested: there are {graph.n_vertices} units with an edge, fewer than "
            "two each."
        )
    return Findings(tuple(says), {"shuffle tests": table}, arrays | {"k": np.array(ks[chosen])})


def modules(subject: Subject, found: Mapping[str, Findings]) -> Findings:
    """The modules of the best cut: how large they are, how much of their weight stays inside, where they lie."""
    graph, cuts = subject.graph, found["clusterable"]
    k = int(cuts.arrays["k"])
    labels = cuts.arrays[f"labels {k}"]
    names = graph.names
    counts = np.zeros((k, len(graph.sizes)), dtype=int)
    np.add.at(counts, (labels, graph.layer), 1)
    inside = _weight_inside(graph, labels, k)
    table = pd.DataFrame({"module": np.arange(k), "units": counts.sum(axis=1), "weight inside": inside})
    by_layer = pd.DataFrame({"layer": names} | {f"module {module}": counts[module] for module in range(k)})
    units = graph.table(labels).drop(columns="unit").rename(columns={"index": "unit", "cluster": "module"})
    own = cuts.tables["shuffle tests"]
    has_z = own.loc[(own["k"] == k) & (own["null"] == PAPER_NULLS[0]), "Z"].notna().any()
    why = "has the lowest Z of the numbers tried, runs of layers left aside" if has_z else "is taken, as none has a Z"
    says = [
        f"k = {k} {why}; the parts below use its modules.",
        f"Of a module's weight {span(inside, '.0%')} stays inside it.",
    ]
    if (alone := _layers_alone(graph, labels)) > len(graph.sizes) / 2:
        says.append(
            f"But {alone} of {len(graph.sizes)} layers lie in one module (at least {ALONE:.0%} of their units): these "
            "are runs of layers, and no shuffle within layers can say whether they are modules."
        )
    return Findings(tuple(says), {"modules": table, "units by layer": by_layer, "units": units}, {"labels": labels})


def power(n_tests: int, n_random: int) -> str:
    """What the smallest possible p-value allows, in words."""
    needed = max(1, int(np.ceil(n_tests / (n_random + 1) / LEVEL)))
    if needed > n_tests:
        together = "is too large for any of them to count: ask for more draws"
    else:
        together = "can stand alone" if needed == 1 else f"counts only if {needed} of them are as small"
    least = 1 / (n_random + 1)
    return f"{n_tests} tests; with {n_random} draws each the smallest p-value is {least:.3f}, which {together}."


def _step(on_step: OnStep, before: int, total: int, done: int) -> None:
    on_step(before + done, total)


def _stability(graph: NeuronGraph, ks: Sequence[int], n_starts: int, seed: int) -> dict[int, float]:
    """Mean adjusted Rand index of clusterings from other k-means starts, by k."""
    from sklearn.metrics import adjusted_rand_score

    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence([seed, 1]).spawn(n_starts)]
    embedding = spectral_embedding(graph, max(ks), rng=np.random.default_rng(seed))
    stable = {}
    for k in ks:
        partitions = [kmeans_labels(embedding[:, :k], k, rng) for rng in rngs]
        stable[k] = float(np.mean([adjusted_rand_score(*pair) for pair in combinations(partitions, 2)]))
    return stable


def _layers_alone(graph: NeuronGraph, labels: np.ndarray) -> int:
    """How many layers lie in one module."""
    of_layers = (labels[graph.layer == layer] for layer in range(len(graph.sizes)))
    return sum(bool(units.size) and np.bincount(units).max() >= ALONE * units.size for units in of_layers)


def _weight_inside(graph: NeuronGraph, labels: np.ndarray, k: int) -> np.ndarray:
    """Share of the degrees of every module that its own edges make up, (k,)."""
    volume = np.bincount(labels, graph.degrees, k)
    inside = np.zeros(k)
    for row, column, weight in _edges(graph):
        same = labels[row] == labels[column]
        inside += np.bincount(labels[row[same]], 2 * weight[same], k)
    return inside / volume


def _edges(graph: NeuronGraph) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ends and weights of all edges, a pair of layers at a time."""
    for (i, j), block in graph.edges.items():
        dense = _dense(block)
        row, column = np.nonzero(dense)
        yield row + graph.offsets[i], column + graph.offsets[j], dense[row, column]


def _dense(block: object) -> np.ndarray:
    return block if isinstance(block, np.ndarray) else block.toarray()  # type: ignore[attr-defined]


def _said_of_cuts(table: pd.DataFrame, nulls: Sequence[str], unmoved: Collection[str]) -> tuple[str, ...]:
    says = []
    for null in nulls:
        if null in unmoved:
            says.append(f"Not told: a {null} shuffle leaves this network as it is, for what it exchanges is all alike.")
            continue
        rows = table[table["null"] == null]
        below = rows[rows["significant"]]
        ks = ", ".join(map(str, below["k"]))
        if null == "layer" and below.empty:
            says.append("No: at no number of modules is its cut cheaper than those of its own weights in other places.")
        elif null == "layer":
            says.append(f"Yes, at k = {ks}: it is cheaper to cut than its own weights in other places.")
        else:
            where = "at no number of modules" if below.empty else f"at k = {ks}"
            says.append(f"With its zeros left where they are, it is cheaper {where}.")
    if len(nulls) == 1:
        says.append("No weight between live units is zero, so shuffling the non-zero ones would be the same test.")
    loose = table[(table["null"] == nulls[0]) & (table["stability"] < 0.8)]
    if not loose.empty:
        ks = ", ".join(map(str, loose["k"]))
        says.append(f"At k = {ks} other random starts give other modules (stability below 0.8): trust no single unit.")
    return tuple(says)
