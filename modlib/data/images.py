"""Image data sets, flattened and scaled to [0, 1].

``digits`` comes with scikit-learn. MNIST, Fashion-MNIST and CIFAR-10 are downloaded once through
torchvision into ``$MODLIB_DATA`` (default: the user's cache folder), kept as NAME.npz and checked every
time they are read. Chapter: ``clusterability``.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import numpy as np

from modlib.checks import array, choice, instance, labels as whole_labels, whole
from modlib.errors import DataError, InputError
from modlib.files import data_folder, read_arrays, save_arrays
from modlib.reprs import BriefRepr

KEYS = ("x_train", "y_train", "x_test", "y_test")
TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
NAMES = ("digits", *TORCHVISION)
PATIENCE = 5  # seconds in which a server must answer
SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}
# SHA-256 over the bytes of the four arrays, in the order of KEYS, and what a reader must know of them.
KNOWN = {
    "mnist": {"06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16": ""},
    "fashion_mnist": {"ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f": ""},
    "cifar10": {"c155818c7600a777c743f52b97823dc0d4c6801085e9d5aa0f1e6344476ec9f2": "JPEG copy of CIFAR-10"},
}


@dataclass(frozen=True, eq=False, repr=False)
class Images(BriefRepr):
    """Images and labels, split into training and test.

    Attributes:
        name: which data set.
        x_train, x_test: (n, pixels), or (n, 3, height, width) in colour; modlib's in single precision and [0, 1].
        y_train, y_test: (n,) whole labels from 0.
        checksum: of what the arrays follow from: SHA-256 over those that were read, or the arguments of those that are
            drawn. A trained network is kept by it and by the name; ``smaller`` images have that of the large ones.
        note: what a reader must know about this copy; empty if nothing.

    Raises:
        InputError: if images and labels do not fit each other, or hold something else.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    checksum: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        instance(self.name, str, "name", "pass the name of the data set")
        pixels: tuple[str | int, ...] | None = None  # those of the training images, which the test images have as well
        for split in ("train", "test"):
            shapes = [("n", *pixels)] if pixels else [("n", "pixels"), ("n", "channels", "height", "width")]
            x = array(getattr(self, f"x_{split}"), f"x_{split}", *shapes)
            y = whole_labels(getattr(self, f"y_{split}"), f"y_{split}", len(x), least=0)
            object.__setattr__(self, f"x_{split}", x)
            object.__setattr__(self, f"y_{split}", y)
            pixels = x.shape[1:]

    def _facts(self) -> dict[str, object]:
        return {"name": self.name, "x_train": self.x_train, "x_test": self.x_test, "note": self.note}


def load_images(name: str) -> Images:
    """Load a data set: ``digits``, ``mnist``, ``fashion_mnist``, or ``cifar10`` (grey, 28 x 28).

    Raises:
        InputError: if the name is not known.
        DataError: if the data cannot be downloaded, or a file is not what it should be.

    Source: pruned-modular 3. Chapter: ``clusterability``.

    >>> load_images("digits")
    Images(name=digits, x_train=(1437, 64) float32, x_test=(360, 64) float32, note=embedded in scikit-learn)
    """
    if choice(name, NAMES, "data set") == "digits":
        return _digits()
    arrays, checksum, note = _stored(name)
    if name == "cifar10":
        arrays["x_train"], arrays["x_test"] = _grey_28(arrays["x_train"]), _grey_28(arrays["x_test"])
    pixels = {key: arrays[key].reshape(len(arrays[key]), -1) / np.float32(255) for key in ("x_train", "x_test")}
    labels = {key: arrays[key].astype(np.int32) for key in ("y_train", "y_test")}
    return Images(name, **pixels, **labels, checksum=checksum, note=note)


def load_colour_images(name: str) -> Images:
    """CIFAR-10 in colour, for convolutions: images are (n, 3, 32, 32) float32 in [0, 1].

    ``digits`` are scaled up to that size, grey, for trials without a download.

    Raises:
        InputError: if the name is neither ``cifar10`` nor ``digits``.
        DataError: as ``load_images``.

    Source: weight-masks C.7.1. Chapter: ``class-removal``.

    >>> load_colour_images("digits").x_test.shape
    (360, 3, 32, 32)
    """
    if choice(name, ("cifar10", "digits"), "data set") == "digits":
        small = _digits()
        large = [
            np.tile(np.kron(x.reshape(-1, 1, 8, 8), np.ones((1, 1, 4, 4), np.float32)), (1, 3, 1, 1))
            for x in (small.x_train, small.x_test)
        ]
        return replace(small, x_train=large[0], x_test=large[1])
    arrays, checksum, note = _stored(name)
    x_train, x_test = (
        np.ascontiguousarray(arrays[key].transpose(0, 3, 1, 2)) / np.float32(255) for key in ("x_train", "x_test")
    )
    y_train, y_test = (arrays[key].astype(np.int32) for key in ("y_train", "y_test"))
    return Images(name, x_train, y_train, x_test, y_test, checksum, note)


def smaller(images: Images, factor: int) -> Images:
    """Square grey images whose sides are ``factor`` times shorter.

    A Gaussian blur of standard deviation (factor - 1) / 2, then the values at the centres of the new pixels: what
    ``skimage.transform.resize`` does with ``anti_aliasing``, which the authors used.

    Raises:
        InputError: if the images are not flattened squares whose side the factor divides.

    Source: clusterability 4.1, and the authors' code. Chapter: ``promoting-clusterability``.

    >>> smaller(load_images("digits"), 2).x_train.shape  # of 8 x 8 pixels before
    (1437, 16)
    """
    from scipy.ndimage import gaussian_filter

    images, factor = instance(images, Images, "images", "load them by load_images"), whole(factor, "factor")
    side = math.isqrt(images.x_train[0].size)
    if images.x_train.ndim != 2 or side * side != images.x_train.shape[1] or side % factor:
        raise InputError(
            f"images of shape {images.x_train.shape[1:]} and factor {factor} arrived; "
            "expected flattened squares and a factor that divides their side"
        )

    def shrink(x: np.ndarray) -> np.ndarray:
        spread = (factor - 1) / 2
        blurred = gaussian_filter(x.reshape(-1, side, side), (0, spread, spread), mode="mirror")
        around = ((factor - 1) // 2, factor // 2)  # the pixels around a centre, the same one twice if factor is odd
        corners = [blurred[:, i::factor, j::factor] for i in around for j in around]
        return np.mean(corners, axis=0, dtype=np.float32).reshape(len(x), -1)

    name = f"{images.name} {side // factor}x{side // factor}"
    return replace(images, name=name, x_train=shrink(images.x_train), x_test=shrink(images.x_test))


def _digits() -> Images:
    """1,797 digits of 8 x 8 pixels, the last 360 for testing."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int32)
    return Images("digits", x[:-360], y[:-360], x[-360:], y[-360:], _checksum([x, y]), "embedded in scikit-learn")


def _stored(name: str) -> tuple[dict[str, np.ndarray], str, str]:
    """Arrays of a data set, its checksum and what to know of it; downloaded if it is not there."""
    path = data_folder() / f"{name}.npz"
    if not path.exists():
        _download(name, path)
    return _read(name, path)


def _read(name: str, path: Path) -> tuple[dict[str, np.ndarray], str, str]:
    remedy = f"delete {path} and run again to download it afresh"
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from error
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise DataError(f"{path} holds {sorted(arrays)}, but {missing} are missing; {remedy}")
    if arrays["x_train"].shape[1:] != SHAPES[name]:
        raise DataError(f"{path} holds images of shape {arrays['x_train'].shape[1:]}, not {SHAPES[name]}; {remedy}")
    checksum = _checksum([arrays[key] for key in KEYS])
    known = KNOWN[name]
    noted = str(arrays.get("checksum", checksum))  # files of earlier versions have none
    if noted != checksum:
        raise DataError(f"{path} has checksum {checksum[:12]}..., but was written with {noted[:12]}...; {remedy}")
    # torchvision has checked what it downloaded against the publisher's own sums.
    if checksum not in known and str(arrays.get("source", "")) != "torchvision":
        raise DataError(f"{path} has checksum {checksum[:12]}..., which is not that of {name}; {remedy}")
    return arrays, checksum, known.get(checksum, "")


def _download(name: str, path: Path) -> None:
    import torchvision

    source = getattr(torchvision.datasets, TORCHVISION[name])
    _reach(name, [getattr(source, "url", None), *getattr(source, "mirrors", [])], path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the folder {path.parent} cannot be made ({error}); set MODLIB_DATA to a folder that can be written"
        ) from error
    arrays: dict[str, np.ndarray] = {"source": np.array("torchvision")}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for split, train in (("train", True), ("test", False)):
            try:
                data = source(folder, train=train, download=True)  # checks sums before it opens what it has
            except (OSError, RuntimeError, HTTPException) as error:
                raise _unreachable(name, path, error) from error
            arrays[f"x_{split}"] = np.asarray(data.data, dtype=np.uint8)
            arrays[f"y_{split}"] = np.asarray(data.targets, dtype=np.uint8)
    arrays["checksum"] = np.array(_checksum([arrays[key] for key in KEYS]))
    save_arrays(path, arrays)


def _reach(name: str, addresses: Sequence[str | None], path: Path) -> None:
    if fault := unanswered([address for address in addresses if address]):
        raise _unreachable(name, path, fault) from fault


def unanswered(addresses: Sequence[str]) -> Exception | None:
    """What went wrong at the last of some servers, if none of them answers in seconds; None if one does.

    Asked before a download: to wait for a server that is not there would take minutes.
    """
    fault: Exception | None = None
    for address in addresses:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()
            return None
        except urllib.error.HTTPError:  # an answer: it has no such page, but the files
            return None
        except (OSError, HTTPException) as error:
            fault = error
    return fault


def out_of_reach(path: Path, address: str, fault: Exception) -> DataError:
    """The error of trained weights that are neither here nor to be had, which says where to put a copy."""
    return DataError(
        f"{path.name} is not in {path.parent} and {address} cannot be reached ({fault}); check the network, or put "
        "a copy there"
    )


def check_sum_in_name(path: Path) -> None:
    """Refuse a kept file whose SHA-256 does not begin as its name ends, which is how PyTorch names trained weights.

    Raises:
        DataError: naming both.
    """
    said, found = path.stem.rpartition("-")[2], hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(said):
        raise DataError(f"{path} has checksum {found[:8]}...; expected {said}: delete it to download it afresh")


def _unreachable(name: str, path: Path, error: Exception) -> DataError:
    return DataError(
        f"{name} is not in {path.parent} and its download failed ({error}); check the network, or put a copy there as "
        f"{path.name} with the arrays {', '.join(KEYS)}"
    )


def _checksum(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for part in arrays:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _grey_28(images: np.ndarray) -> np.ndarray:
    """Luma of every colour image, resized to 28 x 28 by an antialiased bilinear filter."""
    from PIL import Image

    return np.stack(
        [np.asarray(Image.fromarray(i).convert("L").resize((28, 28), Image.Resampling.BILINEAR)) for i in images]
    )
