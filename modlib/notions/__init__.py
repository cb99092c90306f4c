"""Modules by every notion: the same hidden units, divided by weights, activity, gradients, lesions and masks."""

import lazy_loader

# __init__.pyi says which name comes from which module; a module is imported when one of its names is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
