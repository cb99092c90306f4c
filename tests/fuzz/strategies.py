"""What may arrive at a public function: arguments that are nearly right, and anything else."""

import datetime
import fractions
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import assume, strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from modlib.data import Images
from modlib.errors import ModlibError
from modlib.graphs import NeuronGraph, SubCluster, neuron_graph
from modlib.masks import Mask
from modlib.networks import Network, from_arrays

SPECIAL = [0.0, -0.0, 1.0, 2.0, 3.0, 0.5, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e300, 1e-320, 1e-8]
WHOLE = [-1, 0, 1, 2, 3, 2**31, 2**40, 2**63, 2**64, 10**30, -(10**30)]
TEXTS = ["", "2", "nan", "layer", "digits", "small", "simple", "ünknown\n[/b]", "' + 1 #"]
FUNCTIONS = {"draw"}  # the caller's own, and so are their errors
FORMATS = ["csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "dia_array", "bsr_array", "csr_matrix"]
DTYPES = ["f2", "f4", "f8", "longdouble", "i1", "u1", "i8", "u8", "?", "c16", "M8[D]", "m8[s]", "U3", "S2", "O"]

seeds = st.integers(0, 50)
generators = seeds.map(np.random.default_rng)
few = st.integers(1, 4)
widths = st.lists(st.integers(1, 6), min_size=2, max_size=4)
shares = st.sampled_from([0.0, 0.01, 0.05, 0.5, 0.95, 1.0])
scales = st.sampled_from([1.0, 1.0, 1.0, 1e-300, 1e-150, 1e150, 1e300])
flags = st.booleans()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(SPECIAL),
    st.sampled_from(WHOLE),
    st.sampled_from(TEXTS),
    st.sampled_from(
        [np.float16(2), np.longdouble(2), np.int8(2), np.bool_(True), np.float64("nan"), np.datetime64("NaT")]
    ),
    st.just(datetime.date(2026, 1, 2)),
    st.just(fractions.Fraction(5, 2)),
    st.just(2j),
    st.just(b"2"),
    st.builds(object),
)


@st.composite
def arrays(draw: DrawFn, masked: bool = True) -> Any:
    """An array of any type and shape, zero sides included, of numbers that are often special."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    values = np.array(draw(st.lists(st.sampled_from(SPECIAL), min_size=4, max_size=4)))
    with np.errstate(all="ignore"):
        found = np.resize(values if draw(flags) else np.abs(np.nan_to_num(values, posinf=1)), shape)
        dtype = draw(st.sampled_from(DTYPES))
        array = np.full(shape, None) if dtype == "O" else np.nan_to_num(found).astype("i8").astype(dtype)
        array = found.astype(dtype) if dtype in ("f2", "f4", "f8", "longdouble", "c16") else array
    form = draw(st.sampled_from(["array", "array", "list", "sparse", "tensor", *["masked"] * masked]))
    try:
        if form == "list":
            return array.tolist()
        if form == "sparse":
            return getattr(sp, draw(st.sampled_from(FORMATS)))(array)
        if form == "tensor":
            return torch.as_tensor(array).requires_grad_(array.dtype.kind == "f")
        return np.ma.masked_invalid(array) if form == "masked" else array
    except (TypeError, ValueError, RuntimeError):  # there is no such sparse matrix or tensor
        return array


anything = st.one_of(
    scalars,
    arrays(),
    st.lists(scalars, max_size=3),
    st.lists(arrays(masked=False), max_size=3),
    st.dictionaries(st.sampled_from(["w", "0.weight", 1]), arrays(), max_size=2),
    st.just({1, 2}),
    st.just(torch.nn.Linear(2, 2)),
    st.just(torch.nn.ReLU()),
)


@st.composite
def calls(draw: DrawFn, arguments: Mapping[str, SearchStrategy[Any]]) -> dict[str, Any]:
    """Arguments for a call, of which up to two are anything at all."""
    wrong = draw(st.sets(st.sampled_from(sorted(arguments.keys() - FUNCTIONS)), max_size=2))
    return {name: draw(anything if name in wrong else right) for name, right in arguments.items()}


@st.composite
def numbers(draw: DrawFn, *shape: int, least: float | None = None, whole: int | None = None) -> np.ndarray:
    """An array of ordinary numbers, from a seed; or whole numbers below ``whole``."""
    rng = np.random.default_rng(draw(seeds))
    if whole is not None:
        return rng.integers(whole, size=shape)
    values = rng.normal(size=shape) if least is None else rng.random(shape)
    values *= rng.random(shape) < draw(st.sampled_from([0.3, 0.8, 1.0]))  # zeros are where things go wrong
    with np.errstate(over="ignore"):
        return (values * draw(scales)).astype(draw(st.sampled_from(["f8", "f8", "f4"])))


@st.composite
def chains(draw: DrawFn, sparse: bool = True) -> list[Any]:
    """Weight matrices that chain."""
    sides, rng = draw(widths), np.random.default_rng(draw(seeds))
    weights = []
    for fan_in, fan_out in pairwise(sides):
        matrix = rng.normal(size=(fan_in, fan_out)) * (rng.random((fan_in, fan_out)) < draw(shares))
        weights.append(matrix.astype(draw(st.sampled_from(["f8", "f4", "f2", "i1"]))) * np.float64(draw(scales)))
    if sparse and draw(flags):
        return [getattr(sp, draw(st.sampled_from(FORMATS)))(matrix) for matrix in weights]
    return weights


@st.composite
def graphs(draw: DrawFn) -> NeuronGraph:
    """Layered graphs with some live neuron."""
    try:
        return neuron_graph(draw(chains()))
    except ModlibError:
        assume(False)
        raise


@st.composite
def adjacencies(draw: DrawFn) -> Any:
    """A layered graph, or a symmetric matrix, dense or sparse."""
    if draw(flags):
        return draw(graphs())
    n = draw(st.integers(1, 8))
    half = np.triu(np.abs(draw(numbers(n, n))), draw(st.sampled_from([0, 1])))
    matrix = half + half.T
    return getattr(sp, draw(st.sampled_from(FORMATS)))(matrix) if draw(flags) else matrix


@st.composite
def similarities(draw: DrawFn, n: int | None = None) -> np.ndarray:
    """A symmetric matrix that is not negative."""
    n = n or draw(st.integers(1, 7))
    half = np.abs(draw(numbers(n, n)).astype(float))
    return np.maximum(half, half.T)


partitions = st.integers(1, 7).flatmap(lambda n: numbers(n, whole=3)).map(lambda labels: labels - 1)
kernels = chains(sparse=False)
p_values = st.lists(st.integers(1, 10), min_size=1, max_size=6).map(lambda ranks: np.array(ranks) / 10)
samples = st.integers(0, 6).flatmap(numbers)


@st.composite
def networks(draw: DrawFn) -> Network:
    """Perceptrons of four inputs and three outputs, some of them pruned."""
    rng, density = np.random.default_rng(draw(seeds)), draw(st.sampled_from([0.2, 1.0]))
    hidden = draw(st.lists(st.integers(2, 5), max_size=2))
    sides = [4, *hidden, 3]
    weights = [rng.normal(size=s) * (rng.random(s) < density) for s in pairwise(sides)]
    return from_arrays(weights)


@st.composite
def parts(draw: DrawFn) -> SubCluster:
    """Sub-clusters of the first hidden layer, which has two units at least."""
    return SubCluster(1, 0, np.array([draw(st.integers(0, 1))]), np.arange(2), 2)


@st.composite
def masks(draw: DrawFn) -> Mask:
    """Masks over one parameter of six weights."""
    return Mask({"w": draw(numbers(2, 3, whole=2)).astype(bool)}, draw(st.sampled_from(["a", "a", "b"])))


@st.composite
def images(draw: DrawFn) -> Images:
    """A small data set of grey squares."""
    side = draw(st.sampled_from([1, 2, 3, 4, 8]))
    x = np.random.default_rng(draw(seeds)).random((5, side * side), dtype=np.float32)
    y = draw(numbers(5, whole=10)).astype(np.int32)
    return Images("made-up", x, y, x[:2], y[:2], "checksum")
