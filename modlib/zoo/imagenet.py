"""Networks for ImageNet: torchvision's architectures, with its trained weights, kernels from a file, or random ones.

The paper's weights are those of the package image-classifiers 1.0.0, which were trained by others. Chapter:
``imagenet``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.checks import choice, seed_number
from modlib.data.images import check_sum_in_name, out_of_reach, unanswered
from modlib.errors import DataError
from modlib.files import data_folder, read_arrays
from modlib.processor import seeded_torch
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = {  # what the paper calls them, and what torchvision does
    "vgg-16": "vgg16",
    "vgg-19": "vgg19",
    "resnet-18": "resnet18",
    "resnet-34": "resnet34",
    "resnet-50": "resnet50",
    "inception-v3": "inception_v3",
}
TORCHVISION, KERNELS, RANDOM = "torchvision", "kernels", "random"
WEIGHTS = (TORCHVISION, KERNELS, RANDOM)
VERSION = "IMAGENET1K_V1"  # of torchvision's weights: its first, which all six have
FILES = {  # of kernels, in the folder imagenet of the data, and what a reader must know of them
    "resnet-18": ("resnet18.npz", "each 3 x 3 kernel is one of 256 of its layer; not for commercial use"),
    "inception-v3": ("inception_v3.npz", "float16, batch normalisation folded, {there} of {all} convolutions"),
}
SIDE = {"inception-v3": 299}  # pixels of an image
USUAL_SIDE = 224


@dataclass(frozen=True, eq=False, repr=False)
class ImageNetwork(BriefRepr):
    """A network for ImageNet.

    Attributes:
        name: one of ``ARCHITECTURES``.
        weights: one of ``WEIGHTS``.
        module: torchvision's, in evaluation mode.
        note: what a reader must know of the weights.
        accuracy: top-1, as torchvision publishes it; None if it is not known.
    """

    name: str
    weights: str
    module: nn.Module
    note: str
    accuracy: float | None = None

    @property
    def side(self) -> int:
        """Of the images that it takes, in pixels."""
        return SIDE.get(self.name, USUAL_SIDE)

    def _facts(self) -> dict[str, object]:
        return {"name": self.name, "weights": self.weights, "note": self.note}


def imagenet_network(name: str, weights: str, seed: int = 0) -> ImageNetwork:
    """A network for ImageNet: VGG-16 or 19, ResNet-18, 34 or 50, or Inception-V3.

    Args:
        name: one of ``ARCHITECTURES``.
        weights: ``torchvision``, its trained ones, ``IMAGENET1K_V1``, downloaded once and checked by torchvision;
            ``kernels``, trained ones of others, from ``imagenet/NAME.npz`` in ``$MODLIB_DATA``, of ResNet-18 and
            Inception-V3, none of them exact, see ``note``; or ``random``, as torchvision starts to train.
        seed: of random weights.

    Raises:
        InputError: if there is no such network, or no such weights.
        DataError: if weights cannot be downloaded, or the file of kernels is missing, damaged, or of another network.

    Source: clusterability 3.1. Chapter: ``imagenet``.

    >>> imagenet_network("resnet-18", "random", seed=0)
    ImageNetwork(name=resnet-18, weights=random, note=not trained)
    """
    choice(name, ARCHITECTURES, "network")
    seed = seed_number(seed)
    match choice(weights, WEIGHTS, "weights"):
        case "torchvision":
            return _of_torchvision(name)
        case "kernels":
            return _of_file(name)
    return ImageNetwork(name, weights, _untrained(name, seed), "not trained")


def _untrained(name: str, seed: int) -> nn.Module:
    from torchvision.models import get_model

    # Inception-V3's auxiliary classifier is for training only
    settings = {"aux_logits": False, "init_weights": True} if name == "inception-v3" else {}
    with seeded_torch(seed):
        return get_model(ARCHITECTURES[name], weights=None, **settings).eval()


def _of_torchvision(name: str) -> ImageNetwork:
    from torch.hub import get_dir
    from torchvision.models import get_model, get_model_weights

    chosen = get_model_weights(ARCHITECTURES[name])[VERSION]
    path = Path(get_dir()) / "checkpoints" / Path(chosen.url).name
    if path.exists():
        check_sum_in_name(path)
    elif fault := unanswered([chosen.url]):
        raise out_of_reach(path, chosen.url, fault)
    try:
        module = get_model(ARCHITECTURES[name], weights=chosen)  # checks the sum of what it downloads
    except (OSError, RuntimeError, HTTPException) as error:
        raise DataError(f"{chosen.url} cannot be loaded ({error}); check the network, and run again") from error
    if name == "inception-v3":  # neither is part of the graph
        module.aux_logits, module.AuxLogits, module.transform_input = False, None, False
    accuracy = chosen.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100
    return ImageNetwork(name, TORCHVISION, module.eval(), VERSION, round(accuracy, 5))


def _of_file(name: str) -> ImageNetwork:
    """A network with the kernels of a file; convolutions that it lacks have weights of 0, which are no edges."""
    import torch

    if name not in FILES:
        raise DataError(
            f"kernels of {name} arrived; there are files of {' and '.join(FILES)} only: ask for weights='torchvision'"
        )
    file, note = FILES[name]
    path = data_folder() / "imagenet" / file
    if not path.exists():
        raise DataError(f"{path} is not there; put the kernels there, or ask for weights='torchvision'")
    arrays, order = _read(path)
    module = _untrained(name, seed=0)
    convolutions = [(where, part) for where, part in module.named_modules() if isinstance(part, torch.nn.Conv2d)]
    norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]  # one behind each
    if len(order) != len(convolutions):
        raise DataError(f"{path} tells of {len(order)} convolutions; expected the {len(convolutions)} of {name}")
    epsilon = float(arrays.get("__bn_eps__", 1e-5))
    there = 0
    with torch.no_grad():
        for layer, (where, convolution), norm in zip(order, convolutions, norms, strict=True):
            out, into, *size = convolution.weight.shape
            convolution.weight.zero_()
            state = norm.state_dict()  # the tensors themselves; what is folded multiplies by 1
            state["running_var"].fill_(1 - epsilon)
            state["weight"].fill_(1)
            norm.eps = epsilon
            if not layer.get("present", True):
                continue
            there += 1
            kernel = _array(path, arrays, f"{layer['conv']}/kernel", (*size, into, out), where)
            convolution.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
            for part, tensor in (("gamma", "weight"), ("var", "running_var")) if "bn" in layer else ():
                values = _array(path, arrays, f"{layer['bn']}/{part}", (out,), where)
                state[tensor].copy_(torch.from_numpy(values))
    return ImageNetwork(name, KERNELS, module, note.format(there=there, all=len(order)))


def _read(path: Path) -> tuple[Mapping[str, np.ndarray], list[dict[str, Any]]]:
    """The arrays of a file, and what it tells of its layers."""
    try:
        arrays = read_arrays(path)
        order = json.loads(str(arrays["__order__"]))
        named = isinstance(order, list) and all(isinstance(layer["conv"], str) for layer in order)
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); put a copy of the kernels there") from error
    if not named:
        raise DataError(f"{path} does not tell the order of its layers; expected a list of them in __order__")
    return arrays, order


def _array(path: Path, arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An array of a file, in single precision."""
    found = arrays.get(key)
    if found is None or found.shape != shape or not np.isfinite(found).all():
        what = "is missing" if found is None else f"of shape {found.shape} arrived"
        raise DataError(f"{path}: {key} {what}; expected finite numbers of shape {shape}, those of {where}")
    return found.astype(np.float32)
