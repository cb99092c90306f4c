"""modlib.book.twins and modlib.book.plain: the notebooks that the chapters make, for readers of notebooks."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from modlib.book.notebooks import read_notebook
from modlib.book.plain import RAW, Links, plain_markdown
from modlib.book.twins import INSTALL, sync
from modlib.errors import BookError
from modlib.files import REPOSITORY, checkout

TEXT = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Tiny

Some text.

```{code-cell} ipython3
:tags: [parameters]

seed = 0  # decides the network
```

```{code-cell} ipython3
:tags: [hide-input]

print(seed)
```
"""


def chapter(root: Path) -> Path:
    """A chapter NAME = tiny with its notebook; returns the text twin."""
    twin = root / "notebooks" / "tiny.md"
    twin.parent.mkdir(exist_ok=True)
    twin.write_text(TEXT)
    sync(root=root)
    return twin


def links() -> Links:
    return Links(checkout(), "notebooks/dropout")


def test_sync_writes_notebooks_without_outputs_that_papermill_can_run(tmp_path):
    notebook = chapter(tmp_path).with_suffix(".ipynb")
    found = nbformat.read(notebook, as_version=4)
    nbformat.validate(found)
    assert found.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert not any(cell.get("outputs") for cell in found.cells)
    assert sync(root=tmp_path) == []
    sync(check=True, root=tmp_path)


def test_an_edit_changes_the_id_of_its_own_cell_alone(tmp_path):
    twin = chapter(tmp_path)
    ids = [cell.id for cell in nbformat.read(twin.with_suffix(".ipynb"), as_version=4).cells]
    twin.write_text(twin.read_text().replace("Some text.", "Other text.\n\n+++\n\nAnd more."))
    sync(root=tmp_path)
    after = [cell.id for cell in nbformat.read(twin.with_suffix(".ipynb"), as_version=4).cells]
    assert len(after) == len(ids) + 1
    assert after[-2:] == ids[-2:]
    assert len(set(after)) == len(after)


def test_a_notebook_that_differs_from_its_twin_is_refused(tmp_path):
    twin = chapter(tmp_path)
    twin.write_text(twin.read_text() + "\nMore.\n")
    with pytest.raises(
        BookError, match=r"not what its text twin makes it; put your edits into tiny.md, then run: modlib sync"
    ):
        sync(check=True, root=tmp_path)


def test_stored_outputs_are_refused(tmp_path):
    notebook = chapter(tmp_path).with_suffix(".ipynb")
    found = nbformat.read(notebook, as_version=4)
    found.cells[-1].outputs = [nbformat.v4.new_output("stream", text="0\n")]
    nbformat.write(found, notebook)
    with pytest.raises(BookError, match="stores outputs"):
        sync(check=True, root=tmp_path)


def test_a_notebook_without_a_twin_is_refused(tmp_path):
    chapter(tmp_path).unlink()
    with pytest.raises(BookError, match="has no text twin"):
        sync(root=tmp_path)


def test_the_chapters_are_what_their_twins_make_them():
    sync(check=True)


def test_a_term_leads_to_the_glossary_and_a_page_is_called_by_its_title():
    text = plain_markdown(
        "A {term}`clusterable\n<clusterability>` net; see {doc}`scope </book/scope>`, {doc}`dropout`.", links()
    )
    title = re.search(r"^# (.+)", (checkout() / "notebooks/dropout.md").read_text(), re.MULTILINE)[1]
    assert text == (
        f"A [clusterable]({REPOSITORY}/blob/main/book/glossary.md) net; "
        f"see [scope]({REPOSITORY}/blob/main/book/scope.md), [{title}]({REPOSITORY}/blob/main/notebooks/dropout.ipynb)."
    )


def test_papers_are_cited_by_authors_and_year_and_can_be_read():
    shown = plain_markdown("As {cite:t}`pruned-modular` say {cite:p}`clusterability,importance-coherence`.", links())
    assert shown == (
        "As [Filan et al. (2020)](https://arxiv.org/abs/2003.04881) say "
        "([Filan et al., 2021](https://arxiv.org/abs/2103.03386); Anonymous, 2020)."
    )


def test_a_labelled_section_is_called_by_its_title_and_its_label_is_gone():
    label, (page, title) = next(iter(links().sections.items()))
    assert plain_markdown(f"See {{ref}}`{label}`.", links()) == f"See [{title}]({REPOSITORY}/blob/main/{page}.ipynb)."
    assert plain_markdown(f"({label})=\n## Title", links()) == "## Title"


def test_boxes_become_quotations_exercises_headings_and_hints_and_solutions_fold():
    boxes = ":::{admonition} Before you begin\n:class: tip\n- one\n\n- two\n:::\n\n"
    boxes += ":::{admonition} Exercise 1: why\nWhy $x$?\n:::\n\n"
    boxes += "\n\n".join(f":::{{admonition}} {name}\n:class: dropdown\nSo.\n:::" for name in ("Hint", "Solution"))
    assert plain_markdown(boxes, links()) == (
        "> **Before you begin**\n>\n> - one\n>\n> - two\n\n### Exercise 1: why\n\nWhy $x$?\n\n"
        "<details>\n<summary>Hint</summary>\n\nSo.\n\n</details>\n\n"
        "<details>\n<summary>Solution</summary>\n\nSo.\n\n</details>"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{emphasis}`x`", "role 'emphasis'"),
        (":::{note}\nx\n:::", "directive 'note'"),
        ("{doc}`nowhere`", "points to the page notebooks/nowhere"),
        ("{ref}`nowhere`", "points to the section 'nowhere'"),
        ("{cite:t}`nobody`", "cites 'nobody'"),
    ],
)
def test_markup_without_a_plain_form_and_links_that_lead_nowhere_are_refused(text, words):
    with pytest.raises(BookError, match=words):
        plain_markdown(text, links())


@pytest.mark.parametrize("notebook", sorted((checkout() / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_reads_well_where_no_plug_in_is(notebook):
    """Rendered by nbconvert, as Jupyter renders it: no role, directive or label is left for a reader to see."""
    from nbconvert import HTMLExporter

    found = nbformat.read(notebook, as_version=4)
    assert not [cell.source for cell in found.cells if cell.cell_type == "markdown" and RAW.search(cell.source)]
    found.cells = [cell for cell in found.cells if cell.cell_type == "markdown"]
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(found)
    assert not RAW.search(re.sub(r"<[^>]+>", "", page))
    assert page.count("<summary>Solution") == len(re.findall(r"Exercise \d", page))


def test_what_no_reader_should_see_is_noticed():
    for debris in ("a {term}`word`", ":::{admonition} Exercise 1", "text\n:::", "(label)=", "{cite:t}`paper`"):
        assert RAW.search(debris), debris
    for text in ("the set {a}", "`code`", "f(x)=y", "$x_{i}$"):
        assert not RAW.search(text), text


def test_the_repository_has_one_address():
    root = checkout()
    assert yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"] == REPOSITORY
    assert REPOSITORY in (root / "CITATION.cff").read_text()
    assert f'"{REPOSITORY}"' in (root / "pyproject.toml").read_text()


def test_the_first_cell_installs_what_is_missing_and_leaves_alone_what_is_there(tmp_path):
    (tmp_path / "modlib.py").touch()
    there = subprocess.run([sys.executable, "-c", INSTALL], cwd=tmp_path, capture_output=True, text=True)
    assert (there.returncode, there.stdout, there.stderr) == (0, "", "")
    assert not (tmp_path / "book").exists()
    recorded = (
        "import importlib.util, subprocess, os, pathlib\nruns = []\nimportlib.util.find_spec = lambda name: None\n"
        "def run(command, check):\n    runs.append(command)\n    pathlib.Path('book').mkdir(exist_ok=True)\n"
        "subprocess.run = run\n"
    )
    ends = "\nprint(runs[0][:2], runs[1][1:3], runs[1][-1], os.getcwd() == sys.path[0])"
    missing = subprocess.run(
        [sys.executable, "-c", recorded + INSTALL + ends], cwd=tmp_path, capture_output=True, text=True
    )
    assert missing.stdout == "['git', 'clone'] ['-m', 'pip'] book[keras,book] True\n", missing.stderr


PAGES = sorted((checkout() / "book").glob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_code_of_a_page_fits_into_it(path):
    """As that of the notebooks, which ruff holds to it."""
    cells = [cell.source for cell in read_notebook(path).cells if cell.cell_type == "code"]
    assert [line for cell in cells for line in cell.splitlines() if len(line) > 88] == []
