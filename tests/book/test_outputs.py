"""modlib.book.outputs: figures and tables that nobody can read are refused; what else it refuses is in test_build."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from modlib.book.outputs import FEWEST, IN_SIGHT, SMALLEST, check_shown, pictures
from modlib.errors import BookError
from modlib.files import checkout

SEEN = "Of ten networks nine are lower than all of their shuffles."
DRAWN = "n-cuts before and after pruning."


def figure(seen: str = SEEN, drawn: str = DRAWN, pixels: float = SMALLEST) -> nbformat.NotebookNode:
    said: dict[str, Any] = {"image/png": {"alt": seen, "smallest_text": pixels}}
    output = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0K\nGgo=\n"}, metadata=said)
    metadata = {"mystnb": {"image": {"alt": drawn}}} if drawn else {}
    return notebook(output, metadata)


def table(rows: int, before: str = "", after: str = "", tags: list[str] | None = None) -> nbformat.NotebookNode:
    head = "<thead><tr><th>a</th></tr></thead>"
    page = f"{before}<table>{head}<tbody>{'<tr><td>1</td></tr>' * rows}</tbody></table>{after}"
    return notebook(nbformat.v4.new_output("display_data", {"text/html": page}), {"tags": tags or []})


def notebook(output: nbformat.NotebookNode, metadata: dict[str, Any]) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("show()", outputs=[output], metadata=metadata)])


def test_a_figure_with_words_and_a_table_of_a_screen_pass() -> None:
    check_shown(figure(), "tiny")
    check_shown(table(IN_SIGHT), "tiny")
    (picture,) = pictures(figure())
    assert (picture.png, picture.drawn, picture.seen) == ("iVBORw0KGgo=", DRAWN, SEEN)


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ({"drawn": ""}, "code cell 1 of tiny shows a figure; describe"),
        ({"seen": ""}, f"say in {FEWEST} words or more"),
        ({"seen": "It is lower."}, "is said 'It is lower.'"),
        ({"seen": DRAWN, "drawn": DRAWN}, "not what is drawn"),
        ({"seen": SEEN, "drawn": f"{SEEN} And more."}, "not what is drawn"),
        ({"pixels": SMALLEST - 0.1}, "smallest letters measure 8.9 pixels"),
        ({"pixels": 0}, "smallest letters measure 0.0 pixels"),
    ],
)
def test_a_figure_that_some_cannot_read_is_refused(planted: dict[str, Any], says: str) -> None:
    with pytest.raises(BookError, match=says):
        check_shown(figure(**planted), "tiny")


def test_a_table_longer_than_a_screen_is_refused_unless_it_scrolls_or_folds() -> None:
    with pytest.raises(BookError, match=f"a table with {IN_SIGHT + 1} rows in sight"):
        check_shown(table(IN_SIGHT + 1), "tiny")
    with pytest.raises(BookError, match="rows in sight"):
        check_shown(table(IN_SIGHT + 1, "<details open><summary>All</summary>", "</details>"), "tiny")
    check_shown(table(50, "<details><summary>All</summary>", "</details>"), "tiny")
    check_shown(table(50, '<div class="long" tabindex="0">', "</div>"), "tiny")
    check_shown(table(50, tags=["hide-cell"]), "tiny")


@pytest.mark.parametrize("page", ["notebooks/*.md", "book/*.md", "skeleton/notebooks/*.md"])
def test_every_page_shows_its_figures_with_words(page: str) -> None:
    paths: list[Path] = sorted(checkout().glob(page))
    assert paths
    assert not [path.name for path in paths if "plt.show()" in path.read_text(encoding="utf-8")]
