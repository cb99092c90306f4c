"""What was found in a paragraph and a picture, as the front page has them and the README repeats them.

Chapters: ``dropout``, ``importance`` and ``do-the-measures-agree``.
"""

from __future__ import annotations

import hashlib
import io
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.errors import BookError
from modlib.files import checkout, replace_file, replacing
from modlib.verdicts.found import sentences
from modlib.verdicts.stored import paper_rows

if TYPE_CHECKING:
    import pandas as pd

PICTURE = "book/images/found.png"
DRAWN = "Rows"  # what the picture's metadata call the digest of the rows that it shows
K = 4  # number of clusters in the picture
FOUND = re.compile(r"(?<=<!-- found: written by modlib sync -->\n).*?(?=<!-- end of found -->)", re.DOTALL)
WIDTH = 120  # characters of a line


def answer(folder: Path | None = None) -> str:
    """What was found, in a paragraph of Markdown.

    Args:
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        ResultsError: if a table is damaged.
    """
    return (
        f"**{sentences('dropout', folder)[1]}** Do such clusters do anything? {sentences('importance', folder)[0]} "
        f"Do different notions of a module find the same ones? {sentences('do-the-measures-agree', folder)[0]}"
    )


def sync(check: bool = False, root: Path | None = None) -> list[Path]:
    """Write the answer into the README, and draw its picture anew where its rows are others; returns what changed.

    Args:
        check: write nothing, and refuse a README or a picture that does not show the stored rows.
        root: folder of the README, the checkout by default.

    Raises:
        BookError: if there is no README, it has no place for the answer, or, with ``check``, if it says something else.
        ResultsError: if a table is damaged.
    """
    from modlib.chapters.seen import below_shuffles

    root = root or checkout()
    readme, picture = root / "README.md", root / PICTURE
    rows = paper_rows("clusterability", "dropout")
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if not FOUND.search(text):
        raise BookError(f"{readme} has no place for what was found; restore it, or its two comments, from git")
    told = f"{textwrap.fill(answer(), WIDTH, break_on_hyphens=False)}\n"
    if len(rows):
        told = f"![{below_shuffles(rows, K)}]({PICTURE})\n\n{told}"
    digest = hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()
    changed = []
    if (new := FOUND.sub(lambda _: told, text)) != text:
        changed.append(readme)
    if len(rows) and _drawn(picture) != digest:
        changed.append(picture)
    if check and changed:
        raise BookError(f"{changed[0]} does not show what is stored; run: modlib sync")
    if readme in changed:
        replace_file(readme, new)
    if picture in changed:
        picture.parent.mkdir(parents=True, exist_ok=True)
        with replacing(picture) as part:
            part.write_bytes(_draw(rows, digest))
    return changed


def _drawn(picture: Path) -> str | None:
    """Digest of the rows that a picture shows; none if there is no such picture."""
    from PIL import Image

    if not picture.is_file():
        return None
    with Image.open(picture) as image:
        return image.info.get(DRAWN)


def _draw(rows: pd.DataFrame, digest: str) -> bytes:
    import matplotlib.pyplot as plt

    from modlib import plots
    from modlib.chapters.figures import before_and_after

    plots.use_style()
    figure = before_and_after(rows, K)
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", metadata={DRAWN: digest})
    plt.close(figure)
    return file.getvalue()
