"""modlib.data.images: what a data set looks like, and what a damaged or foreign file gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modlib.data import images
from modlib.data.images import KEYS, Images, load_images, smaller
from modlib.errors import DataError, InputError
from modlib.files import data_folder

SHARED = Path(__file__).parents[3] / "shared" / "data"


def small_mnist(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of the right form, marked as torchvision's, which vouches for what it downloads."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(256, size=(6, 28, 28), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": rng.integers(256, size=(3, 28, 28), dtype=np.uint8),
        "y_test": np.arange(3, dtype=np.uint8),
        "source": np.array("torchvision"),
    }
    return arrays | changes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    return tmp_path


def test_digits_need_no_download() -> None:
    data = load_images("digits")
    assert data.x_train.shape == (1437, 64)
    assert data.x_test.shape == (360, 64)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert set(data.y_train) == set(range(10))
    assert data.checksum == load_images("digits").checksum
    assert "embedded" in data.note


def test_a_stored_data_set_is_flattened_and_scaled(folder: Path) -> None:
    arrays = small_mnist()
    np.savez(folder / "mnist.npz", **arrays)
    data = load_images("mnist")
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int32
    np.testing.assert_allclose(data.x_train, arrays["x_train"].reshape(6, 784) / 255, rtol=1e-6)
    assert len(data.checksum) == 64


def test_colour_images_become_grey_and_28_pixels_wide(folder: Path) -> None:
    colour = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    colour[0], colour[1, ..., 1] = 255, 255  # white, and pure green
    labels = {"y_train": np.arange(2), "y_test": np.arange(2)}
    np.savez(folder / "cifar10.npz", **small_mnist(x_train=colour, x_test=colour, **labels))
    data = load_images("cifar10")
    assert data.x_train.shape == (2, 784)
    np.testing.assert_allclose(data.x_train[0], 1)
    np.testing.assert_allclose(data.x_train[1], 0.587, atol=2 / 255)  # luma of green


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"data set = 'minst' arrived; .* did you mean mnist"):
        load_images("minst")


def test_a_truncated_download_is_refused(folder: Path) -> None:
    path = folder / "mnist.npz"
    np.savez(path, **small_mnist())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"does not read as an npz file.* delete .*mnist.npz and run again"):
        load_images("mnist")


def test_a_file_that_is_no_npz_is_refused(folder: Path) -> None:
    (folder / "mnist.npz").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="does not read as an npz file"):
        load_images("mnist")


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    path = folder / "mnist.npz"
    np.savez(path, **small_mnist())
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        load_images("mnist")


def test_a_wrong_checksum_is_refused(folder: Path) -> None:
    arrays = small_mnist()
    del arrays["source"]
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError, match=r"has checksum [0-9a-f]{12}\.\.\., which is not that of mnist; delete"):
        load_images("mnist")


def test_a_pickle_is_refused_and_not_run(folder: Path) -> None:
    np.savez(folder / "mnist.npz", **small_mnist(x_train=np.array([{"a": 1}], dtype=object)))
    with pytest.raises(DataError, match="without pickles"):
        load_images("mnist")


def test_a_missing_array_is_refused(folder: Path) -> None:
    arrays = small_mnist()
    del arrays["y_test"]
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError, match=r"\['y_test'\] are missing"):
        load_images("mnist")


def test_images_of_another_size_are_refused(folder: Path) -> None:
    np.savez(folder / "mnist.npz", **small_mnist(x_train=np.zeros((2, 8, 8), dtype=np.uint8)))
    with pytest.raises(DataError, match=r"images of shape \(8, 8\), not \(28, 28\)"):
        load_images("mnist")


def test_a_failed_download_says_what_to_do_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "MNIST", unreachable)
    with pytest.raises(DataError, match=r"download failed \(no route to host\); check the network, or put a copy"):
        load_images("mnist")
    assert list(folder.iterdir()) == []


def test_a_download_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    class Downloaded:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            arrays = small_mnist()
            split = "train" if train else "test"
            self.data, self.targets = arrays[f"x_{split}"], arrays[f"y_{split}"].tolist()

    monkeypatch.setattr(torchvision.datasets, "MNIST", Downloaded)
    first = load_images("mnist")
    monkeypatch.setattr(torchvision.datasets, "MNIST", None)
    np.testing.assert_array_equal(load_images("mnist").x_train, first.x_train)
    with np.load(folder / "mnist.npz") as stored:
        arrays = dict(stored)
    assert str(arrays["checksum"]) == first.checksum
    arrays["y_test"] = arrays["y_test"][::-1]
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError, match=rf"but was written with {first.checksum[:12]}\.\.\.; delete .* run again"):
        load_images("mnist")


def test_the_data_folder_is_the_users_cache_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODLIB_DATA", raising=False)
    assert data_folder().name == "modlib"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_known_checksums_are_those_of_the_real_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / f"{name}.npz").exists():
        pytest.skip("no copy of the data beside the repository")
    monkeypatch.setenv("MODLIB_DATA", str(SHARED))
    data = load_images(name)
    assert data.x_train.shape == (60_000, 784)
    assert data.checksum in images.KNOWN[name]
    with np.load(SHARED / f"{name}.npz") as stored:
        assert set(KEYS) <= set(stored.files)


def test_smaller_images_are_blurred_and_sampled_at_the_centres_of_their_pixels() -> None:
    spot = np.zeros((1, 28, 28), np.float32)
    spot[0, 13, 9] = 1
    flat, y = np.full((1, 28, 28), 0.5, np.float32), np.zeros(1, np.int32)
    images = Images("spot", spot.reshape(1, -1), y, flat.reshape(1, -1), y)
    small = smaller(images, 4)
    assert (small.name, small.x_train.shape, small.x_train.dtype) == ("spot 7x7", (1, 49), np.float32)
    np.testing.assert_allclose(small.x_test, 0.5, rtol=1e-5)
    weights = np.exp(-(np.arange(-20, 21) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    centres = 1.5 + 4 * np.arange(7)  # of the new pixels
    row, column = (
        np.array([(weights[20 + int(c - 0.5) - at] + weights[20 + int(c + 0.5) - at]) / 2 for c in centres])
        for at in (13, 9)
    )
    np.testing.assert_allclose(small.x_train.reshape(7, 7), np.outer(row, column), atol=2e-3)  # the filter is cut off
    assert smaller(images, 1).x_train == pytest.approx(images.x_train)


@pytest.mark.parametrize(("factor", "message"), [(0, "at least 1"), (3, "a factor that divides their side")])
def test_a_factor_that_does_not_divide_the_side_is_refused(factor: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        smaller(load_images("digits"), factor)


GOOD = {"x_train": np.zeros((3, 4)), "y_train": np.arange(3), "x_test": np.zeros((2, 4)), "y_test": np.zeros(2)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x_train": np.zeros((2, 4))}, r"y_train = .* shape \(2,\), one for each"),
        ({"x_train": np.full((3, 4), np.nan)}, "x_train = .* 12 not finite"),
        ({"x_train": np.zeros((3, 2, 2))}, r"x_train = .* shape \(n, pixels\) or \(n, channels, height, width\)"),
        ({"y_train": [0, 1, 0.5]}, "y_train = .* expected whole numbers of at least 0"),
        ({"y_train": [0, 1, -1]}, "y_train = .* expected whole numbers of at least 0"),
        ({"x_test": np.zeros((2, 5))}, r"x_test = .* of shape \(n, 4\)"),
        ({"x_test": "digits"}, "x_test = 'digits' arrived"),
        ({"y_test": None}, "y_test = None arrived"),
    ],
)
def test_images_and_labels_that_do_not_fit_each_other_are_refused(wrong: dict[str, Any], message: str) -> None:
    Images("made up", **GOOD)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        Images("made up", **(GOOD | wrong))  # type: ignore[arg-type]


def test_images_hold_arrays_whatever_arrived() -> None:
    images = Images("made up", **{key: value.tolist() for key, value in GOOD.items()})  # type: ignore[arg-type]
    assert all(isinstance(getattr(images, key), np.ndarray) for key in GOOD)
