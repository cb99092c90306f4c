"""The files around the library: they say the same thing, and the gates they describe can turn red."""

import ast
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=ROOT)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


@pytest.fixture(scope="module")
def requirements(project: dict[str, Any]) -> list[Requirement]:
    """Of modlib, of its extras, and of those who work on it."""
    extras = project["project"]["optional-dependencies"].values()
    groups = [project["project"]["dependencies"], *extras, project["dependency-groups"]["dev"]]
    return [Requirement(line) for group in groups for line in group]


def test_conda_installs_what_pyproject_asks_for(project: dict[str, Any], requirements: list[Requirement]) -> None:
    *conda, pip = yaml.safe_load(read("environment.yml"))["dependencies"]
    version = next(line.removeprefix("python=") for line in conda if line.startswith("python="))
    assert Requirement("python" + project["project"]["requires-python"]).specifier.contains(version)
    *packages, itself = pip["pip"]
    assert {Requirement(line) for line in packages} == set(requirements)
    assert itself == "-e ."


def test_the_lock_holds_every_dependency_at_a_version_it_allows(requirements: list[Requirement]) -> None:
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", read("requirements.lock"), re.MULTILINE):
        locked.setdefault(name, set()).add(version)
    for requirement in requirements:
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        versions = locked.get(name, set())
        assert versions, f"{name} is not in requirements.lock; run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement} but {versions}"


def test_the_lock_names_hashes_and_no_hosts() -> None:
    lock = read("requirements.lock")
    assert "://" not in lock
    assert "index-url" not in lock
    entries = re.split(r"\n(?=[a-z])", lock.strip())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_make_command_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: ([a-z]+)$", read("Makefile"), re.MULTILINE))
    assert (
        targets
        == phony
        == {"help", "first", "book", "test", "kernels", "lint", "look", "bench", "lock", "clean"}
        | {"fuzz", "mutants", "sbom", "slides", "pdf", "lite"}
    )
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run", *WORKFLOWS):
        for named in re.findall(r"(?:`|^|run: )make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert named in targets, f"{path.name} says make {named}"


def test_the_two_commands_are_those_that_the_gates_run() -> None:
    for name in ("README.md", ".ci/run"):
        commands = re.findall(r"^make (test|book)\b", read(name), re.MULTILINE)
        assert commands == ["test", "book"], name
    runs = {path.stem: re.findall(r"run: (.*)", path.read_text(encoding="utf-8")) for path in WORKFLOWS}
    assert runs["tests"] == ["make lint", "make test"]
    assert runs["book"][:3] == ["make book", "make look", "make lite"]
    assert runs["cold-build"] == [".ci/run"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_actions_are_pinned_to_a_commit_and_may_only_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    may = {scope for job in workflow["jobs"].values() for scope in job.get("permissions", {})}
    assert may == ({"pages", "id-token"} if path.stem == "book" else set())
    checkouts = [
        step for job in workflow["jobs"].values() for step in job["steps"] if "checkout@" in str(step.get("uses"))
    ]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert text.count("uses: ") == len(re.findall(r"uses: \S+@\w{40} # v\d+\.\d+\.\d+\n", text)), (
        "with its version beside it"
    )
    uses = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses)


def test_new_versions_of_packages_and_actions_are_looked_for() -> None:
    updates = yaml.safe_load(read(".github/dependabot.yml"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip"}


def test_no_yaml_is_read_by_a_loader_that_makes_objects() -> None:
    pattern = r"yaml\.(?:load|load_all|unsafe_load|full_load)\([^\n]*"
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "modlib").rglob("*.py")]
    calls = [call for source in sources for call in re.findall(pattern, source)]
    assert calls
    assert all("yaml.BaseLoader" in call for call in calls), calls


def test_one_version_in_all_places(project: dict[str, Any]) -> None:
    version = project["project"]["version"]
    assert str(yaml.safe_load(read("CITATION.cff"))["version"]) == version
    assert re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)[0] == version


def test_the_citation_names_five_papers(project: dict[str, Any]) -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["repository-code"] == project["project"]["urls"]["Documentation"]
    assert len(citation["references"]) == 5
    assert all({"type", "title", "authors"} <= set(reference) for reference in citation["references"])


@pytest.mark.parametrize(
    "module",
    [
        "modlib",
        "modlib.errors",
        "modlib.stats",
        "modlib.graphs.neurons",
        "modlib.graphs.spectral",
        "modlib.graphs.shuffles",
    ],
)
def test_import_stays_light(module: str) -> None:
    loaded = python(f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})")
    assert loaded.returncode == 0, loaded.stderr
    assert not {"tensorflow", "tf_keras", "keras", "torch", "torchvision", "matplotlib", "pandas"} & set(
        loaded.stdout.split()
    )


@pytest.mark.slow
@pytest.mark.parametrize("order", ["tensorflow, torch", "torch, tensorflow"])
def test_tensorflow_and_torch_share_a_process(order: str) -> None:
    done = python(
        f"import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'\nimport {order}, torchvision, tf_keras\n"
        "boxes = torch.tensor([[0., 0., 1., 1.], [0., 0., 1., .9], [2., 2., 3., 3.]])\n"
        "kept = torchvision.ops.nms(boxes, torch.tensor([.9, .8, .7]), .5).tolist()\n"
        "product = tf_keras.layers.Dense(1, kernel_initializer='ones')(tensorflow.ones((1, 3)))\n"
        "print(kept, product.numpy().item())"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "[0, 2] 3.0"


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("stats", "modlib.graphs.spectral"),
        ("networks/network", "modlib.graphs.spectral"),
        ("graphs/shuffles", "modlib.zoo.perceptrons"),
        ("graphs/shuffles", "modlib.tables.results"),
        ("training/steps", "modlib.zoo.kinds"),
        ("masks/learning", "modlib.training.perceptrons"),
        ("chapters/coherence/experiment", "modlib.chapters.importance.findings"),
        ("graphs/spectral", "tensorflow"),
        ("graphs/spectral", "torchvision"),
    ],
)
def test_an_arrow_against_the_design_is_refused(tmp_path: Path, importer: str, imported: str) -> None:
    shutil.copytree(ROOT / "modlib", tmp_path / "modlib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"]
    with (tmp_path / "modlib" / f"{importer}.py").open("a", encoding="utf-8") as source:
        source.write(f"\n\ndef planted() -> None:\n    import {imported}\n")
    refused = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"modlib.{importer.replace('/', '.')} -> {imported}" in refused.stdout


def test_the_five_lines_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = re.findall(r"```python\n(.*?)```", read("README.md"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 5
    rng = np.random.default_rng(0)
    exec(code, {"model": [rng.normal(size=(30, 20)), rng.normal(size=(20, 10))]})
    ncut, p = capsys.readouterr().out.split()[:2]
    assert 0 < float(ncut) < 4
    assert 0 < float(p) <= 1


def test_no_function_has_the_name_of_its_module() -> None:
    """``from modlib.zoo import name`` would give one or the other, by what was imported before."""
    same = []
    for path in (ROOT / "modlib").rglob("*.py"):
        names = {
            node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        same += [path] if path.stem in names else []
    assert not same


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_the_documents_name_is_there(name: str) -> None:
    text = read(name)
    objects = re.findall(r"`(modlib\.[\w.]+)`", text)
    paths = re.findall(r"`((?:modlib|book|tests|benchmarks|skeleton|notebooks|results)/[\w./-]*)`", text)
    assert objects
    assert paths
    for named in objects:
        assert pkgutil.resolve_name(named), named
    for named in paths:
        assert (ROOT / named).exists() or "NAME" in named or "my-chapter" in named, named


def test_contributing_shows_the_layers_that_the_lint_holds(project: dict[str, Any]) -> None:
    [layers] = [c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    table = re.search(r"\| layer \|.*?\n\n", read("CONTRIBUTING.md"), re.DOTALL)
    assert table is not None
    shown = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table[0].strip().splitlines()[2:]]
    assert [sorted(names) for names in shown] == [sorted(re.findall(r"\w+", layer)) for layer in layers]


def test_the_readme_shows_a_picture_that_is_there() -> None:
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", read("README.md"))
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
