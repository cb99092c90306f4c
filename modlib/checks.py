"""What may come in at the door of a public function: checked in one place, said in the same words everywhere.

A check takes what arrived and the name of its argument. It returns the value as the library computes with it, or raises
an ``InputError`` that says what arrived, what was expected and what to do. Chapter: none; every measure begins with it.
"""

from __future__ import annotations

import math
import numbers
import os
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from modlib.errors import InputError, nearest

T = TypeVar("T")
LARGEST = 2**31 - 1  # of counts: what is larger is a slip
LARGEST_SEED = 2**63 - 1  # that NumPy and PyTorch both take
REAL = "buif"  # kinds of dtype that are real numbers
SCALED_DOWN = 2.0**-100  # makes sums of any finite numbers finite; a power of two leaves their digits as they are
UNPLACED = -1  # label of a unit in no cluster, community or module
SHOWN = 60  # characters of a value in a message
LONGEST_NAME = 255  # bytes of the name of a file or folder, on all usual file systems


def whole(value: Any, name: str, least: int = 1, most: int = LARGEST) -> int:
    """A whole number; 2.0 is one, True is none.

    Raises:
        InputError: if it is no whole number from ``least`` to ``most``.

    >>> whole(2.0, "k")
    2
    """
    found = _number(value)
    if math.isnan(found) or found % 1 != 0 or not least <= found <= most:
        limit = f" and at most {most}" if most != LARGEST or found > most else ""
        raise InputError(f"{name} = {arrived(value)} arrived; expected a whole number of at least {least}{limit}")
    return int(found)


def real(
    value: Any,
    name: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """A finite real number within bounds: ``least`` and ``most`` belong to them, ``above`` and ``below`` do not.

    Raises:
        InputError: if it is none.

    >>> real(1, "level", above=0, most=1)
    1.0
    """
    found = _number(value)
    if not (math.isfinite(found) and least <= found <= most and above < found < below):
        raise InputError(
            f"{name} = {arrived(value)} arrived; expected a finite number{_bounds(least, most, above, below)}"
        )
    return float(found)


def flag(value: Any, name: str) -> bool:
    """True or False, of Python or NumPy.

    Raises:
        InputError: if it is neither.

    >>> flag(np.True_, "stacked")
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} = {arrived(value)} arrived; expected True or False")
    return bool(value)


def choice(value: Any, known: Collection[str], name: str) -> str:
    """One of some names.

    Raises:
        InputError: if it is none of them, with the one that was probably meant.

    >>> choice("layer", ("layer", "layer-nonzero"), "null")
    'layer'
    """
    if not isinstance(value, str) or value not in known:
        wanted = nearest(value, known) if isinstance(value, str) else f"expected one of {', '.join(sorted(known))}"
        raise InputError(f"{name} = {arrived(value)} arrived; {wanted}")
    return value


def seed_number(value: Any, name: str = "seed") -> int:
    """A whole number from 0 to 2^63 - 1, which decides all that is random.

    Raises:
        InputError: if it is none.

    >>> seed_number(0)
    0
    """
    if isinstance(value, np.random.Generator):
        raise InputError(f"{name} = {arrived(value)} arrived; expected a whole number that seeds it, such as 0")
    return whole(value, name, least=0, most=LARGEST_SEED)


def generator(value: Any) -> np.random.Generator:
    """A random generator of NumPy.

    Raises:
        InputError: if it is none.

    >>> generator(np.random.default_rng(0)).integers(10)
    np.int64(8)
    """
    return instance(value, np.random.Generator, "rng", "pass numpy.random.default_rng(0), or another seed")


def generator_of(value: Any) -> np.random.Generator:
    """The random generator of a seed; a generator is taken as it is.

    Raises:
        InputError: if it is neither.

    >>> generator_of(0).integers(10)
    np.int64(8)
    """
    if isinstance(value, np.random.Generator):
        return value
    return np.random.default_rng(seed_number(value))


def instance(value: Any, kind: type[T], name: str, remedy: str) -> T:
    """An object of a class.

    Raises:
        InputError: if it is of another one; the message ends with the remedy.

    >>> instance(1.5, float, "rate", "pass a float")
    1.5
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} = {arrived(value)} arrived; expected a {kind.__name__}: {remedy}")
    return value


def function(value: Any, name: str, remedy: str) -> Callable[..., Any]:
    """Something that can be called.

    Raises:
        InputError: if it is nothing of the kind; the message ends with the remedy.

    >>> function(len, "loss", "pass a function of outputs and targets")
    <built-in function len>
    """
    if not callable(value):
        raise InputError(f"{name} = {arrived(value)} arrived; expected a function: {remedy}")
    return value


def path(value: Any, name: str) -> Path:
    """Where a file or folder is, by a text or a ``pathlib.Path``.

    Raises:
        InputError: if it is neither, or no file can have that name.

    >>> path("a/report.html", "path").name
    'report.html'
    """
    if not isinstance(value, str | Path):
        raise InputError(f"{name} = {arrived(value)} arrived; expected a path: pass a text or a pathlib.Path")
    if "\0" in str(value) or any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(value).parts):
        raise InputError(
            f"{name} = {arrived(value)} arrived; expected names of at most {LONGEST_NAME} bytes, none of them zero"
        )
    return Path(value)


def mapping(value: Any, name: str, remedy: str) -> Mapping[Any, Any]:
    """A dictionary, or what else has values by key.

    Raises:
        InputError: if it is none; the message ends with the remedy.

    >>> mapping({1: [0]}, "lesioned", "pass {layer: units}")
    {1: [0]}
    """
    if not isinstance(value, Mapping) or sp.issparse(value):  # a matrix by its entries is a dictionary to Python
        raise InputError(f"{name} = {arrived(value)} arrived; expected a dictionary: {remedy}")
    return value


def items(value: Any, name: str, least: int = 1) -> list[Any]:
    """A list, a tuple, or whatever else is in an order, as a list; a text is none.

    Raises:
        InputError: if it is no such thing, or has fewer than ``least`` items.

    >>> items((8, 6, 4), "widths", least=2)
    [8, 6, 4]
    """
    ordered = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if isinstance(value, np.ndarray):
        ordered = value.ndim > 0
    if not ordered or len(value) < least:
        size = f" with at least {least} in it" if least else ""
        raise InputError(f"{name} = {arrived(value)} arrived; expected a list{size}")
    return list(value)


def wholes(value: Any, name: str, least: int = 1, length: int = 1) -> list[int]:
    """A list of whole numbers of at least ``least``, and at least ``length`` of them.

    Raises:
        InputError: if it is none.

    >>> wholes((8, 6.0), "widths")
    [8, 6]
    """
    return [whole(item, f"{name}[{i}]", least) for i, item in enumerate(items(value, name, length))]


def store(settings: object, check: Callable[..., Any], *names: str, **limits: int) -> None:
    """Check fields of a frozen dataclass, and store what the check returns: 3.0 becomes 3, and a list a tuple.

    Real numbers are checked without it: a cached network is named by what arrived, 1 or 1.0.

    Args:
        settings: the dataclass.
        check: such as ``whole``.
        names: of the fields.
        limits: of the check.

    Raises:
        InputError: as the check.

    >>> from types import SimpleNamespace
    >>> settings = SimpleNamespace(steps=3.0)
    >>> store(settings, whole, "steps")
    >>> settings
    namespace(steps=3)
    """
    for name in names:
        found = check(getattr(settings, name), name, **limits)
        object.__setattr__(settings, name, tuple(found) if isinstance(found, list) else found)


def array(
    value: Any,
    name: str,
    *shapes: Sequence[str | int],
    least: float = -math.inf,
    most: float = math.inf,
    dtype: type | None = None,
) -> np.ndarray:
    """A dense array of finite real numbers, none of its sides 0.

    Args:
        value: an array, a tensor, or nested lists.
        name: of the argument.
        shapes: of which it must have one; none for any shape. How long every side is: a number, or a name for any
            length, the same one wherever it is repeated.
        least: smallest number.
        most: largest number.
        dtype: what it is converted to. By default half and long double become double, and others stay.

    Raises:
        InputError: if it is no such array.

    >>> array([[1, 2], [3, 4]], "pixels", ("n", "d")).shape
    (2, 2)
    """
    found = _dense(value)
    if found is not None and dtype is not None:
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            found = found.astype(dtype, copy=False)
    fits = found is not None and found.size > 0 and (not shapes or any(_has_shape(found.shape, s) for s in shapes))
    if found is None or not fits or not np.isfinite(found).all() or _outside(found, least, most):
        sizes = " or ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
        raise InputError(
            f"{name} = {arrived(value)} arrived; expected finite real numbers"
            f"{' of single precision' * (dtype is np.float32)}{_bounds(least, most)}, at least one"
            + (f", of shape {sizes}" if shapes else "")
        )
    return found


def floating(value: Any, name: str, *shapes: Sequence[str | int]) -> np.ndarray:
    """As ``array``, in floating point: whole numbers and truth values become double.

    Raises:
        InputError: as ``array``.

    >>> floating([1, 2], "bias", ("n",))
    array([1., 2.])
    """
    found = array(value, name, *shapes)
    return found if found.dtype.kind == "f" else found.astype(np.float64)


def real_numbers(value: Any, name: str) -> np.ndarray:
    """A dense array of real numbers of any shape, infinite ones included, in double precision.

    Raises:
        InputError: if it holds something else.

    >>> real_numbers([[1, 2]], "weight")
    array([[1., 2.]])
    """
    found = _dense(value)
    if found is None:
        raise InputError(f"{name} = {arrived(value)} arrived; expected an array of real numbers")
    return found.astype(np.float64, copy=False)


def labels(value: Any, name: str, n: int | str = "n", least: int | None = None, most: int | None = None) -> np.ndarray:
    """Whole numbers, one for each of ``n`` things, as (n,) integers.

    Raises:
        InputError: if there are not as many, one is no whole number, or one is out of range.

    >>> labels([0, 1.0, 1], "labels", 3).tolist()
    [0, 1, 1]
    """
    low, high = -LARGEST if least is None else least, LARGEST if most is None else most
    found = _dense(value)
    whole_ones = found is not None and found.dtype.kind != "b" and np.isfinite(found).all() and not (found % 1).any()
    if found is None or not whole_ones or not _has_shape(found.shape, (n,)) or _outside(found, low, high):
        if found is not None and found.size and _outside(found, -LARGEST, LARGEST):
            least, most = low, high  # which are told where they matter
        bounds = _bounds(-math.inf if least is None else least, math.inf if most is None else most)
        raise InputError(
            f"{name} = {arrived(value)} arrived; expected whole numbers{bounds} of shape ({n},), one for each"
        )
    return found if found.dtype.kind == "i" else found.astype(np.int64)


def native(values: np.ndarray) -> np.ndarray:
    """An array in the byte order of the machine, the only one that PyTorch takes; itself if it is.

    >>> native(np.array([1, 2], dtype=">i8")).dtype.isnative
    True
    """
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def exponent(values: np.ndarray) -> int:
    """The power of two near the largest of some numbers: of these divided by it, squares and sums stay finite.

    No digit changes, as ``numpy.ldexp`` multiplies by a power of two. What is invariant to scale is computed so.

    >>> np.ldexp([1e300, -2e300], -exponent(np.array([1e300, -2e300]))).round(2).tolist()
    [0.37, -0.75]
    """
    return int(np.frexp(np.abs(values).max())[1])


def arrived(value: Any) -> str:
    """What arrived, in a few words, for a message.

    >>> arrived(np.array([1.0, np.nan]))
    'float64 array of shape (2,) with values 1 to 1 and 1 not finite'
    """
    if isinstance(value, np.ndarray) and value.ndim:
        kind = f"masked {value.dtype}" if isinstance(value, np.ma.MaskedArray) else value.dtype
        return f"{kind} array of shape {value.shape}{_about(value)}"
    if sp.issparse(value):
        return f"sparse {value.dtype} {value.format} matrix of shape {value.shape}{_about(value.tocoo().data)}"
    text = str(value) if isinstance(value, np.generic) else reprlib.repr(value)
    return text if len(text) <= SHOWN else f"a {type(value).__name__} {text[:SHOWN]}..."


def real_sparse(value: Any, name: str) -> sp.csr_array:
    """A sparse matrix of real numbers of any format, as CSR in double precision.

    Raises:
        InputError: if its numbers are not real.

    >>> real_sparse(sp.lil_array((2, 3)), "weight").shape
    (2, 3)
    """
    if value.dtype.kind not in REAL or value.ndim != 2:
        raise InputError(f"{name} = {arrived(value)} arrived; expected a matrix of real numbers")
    return sp.csr_array(value, dtype=np.float64)


def _number(value: Any) -> int | float:
    """A number of Python, from one of any kind; NaN from anything else, from a truth value too."""
    if isinstance(value, bool | np.timedelta64):  # which are whole numbers to Python and to NumPy
        return math.nan
    try:
        if isinstance(value, numbers.Integral) and abs(int(value)) <= 2 * LARGEST_SEED:
            return int(value)
        return float(value) if isinstance(value, numbers.Real | np.floating) else math.nan
    except OverflowError:
        return math.inf


def _dense(value: Any) -> np.ndarray | None:
    """An array of real numbers; None if it is no such thing."""
    if sp.issparse(value) or isinstance(value, np.ma.MaskedArray | str | bytes):
        return None
    try:
        if hasattr(value, "detach"):  # a tensor that may need a gradient, be sparse or of a type that NumPy lacks
            value = value.detach().cpu()
            value = value.to_dense() if "sparse" in str(value.layout) else value
            value = value.float() if "bfloat16" in str(value.dtype) or "float8" in str(value.dtype) else value
        found = np.asarray(value)
        found = found.astype(np.float32) if str(found.dtype) == "bfloat16" else found
    except (TypeError, ValueError, OverflowError, RuntimeError):  # ragged lists, types that NumPy lacks
        return None
    if found.dtype.kind not in REAL:
        return None
    found = native(found)
    if not found.flags.writeable:  # of a table or a file that is mapped: PyTorch warns of them, though we only read
        found = found.copy()
    with np.errstate(over="ignore"):  # what becomes infinite is refused by the caller
        return found.astype(np.float64) if found.dtype in (np.float16, np.longdouble) else found


def _has_shape(found: Sequence[int], wanted: Sequence[str | int]) -> bool:
    if len(found) != len(wanted) or 0 in found:
        return False
    known: dict[str, int] = {}  # the first length of every name
    sides = zip(wanted, found, strict=True)
    return all((known.setdefault(side, length) if isinstance(side, str) else side) == length for side, length in sides)


def _outside(values: np.ndarray, least: float, most: float) -> bool:
    return bool((least > -math.inf and values.min() < least) or (most < math.inf and values.max() > most))


def _about(values: np.ndarray) -> str:
    """Range of the numbers that are finite, and how many are not."""
    if values.dtype.kind not in REAL or not values.size:
        return ""
    finite = values[np.isfinite(values)]
    told = [f"values {finite.min():g} to {finite.max():g}"] if finite.size else []
    told += [f"{values.size - finite.size} not finite"] if finite.size < values.size else []
    return f" with {' and '.join(told)}"


def _bounds(least: float = -math.inf, most: float = math.inf, above: float = -math.inf, below: float = math.inf) -> str:
    """Bounds in words, those that there are."""
    words: Iterable[str] = (
        f"{word} {bound:g}"
        for word, bound in (("at least", least), ("above", above), ("below", below), ("at most", most))
        if math.isfinite(bound)
    )
    text = " and ".join(words)
    return f" {'of ' * text.startswith('at')}{text}" if text else ""
