"""Chapters that run in a browser: what JupyterLite is built of, notebooks, the library, stored rows and networks.

There is no Numba, TensorFlow or PyTorch: loops run in NumPy, and the networks of the live runs, which training with
Keras made, come with the site. Chapters: ``clusterability``, ``topology-shuffles``, ``hypothesis-tests``,
``null-models``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from modlib.book.twins import notebook_text
from modlib.errors import BookError
from modlib.files import build_folder

CHAPTERS = ("clusterability", "topology-shuffles", "hypothesis-tests", "null-models")
SHUFFLES = 9  # of a live run: without a compiler each takes ten times as long
# What they import, of which Pyodide has some and the Python package index the others; the library itself has more.
NEEDED = (
    *("numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "matplotlib", "seaborn", "joblib", "lazy-loader"),
    *("jupytext", "nbformat", "jsonschema", "filelock", "threadpoolctl", "tqdm", "pyyaml", "jinja2", "pillow", "rich"),
)
INSTALL = f"""\
# In a browser: the library without its dependencies, then those that are used here.
import os

import piplite

await piplite.install(["modlib"], deps=False)
await piplite.install({list(NEEDED)!r})
os.environ.update(MODLIB_ROOT="/drive", MODLIB_CACHE="/drive/networks")
os.chdir("/drive")"""
LINK = (
    '<p class="lite"><a href="../lite/lab/index.html?path=notebooks/{name}.ipynb">Run this chapter in the browser</a>: '
    "nothing to install, and fewer shuffles.</p>"
)


def write_lite(root: Path, networks: Sequence[Path]) -> Path:
    """Lay out what JupyterLite is built of in ``_build/lite``, and link the chapters of the site to it.

    Args:
        root: folder of the book, whose site is built.
        networks: files of the cache that the live runs need.

    Returns:
        The folder: ``contents``, which is the checkout that a browser sees, and ``wheels``, with the library.

    Raises:
        BookError: if the site has not been built, or the library cannot be packed.
    """
    site = build_folder(root) / "html" / "notebooks"
    if missing := [name for name in CHAPTERS if not (site / f"{name}.html").exists()]:
        raise BookError(f"{site} lacks {', '.join(missing)}; build the site with: modlib book")
    folder = build_folder(root) / "lite"
    shutil.rmtree(folder, ignore_errors=True)
    write_contents(root, networks, folder / "contents")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheels")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BookError(f"the library cannot be packed; correct this:\n{done.stderr}")
    for name in CHAPTERS:
        page = site / f"{name}.html"
        text = re.sub(r'<p class="lite">.*?</p>', "", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</h1>", f"</h1>{LINK.format(name=name)}", 1), encoding="utf-8")
    return folder


def write_contents(root: Path, networks: Sequence[Path], target: Path) -> None:
    """The checkout that a browser sees: chapters that install the library there, claims, stored rows, live networks.

    Args:
        root: folder of the book.
        networks: files of the cache that the live runs need.
        target: where to write it.
    """
    for name in ("_toc.yml", "_config.yml", "book", "results", "benchmarks"):
        source = root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("_static", "images", "*.py", "__pycache__", "networks")
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    (target / "notebooks").mkdir()
    for name in CHAPTERS:
        (target / "notebooks" / f"{name}.ipynb").write_text(browser_notebook(name, root), encoding="utf-8")
    (target / "networks").mkdir()
    for network in networks:
        shutil.copy(network, target / "networks")


def browser_notebook(name: str, root: Path) -> str:
    """The ipynb file of a chapter for a browser: it installs what is there, and draws fewer shuffles.

    Args:
        name: of the chapter.
        root: folder of the book.
    """
    notebook = nbformat.reads(notebook_text(root / "notebooks" / f"{name}.md", root), as_version=4)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "install" in tags:
            cell.source = INSTALL
        if "parameters" in tags:
            cell.source = re.sub(r"^n_shuffles = \d+", f"n_shuffles = {SHUFFLES}", cell.source, flags=re.MULTILINE)
    return nbformat.writes(notebook, indent=1) + "\n"
