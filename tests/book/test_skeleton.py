"""modlib.book.skeleton: a new chapter passes all checks at once, or nothing is changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from modlib.book import skeleton
from modlib.errors import BookError, InputError
from modlib.files import checkout

ROOT = checkout()
LISTS = ("_toc.yml", "book/claims.yml", "modlib/chapters/__init__.py")
MADE = {
    "modlib/chapters/two_words/__init__.py",
    "modlib/chapters/two_words/experiment.py",
    "modlib/chapters/two_words/figures.py",
    "modlib/chapters/two_words/findings.py",
    "notebooks/two-words.md",
    "notebooks/two-words.ipynb",
    "tests/chapters/test_two_words.py",
}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two chapters by name, in which nothing is measured."""
    shutil.copytree(ROOT / "skeleton", tmp_path / "skeleton", ignore=shutil.ignore_patterns("__pycache__"))
    files = ("modlib/chapters/rows.py", "book/references.bib", "pyproject.toml", "notebooks/ruff.toml")
    for name in (*LISTS, *files, "notebooks/dropout.md", "notebooks/clusterability.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "modlib" / "chapters" / "dropout").mkdir()
    (tmp_path / "tests" / "chapters").mkdir(parents=True)
    monkeypatch.setattr(skeleton, "_measure", lambda name, root: None)
    return tmp_path


def content(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_chapter_has_all_its_files_and_is_in_the_three_lists(book: Path) -> None:
    before = content(book)
    skeleton.new_chapter("two-words", book)
    after = content(book)
    assert after.keys() - before.keys() == MADE
    assert {name for name in before if before[name] != after[name]} == set(LISTS)
    assert not [name for name in MADE if "example-chapter" in after[name] or "example_chapter" in after[name]]
    for name, line in zip(LISTS[::2], ("      - file: notebooks/two-words\n", '    "two-words",\n'), strict=True):
        assert after[name].count(line) == 1
        assert after[name].replace(line, "") == before[name]
    claims = after["book/claims.yml"].removeprefix(before["book/claims.yml"])
    assert [entry["decided_by"]["table"] for entry in yaml.safe_load(claims)] == ["two-words"]


@pytest.mark.parametrize(
    "name",
    ["", "Dropout", "two words", "two_words", "-x", "x-", "a--b", "1st", "lambda", "café", "../x", "x" * 29, "x\n"],
)
def test_a_name_that_is_none_is_refused(book: Path, name: str) -> None:
    before = content(book)
    with pytest.raises(InputError, match="arrived; expected at most 28 lower-case"):
        skeleton.new_chapter(name, book)
    assert content(book) == before


@pytest.mark.parametrize("name", ["dropout", "rows"])
def test_a_name_that_something_has_is_refused(book: Path, name: str) -> None:
    before = content(book)
    with pytest.raises(InputError, match=f"'{name}' arrived, but .* is there already"):
        skeleton.new_chapter(name, book)
    assert content(book) == before


def test_a_chapter_is_not_written_twice(book: Path) -> None:
    skeleton.new_chapter("two-words", book)
    before = content(book)
    with pytest.raises(InputError, match="is there already"):
        skeleton.new_chapter("two-words", book)
    assert content(book) == before


@pytest.mark.parametrize("at", range(len(MADE) + len(LISTS)))
def test_a_disk_that_is_full_at_any_file_leaves_nothing(book: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    before, folders, write = content(book), set(book.rglob("*/")), skeleton.replace_file
    written: list[Path] = []

    def full(path: Path, text: str) -> None:
        if len(written) == at:
            written.append(path)
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, text)

    monkeypatch.setattr(skeleton, "replace_file", full)
    with pytest.raises(BookError, match=r"No space left on device.*nothing was changed"):
        skeleton.new_chapter("two-words", book)
    assert content(book) == before
    assert set(book.rglob("*/")) == folders


@pytest.mark.parametrize("error", [BookError("cells failed"), KeyboardInterrupt()])
def test_a_measurement_that_fails_or_is_stopped_leaves_nothing(
    book: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(name: str, root: Path) -> None:
        (root / "results").mkdir()
        (root / "results" / f"{name}.csv").write_text("half\n")
        raise error

    before = content(book)
    monkeypatch.setattr(skeleton, "_measure", fail)
    with pytest.raises(type(error)):
        skeleton.new_chapter("two-words", book)
    assert content(book) == before


@pytest.mark.parametrize("name", LISTS[::2])
def test_a_list_that_is_not_as_expected_is_named(book: Path, name: str) -> None:
    (book / name).write_text("nothing\n")
    before = content(book)
    with pytest.raises(BookError, match=f"{Path(name).name} has no list of chapters"):
        skeleton.new_chapter("two-words", book)
    assert content(book) == before


@pytest.mark.parametrize("name", ["x", "a-chapter-of-28-letters-long", "zz-top"])
def test_short_and_long_names_leave_the_style_as_it_is(book: Path, name: str) -> None:
    skeleton.new_chapter(name, book)
    for words in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", "modlib", "notebooks", "tests"]
        done = subprocess.run(ruff, cwd=book, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_new_chapter_passes_the_lint_and_its_tests_at_once(tmp_path: Path) -> None:
    for name in ("modlib", "skeleton", "notebooks", "book", "tests", "results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_toc.yml", "_config.yml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    known = ROOT / ".mypy_cache"  # what the lint found of these very files: a minute less
    if known.is_dir():
        shutil.copytree(known, tmp_path / known.name)
    modlib = [sys.executable, "-c", "from modlib.cli import main; main()"]
    own = ["tests/chapters/test_two_words.py", "tests/chapters/test_one_name_everywhere.py"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MODLIB_", "PYTEST_"))}
    for command in (
        [*modlib, "new-chapter", "two-words"],
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "."],
        [sys.executable, "-m", "mypy"],
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        [*modlib, "sync", "--check"],
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own],
    ):
        done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
