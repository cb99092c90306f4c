"""Files as a bad disk leaves them."""

from collections.abc import Iterator

import numpy as np


def damaged(raw: bytes, n: int = 300) -> Iterator[bytes]:
    """A file with up to three bytes that are others, in other places each time; every fifth is cut off as well."""
    rng = np.random.default_rng(0)
    for number in range(n):
        changed = bytearray(raw)
        for place in rng.integers(len(raw), size=1 + number % 3):
            changed[place] ^= rng.integers(1, 256)
        yield bytes(changed[: rng.integers(len(raw))] if number % 5 == 4 else changed)
