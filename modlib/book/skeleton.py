"""A new chapter: the small one in ``skeleton/``, whole and runnable, under another name and in the book's three lists.

Chapter: none; this is how one begins.
"""

from __future__ import annotations

import keyword
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from modlib.book.twins import notebook_text
from modlib.errors import BookError, InputError
from modlib.files import checkout, replace_file

EXAMPLE = "example-chapter"  # what the chapter in skeleton/ is called
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 28  # letters; lines with a longer name would have to be broken elsewhere


def new_chapter(name: str, root: Path | None = None) -> list[Path]:
    """Write the skeleton of a chapter and measure its cells of the profile ``smoke``: all of it, or nothing.

    Args:
        name: of the chapter, in lower case with hyphens, such as ``topology-shuffles``.
        root: folder of the book, the checkout by default.

    Returns:
        The files that are new or have changed.

    Raises:
        InputError: if it is no name of a chapter, or something has it already.
        BookError: if a list has no place for it, a file cannot be written, or the measurement fails.
    """
    root = root or checkout()
    if not NAME.fullmatch(name) or len(name) > LONGEST or keyword.iskeyword(name):
        raise InputError(
            f"chapter {name!r} arrived; expected at most {LONGEST} lower-case letters and digits with hyphens between "
            "words, no word of Python itself, such as topology-shuffles"
        )
    package = root / "modlib" / "chapters" / _module(name)
    tables = [root / "results" / f"{name}{suffix}" for suffix in (".csv", ".json")]
    copies = _copies(name, root)
    for path in (package, package.with_suffix(".py"), *copies, *tables):
        if path.exists():
            raise InputError(f"chapter {name!r} arrived, but {path} is there already; choose another name")
    texts = copies | _lists(name, root)
    before = {path: path.read_text(encoding="utf-8") for path in texts.keys() - copies.keys()}
    try:
        for path, text in texts.items():
            replace_file(path, text)
        _measure(name, root)
    except BaseException as error:
        for path in (*copies, *tables):
            path.unlink(missing_ok=True)
        shutil.rmtree(package, ignore_errors=True)
        for path, text in before.items():
            if path.read_text(encoding="utf-8") != text:
                replace_file(path, text)
        if isinstance(error, OSError):
            raise BookError(f"the chapter {name} could not be written ({error}); nothing was changed") from error
        raise
    return [*texts, *tables]


def _copies(name: str, root: Path) -> dict[Path, str]:
    """Files of the chapter, by where they go."""
    skeleton = root / "skeleton"
    sources = [path for path in sorted(skeleton.glob("*/**/*")) if path.suffix in (".py", ".md")]
    texts = {
        root / _renamed(str(path.relative_to(skeleton)), name): _renamed(path.read_text(encoding="utf-8"), name)
        for path in sources
    }
    twin = root / "notebooks" / f"{name}.md"
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / twin.name
        draft.write_text(texts[twin], encoding="utf-8")
        return texts | {twin.with_suffix(".ipynb"): notebook_text(draft, root)}


def _lists(name: str, root: Path) -> dict[Path, str]:
    """The lists of chapters, of pages and of claims, with this chapter at the end."""
    chapters, contents, claims = root / "modlib/chapters/__init__.py", root / "_toc.yml", root / "book/claims.yml"
    entry = _renamed((root / "skeleton" / claims.name).read_text(encoding="utf-8"), name)
    return {
        chapters: _with_line(chapters, r'^NAMES = \(\n(?:( +)"[\w-]+",\n)+', f'"{name}",\n'),
        contents: _with_line(contents, r"^( *)- file: notebooks/[\w-]+\n", f"- file: notebooks/{name}\n"),
        claims: claims.read_text(encoding="utf-8") + entry,
    }


def _with_line(path: Path, pattern: str, line: str) -> str:
    """Text of a file with a line after the last place that fits a pattern, indented as its group is."""
    text = path.read_text(encoding="utf-8")
    places = list(re.finditer(pattern, text, re.MULTILINE))
    if not places:
        raise BookError(f"{path} has no list of chapters, nothing that fits {pattern!r}; compare it with git")
    end = places[-1].end()
    return text[:end] + places[-1][1] + line + text[end:]


def _renamed(text: str, name: str) -> str:
    return text.replace(EXAMPLE, name).replace(_module(EXAMPLE), _module(name))


def _module(name: str) -> str:
    return name.replace("-", "_")


def _measure(name: str, root: Path) -> None:
    """Measure the cells of the profile ``smoke``, in a process that reads the new list of chapters."""
    run = [sys.executable, "-c", "from modlib.cli import main; main()", "run", name, "--grid", "smoke"]
    done = subprocess.run([*run, "--results", str(root / "results")], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise BookError(f"the smoke cells of the chapter {name} failed; nothing was changed:\n{done.stderr.strip()}")
