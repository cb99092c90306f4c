"""A process in which a package is not to be had, to see that what says it does without it does.

Chapter: those that say in their opening box that they need no PyTorch are executed this way.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from modlib.errors import InputError


class Absent:
    """A finder of modules before all others, to which some packages are not there.

    Args:
        packages: names that are imported, such as ``torch``.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = frozenset(packages)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """Leave a module to the next finder.

        Raises:
            ModuleNotFoundError: if it is of an absent package, as where that is not installed.
        """
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}, on purpose", name=name)


def hide(*packages: str) -> None:
    """Make packages absent from this process, until its end.

    Args:
        packages: names that are imported, such as ``torch``.

    Raises:
        InputError: if one of them has been imported, and so is there.
    """
    if there := [name for name in packages if name in sys.modules]:
        raise InputError(f"{', '.join(there)} has been imported already; hide it before anything imports it")
    sys.meta_path.insert(0, Absent(packages))
