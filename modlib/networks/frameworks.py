"""Which framework a model is of, without importing any.

Chapter: ``clusterability``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def way_out(model: object) -> str:
    """What to do with something that is no model."""
    if type(model).__module__ == "modlib.networks.traces":
        return "a trace holds a copy of what was traced: pass the model itself"
    if hasattr(model, "coefs_") and hasattr(model, "intercepts_"):  # scikit-learn's
        return "modlib.networks.from_arrays(model.coefs_, model.intercepts_) reads a perceptron of scikit-learn"
    if is_onnx(model):
        return "modlib.trace and neuron_graph read ONNX models"
    if isinstance(model, str | Path):
        return "modlib.load_network reads a file of weights"
    if isinstance(model, Mapping):
        return (
            "a state dict goes into its model by model.load_state_dict, or modlib.ordered_weights puts its weights in "
            "order, as those of flax"
        )
    if hasattr(model, "shape"):
        return (
            "neuron_graph takes a list of weight matrices, [W] if there is one; an adjacency matrix is clustered by "
            "modlib.cluster(A, k, numpy.random.default_rng(0))"
        )
    return "neuron_graph also takes a list of weight matrices"


def is_torch(model: object) -> bool:
    """A torch module cannot exist before torch is imported."""
    return "torch" in sys.modules and isinstance(model, sys.modules["torch"].nn.Module)


def is_onnx(model: object) -> bool:
    """Whether it is an ONNX model."""
    return type(model).__module__.startswith("onnx") and type(model).__name__ == "ModelProto"


def is_keras(model: object) -> bool:
    """Whether it is a model of Keras 2 or 3."""
    return any(base.__module__.split(".")[0] in ("keras", "tf_keras") for base in type(model).__mro__)


def layout_hint(shape: Sequence[int], channels: int | None) -> str:
    """What may be wrong with inputs of a shape that do not fit: images that are channels last, or flat.

    Args:
        shape: of the inputs.
        channels: of the images that the network takes; None if it takes others.

    >>> layout_hint((5, 7, 7, 1), None), layout_hint((5, 1, 7, 7), 1), layout_hint((5, 64), 1)
    ('', '', '; images are (n, channels, height, width): pass inputs.reshape(-1, 1, height, width)')
    >>> layout_hint((5, 32, 32, 3), 3)
    '; images are (n, channels, height, width), also those of a Keras model: pass inputs.transpose(0, 3, 1, 2)'
    """
    if channels and len(shape) == 2 and shape[1] % channels == 0:
        return f"; images are (n, channels, height, width): pass inputs.reshape(-1, {channels}, height, width)"
    if len(shape) != 4 or not shape[3] == channels != shape[1]:
        return ""
    return "; images are (n, channels, height, width), also those of a Keras model: pass inputs.transpose(0, 3, 1, 2)"
