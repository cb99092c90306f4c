"""What the pages of this book depend on: a source is changed in a copy of it, and nothing is executed."""

import re
import shutil
from pathlib import Path

import pytest

from modlib.book.dependencies import Dependencies
from modlib.book.pages import Page, read_pages
from modlib.files import checkout

IMAGES = {"clusterability", "dropout", "random-datasets", "topology-shuffles"}
CLUSTERED = IMAGES | {"importance", "dependencies", "coherence", "hypothesis-tests"}
OTHERS = {"upstream-downstream", "weight-masks", "class-removal", "scorecard"}
KNOWN = CLUSTERED | OTHERS  # pages that are added later are left out of the comparisons

Stamps = dict[str, dict[str, str]]


def stamps(root: Path) -> Stamps:
    dependencies = Dependencies(root)
    pages = [page for page in read_pages(root) if page.is_notebook]
    return {page.source.stem: dependencies.stamp(page) for page in pages if page.source.stem in KNOWN}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of this book with small tables; what a test changes it puts back."""
    copy = tmp_path_factory.mktemp("book")
    for folder in ("modlib", "notebooks", "book"):
        shutil.copytree(checkout() / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "images"))
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(checkout() / name, copy)
    (copy / "results").mkdir()
    (copy / "benchmarks").mkdir()
    (copy / "benchmarks" / "vertices.csv").write_text("a\n1\n")
    for table in (checkout() / "results").iterdir():
        (copy / "results" / table.name).write_text("a\n1\n")
    return copy


@pytest.fixture(scope="module")
def before(root) -> Stamps:
    return stamps(root)


def stale(root: Path, before: Stamps, file: str, old: str = r"\Z", new: str = "\n# changed\n") -> dict[str, list[str]]:
    """Pages that a change of a file makes stale, and what each says has changed."""
    path = root / file
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text, count=1))
    try:
        after = stamps(root)
    finally:
        path.write_text(text)
    found = {}
    for page, stamp in after.items():
        changed = [name for name in {*stamp, *before[page]} if stamp.get(name) != before[page].get(name)]
        if changed:
            found[page] = changed
    return found


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("modlib/chapters/dropout/figures.py", {"dropout"}),
        ("modlib/chapters/figures.py", IMAGES),
        ("modlib/chapters/dropout/findings.py", {"dropout", "scorecard"}),  # it tells what was found
        # claims that several chapters show are judged by the findings of one
        ("modlib/chapters/clusterability/findings.py", IMAGES | {"scorecard"}),
        ("modlib/chapters/weight_masks/findings.py", {"weight-masks", "scorecard"}),
        # no page imports it: cluster does, which graphs re-exports
        ("modlib/graphs/kmeans.py", CLUSTERED | {"scorecard"}),
        # imported by functions alone
        ("modlib/masks/sampling.py", {"weight-masks", "class-removal", "scorecard"}),
        ("modlib/plots.py", KNOWN),
        ("modlib/book/build.py", set()),
        ("notebooks/dropout.md", {"dropout"}),
        ("book/scorecard.md", {"scorecard"}),
        ("results/class-removal.json", {"class-removal", "scorecard"}),
        ("results/clusterability.csv", IMAGES | {"scorecard"}),
        ("benchmarks/vertices.csv", {"clusterability"}),
    ],
)
def test_a_change_makes_those_pages_stale_that_depend_on_it(root, before, file, expected):
    found = stale(root, before, file)
    assert found.keys() == expected
    assert all(changed == [file] for changed in found.values())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  statement: Other classes lose little.*", "  statement: Changed", {"class-removal", "scorecard"}),
        # shown by one chapter, decided by the tables of others
        ("MNIST before pruning, without dropout, against", "Changed", {"topology-shuffles", "scorecard"}),
        # a chapter shows tables of a paper beside ours, whosever claims they are
        ("MNIST networks against their shuffles, twelve", "Changed", {"clusterability", "dropout", "scorecard"}),
        (r"\Z", "\n# a remark\n", set()),
    ],
)
def test_a_claim_makes_those_pages_stale_that_show_it(root, before, old, new, expected):
    found = stale(root, before, "book/claims.yml", old, new)
    assert found.keys() == expected
    assert all(changed == ["claims"] for changed in found.values())


def test_a_claim_that_a_new_table_decides_brings_the_table_and_its_experiment(root, before):
    old, new = (
        "(?s)(statement: Other classes lose little.*?)decided_by: .removal",
        r"\1chapter: class-removal\n  decided_by: *add-mul",
    )
    changed = stale(root, before, "book/claims.yml", old, new)["class-removal"]
    assert {"claims", "results/weight-masks.csv", "modlib/chapters/weight_masks/experiment.py"} <= set(changed)


def test_a_metric_that_no_chapter_names_plainly_brings_those_that_may_name_it(root, before):
    plain, computed = '(?s)"goes_to": (.*?),\n', r'"goes" + "_to": \1,\n'
    found = stale(root, before, "modlib/chapters/class_removal/findings.py", plain, computed)
    assert found["class-removal"].count("modlib/chapters/class_removal/findings.py") == 1
    assert found.keys() >= {"class-removal", "scorecard"}
    assert "modlib/chapters/upstream_downstream/findings.py" in found["class-removal"], "it computes names too"


def test_a_chapter_depends_on_its_own_package_and_table_even_if_its_code_does_not_say_so(root):
    found = Dependencies(root).stamp(Page("notebooks/dropout", root / "notebooks" / "dropout.md"))
    package = (root / "modlib" / "chapters" / "dropout").glob("*.py")
    assert {file.relative_to(root).as_posix() for file in package} <= found.keys()
    assert {"results/dropout.csv", "results/dropout.json", "claims", "Python"} <= found.keys()


def test_a_table_that_is_not_filled_yet_brings_its_experiment(root, tmp_path):
    """A page says what such a table lacks."""
    dependencies = Dependencies(root)
    dependencies.results = tmp_path
    found = dependencies.stamp(Page("notebooks/dropout", root / "notebooks" / "dropout.md"))
    assert "modlib/chapters/clusterability/experiment.py" in found
    assert not [name for name in found if name.startswith("results/")]


def test_what_was_found_brings_its_findings_and_the_tables_that_they_name(root):
    page = Page("book/front", root / "book" / "front.md")
    page.source.write_text("# Front\n\n```{code-cell} ipython3\nfrom modlib.verdicts import sentences\n\nX\n```\n")
    for told, tables in (("dropout", {"clusterability", "dropout"}), ("coherence", {"coherence"})):
        text = page.source.read_text()
        page.source.write_text(text.replace("X", f"sentences({told!r})"))
        found = Dependencies(root).stamp(page)
        assert f"modlib/chapters/{told}/findings.py" in found
        assert {name for name in found if name.endswith(".csv")} == {f"results/{name}.csv" for name in tables}
        assert "repository" in found
        page.source.write_text(text)
    page.source.unlink()
