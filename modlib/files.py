"""Where files lie, and how they are written: whole or not at all, whatever happens to the process that writes them.

Chapters: all that train networks or show stored rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from modlib.errors import CheckoutMissing

PARTS = ("_toc.yml", "_config.yml", "book", "notebooks")  # what makes a folder a checkout of the book


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
            "https://github.com/modularity-companion/modularity-companion, or set MODLIB_ROOT to one"
        )
    return root


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


def cache_file(name: str, settings: Mapping[str, Any]) -> Path:
    """The file of a network that was made with some settings: its name, and a digest of all that it depends on.

    Args:
        name: for readers.
        settings: what JSON can write.
    """
    text = json.dumps(settings, sort_keys=True)
    return network_cache() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"


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


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an ``.npz`` file, by name."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


@contextmanager
def empty_cache() -> Iterator[None]:
    """An empty folder of trained networks for the time of the block, so that every network is trained again."""
    before = os.environ.get("MODLIB_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MODLIB_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["MODLIB_CACHE"]
            else:
                os.environ["MODLIB_CACHE"] = before


def _chosen(variable: str) -> Path | None:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser() if chosen else None


def _user_cache() -> Path:
    import pooch

    return Path(pooch.os_cache("modlib"))
