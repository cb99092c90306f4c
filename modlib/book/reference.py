"""The API reference: a page of the book names packages, and every module of them gets its section.

Chapter: none; the pages are ``book/api-*.md``.
"""

from __future__ import annotations

import re
from pathlib import Path

from modlib.errors import BookError

PLACE = re.compile(r"<!-- the modules of (modlib[\w.]*) -->")


def with_modules(text: str, root: Path) -> str:
    """A page in which every line ``<!-- the modules of PACKAGE -->`` has become a section for each module of it.

    Args:
        text: of the page.
        root: folder that holds ``modlib``.

    Raises:
        BookError: if there is no such module or package.
    """
    return PLACE.sub(lambda place: "\n".join(_section(name, root) for name in modules(place[1], root)), text)


def modules(name: str, root: Path) -> list[str]:
    """A module, or a package and all modules below it, in alphabetical order.

    Raises:
        BookError: if there is neither.
    """
    path = root.joinpath(*name.split("."))
    if path.with_suffix(".py").exists():
        return [name]
    found = sorted(path.rglob("*.py"))
    if not found:
        raise BookError(f"{name} arrived for the API reference, but there is neither {path} nor {path}.py; correct it")
    names = [".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for file in found]
    return sorted(names)


def _section(name: str, root: Path) -> str:
    """A package that only gives names of its modules is shown without them: they have their place already."""
    members = "" if root.joinpath(*name.split("."), "__init__.pyi").exists() else "   :members:\n"
    return f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n"
