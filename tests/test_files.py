"""modlib.files: files are whole or not there, and a network is the one that was asked for."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damaged import damaged

from modlib import files
from modlib.errors import DataError
from modlib.files import cache_file, environment, load_cached, read_arrays, replace_file, save_arrays, save_cached

SETTINGS = {"seed": 1, "rate": 0.5}
ARRAYS = {"0.weight": np.arange(6.0).reshape(2, 3), "seconds": np.array(1.5)}


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "net.npz"
    assert load_cached(path, SETTINGS) is None
    save_cached(path, ARRAYS, SETTINGS)
    found = load_cached(path, dict(reversed(SETTINGS.items())))
    assert found is not None
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


def test_another_network_under_the_right_name_is_refused(tmp_path: Path) -> None:
    right, other = tmp_path / "right.npz", tmp_path / "other.npz"
    save_cached(other, ARRAYS, SETTINGS | {"seed": 2})
    shutil.copy(other, right)
    with pytest.raises(DataError, match=r'"seed": 2}; expected .*"seed": 1}: delete it and run again'):
        load_cached(right, SETTINGS)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_were_changed_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.npz"
    save_cached(path, ARRAYS, SETTINGS)
    with np.load(path) as stored:
        arrays = dict(stored)
    for changed in (arrays[name] + 1e-9, arrays[name].astype(np.float32), arrays[name][None]):
        save_arrays(path, arrays | {name: changed})
        with pytest.raises(DataError, match="its arrays changed"):
            load_cached(path, SETTINGS)
    save_arrays(path, {key: array for key, array in arrays.items() if key != name})
    with pytest.raises(DataError, match="its arrays changed"):
        load_cached(path, SETTINGS)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(DataError, match="is damaged") as caught:
        load_cached(tmp_path / "net.npz", SETTINGS)
    assert "numpy.savez" not in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_whatever_bytes_of_an_archive_are_damaged_is_said(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "net.npz"
    save(path, **ARRAYS)
    refused = 0
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_arrays(path)
        except DataError:
            refused += 1
    assert refused > 200


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, zeros=np.zeros(1_000_000))
    assert path.stat().st_size < 20_000
    assert read_arrays(path)["zeros"].size == 1_000_000
    monkeypatch.setattr(files, "LARGEST", 1_000_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(DataError, match="8000128 bytes when unpacked; expected at most 1000000"):
        read_arrays(path)


def test_a_file_of_an_earlier_version_counts_as_none(tmp_path: Path) -> None:
    save_arrays(tmp_path / "net.npz", ARRAYS)
    assert load_cached(tmp_path / "net.npz", SETTINGS) is None


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"No space left on device.*set MODLIB_CACHE"):
        save_cached(tmp_path / "net.npz", ARRAYS, SETTINGS)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "table.csv", "a,b\n")
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_network_has_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", "/cache")
    assert cache_file("mnist-plain-0", SETTINGS) == Path("/cache/mnist-plain-0-cfc36bc2ba90.npz")


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.int64(1), np.bool_(True)])
def test_numbers_of_numpy_are_settings(tmp_path: Path, value: np.generic) -> None:
    theirs, ours = {"rate": value}, {"rate": value.item()}
    assert cache_file("net", theirs, tmp_path) == cache_file("net", ours, tmp_path)
    save_cached(tmp_path / "net.npz", ARRAYS, theirs)
    assert load_cached(tmp_path / "net.npz", ours) is not None
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        cache_file("net", {"rates": {1}}, tmp_path)


def test_the_environment_is_as_it_was_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_A", "1")
    monkeypatch.delenv("MODLIB_B", raising=False)
    with environment({"MODLIB_A": "2", "MODLIB_B": "3"}):
        assert (os.environ["MODLIB_A"], os.environ["MODLIB_B"]) == ("2", "3")
        del os.environ["MODLIB_B"], os.environ["MODLIB_A"]
    assert os.environ["MODLIB_A"] == "1"
    assert "MODLIB_B" not in os.environ
