"""The book: execute its notebooks where something has changed, build the site, and fail on any fault.

Everything happens in ``_build``, so sources are never touched::

    _build/executed/   executed notebooks, each with a stamp of what it was made from
    _build/reports/    NAME.log and the notebook as far as it got, of those that failed
    _build/stage/      what Jupyter Book reads, with execution off
    _build/html/       the site

Chapter: all of them are built this way.
"""

from __future__ import annotations

import datetime
import difflib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml

from modlib.book import notebooks
from modlib.book.reference import with_modules
from modlib.errors import BookError
from modlib.files import checkout, results_folder
from modlib.tables import describe_run

STATUS_TABLE = "<!-- the status table goes here -->"
# One thread a process: two notebooks run side by side.
ONE_THREAD = dict.fromkeys(
    [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ],
    "1",
)


@dataclass(frozen=True)
class Page:
    """A page of the table of contents.

    Attributes:
        name: as the table of contents has it, such as ``notebooks/dropout``.
        source: its file.
    """

    name: str
    source: Path

    @property
    def is_notebook(self) -> bool:
        """Whether it holds code to execute: an ipynb file, or a text page with code cells."""
        return self.source.suffix == ".ipynb" or "\n```{code-cell}" in self.source.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """An executed notebook: what it was made from, and how it went.

    Attributes:
        page: name of the page.
        stamp: for everything the output depends on, a digest.
        seconds: how long it took.
        finished: date and time, UTC, to the minute.
        machine: commit, versions and processor.
    """

    page: str
    stamp: Mapping[str, str]
    seconds: float
    finished: str
    machine: Mapping[str, Any]


def build(force: bool = False, root: Path | None = None, jobs: int = 2) -> Path:
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
    notebooks.sync(check=True, root=root)
    runs = execute_pages([page for page in pages if page.is_notebook], force, root, jobs)
    stage(pages, runs, root)
    build_site(root)
    check_site(pages, root)
    return root / "_build" / "html" / "index.html"


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


def read_pages(root: Path) -> list[Page]:
    """Pages of the book, in the order of _toc.yml.

    Raises:
        BookError: if a page has no file, or a file of book/ or notebooks/ is in no table of contents.
    """
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

    path = root / "_toc.yml"
    try:
        names = list(parse_toc_yaml(path))
    except (OSError, MalformedError, yaml.YAMLError) as error:
        raise BookError(f"{path} does not parse as a table of contents ({error}); correct it") from error
    pages = []
    for name in names:
        files = [file for file in (root / f"{name}.ipynb", root / f"{name}.md") if file.exists()]
        if not files:
            raise BookError(
                f"{path} names {name}, but there is no {name}.md or {name}.ipynb; write it or remove the entry"
            )
        pages.append(Page(name, files[0]))
    files = [*sorted((root / "book").glob("*.md")), *sorted((root / "notebooks").glob("*.ipynb"))]
    left_out = [file for file in files if file not in {page.source for page in pages}]
    if left_out:
        raise BookError(
            f"{left_out[0].relative_to(root)} is not in {path}, so the book would lack it; add it or remove it"
        )
    return pages


def stamp(page: Page, root: Path) -> dict[str, str]:
    """Digest of everything that an executed notebook depends on, by kind.

    jupyter-cache looks at the code cells alone; a changed library would leave stale output behind it.
    Data sets need no entry of their own: modlib holds their checksums, and the lock decides the embedded ones.
    """
    results = results_folder() if root == checkout() else root / "results"
    return {
        "source": _digest(page.source.parent, page.source.name),
        "modlib": _digest(root / "modlib", "**/*.py"),
        "results": _digest(results, "*.csv", "*.json"),
        "claims": _digest(root / "book", "claims.yml", "papers/*.csv"),
        "environment": f"Python {platform.python_version()}, lock {_digest(root, 'requirements.lock')}",
    }


def changes(page: Page, root: Path) -> list[str]:
    """Why a notebook must be executed: what has changed since it was; empty if nothing has."""
    run = _read_run(page, root)
    if run is None:
        return ["never executed"]
    return [kind for kind, digest in stamp(page, root).items() if run.stamp.get(kind) != digest]


def execute_pages(pages: Sequence[Page], force: bool, root: Path, jobs: int = 2) -> list[Run]:
    """Execute the notebooks that have changed; a failure does not stop the others.

    Raises:
        BookError: naming the notebooks that failed and their reports.
    """
    from joblib import Parallel, delayed

    todo = []
    for page in pages:
        why = ["forced"] if force else changes(page, root)
        print(f"{page.name}: {'executing (' + ', '.join(why) + ')' if why else 'unchanged'}", flush=True)
        if why:
            todo.append(page)
    workers = Parallel(n_jobs=min(jobs, max(len(todo), 1)), return_as="generator_unordered")
    failed = []
    for name, seconds, report in workers(delayed(_execute_page)(page, root) for page in todo):
        print(f"{name}: {'failed' if report else f'executed in {seconds:.0f} s'}", flush=True)
        if report:
            failed.append(f"  {name}: {report}")
    if failed:
        raise BookError(
            f"{len(failed)} of {len(pages)} notebooks failed; the others are kept. Correct them; reports:\n"
            + "\n".join(sorted(failed))
        )
    return [run for page in pages if (run := _read_run(page, root)) is not None]


def stage(pages: Iterable[Page], runs: Sequence[Run], root: Path) -> None:
    """Lay out what Jupyter Book reads: notebooks, prose with its status table and API reference, and the rest."""
    folder = root / "_build" / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("*.md"))
    for page in pages:
        target = folder / page.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.is_notebook:
            shutil.copy(_executed(page.name, root, ".ipynb"), f"{target}.ipynb")
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
    lines += ["", f"Versions: {', '.join(sorted(versions))}."]
    return "\n".join(lines)


def build_site(root: Path) -> None:
    """Jupyter Book on the staged files, with execution off; every warning is an error.

    Raises:
        BookError: with the errors and warnings; the whole output is in _build/reports/site.log.
    """
    out = root / "_build"
    shutil.rmtree(out / "html", ignore_errors=True)  # a page of a former build must not hide a missing one
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(out / "stage")]
    options = ["--path-output", str(root), "--all", "-n", "-W", "--keep-going"]
    plain = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=root, env=plain, check=False)
    log = out / "reports" / "site.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    faults = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "CRITICAL" in line]
    if done.returncode or faults:
        listing = "\n".join(faults or done.stderr.splitlines()[-20:])
        raise BookError(f"Jupyter Book failed; correct these, the whole output is in {log}:\n{listing}")


def check_site(pages: Iterable[Page], root: Path) -> None:
    """Refuse a site that lacks a page.

    Raises:
        BookError: naming the pages that are missing.
    """
    html = root / "_build" / "html"
    missing = [page.name for page in pages if not (html / f"{page.name}.html").exists()]
    if not (html / "index.html").exists():
        missing.insert(0, "index")
    if missing:
        raise BookError(
            f"{html} lacks the pages {', '.join(missing)}, which _toc.yml names; "
            "see exclude_patterns in _config.yml and _build/reports/site.log"
        )


def _execute_page(page: Page, root: Path) -> tuple[str, float, Path | None]:
    """Execute a notebook in a worker process; returns its name, its seconds, and the report if it failed."""
    os.environ.update(ONE_THREAD)
    # taken before, so that a change while the notebook runs is noticed next time
    before = stamp(page, root)
    working = root / "_build" / "reports" / f"{page.name}.ipynb"
    log = working.with_suffix(".log")
    working.parent.mkdir(parents=True, exist_ok=True)
    source = notebooks.read_notebook(page.source)
    source.metadata["kernelspec"] = notebooks.KERNEL
    nbformat.write(source, working)
    try:
        seconds = notebooks.execute(working, working, {}, root)
    except BookError as error:
        log.write_text(f"{error}\n", encoding="utf-8")
        return page.name, 0.0, log
    log.unlink(missing_ok=True)
    executed = _executed(page.name, root, ".ipynb")
    executed.parent.mkdir(parents=True, exist_ok=True)
    working.replace(executed)
    finished = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    run = Run(page.name, before, round(seconds, 1), finished, describe_run("book"))
    _executed(page.name, root, ".json").write_text(json.dumps(run.__dict__, indent=1) + "\n", encoding="utf-8")
    notebooks.remember_time(root, page.source.stem, {}, seconds)
    return page.name, seconds, None


def _read_run(page: Page, root: Path) -> Run | None:
    """The run of a page whose executed notebook is there; None otherwise, or if the record does not parse."""
    if not _executed(page.name, root, ".ipynb").exists():
        return None
    try:
        return Run(**json.loads(_executed(page.name, root, ".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _executed(name: str, root: Path, suffix: str) -> Path:
    return root / "_build" / "executed" / f"{name}{suffix}"


def _digest(folder: Path, *patterns: str) -> str:
    """Digest of the names and contents of files; one that is not there has no say."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in patterns for file in folder.glob(pattern)}):
        digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


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
