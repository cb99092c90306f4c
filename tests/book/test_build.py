"""Gates of the book: each test plants a fault into a small book and requires red."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from modlib.book import build as book, execution, notebooks
from modlib.book.dependencies import Dependencies
from modlib.book.pages import Page, read_pages
from modlib.book.reference import modules, with_modules
from modlib.book.twins import sync
from modlib.errors import BookError
from modlib.files import REPOSITORY, checkout

CONFIG = {
    "title": "A small book",
    "author": "Nobody",
    "only_build_toc_files": True,
    "execute": {"execute_notebooks": "off"},
    "sphinx": {"config": {"language": "en"}},
}
CHAPTERS = [{"file": "notebooks/tiny"}, {"file": "notebooks/other"}, {"file": "book/card"}]
TOC = {"format": "jb-book", "root": "book/index", "chapters": CHAPTERS}
CLAIM = {"paper": "p", "item": "i", "decided_by": {"table": ["tiny"]}, "claims": [{"id": "c"}]}
NOTEBOOK = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# {title}

See {{doc}}`/book/index`.

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
    write(root / "modlib" / "more" / "__init__.py", "")
    write(root / "modlib" / "more" / "__init__.pyi", "from .lazy import NUMBER as NUMBER\n")
    write(root / "modlib" / "more" / "lazy.py", "NUMBER = 1\n")
    for name in ("tiny", "other"):
        write(root / "modlib" / "chapters" / name / "figures.py", "")
        write(root / "results" / f"{name}.csv", "a\n1\n")
    write(root / "book" / "claims.yml", yaml.safe_dump([CLAIM | {"chapter": name} for name in ("tiny", "other")]))
    write(root / "requirements.lock", "numpy==2.0\n")
    sync(root=root)
    book.build_book(root=root)
    return root


@pytest.fixture
def root(green, tmp_path) -> Path:
    """A copy of the built book, to plant a fault in."""
    return shutil.copytree(green, tmp_path / "copy")


def page(root: Path, name: str = "tiny") -> Page:
    return Page(f"notebooks/{name}", root / "notebooks" / f"{name}.md")


def changes(root: Path, name: str = "tiny") -> list[str]:
    return execution.changes(page(root, name), Dependencies(root).stamp(page(root, name)), root)


def execute(root: Path, code: str) -> None:
    """Execute the notebook tiny with other code in its last cell, alone."""
    edit(root / "notebooks" / "tiny.md", "print(word, ANSWER)", code)
    sync(root=root)
    execution.execute_pages([page(root)], False, root)


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
    twin = page(green).source.with_suffix(".ipynb")
    assert not any(cell.get("outputs") for cell in nbformat.read(twin, as_version=4).cells)


def test_a_notebook_that_is_downloaded_has_its_outputs_and_none_of_the_markup_of_the_book(green):
    found = nbformat.read(green / "_build" / "html" / "_sources" / "notebooks" / "tiny.ipynb", as_version=4)
    assert any("smoke forty-two" in output.text for cell in found.cells for output in cell.get("outputs", ()))
    assert found.cells[0].source.endswith(f"See [Index]({REPOSITORY}/blob/main/book/index.md).")
    assert found.cells[1].metadata.tags == ["install"]


def test_files_that_a_chapter_writes_are_staged_for_the_site(root):
    write(notebooks.files_of("tiny", root) / "report.html", "<p>Found.</p>")
    book.stage(read_pages(root), [], root)
    assert (root / "_build" / "stage" / "book" / "_static" / "tiny" / "report.html").read_text() == "<p>Found.</p>"


def test_what_has_not_changed_is_not_executed_again(root, capsys, monkeypatch):
    monkeypatch.setattr(execution, "_execute_page", lambda *_: pytest.fail("a notebook ran"))
    runs = execution.execute_pages([page(root), page(root, "other")], False, root)
    assert [run.page for run in runs] == ["notebooks/tiny", "notebooks/other"]
    assert "notebooks/tiny: unchanged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "other_too"),
    [
        ("modlib/__init__.py", True),
        ("modlib/answer.py", True),
        ("modlib/chapters/tiny/figures.py", False),
        ("notebooks/tiny.md", False),
        ("results/tiny.csv", True),  # it decides the claims of both
        ("requirements.lock", True),
    ],
)
def test_a_change_of_anything_behind_an_output_is_noticed_and_named(root, file, other_too):
    assert changes(root) == changes(root, "other") == []
    with (root / file).open("a") as stream:
        stream.write("\n")
    assert changes(root) == [file]
    assert changes(root, "other") == ([file] if other_too else [])


def test_a_change_of_what_only_another_chapter_needs_is_no_change(root):
    for file in ("modlib/chapters/other/figures.py", "modlib/more/lazy.py", "results/other.csv"):
        write(root / file, "changed")
    claims = [CLAIM | {"chapter": "tiny"}, CLAIM | {"chapter": "other", "statement": "changed"}]
    write(root / "book" / "claims.yml", yaml.safe_dump(claims))
    assert changes(root) == []
    assert changes(root, "other") == ["claims", "modlib/chapters/other/figures.py", "results/other.csv"]


@pytest.mark.parametrize(
    "code",
    [
        "def number():\n    from modlib.more.lazy import NUMBER",
        "from modlib.more import NUMBER",
        "import modlib as ml\nml.more.NUMBER",
        "from modlib import more as m\nm.NUMBER",
        "from modlib import more\nwhole = more",
    ],
)
@pytest.mark.parametrize("file", ["notebooks/tiny.md", "modlib/answer.py"])
def test_an_import_counts_however_it_is_written(root, code, file):
    if file == "modlib/answer.py":
        write(root / file, f"ANSWER = 42\n{code}\n")
    else:
        edit(root / "notebooks" / "tiny.md", "print(word, ANSWER)", code)
        sync(root=root)
    assert {file, "modlib/more/lazy.py"} <= set(changes(root))


def test_a_file_that_is_gone_and_a_damaged_record_are_noticed(root):
    (root / "results" / "tiny.csv").unlink()
    assert changes(root) == ["results/tiny.csv"]
    write(root / "_build" / "executed" / "notebooks" / "tiny.json", "{")
    assert changes(root) == ["never executed"]


def test_output_of_a_changed_library_is_not_left_stale(root, capsys):
    write(root / "modlib" / "answer.py", "ANSWER = 'forty-three'\n")
    execution.execute_pages([page(root)], False, root)
    assert "executing (modlib/answer.py)" in capsys.readouterr().out
    assert executed_text(root) == "smoke forty-three\n"


def test_of_many_changes_the_first_are_named(root, capsys, monkeypatch):
    monkeypatch.setattr(execution, "_execute_page", lambda *_: ("notebooks/tiny", 0.0, None))
    for file in ("modlib/__init__.py", "modlib/answer.py", "requirements.lock", "results/tiny.csv"):
        write(root / file, "VALUE = 1\n")
    execution.execute_pages([page(root)], False, root)
    named = "modlib/__init__.py, modlib/answer.py, requirements.lock, and 1 more"
    assert f"executing ({named})" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys\nsys.exit(0)", "code cell 2 of tiny ended with SystemExit 0"),
        ("raise SystemExit", "code cell 2 of tiny ended with SystemExit"),
        (
            "import threading\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()",
            "(?s)a thread died in code cell 2 of tiny.*ZeroDivisionError",
        ),
        ("print(1)\n```\n\n```{code-cell}\n:tags: [skip-execution]\nprint(2)", "code cell 3 of tiny was not executed"),
        (
            "import warnings\nwarnings.warn('mine')",
            "code cell 2 of notebooks/tiny causes a warning.*\n.*UserWarning: mine",
        ),
        ("from modlib import noisy", r"(?s)causes a warning.*modlib/noisy\.py:3: RuntimeWarning: overflow"),
        (
            "import sys\nsys.path.append('elsewhere')\nimport numbers_gone",
            r"(?s)causes a warning.*elsewhere/numbers_gone\.py:3: RuntimeWarning: overflow",
        ),
    ],
)
def test_a_fault_that_does_not_stop_a_notebook_is_red(root, code, message):
    for path in (root / "modlib" / "noisy.py", root / "elsewhere" / "numbers_gone.py"):
        write(path, "import numpy\n\nnumpy.float32(1e30) ** 2\n")
    with pytest.raises(BookError, match="1 of 1 notebooks failed"):
        execute(root, code)
    report = (root / "_build" / "reports" / "notebooks" / "tiny.log").read_text()
    assert re.search(message, report), report
    assert "notebooks/tiny.md" in changes(root), "it counts as executed"


def test_a_warning_of_another_library_is_none_of_ours(root):
    write(root / "elsewhere" / "modlib_like.py", "import warnings\nwarnings.warn('theirs')\n")
    execute(root, "import sys\nsys.path.append('elsewhere')\nimport modlib_like")
    assert changes(root) == []


@pytest.mark.parametrize("code", ["!false", "%run other.py", "answer = !ls", "%%bash\nfalse"])
def test_a_command_that_might_fail_unseen_is_red_before_anything_runs(root, code, monkeypatch):
    monkeypatch.setattr(execution, "_execute_page", lambda *_: pytest.fail("a notebook ran"))
    with pytest.raises(BookError, match="notebooks/tiny has a cell that is not Python"):
        execute(root, code)


def test_an_exception_in_a_notebook_is_red_and_the_others_go_on(root):
    edit(root / "notebooks" / "tiny.md", "print(word, ANSWER)", "1 / 0")
    edit(root / "notebooks" / "other.md", "print(word, ANSWER)", "print('other')")
    sync(root=root)
    with pytest.raises(BookError, match="1 of 3 notebooks failed") as caught:
        book.build_book(root=root)
    report = root / "_build" / "reports" / "notebooks" / "tiny.log"
    assert str(report) in str(caught.value)
    assert "ZeroDivisionError" in report.read_text()
    assert report.with_suffix(".ipynb").exists()
    assert changes(root, "other") == []
    assert changes(root) == ["notebooks/tiny.md"]


def test_a_notebook_that_differs_from_its_text_twin_is_red(root):
    edit(root / "notebooks" / "tiny.md", "# tiny", "# Tiny")
    with pytest.raises(BookError, match="text twin"):
        book.build_book(root=root)


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
        book.build_book(root=root)


@pytest.mark.parametrize("text", ["- a list\n", "title: [\n"])
def test_a_config_that_does_not_parse_is_red(root, text):
    write(root / "_config.yml", text)
    with pytest.raises(BookError, match="correct it"):
        book.build_book(root=root)


def test_warnings_of_sphinx_are_red(root):
    """An unknown reference, and an option that Sphinx does not know."""
    write(root / "_config.yml", yaml.safe_dump(CONFIG | {"sphinx": {"config": {"nitpick": True}}}))
    with (root / "book" / "index.md").open("a") as stream:
        stream.write("\n{term}`no such term`\n")
    with pytest.raises(BookError, match="Jupyter Book failed") as caught:
        book.build_book(root=root)
    assert "unknown config value 'nitpick'" in str(caught.value)
    assert "no such term" in str(caught.value)


def test_a_page_that_the_table_of_contents_names_but_nobody_wrote_is_red(root):
    write(root / "_toc.yml", yaml.safe_dump(TOC | {"chapters": [*CHAPTERS, {"file": "book/nowhere"}]}))
    with pytest.raises(BookError, match=r"names book/nowhere, but there is no book/nowhere\.md"):
        book.build_book(root=root)


@pytest.mark.parametrize("file", ["book/forgotten.md", "book/part/forgotten.md", "notebooks/part/forgotten.ipynb"])
def test_a_page_that_is_in_no_table_of_contents_is_red(root, file):
    write(root / file, "# Forgotten\n")
    with pytest.raises(BookError, match=f"{re.escape(file)} is not in"):
        book.build_book(root=root)


@pytest.mark.parametrize("file", ["book/papers/settings.md", "notebooks/.ipynb_checkpoints/tiny-checkpoint.ipynb"])
def test_notes_on_papers_and_copies_of_an_editor_are_no_pages(root, file):
    write(root / file, "# No page\n")
    assert len(read_pages(root)) == 4


def test_a_table_of_contents_that_does_not_parse_is_red(root):
    write(root / "_toc.yml", "format: jb-book\nchapters: []\n")
    with pytest.raises(BookError, match="does not parse as a table of contents"):
        book.build_book(root=root)


def test_a_page_missing_from_the_built_site_is_red(root):
    pages = read_pages(root)
    book.check_site(pages, root)
    (root / "_build" / "html" / "notebooks" / "tiny.html").unlink()
    with pytest.raises(BookError, match="lacks the pages notebooks/tiny"):
        book.check_site(pages, root)


def test_a_page_that_the_configuration_excludes_is_red(root):
    write(root / "_config.yml", yaml.safe_dump(CONFIG | {"exclude_patterns": ["notebooks/other*"]}))
    with pytest.raises(BookError, match="notebooks/other"):
        book.build_book(root=root)


def test_the_sources_of_this_book_are_sound():
    book.check_config(checkout())
    read_pages(checkout())


def test_the_api_reference_has_every_module():
    pages = [with_modules(path.read_text(), checkout()) for path in (checkout() / "book").glob("api-*.md")]
    shown = re.findall(r"automodule:: (\S+)\n", "".join(pages))
    assert len(set(shown)) == len(shown)
    assert set(shown) == set(modules("modlib", checkout())) - {"modlib", "modlib.__main__"}, (
        "name the package in book/api-*.md"
    )


def test_a_package_that_is_not_there_is_red():
    with pytest.raises(BookError, match=r"modlib\.nowhere arrived"):
        with_modules("<!-- the modules of modlib.nowhere -->", checkout())
