"""modlib: measures of modularity in neural networks."""

from importlib.metadata import version

import lazy_loader

# __init__.pyi says which name comes from which package; it is imported when one of its names is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("modlib")
