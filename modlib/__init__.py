"""modlib: measures of modularity in neural networks.

The library of a reproducible companion to five papers. Import what you need from its modules:
``modlib.graphs``, ``modlib.spectral`` and ``modlib.shuffles`` for clusterability, ``modlib.networks`` to read a
trained network. Importing ``modlib`` itself loads neither TensorFlow nor torch.
"""

from importlib.metadata import version

__version__ = version("modlib")
