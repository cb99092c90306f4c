"""modlib: measures of modularity in neural networks."""

from importlib.metadata import version

__version__ = version("modlib")
