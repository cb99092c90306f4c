"""The book: execute its notebooks where something has changed, build the site, and fail on any fault.

Everything happens in ``_build``, so sources are never touched::

    _build/executed/   executed notebooks, each with a stamp of what it was made from
    _build/reports/    NAME.log and the notebook as far as it got, of those that failed
    _build/stage/      what Jupyter Book reads, with execution off
    _build/html/       the site

Chapter: all of them are built this way.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from modlib.book import notebooks
from modlib.book.execution import Run, execute_pages, executed_file
from modlib.book.notebooks import read_notebook
from modlib.book.pages import Page, read_pages
from modlib.book.plain import Links
from modlib.book.reference import with_modules
from modlib.book.twins import for_readers, sync
from modlib.errors import BookError
from modlib.files import build_folder, checkout

STATUS_TABLE = "<!-- the status table goes here -->"


def build_book(force: bool = False, root: Path | None = None, jobs: int = 2) -> Path:
    """Execute what has changed, with the notebooks' own parameters, and build the site; returns its index.html.

    Args:
        force: execute every notebook, changed or not.
        root: folder of the book, the checkout by default: _config.yml, _toc.yml, book/, notebooks/, modlib/, results/.
        jobs: notebooks executed side by side.

    Raises:
        BookError: if the configuration has an unknown key, a page is missing or in no table of contents, a
            notebook differs from its text twin or fails, or Jupyter Book finds an error or a warning.
    """
    root = root or checkout()
    check_config(root)
    pages = read_pages(root)
    sync(check=True, root=root)
    runs = execute_pages([page for page in pages if page.is_notebook], force, root, jobs)
    stage(pages, runs, root)
    build_site(root)
    write_downloads(root)
    check_site(pages, root)
    return build_folder(root) / "html" / "index.html"


def check_config(root: Path) -> None:
    """Refuse keys of _config.yml that Jupyter Book would ignore, and values of the wrong type.

    What lies under sphinx.config is for Sphinx to check; it warns of values that it does not know.

    Raises:
        BookError: naming the key, and where it belongs if it is known elsewhere.
    """
    import jsonschema
    from jupyter_book.config import PATH_JSON_SCHEMA, PATH_YAML_DEFAULT, validate_yaml

    path = root / "_config.yml"
    config = _read_yaml(path)
    schema = json.loads(PATH_JSON_SCHEMA.read_text(encoding="utf-8"))
    # The schema lacks some keys that the defaults have, and the other way round.
    known = set(_schema_keys(schema)) | set(_keys(yaml.safe_load(PATH_YAML_DEFAULT.read_text(encoding="utf-8"))))
    free = {"sphinx/config", "sphinx/local_extensions", "latex/latex_documents"}
    for key in _keys(config):
        if key in known or any(key.startswith(f"{section}/") for section in free):
            continue
        elsewhere = [other for other in sorted(known) if other.split("/")[-1] == key.split("/")[-1]]
        near = elsewhere or difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "remove it, or put a Sphinx option under sphinx/config"
        raise BookError(f"{path} has the key {key}, which Jupyter Book does not know and would ignore; {hint}")
    try:
        validate_yaml(config, raise_on_errors=True)
    except jsonschema.ValidationError as error:
        raise BookError(f"{path} has a value of the wrong type:\n{error.message}") from error


def stage(pages: Iterable[Page], runs: Sequence[Run], root: Path) -> None:
    """Lay out what Jupyter Book reads: notebooks and their files, prose with its status table and API, and the rest."""
    folder = build_folder(root) / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("*.md"))
    for page in pages:
        target = folder / page.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.is_notebook:
            shutil.copy(executed_file(page.name, root), f"{target}.ipynb")
            if (files := notebooks.files_of(page.source.stem, root)).exists():
                shutil.copytree(files, folder / "book" / "_static" / page.source.stem)
        else:
            text = page.source.read_text(encoding="utf-8")
            text = with_modules(text.replace(STATUS_TABLE, status_table(runs)), root)
            Path(f"{target}.md").write_text(text, encoding="utf-8")


def status_table(runs: Sequence[Run]) -> str:
    """Time, date, versions and hardware of every executed notebook, as a Markdown table."""
    if not runs:
        return "No notebook has been executed."
    lines = [
        "| page | seconds | finished (UTC) | commit | Python | processor |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        machine = run.machine
        lines.append(
            f"| {{doc}}`/{run.page}` | {run.seconds:.0f} | {run.finished} | `{machine['commit'][:8]}` "
            f"| {machine['python']} | {machine['cpu']}, {machine['cores']} cores |"
        )
    versions = {f"{package} {version}" for run in runs for package, version in run.machine["versions"].items()}
    minutes = sum(run.seconds for run in runs) / 60
    lines += ["", f"Together: {minutes:.0f} minutes, with one thread each, so that is about their processor time."]
    lines += ["", f"Versions: {', '.join(sorted(versions))}."]
    return "\n".join(lines)


def build_site(root: Path) -> None:
    """Jupyter Book on the staged files, with execution off; every warning is an error.

    Raises:
        BookError: with the errors and warnings; the whole output is in _build/reports/site.log.
    """
    out = build_folder(root)
    shutil.rmtree(out / "html", ignore_errors=True)  # a page of a former build must not hide a missing one
    done = jupyter_book(root, "-n", "-W", "--keep-going")
    log = out / "reports" / "site.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    faults = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "CRITICAL" in line]
    if done.returncode or faults:
        listing = "\n".join(faults or done.stderr.splitlines()[-20:])
        raise BookError(f"Jupyter Book failed; correct these, the whole output is in {log}:\n{listing}")


def jupyter_book(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Jupyter Book on the staged files."""
    build = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command = [*build, str(build_folder(root) / "stage"), "--path-output", str(root), "--all", *options]
    plain = os.environ | {"NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=plain, check=False)


def write_downloads(root: Path) -> None:
    """Make the notebooks that a reader can download from the site plain ones; Sphinx copies those that it read."""
    folder = build_folder(root) / "html" / "_sources"
    for path in sorted(folder.rglob("*.ipynb")):
        page = path.relative_to(folder).with_suffix("").as_posix()
        nbformat.write(for_readers(read_notebook(path), Links(root, page)), path)


def check_site(pages: Iterable[Page], root: Path) -> None:
    """Refuse a site that lacks a page.

    Raises:
        BookError: naming the pages that are missing.
    """
    html = build_folder(root) / "html"
    missing = [page.name for page in pages if not (html / f"{page.name}.html").exists()]
    if not (html / "index.html").exists():
        missing.insert(0, "index")
    if missing:
        raise BookError(
            f"{html} lacks the pages {', '.join(missing)}, which _toc.yml names; "
            "see exclude_patterns in _config.yml and _build/reports/site.log"
        )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"{path} does not parse as YAML ({error}); correct it") from error
    if not isinstance(found, dict):
        raise BookError(f"{path} holds {type(found).__name__}, not keys and values; correct it")
    return found


def _keys(tree: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{above}{key}/")


def _schema_keys(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in schema.get("properties", {}).items():
        yield f"{above}{key}"
        yield from _schema_keys(value, f"{above}{key}/")
