"""What may arrive at a public function: arguments that are nearly right, and anything else."""

import datetime
import fractions
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from fuzz.choices import Choices, Make, just, lists, one_of, whole, words

from modlib.data import Images
from modlib.errors import ModlibError
from modlib.graphs import NeuronGraph, SubCluster, neuron_graph
from modlib.masks import Mask
from modlib.networks import Network, from_arrays

SPECIAL = [0.0, -0.0, 1.0, 2.0, 3.0, 0.5, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e300, 1e-320, 1e-8]
WHOLE = [0, 1, 2, 3, -1, 2**31, 2**40, 2**63, 2**64, 10**30, -(10**30)]
TEXTS = ["", "2", "nan", "layer", "digits", "small", "simple", "ünknown\n[/b]", "' + 1 #"]
FUNCTIONS = {"draw"}  # the caller's own, and so are their errors
FORMATS = ["csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "dia_array", "bsr_array", "csr_matrix"]
DTYPES = ["f8", "f4", "f2", "longdouble", "i8", "i1", "u1", "u8", "?", "c16", "M8[D]", "m8[s]", "U3", "S2", "O"]
OF_NUMPY = [np.float16(2), np.longdouble(2), np.int8(2), np.bool_(True), np.float64("nan"), np.datetime64("NaT")]

seeds = whole(0, 50)
few = whole(1, 4)
widths = lists(whole(1, 6), 2, 4)
shares = words([0.5, 0.0, 0.01, 0.05, 0.95, 1.0])
scales = words([1.0, 1.0, 1.0, 1e-300, 1e-150, 1e150, 1e300])
flags = words([False, True])


def generators(choose: Choices) -> np.random.Generator:
    return np.random.default_rng(seeds(choose))


scalars = one_of(
    just(None), flags, words(SPECIAL), words(WHOLE), words(TEXTS), words(OF_NUMPY), just(datetime.date(2026, 1, 2)),
    just(fractions.Fraction(5, 2)), just(2j), just(b"2"), lambda choose: object(), just(len), just(int),
    just(Path("nowhere")), just(...), just(slice(1)),
)  # fmt: skip


def arrays(choose: Choices, masked: bool = True) -> Any:
    """An array of any type and shape, zero sides included, of numbers that are often special."""
    shape = [choose(5) for _ in range(choose(5))]
    values = np.array([SPECIAL[choose(len(SPECIAL))] for _ in range(4)])
    with np.errstate(all="ignore"):
        found = np.resize(values if flags(choose) else np.abs(np.nan_to_num(values, posinf=1)), shape)
        dtype = DTYPES[choose(len(DTYPES))]
        if dtype in ("f2", "f4", "f8", "longdouble", "c16"):
            array = found.astype(dtype)
        else:
            array = np.full(shape, None) if dtype == "O" else np.nan_to_num(found).astype("i8").astype(dtype)
    form = words(["array", "array", "list", "sparse", "tensor", *["masked"] * masked])(choose)
    try:
        if form == "list":
            return array.tolist()
        if form == "sparse":
            return getattr(sp, words(FORMATS)(choose))(array)
        if form == "tensor":
            return torch.as_tensor(array).requires_grad_(array.dtype.kind == "f")
        return np.ma.masked_invalid(array) if form == "masked" else array
    except (TypeError, ValueError, RuntimeError):  # there is no such sparse matrix or tensor
        return array


def of_other_libraries(choose: Choices) -> Any:
    """Arrays and modules that are nearly those of NumPy, SciPy and PyTorch."""
    makes: list[Callable[[], Any]] = [
        lambda: torch.nn.Linear(2, 2),
        lambda: torch.nn.ReLU(),
        lambda: torch.eye(2, dtype=torch.bfloat16),
        lambda: torch.eye(2).to_sparse(),
        lambda: torch.eye(2, device="meta"),
        lambda: np.matrix([[1, 2], [3, 4]]),
        lambda: np.zeros(2, dtype=[("a", "f8")]),
        lambda: pd.Series([1.0, 2.0]),
        lambda: pd.DataFrame({"a": [1.0, 2.0]}),
    ]
    torch.manual_seed(0)
    return makes[choose(len(makes))]()


anything = one_of(
    scalars,
    arrays,
    lists(scalars, 0, 3),
    lists(lambda choose: arrays(choose, masked=False), 0, 3),
    lambda choose: {words(["w", "0.weight", 1])(choose): arrays(choose) for _ in range(choose(3))},
    lambda choose: words([{1, 2}, range(3), iter(()), {1: 2}.keys(), (1, (2, 3))])(choose),
    of_other_libraries,
)


def calls(choose: Choices, arguments: Mapping[Any, Make[Any]]) -> dict[str, Any]:
    """Arguments for a call, of which up to two are anything at all.

    A maker for a tuple of names returns a tuple of values, which belong together.
    """
    given: dict[str, Any] = {}
    for names, make in arguments.items():
        given |= {names: make(choose)} if isinstance(names, str) else dict(zip(names, make(choose), strict=True))
    names = sorted(given.keys() - FUNCTIONS)
    for _ in range((0, 0, 1, 2)[choose(4)]):
        given[words(names)(choose)] = anything(choose)
    return given


def numbers(*shape: int, least: float | None = None, whole: int | None = None) -> Make[np.ndarray]:
    """An array of ordinary numbers; or of whole numbers below ``whole``."""

    def make(choose: Choices) -> np.ndarray:
        rng = generators(choose)
        if whole is not None:
            return rng.integers(whole, size=shape)
        values = rng.normal(size=shape) if least is None else rng.random(shape)
        values *= rng.random(shape) < (1.0, 0.8, 0.3)[choose(3)]  # zeros are where things go wrong
        with np.errstate(over="ignore"):
            found = (values * scales(choose)).astype(("f8", "f8", "f8", "f4", "i8")[choose(5)])
        return np.abs(found) if least is not None else found  # the largest of i8 has no opposite

    return make


def chains(choose: Choices, sparse: bool = True) -> list[Any]:
    """Weight matrices that chain."""
    sides, rng = widths(choose), generators(choose)
    weights = []
    for fan_in, fan_out in pairwise(sides):
        matrix = 2 * rng.normal(size=(fan_in, fan_out)) * (rng.random((fan_in, fan_out)) < shares(choose))
        dtype = ("f8", "f4", "f2", "i1", "f8")[choose(5)]
        weights.append(matrix.astype(dtype) if choose(2) == 0 else matrix * scales(choose))
    if sparse and flags(choose):  # SciPy has no sparse half precision
        wide = [matrix.astype("f4") if matrix.dtype == np.float16 else matrix for matrix in weights]
        return [getattr(sp, words(FORMATS)(choose))(matrix) for matrix in wide]
    return weights


def kernels(choose: Choices) -> list[Any]:
    return chains(choose, sparse=False)


def graphs(choose: Choices) -> NeuronGraph:
    """Layered graphs with some live neuron."""
    for _ in range(5):
        try:
            return neuron_graph(chains(choose))
        except ModlibError:
            continue
    return neuron_graph([np.ones((2, 2))])


def adjacencies(choose: Choices) -> Any:
    """A layered graph, or a symmetric matrix, dense or sparse."""
    if flags(choose):
        return graphs(choose)
    n = whole(1, 8)(choose)
    half = np.triu(np.abs(numbers(n, n)(choose)), choose(2))
    matrix = half + half.T
    return getattr(sp, words(FORMATS)(choose))(matrix) if flags(choose) else matrix


def graph_and_embedding(choose: Choices) -> tuple[NeuronGraph, np.ndarray]:
    graph = graphs(choose)
    return graph, numbers(graph.n_vertices, 2)(choose)


def graph_and_labels(choose: Choices) -> tuple[Any, np.ndarray]:
    graph = adjacencies(choose)
    n = graph.n_vertices if isinstance(graph, NeuronGraph) else graph.shape[0]
    return graph, numbers(n, whole=3)(choose)


def similarities(n: int | None = None) -> Make[np.ndarray]:
    """A symmetric matrix that is not negative."""

    def make(choose: Choices) -> np.ndarray:
        side = n or whole(1, 7)(choose)
        half = np.abs(numbers(side, side)(choose).astype(float))
        return np.maximum(half, half.T)

    return make


def partitions(choose: Choices) -> np.ndarray:
    return numbers(whole(1, 7)(choose), whole=3)(choose) - 1


def p_values(choose: Choices) -> np.ndarray:
    return np.array(lists(whole(1, 10), 1, 6)(choose)) / 10


def samples(choose: Choices) -> np.ndarray:
    return numbers(choose(7))(choose)


def networks(choose: Choices) -> Network:
    """Perceptrons of four inputs and three outputs, some of them pruned."""
    rng, density = generators(choose), (1.0, 0.2)[choose(2)]
    sides = [4, *lists(whole(2, 5), 0, 2)(choose), 3]
    return from_arrays([rng.normal(size=s) * (rng.random(s) < density) for s in pairwise(sides)])


def parts(choose: Choices) -> SubCluster:
    """Sub-clusters of the first hidden layer, which has two units at least."""
    return SubCluster(1, 0, np.array([choose(2)]), np.arange(2), 2)


def masks(choose: Choices) -> Mask:
    """Masks over one parameter of six weights."""
    return Mask({"w": numbers(2, 3, whole=2)(choose).astype(bool)}, "aab"[choose(3)])


def images(choose: Choices) -> Images:
    """A small data set of grey squares."""
    side = (1, 2, 3, 4, 8)[choose(5)]
    x = generators(choose).random((5, side * side), dtype=np.float32)
    y = numbers(5, whole=10)(choose).astype(np.int32)
    return Images("made-up", x, y, x[:2], y[:2], "checksum")


def matrices(choose: Choices) -> Any:
    """One weight matrix, or a kernel of four sides."""
    return numbers(2, 3, 1, 2)(choose) if choose(4) == 3 else chains(choose)[0]


def kernels_and_biases(choose: Choices) -> tuple[list[Any], list[Any]]:
    found = kernels(choose)
    return found, [numbers(kernel.shape[1])(choose) for kernel in found]


def kernels_and_tags(choose: Choices) -> tuple[list[Any], list[np.ndarray]]:
    """With a cluster for every unit of a hidden layer."""
    found = kernels(choose)
    return found, [numbers(kernel.shape[1], whole=2)(choose) for kernel in found[:-1]]


def halves(choose: Choices) -> np.ndarray:
    return numbers((1, 2, 4, 8, 9, 32)[choose(6)])(choose)
