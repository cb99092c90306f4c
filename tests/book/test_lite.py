"""modlib.book.lite: what a browser runs needs no compiler and no TensorFlow, and all that it needs is there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from modlib.book.lite import CHAPTERS, INSTALL, NEEDED, SHUFFLES, browser_notebook, write_contents, write_lite
from modlib.book.notebooks import read_parameters
from modlib.errors import BookError
from modlib.files import checkout

ROOT = checkout()
LITE = ROOT / "_build" / "html" / "lite"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What a browser has not: imported anywhere, it raises.
BLOCKED = """
import sys
BLOCKED = {"numba", "tensorflow", "tf_keras", "torch", "torchvision", "igraph", "leidenalg", "clusim", "pyamg"}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}, as in a browser", name=name)
sys.meta_path.insert(0, Missing())
import matplotlib
matplotlib.use("agg")
"""
# Numbers that compiled loops make elsewhere: clusters, n-cuts, and shuffles of every null model.
NUMBERS = """
import json
import numpy as np
from modlib.graphs import neuron_graph, shuffle_matrix, shuffle_test
from modlib.networks import planted_weights
weights, _ = planted_weights((8, 12, 12, 6), 3, seed=0, outside=0.1)
test = shuffle_test(neuron_graph(weights), 3, 5, 0)
sparse = np.random.default_rng(1).normal(size=(9, 7)) * (np.random.default_rng(2).random((9, 7)) < 0.6)
shuffled = {null: shuffle_matrix(sparse, null, np.random.default_rng(0)).tolist()
            for null in ("layer", "layer-nonzero", "degree", "strength")}
found = [test.labels.tolist(), test.ncut, test.shuffled.tolist(), shuffled]
"""


def in_a_browser(code: str, **variables: str) -> str:
    """What code prints where only that can be imported which a browser has."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", BLOCKED + code],
        env=os.environ | variables, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_same_clusters_and_shuffles_are_found_where_nothing_is_compiled() -> None:
    here: dict[str, object] = {}
    exec(NUMBERS, here)
    labels, ncut, shuffled, matrices = here["found"]  # type: ignore[misc]
    told = json.loads(in_a_browser(NUMBERS + "print(json.dumps(found))"))
    assert told[0] == labels
    assert told[3] == matrices
    assert [told[1], *told[2]] == pytest.approx([ncut, *shuffled], rel=1e-6)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_for_browsers_installs_what_is_there_and_draws_fewer_shuffles(name: str) -> None:
    notebook = nbformat.reads(browser_notebook(name, ROOT), as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0] == INSTALL
    assert sum("piplite" in source for source in code) == 1
    counts = re.findall(r"^n_shuffles = (\d+)", "\n".join(code), re.MULTILINE)
    parameters = read_parameters(ROOT / "notebooks" / f"{name}.md")
    assert counts == ([str(SHUFFLES)] if "n_shuffles" in parameters else [])


def test_the_live_networks_are_those_that_come_with_the_site() -> None:
    for name in set(CHAPTERS) - {"hypothesis-tests"}:
        parameters = read_parameters(ROOT / "notebooks" / f"{name}.md")
        assert (parameters["dataset"].default, parameters["seed"].default) == ("digits", 0), name


def test_none_of_the_library_that_these_chapters_import_is_missing_in_a_browser() -> None:
    texts = [(ROOT / "notebooks" / f"{name}.md").read_text(encoding="utf-8") for name in CHAPTERS]
    imports = [
        line for text in texts for line in re.findall(r"^from modlib\b[^(\n]*(?:\([^)]*\))?", text, re.MULTILINE)
    ]
    assert len(imports) > 20
    in_a_browser("\n".join(imports))


@pytest.mark.slow
def test_a_chapter_runs_to_its_end_in_the_checkout_that_a_browser_sees(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    write_contents(ROOT, [], contents)
    notebook = nbformat.read(contents / "notebooks" / "hypothesis-tests.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    figures = "import modlib.plots\nshown = []\nmodlib.plots.show = lambda seen, figure=None: shown.append(seen)\n"
    told = in_a_browser(
        figures + "\n".join(code[1:]) + "\nprint(f'figures: {len(shown)}')",
        MODLIB_ROOT=str(contents), MODLIB_CACHE=str(contents / "networks"),
    )  # fmt: skip
    assert told.rstrip().endswith(f"figures: {sum(source.count('plots.show(') for source in code)}")


def test_what_is_installed_is_declared_by_the_library() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8").lower()
    assert not [name for name in NEEDED if f'"{name}>=' not in declared]


def test_without_a_site_nothing_is_laid_out(tmp_path: Path) -> None:
    with pytest.raises(BookError, match=r"lacks clusterability, .*; build the site"):
        write_lite(tmp_path, [])


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the path; install it to run a chapter in it")
@pytest.mark.skipif(not LITE.exists(), reason="no _build/html/lite; build it with make lite")
@pytest.mark.skipif(not os.environ.get("MODLIB_LITE"), reason="MODLIB_LITE is not set; Pyodide comes from the network")
def test_a_cell_runs_and_a_figure_appears_in_a_browser() -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(LITE.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        address = f"http://127.0.0.1:{server.server_port}/lite/lab/index.html?path=notebooks/hypothesis-tests.ipynb"
        page.goto(address, wait_until="load")
        page.locator(".jp-Notebook").wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator(".jp-OutputArea-output img[src^='data:image/png']").first.wait_for(timeout=600_000)
        browser.close()
    server.shutdown()
