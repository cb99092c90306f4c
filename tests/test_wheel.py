"""modlib from a wheel, in an environment of its own and far from a checkout: what works, and what says why not."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("MODLIB_", "PYTHON", "VIRTUAL_ENV"))}
LINES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
USER = f"""\
import numpy as np
from numpy.typing import NDArray

rng = np.random.default_rng(0)
model: list[NDArray[np.float64]] = [rng.normal(size=(30, 20)), rng.normal(size=(20, 10))]
{LINES}"""
IMPORT_ALL = """\
import importlib, pkgutil, modlib
from modlib.errors import ExtraMissing
for module in pkgutil.walk_packages(modlib.__path__, "modlib.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ExtraMissing as error:
        print(module.name, error, sep=": ")
"""

pytestmark = pytest.mark.slow


def start(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *words], capture_output=True, text=True, cwd=cwd, env=PLAIN)


def files(folder: Path) -> set[Path]:
    """What lies below a folder, but for compiled code."""
    return {path for path in folder.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"}


def modlib(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return start(python.with_name("modlib"), *words, cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def installed(wheel: Path, folder: Path, packages: str) -> Path:
    """A new environment with modlib from the wheel, and all else from a folder of packages; its Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    [site] = folder.glob("lib/python*/site-packages")
    setuptools = (Path(packages) / "distutils-precedence.pth").read_text()  # a .pth file in there is not read
    (site / "others.pth").write_text(f"{packages}\n{setuptools}\n")  # after modlib
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install], check=True, env=PLAIN)
    return python


@pytest.fixture(scope="module")
def everything(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with modlib and all that the lock brings."""
    return installed(wheel, tmp_path_factory.mktemp("everything"), sysconfig.get_path("purelib"))


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with modlib and all that the lock brings, but for what only the extras ask for."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    hidden = {re.split(r"[^\w-]", line)[0].replace("-", "_") for lines in extras.values() for line in lines}
    folder = tmp_path_factory.mktemp("packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if re.split(r"[-.]", entry.name)[0] not in hidden | {"distributed"}:
            (folder / entry.name).symlink_to(entry)
    return installed(wheel, tmp_path_factory.mktemp("base"), str(folder))


def test_the_wheel_holds_modlib_with_its_types_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in names if name.startswith("modlib/")}
    assert all(re.match(r"modlib-[\d.]+\.dist-info/", name) for name in names - code)
    kinds = ("*.py", "*.pyi", "py.typed", "*.jinja")
    sources = [path for pattern in kinds for path in (ROOT / "modlib").rglob(pattern)]
    assert {str(path.relative_to(ROOT)) for path in sources} <= code
    assert "modlib/py.typed" in code
    assert {Path(name).suffix for name in code} <= {".py", ".pyi", ".typed", ".jinja"}


def test_the_five_lines_run_from_an_empty_folder_without_any_extra(base: Path, tmp_path: Path) -> None:
    done = start(base, "-c", USER + "print(ml.__file__)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ncut, p = done.stdout.split()[:2]
    assert 0 < float(ncut) < 4
    assert 0 < float(p) <= 1
    assert done.stdout.split()[-1].startswith(str(base.parents[1]))


def test_without_extras_all_modules_import_but_those_that_name_their_extra(base: Path, tmp_path: Path) -> None:
    done = start(base, "-c", IMPORT_ALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    refused = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert refused.keys() == {"modlib.book", "modlib.training.keras"}
    assert "pip install 'modlib[book]'" in refused["modlib.book"]
    assert "pip install 'modlib[keras]'" in refused["modlib.training.keras"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("sync --check", "book"),
        ("run dropout", "book"),
        ("book", "book"),
        ("new-chapter x", "book"),
        ("first", "keras"),
    ],
)
def test_a_command_without_its_extra_says_how_to_get_it(base: Path, tmp_path: Path, words: str, name: str) -> None:
    done = modlib(base, *words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rf"modlib: .* needs .*; install it with: pip install 'modlib\[{name}\]'\n", done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        "tables", "sync", "sync --check", "run dropout", "run dropout --grid smoke", "verify dropout", "book",
        "new-chapter example",
    ],
)  # fmt: skip
def test_what_needs_a_checkout_says_so(everything: Path, tmp_path: Path, words: str) -> None:
    before = files(everything.parents[1])
    done = modlib(everything, *words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"modlib: .* needs a checkout of the book: .*MODLIB_ROOT.*\n", done.stderr)
    assert not list(tmp_path.iterdir())
    assert files(everything.parents[1]) == before


def test_a_run_outside_a_checkout_has_no_commit(everything: Path, tmp_path: Path) -> None:
    code = "from modlib.tables import describe_run; print(describe_run('smoke')['commit'])"
    assert start(everything, "-c", code, cwd=tmp_path).stdout == "unknown\n"


def test_the_first_result_is_drawn_where_it_is_wanted(everything: Path, tmp_path: Path) -> None:
    done = modlib(everything, "first", "--folder", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Is a trained network clusterable?" in done.stdout
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["first-result.png"]
    assert (tmp_path / "here" / "first-result.png").stat().st_size > 10_000


def test_the_five_lines_pass_a_strict_type_check_and_a_wrong_one_does_not(base: Path, tmp_path: Path) -> None:
    (tmp_path / "five.py").write_text(USER + "reveal_type(test.p)\nreveal_type(graph)\n")
    (tmp_path / "wrong.py").write_text(USER + 'ml.shuffle_test(graph, k="four")\n')
    command = ["-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--python-executable", str(base)]
    done = start(Path(sys.executable), *command, "five.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert 'Revealed type is "float"' in done.stdout.replace("builtins.", "")
    assert "NeuronGraph" in done.stdout
    wrong = start(Path(sys.executable), *command, "wrong.py", cwd=tmp_path)
    assert wrong.returncode == 1
    assert 'Argument "k" to "shuffle_test" has incompatible type' in wrong.stdout
