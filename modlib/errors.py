"""The one exception base class: what arrived, what was expected, what to do; and what was probably meant."""

import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ModlibError(Exception):
    """Base class of every error that modlib raises on purpose.

    The message always has three parts: what arrived, what was expected, and what to do about it.
    """


class ModlibWarning(UserWarning):
    """A result that is right says less than it seems to; the message says what to do."""


class InputError(ModlibError, ValueError):
    """An argument has the wrong shape, type, range or name."""


class GraphError(ModlibError, ValueError):
    """Weights do not make a neuron graph that can be clustered."""


class DataError(ModlibError):
    """A data set is missing, corrupt, or not the one that was expected."""


class ResultsError(ModlibError):
    """A results table is missing, damaged, or not what its code would write."""


class TableMissing(ResultsError):
    """A results table, or its provenance, is not there."""


class OtherNetwork(ResultsError):
    """A network that was trained again is not the one whose rows are stored."""


class CheckoutMissing(ModlibError):
    """Something needs the files of the book, and there is no checkout of it."""


class ExtraMissing(ModlibError):
    """Something needs packages that only an extra of modlib brings."""


class BookError(ModlibError):
    """The book's sources, claims or built pages are inconsistent."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """For imports of packages that are optional: one that is not there becomes an error that says how to get it.

    Args:
        name: the extra of modlib that brings them, such as ``keras``.
        what: what needs them.

    Raises:
        ExtraMissing: if the block does not find a package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{what} needs {error.name}, which is not installed; install it with: pip install 'modlib[{name}]'"
        ) from error


def warn(message: str) -> None:
    """Warn where the code of others called modlib, however deep in modlib that comes up."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "modlib":
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, ModlibWarning, depth + 1)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name, for an error message."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"expected one of {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else "")
