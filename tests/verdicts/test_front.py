"""The README says and draws what the front page does, and is refused where the rows have become others."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from modlib.errors import BookError
from modlib.files import checkout
from modlib.verdicts import front, sentences

README = "# Title\n\n<!-- found: written by modlib sync -->\nold\n<!-- end of found -->\n\nMore.\n"


ANSWER = "**With dropout 30 of 30 are.** " + "Do such clusters do anything? Many do. " * 5


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a README; the answer is not computed, which takes seconds."""
    (tmp_path / "README.md").write_text(README)
    monkeypatch.setattr(front, "answer", lambda: ANSWER)
    return tmp_path


def test_the_readme_is_what_the_stored_rows_make_it() -> None:
    assert front.sync(check=True) == []


def test_the_answer_has_a_sentence_of_three_chapters(tmp_path: Path) -> None:
    told = " ".join((checkout() / "README.md").read_text().split())  # which the test before compared
    for sentence in (sentences("dropout")[1], sentences("importance")[0], sentences("do-the-measures-agree")[0]):
        assert sentence in told
    assert front.answer(tmp_path).count("Not measured yet.") == 3


def test_the_answer_and_its_picture_are_written_once(root: Path) -> None:
    readme, picture = root / "README.md", root / front.PICTURE
    assert front.sync(root=root) == [readme, picture]
    text = readme.read_text()
    assert " ".join(ANSWER.split()) in " ".join(text.split())
    assert max(map(len, text.splitlines()[6:])) <= 120
    assert "old" not in text
    assert text.startswith("# Title")
    assert text.endswith("\n\nMore.\n")
    with Image.open(picture) as image:
        assert image.width > 2 * image.height
    assert front.sync(root=root) == []
    assert front.sync(check=True, root=root) == []


def test_other_rows_make_another_readme(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front.sync(root=root)
    rows = front.paper_rows("clusterability", "dropout")
    changed = rows.assign(ncut=rows["ncut"] + 1e-5)
    monkeypatch.setattr(front, "paper_rows", lambda *_: changed)
    with pytest.raises(BookError, match=r"found.png does not show what is stored; run: modlib sync"):
        front.sync(check=True, root=root)
    before = (root / front.PICTURE).read_bytes()
    assert front.sync(root=root) == [root / front.PICTURE]
    assert (root / front.PICTURE).read_bytes() != before


def test_an_edited_readme_is_refused_and_left_as_it_is(root: Path) -> None:
    front.sync(root=root)
    readme = root / "README.md"
    edited = readme.read_text().replace("30 of 30", "31 of 30").replace("With dropout", "Without dropout")
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
    monkeypatch.setattr(front, "paper_rows", lambda *_: pd.DataFrame())
    assert front.sync(root=root) == [root / "README.md"]
    assert "![" not in (root / "README.md").read_text()
