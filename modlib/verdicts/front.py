"""What was found, on one screen: a sentence, a line a notion and a picture, which the front page and the README show.

All of it is computed from stored rows. Page: ``introduction``.
"""

from __future__ import annotations

import hashlib
import io
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modlib.chapters.null_models.findings import KS
from modlib.errors import BookError
from modlib.evidence.criteria import Grade
from modlib.evidence.digits import signed
from modlib.evidence.sentences import listed
from modlib.files import checkout, replace_file, replacing
from modlib.verdicts.cards import PAPERS
from modlib.verdicts.claims import OURS, Claim, judge, load
from modlib.verdicts.five import Notion, notions
from modlib.verdicts.found import NOT_YET
from modlib.verdicts.scorecard import repeated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "book/images/found.png"
DRAWN = "Rows"  # what the picture's metadata call the digest of the numbers that it shows
FOUND = re.compile(r"(?<=<!-- found: written by modlib sync -->\n).*?(?=<!-- end of found -->)", re.DOTALL)
WIDTH = 120  # characters of a line
INCHES = 4.6  # of the picture: its letters are read on a phone, 390 pixels wide
LINKED = 2  # chapters whose misses are named; the others are on the page of what was found
PAGE = "book/what-was-found"
NOTE = (
    "Perceptrons have full layers, CNNs convolutions. A shuffle has the same weights in other places. "
    f"*{PAPERS['pruned-modular']}* cuts into {KS[0]} groups, *{PAPERS['clusterability']}* into {KS[1]}. A mask "
    "marks weights that are enough for a function. In the picture a point is a network, and grey is what chance or no "
    "training has."
)


def book_link(words: str, page: str) -> str:
    """A link in the book."""
    return f"{{doc}}`{words} </{page}>`"


def readme_link(words: str, page: str) -> str:
    """A link in the README."""
    return f"[{words}]({page}.md)"


def answer(found: Sequence[Notion], link: Callable[[str, str], str] = book_link, folder: Path | None = None) -> str:
    """What was found, in Markdown: a sentence, then a line for each notion of a module.

    Args:
        found: see ``modlib.verdicts.five.notions``.
        link: a link, of its words and a page such as ``notebooks/dropout``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        ResultsError: if a table is damaged.
    """
    lines = [line for notion in found for line in _lines(notion, link, folder)]
    return "\n".join([f"**{headline(found)}**", "", *lines, "", NOTE])


def headline(found: Sequence[Notion]) -> str:
    """The answer in a sentence: by how many notions networks are modular, and whether the notions agree."""
    *five, last = found
    told = [notion.told for notion in five if notion.told]
    if not told or not last.told:
        return NOT_YET
    two, one = (f"{numbers.mean():.2f}" for numbers in last.told.points.values())
    joined = "and the notions largely find" if last.told.modular else "but the notions do not find"
    return (
        f"By {sum(of.modular for of in told)} of {len(told)} notions of a module most of the networks trained here, "
        f"perceptrons above all, are more modular than by chance, {joined} the same modules: two agree by {two}, one "
        f"that is asked twice by {one}, where 0 is chance and 1 the same."
    )


def _lines(notion: Notion, link: Callable[[str, str], str], folder: Path | None) -> list[str]:
    """A notion as a list in a list: what it asks, whether networks are so, beyond chance, by what, what is missed."""
    told = notion.told
    cells = [NOT_YET]
    if told:
        cells = [f"**{told.answer}:** {told.found}.", f"*Beyond chance:* {told.beyond}."]
        cells += [f"{told.raised[0].upper()}{told.raised[1:]}."] if told.raised else []
    cells.append(f"*Not reproduced:* {_missed(notion.chapters, link, folder)}.")
    return [
        f"- **{notion.name}{'' if notion.name.endswith('?') else '.'}** {notion.asks}",
        *(f"  - {cell}" for cell in cells),
    ]


def _missed(chapters: Sequence[str], link: Callable[[str, str], str], folder: Path | None) -> str:
    """How many claims of some chapters are not reproduced and how many are open, and which chapters have most of them.

    Statements of our own count where no paper says anything; claims that hold the numbers of others do not.
    """
    claims = load()
    again = repeated(claims)
    claims = [claim for claim in claims if claim.chapter in chapters and not _repeats(claim, again)]
    printed = [claim for claim in claims if claim.paper != OURS]
    grades = [(claim.chapter, judge(claim, folder).verdict) for claim in printed or claims]
    missed = Counter(chapter for chapter, grade in grades if grade is Grade.NOT_REPRODUCED)
    undecided = sum(grade in (Grade.INCONCLUSIVE, Grade.NOT_TESTED, Grade.NO_VALUE) for _, grade in grades)
    what = "claims" if printed else "statements of our own"
    links = [link(chapter, f"notebooks/{chapter}") for chapter, _ in missed.most_common(LINKED)]
    links += [link("others", PAGE)] if len(missed) > LINKED else []
    where = f", in {listed(links)}" if links else ""
    left = f"; {undecided} are open" if undecided else ""
    return f"{missed.total()} of {len(grades)} {what}{where}{left}"


def _repeats(claim: Claim, again: Mapping[tuple[str, str], str]) -> bool:
    return bool(claim.printed) and all((claim.id, metric) in again for metric in claim.printed)


def picture(found: Sequence[Notion]) -> Figure:
    """A panel a notion, a point a network: trained networks in colour, what they are compared with in grey.

    Args:
        found: see ``modlib.verdicts.five.notions``; those that are not measured have no panel.
    """
    import matplotlib.pyplot as plt

    from modlib.plots import MARKERS, PALETTE

    shown = [(notion, notion.told) for notion in found if notion.told]
    heights = [len(told.points) + len(told.chance) for _, told in shown]
    figure, axes = plt.subplots(
        len(shown), 1, figsize=(INCHES, 0.66 * len(shown) + 0.16 * sum(heights)), squeeze=False,
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    for ax, (notion, told) in zip(axes.flat, shown, strict=True):
        rows = [*told.points.items(), *told.chance.items()]
        for place, (_, numbers) in enumerate(rows):
            trained = place < len(told.points)
            spread = np.linspace(-0.25, 0.25, len(numbers)) if len(numbers) > 1 else np.zeros(1)
            ax.scatter(
                numbers, place + spread, s=14 if trained else 10, linewidths=0, alpha=0.8,
                color=PALETTE[place] if trained else "#808080", marker=MARKERS[place] if trained else "D",
            )  # fmt: skip
        ax.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=9)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.tick_params(axis="x", labelsize=9, length=3)
        ax.tick_params(axis="y", length=0)
        ax.set_title(notion.name, fontsize=10, fontweight="bold", loc="left", pad=16)
        ax.text(0, 1, notion.axis, fontsize=9, transform=ax.transAxes, va="bottom")
        ax.grid(axis="x", color="#E5E5E5")
        ax.set_axisbelow(True)
    return figure


def seen(found: Sequence[Notion]) -> str:
    """What is to be seen in ``picture``, in words: the mean of every group of networks, panel by panel.

    Args:
        found: see ``modlib.verdicts.five.notions``.
    """
    panels = []
    for notion in found:
        if notion.told:
            means = {**notion.told.points, **notion.told.chance}
            each = [f"{signed(numbers.mean(), '.2f')} {name}" for name, numbers in means.items()]
            panels.append(f"{notion.name.rstrip('?')}, {notion.axis.partition(':')[0]}: {'; '.join(each)}")
    return f"A panel a notion, a point a network, grey what is expected by chance. Means: {'. '.join(panels)}."


def sync(check: bool = False, root: Path | None = None) -> list[Path]:
    """Write the answer into the README, and draw its picture anew where its numbers are others; returns what changed.

    Args:
        check: write nothing, and refuse a README or a picture that does not show the stored rows.
        root: folder of the README, the checkout by default.

    Raises:
        BookError: if there is no README, it has no place for the answer, or, with ``check``, if it says something else.
        ResultsError: if a table is damaged.
    """
    root = root or checkout()
    readme, image = root / "README.md", root / PICTURE
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if not FOUND.search(text):
        raise BookError(f"{readme} has no place for what was found; restore it, or its two comments, from git")
    found = notions()
    told = "".join(f"{_filled(line)}\n" for line in answer(found, readme_link).splitlines())
    if drawable := any(notion.told for notion in found):
        told += f"\n![{seen(found)}]({PICTURE})\n"
    digest = _digest(found)
    changed = []
    if (new := FOUND.sub(lambda _: told, text)) != text:
        changed.append(readme)
    if drawable and _drawn(image) != digest:
        changed.append(image)
    if check and changed:
        raise BookError(f"{changed[0]} does not show what is stored; run: modlib sync")
    if readme in changed:
        replace_file(readme, new)
    if image in changed:
        image.parent.mkdir(parents=True, exist_ok=True)
        with replacing(image) as part:
            part.write_bytes(_draw(found, digest))
    return changed


def _filled(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip(" -")))  # of a list, or of a list in it
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _digest(found: Sequence[Notion]) -> str:
    """Of the numbers that the picture shows, to four decimals, and of its words."""
    shown = [
        (notion.name, notion.axis, name, [f"{number:.4f}" for number in numbers])
        for notion in found
        if notion.told
        for name, numbers in (*notion.told.points.items(), *notion.told.chance.items())
    ]
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def _drawn(image: Path) -> str | None:
    """Digest of the numbers that a picture shows; none if there is no such picture."""
    from PIL import Image

    if not image.is_file():
        return None
    with Image.open(image) as opened:
        return opened.info.get(DRAWN)


def _draw(found: Sequence[Notion], digest: str) -> bytes:
    import matplotlib.pyplot as plt

    from modlib import plots

    plots.use_style()
    figure = picture(found)
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", metadata={DRAWN: digest})
    plt.close(figure)
    return file.getvalue()
