"""Where files lie, and how they are written: whole or not at all, whatever happens to the process that writes them.

Chapters: all that train networks or show stored rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from modlib.errors import CheckoutMissing, DataError

REPOSITORY = "https://github.com/modularity-companion/modularity-companion"
PARTS = ("_toc.yml", "_config.yml", "book", "notebooks")  # what makes a folder a checkout of the book
LARGEST = 2**32  # bytes of an archive when it is unpacked
SETTINGS, DIGEST = "settings", "digest"  # what the file of a network says about itself


def checkout() -> Path:
    """The checkout of the book: ``$MODLIB_ROOT``, or the folder that holds ``modlib``.

    Raises:
        CheckoutMissing: if the folder is no checkout, as where modlib was installed from a wheel.
    """
    chosen = os.environ.get("MODLIB_ROOT")
    root = Path(chosen).expanduser() if chosen else Path(__file__).resolve().parent.parent
    if missing := [part for part in PARTS if not (root / part).exists()]:
        raise CheckoutMissing(
            f"{root} holds no {', '.join(missing)}; this needs a checkout of the book: run it in a clone of "
            f"{REPOSITORY}, or set MODLIB_ROOT to one"
        )
    return root


def build_folder(root: Path | None = None) -> Path:
    """Folder of all that is built of a checkout, this one by default.

    Raises:
        CheckoutMissing: if there is none.
    """
    return (root or checkout()) / "_build"


def results_folder() -> Path:
    """Folder of the result tables: ``$MODLIB_RESULTS``, or results/ of the checkout.

    Raises:
        CheckoutMissing: if neither is there.
    """
    return _chosen("MODLIB_RESULTS") or checkout() / "results"


def data_folder() -> Path:
    """Folder of downloaded data sets: ``$MODLIB_DATA``, or ``modlib`` in the user's cache folder."""
    return _chosen("MODLIB_DATA") or _user_cache()


def network_cache() -> Path:
    """Folder of trained networks: ``$MODLIB_CACHE``, or ``modlib/networks`` in the user's cache folder."""
    return _chosen("MODLIB_CACHE") or _user_cache() / "networks"


def cache_file(name: str, settings: Mapping[str, Any], folder: Path | None = None) -> Path:
    """The file of what was made with some settings: its name, and a digest of all that it depends on.

    Args:
        name: for readers.
        settings: what JSON can write.
        folder: where; that of trained networks by default.
    """
    return (folder or network_cache()) / f"{name}-{hashlib.sha256(_as_json(settings).encode()).hexdigest()[:12]}.npz"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write in place of another: readers see either the old one or the new one, whole.

    Its folder is made if it is not there. Of two processes that write the same file the last one stays. What was
    written is thrown away if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays, because some writers add their own to a name without it
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def replace_file(path: Path, text: str) -> None:
    """Write a text file so that readers see either the old text or the new one, whatever happens."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def version_of(path: Path) -> tuple[int, ...]:
    """What differs once a file has been written anew or replaced; empty where there is none."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return about.st_ino, about.st_mtime_ns, about.st_size


def save_cached(path: Path, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> None:
    """Write a trained network to an ``.npz`` file, with all that it depends on and a digest of its arrays.

    The parts of an audit are kept in the same way.

    Args:
        path: the file.
        arrays: by name; neither ``settings`` nor ``digest``.
        settings: what JSON can write.

    Raises:
        DataError: if it cannot be written; nothing is left behind.
    """
    about = {SETTINGS: np.array(_as_json(settings)), DIGEST: np.array(digest_of(arrays))}
    try:
        save_arrays(path, {**arrays, **about})
    except OSError as error:
        raise _cannot_keep(path, error) from error


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Of all processes that make the same file, one is in the block, and the others wait.

    Raises:
        DataError: if nothing can be written beside the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise _cannot_keep(path, error) from error
    try:
        yield
    finally:
        lock.release()


def load_cached(path: Path, settings: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The arrays of a network that ``save_cached`` wrote.

    Args:
        path: the file.
        settings: what the network must have been made with.

    Returns:
        Arrays by name; None if there is no file, or one of an earlier version, which does not say what it holds: such
        a network is trained again.

    Raises:
        DataError: if the file is damaged, or holds a network that was made with other settings.
    """
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise DataError(
            f"the stored file {path} is damaged ({error.__cause__ or error}); delete it and run again"
        ) from error
    if SETTINGS not in arrays or DIGEST not in arrays:
        return None
    said, digest = (str(arrays.pop(name)) for name in (SETTINGS, DIGEST))
    if said != _as_json(settings):
        raise DataError(
            f"the stored file {path} was made with {said}; expected {_as_json(settings)}: delete it and run again"
        )
    if digest != digest_of(arrays):
        raise DataError(f"the stored file {path} is damaged (its arrays changed); delete it and run again")
    return arrays


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file, by name; nothing in it is run, and it is measured before it is unpacked.

    Raises:
        DataError: if the file is missing or damaged, holds a pickle, or is larger than ``LARGEST`` when unpacked.
    """
    try:
        check_size(path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except DataError:
        raise
    except Exception as error:  # damaged bytes may raise anything
        raise DataError(
            f"{path} does not read as an npz file without pickles ({error}); save arrays of numbers by numpy.savez"
        ) from error


def check_size(path: Path) -> None:
    """Refuse an archive that would fill the memory when it is unpacked.

    Raises:
        DataError: if its members are larger than ``LARGEST``, together, by what it says of them itself.
        Exception: of zipfile, if it is no archive, or a damaged one.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST:
        raise DataError(f"{path} has {size} bytes when unpacked; expected at most {LARGEST}: it may be made to do harm")


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an ``.npz`` file, by name."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and values of arrays."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # the block may have removed it
            else:
                os.environ[name] = value


@contextmanager
def empty_cache() -> Iterator[Path]:
    """An empty folder of trained networks for the time of the block, so that every network is trained again."""
    with tempfile.TemporaryDirectory() as folder, environment({"MODLIB_CACHE": folder}):
        yield Path(folder)


def _as_json(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """A number of NumPy as one of Python's; those of double precision are both."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _cannot_keep(path: Path, error: OSError) -> DataError:
    return DataError(
        f"what was computed cannot be kept as {path} ({error.strerror or error}); make room, or choose a folder "
        "that can be written: for an audit by folder= or --folder, for trained networks, set MODLIB_CACHE"
    )


def _chosen(variable: str) -> Path | None:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser() if chosen else None


def _user_cache() -> Path:
    pooch = quiet_pooch()

    return Path(pooch.os_cache("modlib"))


def quiet_pooch() -> Any:
    """Pooch, without the warning of its progress bar in notebooks that have no widgets."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch
    return pooch
