"""A figure to play with: planted modules that fade, any number of clusters, and the shuffles beside them.

All that it shows is computed beforehand; a script in the page only chooses. Chapter: ``clusterability``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.errors import ModlibWarning
from modlib.graphs import ShuffleTest, neuron_graph, shuffle_test
from modlib.networks import planted_weights
from modlib.plots import PALETTE

if TYPE_CHECKING:
    from IPython.display import HTML

WIDTHS, GROUPS = (12, 16, 16, 8), 4
STRENGTHS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
KS = (2, 3, 4, 5, 6)
WIDE, HIGH = 340, 340  # of the drawing, in units of its view box
DARK = {"#0072B2", "#000000", "#D55E00"}  # colours on which white is read
TEMPLATE = Path(__file__).with_name("fading.html.jinja")


def precomputed(n_shuffles: int, seed: int, strengths: Sequence[float] = STRENGTHS) -> dict[str, Any]:
    """Clusters, n-cuts and shuffles of one network, for every strength between its groups and every number of clusters.

    Within a group |w| is uniform in [0.5, 1]; between groups the same weights are multiplied by the strength.

    Args:
        n_shuffles: for each of them.
        seed: decides all.
        strengths: of the weights between groups, as shares.

    Returns:
        What the page's script reads: ``strengths``, ``ks``, ``places`` of the neurons, and by strength ``edges`` (two
        neurons and a weight) and ``found`` (by k: ``labels``, ``ncut``, ``shuffled``, ``blind``).
    """
    kernels, groups = planted_weights(WIDTHS, GROUPS, seed, outside=0.0)
    rng = np.random.default_rng(seed)
    full = [np.where(kernel != 0, np.abs(kernel), rng.uniform(0.5, 1, kernel.shape)) for kernel in kernels]
    starts = np.cumsum([0, *WIDTHS])
    edges, found = [], []
    for strength in strengths:
        weights = [
            np.where(left[:, None] == right, kernel, strength * kernel)
            for kernel, left, right in zip(full, groups[:-1], groups[1:], strict=True)
        ]
        edges.append(
            [
                [int(starts[layer] + a), int(starts[layer + 1] + b), round(float(kernel[a, b]), 2)]
                for layer, kernel in enumerate(weights)
                for a, b in np.argwhere(kernel > 0)
            ]
        )
        graph = neuron_graph(weights)
        with warnings.catch_warnings():  # the page says itself where a test is blind
            warnings.simplefilter("ignore", ModlibWarning)
            tests = [shuffle_test(graph, k, n_shuffles, seed) for k in KS]
        found.append([_shown(test) for test in tests])
    places = [
        [round(20 + WIDE * layer / (len(WIDTHS) - 1), 1), round(20 + HIGH * (unit + 0.5) / width, 1)]
        for layer, width in enumerate(WIDTHS)
        for unit in range(width)
    ]
    return {"strengths": list(strengths), "ks": list(KS), "places": places, "edges": edges, "found": found}


def _shown(test: ShuffleTest) -> dict[str, Any]:
    shuffled = np.round(test.shuffled, 4).tolist()
    return {"labels": test.labels.tolist(), "ncut": test.ncut, "shuffled": shuffled, "blind": test.blind}


def explorable(n_shuffles: int = 19, seed: int = 0) -> HTML:
    """The figure, with two sliders that work by mouse, touch and keyboard.

    Args:
        n_shuffles: for every strength and number of clusters.
        seed: decides all.
    """
    from IPython.display import HTML
    from jinja2 import Environment, StrictUndefined

    page = Environment(undefined=StrictUndefined, autoescape=False).from_string(TEMPLATE.read_text(encoding="utf-8"))
    colours = [(colour, "#FFFFFF" if colour in DARK else "#000000") for colour in PALETTE[: max(KS)]]
    return HTML(
        page.render(
            id="planted-modules",
            data=json.dumps(precomputed(n_shuffles, seed)),
            colours=json.dumps(colours),
            strengths=STRENGTHS,
            ks=KS,
            start=KS.index(GROUPS),
        )
    )
