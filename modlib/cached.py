"""Arrays in the cache: a file is whole or not there, whatever happens to the process that writes it.

Chapters: all that train networks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def cache_file(folder: Path, name: str, settings: Mapping[str, Any]) -> Path:
    """The file of what was made with some settings: its name, and a digest of all that it depends on.

    Args:
        folder: of the cache.
        name: for readers.
        settings: what JSON can write.
    """
    text = json.dumps(settings, sort_keys=True)
    return folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an ``.npz`` file, by name; its folder is made if it is not there.

    Two processes may write the same file: the last one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type]
    part.replace(path)
