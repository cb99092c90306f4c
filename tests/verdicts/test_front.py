"""The README says and draws what the front page does, and is refused where the rows have become others."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from modlib.chapters import NAMES
from modlib.errors import BookError
from modlib.evidence.criteria import Grade
from modlib.files import checkout
from modlib.plots import smallest_text
from modlib.verdicts import cards, front
from modlib.verdicts.claims import Claim
from modlib.verdicts.five import Notion, Told, notions

README = "# Title\n\n<!-- found: written by modlib sync -->\nold\n<!-- end of found -->\n\nMore.\n"
PHONE = 350  # pixels of an article on a phone, 390 pixels wide


def notion(name: str, value: float, modular: bool = True) -> Notion:
    told = Told(
        "Mostly",
        "30 of 30 pruned perceptrons with dropout and 15 of 30 without beat each of their shuffles " * 2,
        "by 0.2",
        "raised by dropout (15 to 30 of 30)",
        modular,
        {"with": pd.Series([value, value + 0.1]), "without": pd.Series([value / 2])},
        {"chance": pd.Series([0.0])},
    )
    return Notion(name, "Is it so?", "what is shown: a number", ("dropout", "null-models"), told)


MADE_UP = [notion("First", 0.5), notion("Second", 0.4, modular=False), notion("Agreement?", 0.07, modular=False)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a README; the answer is of made-up notions, and claims are not judged, which takes seconds."""
    (tmp_path / "README.md").write_text(README)
    monkeypatch.setattr(front, "notions", lambda: MADE_UP)
    monkeypatch.setattr(front, "_missed", lambda chapters, link, _: link("2 of 9 claims", f"notebooks/{chapters[0]}"))
    return tmp_path


def test_the_readme_and_its_picture_are_what_the_stored_rows_make_them() -> None:
    assert front.sync(check=True) == []
    told = checkout().joinpath("README.md").read_text().splitlines()
    assert told[0].startswith("# ")
    assert told[3].startswith("**By "), "the answer comes first"
    text = " ".join(" ".join(told).split())
    for found in notions():
        assert f"- **{found.name}" in text
        assert found.told is not None
        assert f"{found.asks} - **{found.told.answer}:** {found.told.found}. - *Beyond chance:*" in text
        assert found.told.raised[1:] in text
    assert text.count("*Not reproduced:*") == 6


def test_the_page_has_the_same_answer_with_links_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "_missed", lambda chapters, link, _: link("others", front.PAGE))
    page, readme = front.answer(MADE_UP), front.answer(MADE_UP, front.readme_link)
    assert page.replace("{doc}`others </book/what-was-found>`", "[others](book/what-was-found.md)") == readme
    assert page != readme
    text = (checkout() / "book" / "introduction.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert [found.name for found in notions()] == headings, "a section for each notion"


def test_the_headline_counts_notions_and_says_whether_they_agree() -> None:
    assert front.headline(MADE_UP) == (
        "By 1 of 2 notions of a module most of the networks trained here, perceptrons above all, are more modular than "
        "by chance, but the notions do not find the same modules: two agree by 0.12, one that is asked twice by 0.04, "
        "where 0 is chance and 1 the same."
    )
    last = MADE_UP[-1]
    assert last.told is not None
    agreeing = replace(last, told=replace(last.told, modular=True))
    assert "by chance, and the notions largely find the same" in front.headline([*MADE_UP[:-1], agreeing])
    unknown = replace(MADE_UP[0], told=None)
    assert front.headline([unknown, *MADE_UP[1:]]).startswith("By 0 of 1 notions")


def counted(*chapters: str) -> list[tuple[Claim, Grade]]:
    """Claims of chapters, without those that hold the numbers of other claims only, as the scorecard has it."""
    repeats = (
        pd.read_csv(checkout() / "results" / "scorecard.csv")
        .groupby("claim")["repeats"]
        .agg(lambda of: of.notna().all())
    )
    judged = [(claim, verdict.verdict) for claim, verdict in cards.judged() if claim.chapter in chapters]
    assert any(repeats[claim.id] for claim, _ in judged)
    return [(claim, grade) for claim, grade in judged if not repeats[claim.id]]


def test_claims_that_are_not_reproduced_are_counted_with_links_to_their_chapters() -> None:
    judged = counted("dropout", "coherence")
    missed = [claim.chapter for claim, grade in judged if grade is Grade.NOT_REPRODUCED]
    undecided = (Grade.INCONCLUSIVE, Grade.NOT_TESTED, Grade.NO_VALUE)
    told = front._missed(("dropout", "coherence"), front.readme_link, None)
    assert told.startswith(f"{len(missed)} of {len(judged)} claims, in [")
    assert told.endswith(f"; {sum(grade in undecided for _, grade in judged)} are open")
    assert set(re.findall(r"\[(.+?)\]\(notebooks/\1\.md\)", told)) == set(missed)
    own = front._missed(("do-the-measures-agree",), front.book_link, None)
    assert re.match(r"\d+ of \d+ statements of our own", own)
    chapters = [chapter for found in notions() for chapter in found.chapters]
    assert len(chapters) == len(set(chapters))
    assert set(chapters) == set(NAMES) - {"cifar-dropout"}, "each chapter with claims belongs to one notion"


def test_statements_of_our_own_do_not_count_among_claims(tmp_path: Path) -> None:
    both = front._missed(("dropout", "null-models"), front.readme_link, tmp_path)
    assert both == front._missed(("dropout",), front.readme_link, tmp_path)
    n = len(counted("dropout"))
    assert both == f"0 of {n} claims; {n} are open"


def test_the_answer_and_its_picture_are_written_once(root: Path) -> None:
    readme, picture = root / "README.md", root / front.PICTURE
    assert front.sync(root=root) == [readme, picture]
    text = readme.read_text()
    assert max(len(line) for line in text.splitlines() if not line.startswith("![")) <= front.WIDTH
    assert "old" not in text
    assert text.startswith("# Title")
    assert text.endswith("\n\nMore.\n")
    assert "\n- **First.** Is it so?\n  - **Mostly:** 30 of 30 pruned perceptrons" in text
    assert "\n- **Agreement?** Is it so?\n" in text
    assert re.search(r"\n  - \*\*Mostly:.+\n    \S", text), "what is filled stays in its list"
    assert (
        "\n  - Raised by dropout (15 to 30 of 30).\n  - *Not reproduced:* [2 of 9 claims](notebooks/dropout.md).\n"
        in text
    )
    assert front.sync(root=root) == []
    assert front.sync(check=True, root=root) == []


def test_other_rows_make_another_readme_and_another_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front.sync(root=root)
    before = (root / front.PICTURE).read_bytes()
    told = MADE_UP[0].told
    assert told is not None
    moved = {"with": told.points["with"] + 0.0002, "without": told.points["without"]}
    other = [replace(MADE_UP[0], told=replace(told, points=moved)), *MADE_UP[1:]]
    monkeypatch.setattr(front, "notions", lambda: other)
    with pytest.raises(BookError, match=r"found.png does not show what is stored; run: modlib sync"):
        front.sync(check=True, root=root)
    assert front.sync(root=root) == [root / front.PICTURE]
    assert (root / front.PICTURE).read_bytes() != before
    said = [replace(MADE_UP[0], told=replace(told, found="31 of 30")), *MADE_UP[1:]]
    monkeypatch.setattr(front, "notions", lambda: said)
    with pytest.raises(BookError, match=r"README.md does not show what is stored"):
        front.sync(check=True, root=root)


def test_an_edited_readme_is_refused_and_left_as_it_is(root: Path) -> None:
    front.sync(root=root)
    readme = root / "README.md"
    edited = readme.read_text().replace("15 of 30", "16 of 30")
    readme.write_text(edited)
    with pytest.raises(BookError, match=r"README.md does not show what is stored"):
        front.sync(check=True, root=root)
    assert readme.read_text() == edited


def test_a_readme_without_a_place_is_refused(root: Path) -> None:
    (root / "README.md").write_text("# Title\n")
    with pytest.raises(BookError, match="no place for what was found"):
        front.sync(root=root)
    (root / "README.md").unlink()
    with pytest.raises(BookError, match="no place for what was found; restore it"):
        front.sync(root=root)


def test_a_picture_of_something_else_is_drawn_anew(root: Path) -> None:
    front.sync(root=root)
    picture = root / front.PICTURE
    shutil.copy(checkout() / "book/images/first-result.png", picture)
    assert front.sync(root=root) == [picture]


def test_before_anything_is_measured_there_is_no_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "notions", lambda: [replace(found, told=None) for found in MADE_UP])
    assert front.sync(root=root) == [root / "README.md"]
    text = (root / "README.md").read_text()
    assert "![" not in text
    assert text.count("Not measured yet.") == 1 + len(MADE_UP)


def test_the_picture_has_a_panel_a_notion_and_is_read_on_a_phone() -> None:
    found = notions()
    figure = front.picture(found)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [notion.name for notion in found]
    for ax, one in zip(figure.axes, found, strict=True):
        assert one.told is not None
        rows = [*one.told.points.items(), *one.told.chance.items()]
        assert [label.get_text() for label in ax.get_yticklabels()] == [name for name, _ in rows]
        assert [len(points.get_offsets()) for points in ax.collections] == [len(numbers) for _, numbers in rows]
        colours = [tuple(points.get_facecolor()[0][:3]) for points in ax.collections]
        grey = [len(set(colour)) == 1 for colour in colours]
        assert grey == [False] * len(one.told.points) + [True] * len(one.told.chance)
        assert len(set(colours)) == len(one.told.points) + 1
    pixels = smallest_text(figure)
    width = figure.get_tightbbox().width * figure.dpi
    assert pixels * min(1, PHONE / width) > 9
    assert len(front.picture([replace(found[0], told=None), *found[1:]]).axes) == len(found) - 1
    plt.close("all")


def test_what_is_seen_is_told_with_the_mean_of_each_group() -> None:
    told = front.seen([MADE_UP[0], replace(MADE_UP[1], told=None)])
    assert told.endswith("Means: First, what is shown: 0.55 with; 0.25 without; 0.00 chance.")
