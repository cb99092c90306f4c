"""Gates of the book: each test plants a fault into a small book and requires red."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from modlib.book import build as book, notebooks
from modlib.book.reference import modules, with_modules
from modlib.errors import BookError
from modlib.files import checkout

CONFIG = {
    "title": "A small book",
    "author": "Nobody",
    "only_build_toc_files": True,
    "execute": {"execute_notebooks": "off"},
    "sphinx": {"config": {"language": "en"}},
}
CHAPTERS = [{"file": "notebooks/tiny"}, {"file": "notebooks/other"}, {"file": "book/card"}]
TOC = {"format": "jb-book", "root": "book/index", "chapters": CHAPTERS}
NOTEBOOK = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# {title}

```{{code-cell}} ipython3
:tags: [parameters]

word = "smoke"  # what is printed
```

```{{code-cell}} ipython3
from modlib.answer import ANSWER

print(word, ANSWER)
```
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def green(tmp_path_factory) -> Path:
    """A book of a page, two notebooks and a page with code, with a library of its own, built once."""
    root = tmp_path_factory.mktemp("book")
    write(root / "_config.yml", yaml.safe_dump(CONFIG))
    write(root / "_toc.yml", yaml.safe_dump(TOC))
    write(root / "book" / "index.md", f"# Index\n\n{book.STATUS_TABLE}\n")
    for name in ("tiny", "other"):
        write(root / "notebooks" / f"{name}.md", NOTEBOOK.format(title=name))
    write(root / "book" / "card.md", "# Card\n\n```{code-cell} ipython3\nprint('computed', 6 * 7)\n```\n")
    write(root / "modlib" / "__init__.py", "")
    write(root / "modlib" / "answer.py", "ANSWER = 'forty-two'\n")
    write(root / "results" / "tiny.csv", "a\n1\n")
    write(root / "book" / "claims.yml", "[]\n")
    write(root / "requirements.lock", "numpy==2.0\n")
    notebooks.sync(root=root)
    book.build(root=root)
    return root


@pytest.fixture
def root(green, tmp_path) -> Path:
    """A copy of the built book, to plant a fault in."""
    return shutil.copytree(green, tmp_path / "copy")


def page(root: Path, name: str = "tiny") -> book.Page:
    return book.Page(f"notebooks/{name}", root / "notebooks" / f"{name}.ipynb")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def executed_text(root: Path) -> str:
    cells = nbformat.read(root / "_build" / "executed" / "notebooks" / "tiny.ipynb", as_version=4).cells
    return cells[-1].outputs[0].text


def test_a_sound_book_is_green(green):
    html = green / "_build" / "html"
    assert "smoke forty-two" in (html / "notebooks" / "tiny.html").read_text()
    assert "computed 42" in (html / "book" / "card.html").read_text()
    assert "Versions: " in (html / "book" / "index.html").read_text()
    assert "status table" in (green / "book" / "index.md").read_text(), "the source was touched"
    assert not any(cell.get("outputs") for cell in nbformat.read(page(green).source, as_version=4).cells)


def test_what_has_not_changed_is_not_executed_again(root, capsys, monkeypatch):
    monkeypatch.setattr(book, "_execute_page", lambda *_: pytest.fail("a notebook ran"))
    runs = book.execute_pages([page(root), page(root, "other")], False, root)
    assert [run.page for run in runs] == ["notebooks/tiny", "notebooks/other"]
    assert "notebooks/tiny: unchanged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("modlib/answer.py", "modlib"),
        ("notebooks/tiny.ipynb", "source"),
        ("results/tiny.csv", "results"),
        ("book/claims.yml", "claims"),
        ("requirements.lock", "environment"),
    ],
)
def test_a_change_of_anything_behind_an_output_is_noticed(root, file, kind):
    assert book.changes(page(root), root) == []
    with (root / file).open("a") as stream:
        stream.write("\n")
    assert book.changes(page(root), root) == [kind]


def test_a_new_file_or_a_damaged_record_are_noticed(root):
    write(root / "modlib" / "new" / "module.py", "")
    assert book.changes(page(root), root) == ["modlib"]
    write(root / "_build" / "executed" / "notebooks" / "tiny.json", "{")
    assert book.changes(page(root), root) == ["never executed"]


def test_output_of_a_changed_library_is_not_left_stale(root, capsys):
    write(root / "modlib" / "answer.py", "ANSWER = 'forty-three'\n")
    book.execute_pages([page(root)], False, root)
    assert "executing (modlib)" in capsys.readouterr().out
    assert executed_text(root) == "smoke forty-three\n"


def test_an_exception_in_a_notebook_is_red_and_the_others_go_on(root):
    edit(root / "notebooks" / "tiny.md", "print(word, ANSWER)", "1 / 0")
    edit(root / "notebooks" / "other.md", "print(word, ANSWER)", "print('other')")
    notebooks.sync(root=root)
    with pytest.raises(BookError, match="1 of 3 notebooks failed") as caught:
        book.build(root=root)
    report = root / "_build" / "reports" / "notebooks" / "tiny.log"
    assert str(report) in str(caught.value)
    assert "ZeroDivisionError" in report.read_text()
    assert report.with_suffix(".ipynb").exists()
    assert book.changes(page(root, "other"), root) == []
    assert book.changes(page(root), root) == ["source"]


def test_a_notebook_that_differs_from_its_text_twin_is_red(root):
    edit(root / "notebooks" / "tiny.md", "# tiny", "# Tiny")
    with pytest.raises(BookError, match="text twin"):
        book.build(root=root)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"titel": "A small book"}, "the key titel, .* did you mean title"),
        (
            {"use_multitoc_numbering": True},
            "the key use_multitoc_numbering, .* did you mean html/use_multitoc_numbering",
        ),
        ({"html": {"favicons": "x.png"}}, "the key html/favicons"),
        ({"sphinx": {"nitpicky": True}}, "put a Sphinx option under sphinx/config"),
        ({"execute": {"timeout": "long"}}, "wrong type"),
    ],
)
def test_a_key_that_jupyter_book_would_ignore_is_red(root, config, message):
    write(root / "_config.yml", yaml.safe_dump(CONFIG | config))
    with pytest.raises(BookError, match=message):
        book.build(root=root)


@pytest.mark.parametrize("text", ["- a list\n", "title: [\n"])
def test_a_config_that_does_not_parse_is_red(root, text):
    write(root / "_config.yml", text)
    with pytest.raises(BookError, match="correct it"):
        book.build(root=root)


def test_warnings_of_sphinx_are_red(root):
    """An unknown reference, and an option that Sphinx does not know."""
    write(root / "_config.yml", yaml.safe_dump(CONFIG | {"sphinx": {"config": {"nitpick": True}}}))
    with (root / "book" / "index.md").open("a") as stream:
        stream.write("\n{term}`no such term`\n")
    with pytest.raises(BookError, match="Jupyter Book failed") as caught:
        book.build(root=root)
    assert "unknown config value 'nitpick'" in str(caught.value)
    assert "no such term" in str(caught.value)


def test_a_page_that_the_table_of_contents_names_but_nobody_wrote_is_red(root):
    write(root / "_toc.yml", yaml.safe_dump(TOC | {"chapters": [*CHAPTERS, {"file": "book/nowhere"}]}))
    with pytest.raises(BookError, match=r"names book/nowhere, but there is no book/nowhere\.md"):
        book.build(root=root)


def test_a_page_that_is_in_no_table_of_contents_is_red(root):
    write(root / "book" / "forgotten.md", "# Forgotten\n")
    with pytest.raises(BookError, match=r"book/forgotten\.md is not in"):
        book.build(root=root)


def test_a_table_of_contents_that_does_not_parse_is_red(root):
    write(root / "_toc.yml", "format: jb-book\nchapters: []\n")
    with pytest.raises(BookError, match="does not parse as a table of contents"):
        book.build(root=root)


def test_a_page_missing_from_the_built_site_is_red(root):
    pages = book.read_pages(root)
    book.check_site(pages, root)
    (root / "_build" / "html" / "notebooks" / "tiny.html").unlink()
    with pytest.raises(BookError, match="lacks the pages notebooks/tiny"):
        book.check_site(pages, root)


def test_a_page_that_the_configuration_excludes_is_red(root):
    write(root / "_config.yml", yaml.safe_dump(CONFIG | {"exclude_patterns": ["notebooks/other*"]}))
    with pytest.raises(BookError, match="notebooks/other"):
        book.build(root=root)


def test_the_sources_of_this_book_are_sound():
    book.check_config(checkout())
    book.read_pages(checkout())


def test_the_api_reference_has_every_module():
    pages = [with_modules(path.read_text(), checkout()) for path in (checkout() / "book").glob("api-*.md")]
    shown = re.findall(r"automodule:: (\S+)\n", "".join(pages))
    assert len(set(shown)) == len(shown)
    assert set(shown) == set(modules("modlib", checkout())) - {"modlib"}, "name the package in book/api-*.md"


def test_a_package_that_is_not_there_is_red():
    with pytest.raises(BookError, match=r"modlib\.nowhere arrived"):
        with_modules("<!-- the modules of modlib.nowhere -->", checkout())
