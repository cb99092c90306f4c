"""What the command line names: a network, data, labels and a task, from files or from functions of the reader's own.

Only a function that is named runs code; a file that could is refused, see ``modlib.networks.load_network``.
Chapter: ``your-network``.
"""

from __future__ import annotations

import math
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.data.images import NAMES, load_images
from modlib.errors import DataError, InputError, nearest
from modlib.files import read_arrays
from modlib.networks.files import load_network

if TYPE_CHECKING:
    from modlib.training.steps import Draw


def read_model(source: str) -> tuple[object, str]:
    """A network and its name, from a file of weights, or from ``MODULE:FUNCTION``, which returns a model.

    Raises:
        InputError: if the file or the function is not what it should be.
        DataError: if the file is missing or damaged, or would need pickle.
    """
    if Path(source).exists() or ":" not in source:
        return load_network(source), Path(source).name
    return _called(source), source


def read_data(data: str | None, labels: str | None) -> dict[str, Any]:
    """Arguments of ``audit`` from files: inputs, and labels and names of classes where they are known.

    Args:
        data: a data set of modlib, whose test images are taken; an ``.npz`` file with ``x``, and perhaps ``y`` and
            ``classes``; or an ``.npy`` file of inputs.
        labels: an ``.npy`` file of labels.

    Raises:
        InputError: if a name, suffix or array is not what it should be.
        DataError: if a file is missing or damaged, or would need pickle.
    """
    found: dict[str, Any] = {}
    if data in NAMES:
        images = load_images(str(data))
        side = math.isqrt(images.x_test[0].size)
        pictures = images.x_test.reshape(-1, side, side) if images.x_test.ndim == 2 else images.x_test
        found = {"data": pictures, "labels": images.y_test}
    elif data is not None:
        arrays = _arrays(data, f", or one of {', '.join(NAMES)}")
        known = {"x": "data", "y": "labels", "classes": "classes"}
        if "x" not in arrays or arrays.keys() - known:
            raise InputError(f"{data} holds {sorted(arrays)}; expected x, and perhaps y and classes, and no other")
        found = {known[key]: array for key, array in arrays.items()}
    if labels is not None:
        if "labels" in found:
            raise InputError(f"labels arrived twice, in {data} and as {labels}; give them once")
        arrays = _arrays(labels, "")
        if "x" not in arrays:
            raise InputError(f"{labels} holds {sorted(arrays)}; expected an .npy file with the class of every input")
        found["labels"] = arrays["x"]
    return found


def read_task(source: str) -> Draw:
    """A function of the reader's own that draws examples of a task, named as ``MODULE:FUNCTION``.

    Raises:
        InputError: if there is none.
    """
    return _named(source)


def _called(source: str) -> object:
    function = _named(source)
    try:
        return function()
    except Exception as error:  # code of the reader's own may raise anything
        raise InputError(
            f"{source} raised {type(error).__name__}: {error}; expected a function without arguments that "
            "returns a model"
        ) from error


def _named(source: str) -> Callable[..., Any]:
    module, colon, name = source.partition(":")
    if not (module and colon and name):
        raise InputError(f"{source!r} arrived; expected a file that is there, or MODULE:FUNCTION, such as mine:model")
    if module.endswith(".py"):
        raise InputError(f"{source!r} arrived; expected a module, not its file: {module.removesuffix('.py')}:{name}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as python -m has it
    try:
        found = import_module(module)
    except ImportError as error:
        raise InputError(
            f"{source!r} arrived, but {module} cannot be imported ({error}); expected a module in {folder} or an "
            "installed one"
        ) from error
    except Exception as error:  # code of the reader's own may raise anything
        raise InputError(
            f"{source!r} arrived, but importing {module} in {folder} raised {type(error).__name__}: {error}; mend it "
            f"until this works there: python -c 'import {module}'"
        ) from error
    function: Callable[..., Any] | None = getattr(found, name, None)
    if not callable(function):
        functions = [key for key, value in vars(found).items() if callable(value)] or ["none"]
        raise InputError(f"{module} has no function {name!r}; {nearest(name, functions)}")
    return function


def _arrays(source: str, otherwise: str) -> Mapping[str, np.ndarray]:
    """Arrays of a file by name; that of an ``.npy`` file is called x."""
    path = Path(source)
    if path.suffix not in (".npy", ".npz"):
        raise InputError(f"{source!r} arrived; expected an .npy or .npz file of arrays{otherwise}")
    if zipfile.is_zipfile(path):
        return read_arrays(path)
    try:
        return {"x": np.load(path, allow_pickle=False)}
    except Exception as error:  # damaged bytes may raise anything
        raise DataError(f"{path} does not read as arrays without pickles ({error}); save arrays of numbers") from error
