"""The one exception base class: what arrived, what was expected, what to do."""


class ModlibError(Exception):
    """Base class of every error that modlib raises on purpose.

    The message always has three parts: what arrived, what was expected, and what to do about it.
    """


class InputError(ModlibError, ValueError):
    """An argument has the wrong shape, type, range or name."""


class GraphError(ModlibError, ValueError):
    """Weights do not make a neuron graph that can be clustered."""


class DataError(ModlibError):
    """A data set is missing, corrupt, or not the one that was expected."""


class ResultsError(ModlibError):
    """A results table is missing, damaged, or not what its code would write."""


class BookError(ModlibError):
    """The book's sources, claims or built pages are inconsistent."""
