"""Networks from files of weights; a file that could run code is refused.

Chapter: ``clusterability``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modlib.checks import arrived
from modlib.errors import DataError, InputError
from modlib.files import check_size, read_arrays
from modlib.networks.network import Network, from_arrays
from modlib.networks.states import order_of, refuse_embeddings, weight_array

SUFFIXES = (".npz", ".safetensors", ".pt", ".pth")


def load_network(path: str | Path, activation: str = "relu", order: Sequence[str] | None = None) -> Network:
    """A perceptron from a file of weights; files that could run code are refused.

    Args:
        path: ``.npz`` with the arrays ``kernel/0``, ``bias/0``, ``kernel/1``, ... (biases may be missing);
            or a state dict of Linear layers as ``.safetensors``, ``.pt`` or ``.pth``.
        activation: a file of weights does not say which; see ``from_arrays``.
        order: names of the layers of a state dict, from input to output, see ``ordered_weights``.

    Raises:
        InputError: if the format or the order of layers is not known, or the arrays do not make a perceptron.
        DataError: if the file is missing or damaged, or would need pickle.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/weights.npz", **{"kernel/0": np.ones((4, 3)), "kernel/1": np.ones((3, 2))})
    ...     load_network(f"{folder}/weights.npz")
    Network(layer_0=4 x 3 relu, layer_1=3 x 2 linear)
    """
    if not isinstance(path, str | Path):
        raise InputError(f"path = {arrived(path)} arrived; expected the name of a file")
    path = Path(path)
    if order is not None and path.suffix == ".npz":
        raise InputError(f"order arrived for {path}, whose arrays are numbered; expected none")
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{str(path)!r} has the suffix {path.suffix!r}; expected .npz, .safetensors, .pt or .pth. A pickle is "
            "not read because it can run code; load a Keras file with Keras and pass the model to as_network, an "
            "ONNX file with onnx.load and pass the model to neuron_graph; the command line takes the model that a "
            "function of yours makes as MODULE:FUNCTION"
        )
    if not path.exists():
        raise DataError(f"there is no file {path} in {Path.cwd()}")
    match path.suffix:
        case ".npz":
            arrays = read_arrays(path)
            n = sum(key.startswith("kernel/") for key in arrays)
            unknown = set(arrays) - {f"{kind}/{i}" for kind in ("kernel", "bias") for i in range(n)}
            if unknown or n == 0 or any(f"kernel/{i}" not in arrays for i in range(n)):
                raise InputError(
                    f"{path} holds {sorted(arrays)}; expected kernel/0, bias/0, kernel/1, ... and no other"
                )
            kernels: list[np.ndarray] = [arrays[f"kernel/{i}"] for i in range(n)]
            return from_arrays(kernels, [arrays.get(f"bias/{i}") for i in range(n)], activation)
        case ".safetensors":
            state = _read_safetensors(path)
        case _:
            state = _read_state_dict(path)
    names = [key.removesuffix("weight") for key in state if key.endswith("weight")]
    unknown = set(state) - {f"{name}{part}" for name in names for part in ("weight", "bias")}
    if unknown or not names or any(state[f"{name}weight"].ndim != 2 for name in names):
        raise InputError(
            f"{path} holds {list(state)}; expected weights (fan-out, fan-in) and biases of Linear layers only. "
            "Build the model in PyTorch, load the file into it and pass the model to as_network"
        )
    if order is None:
        refuse_embeddings([name.removesuffix(".") for name in names], "pass ordered_weights the state and input_first=")
    shapes = {name.removesuffix("."): state[f"{name}weight"].shape[::-1] for name in names}
    names = [f"{name}." if name else name for name in order_of(shapes, order)]
    arrays = {name: weight_array(value, f"{name} of {path}") for name, value in state.items()}
    return from_arrays([arrays[f"{n}weight"].T for n in names], [arrays.get(f"{n}bias") for n in names], activation)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} does not read as a safetensors file ({error}); save it again") from error
    return dict(state)


def _read_state_dict(path: Path) -> dict[str, Any]:
    import torch

    try:
        if zipfile.is_zipfile(path):
            check_size(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except Exception as error:  # damaged bytes may raise anything
        raise DataError(
            f"{path} does not read as a file of tensors alone: it is {'damaged' if path.stat().st_size else 'empty'}, "
            "or holds a pickled model, which is refused because it can run code: save model.state_dict() instead"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path} holds a {type(state).__name__} that is no state dict; save model.state_dict()")
    return {str(key): value for key, value in state.items()}
