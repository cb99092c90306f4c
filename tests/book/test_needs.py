"""What chapters need: those that say they run without PyTorch or TensorFlow import none, and Binder has the rest."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from modlib.book.pages import WITHOUT_TORCH
from modlib.files import checkout

ROOT = checkout()
SAYS = {"neither TensorFlow nor PyTorch": ["tensorflow", "torch"], "TensorFlow, but not PyTorch": ["torch"]}


def text(name: str) -> str:
    return (ROOT / "notebooks" / f"{name}.md").read_text(encoding="utf-8")


def needless(page: str) -> list[str]:
    """Packages that the opening box of a page says it does without."""
    return next((names for said, names in SAYS.items() if f"It needs {said}." in page), [])


def imported(page: str) -> str:
    """All import statements of a page, wherever they stand."""
    code = "\n".join(re.findall(r"^```\{code-cell\}.*?^```", page, re.MULTILINE | re.DOTALL))
    return "\n".join(
        re.findall(r"^(?:import [\w.]+(?: as \w+)?$|from [\w.]+ import [^(\n]*(?:\([^)]*\))?)", code, re.MULTILINE)
    )


def test_the_chapters_with_a_binder_button_are_those_that_say_they_need_no_pytorch() -> None:
    names = [path.stem for path in sorted((ROOT / "notebooks").glob("*.md"))]
    assert {name for name in names if "torch" in needless(text(name))} == set(WITHOUT_TORCH)


def loaded(code: str, names: list[str]) -> list[str]:
    """Which of some packages a process has loaded after it ran some code."""
    code = f"import matplotlib, sys\nmatplotlib.use('agg')\n{code}\nprint(*[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_importing_them_loads_no_pytorch_and_one_of_them_no_tensorflow() -> None:
    """All in one process, which saves time: whatever one of them loaded is found."""
    code = "\n".join(imported(text(name)) for name in WITHOUT_TORCH)
    assert code.count("from modlib") > 50
    assert not loaded(code, ["torch"])
    assert not loaded(imported(text("hypothesis-tests")), ["tensorflow", "torch"])


def test_a_chapter_that_imports_it_would_be_noticed() -> None:
    page = "```{code-cell} ipython3\nimport json\nfrom csv import (\n    reader,\n)\n```"
    assert loaded(imported(page), ["json", "csv"]) == ["json", "csv"]


def pins(path: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_binder_has_the_versions_of_the_lock_and_no_pytorch() -> None:
    small, lock = pins(ROOT / "binder" / "requirements.txt"), pins(ROOT / "requirements.lock")  # a version a Python
    assert len(small) > 50
    assert not small - lock
    assert not [name for name, _ in small if "torch" in name or name.startswith("nvidia")]


@pytest.mark.parametrize("name", ["requirements.in", "requirements.txt"])
def test_binder_has_what_is_asked_for(name: str) -> None:
    asked = [Requirement(line).name for line in (ROOT / "binder" / "requirements.in").read_text().splitlines()[1:]]
    there = (ROOT / "binder" / name).read_text(encoding="utf-8")
    assert not [each for each in asked if not re.search(rf"^{each}\b", there, re.MULTILINE)]
    project = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not [each for each in asked if not re.search(rf"^{each}==", project, re.MULTILINE)]
