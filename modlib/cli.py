"""Command line: execute a chapter, fill or verify a result table, build the book."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modlib import __version__
from modlib.errors import CheckoutMissing, InputError, ModlibError
from modlib.files import build_folder, checkout, replace_file, results_folder

if TYPE_CHECKING:
    from modlib.tables import Verified

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A reproducible companion to five papers on modularity in neural networks.",
)
console = Console(markup=False, emoji=False)  # "[name]" and ":name:" are text
SHOWN = 3  # commands that try a failed cell again, of each error
Assignments = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="May be repeated.")
]
Folder = Annotated[Path | None, typer.Option(help="Folder of the result tables; results/ by default.")]


def _say_version(asked: bool) -> None:
    if asked:
        console.print(f"modlib {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What may stand before a command."""


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="Such as dropout.")],
    parameter: Assignments = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The executed notebook.")] = None,
    grid: Annotated[str | None, typer.Option(help="Fill the chapter's table instead: smoke, quick or paper.")] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes for --grid.", min=1)] = 1,
    fill: Annotated[
        str | None, typer.Option(help="With --grid: a column that was added, to fill in rows that are there.")
    ] = None,
    retry: Annotated[int, typer.Option(help="How many more times a cell that failed is tried.", min=0)] = 0,
    dask: Annotated[str | None, typer.Option(help="Address of a Dask scheduler for --grid.")] = None,
    results: Folder = None,
) -> None:
    """Execute a chapter's notebook with other parameters; or, with --grid, measure what its table lacks.

    With --grid, each -p NAME=VALUE picks the cells to measure, for example -p dataset=mnist. With --fill their networks
    are trained again, and the column is filled where all else that is measured is what is stored.
    """
    values = _assignments(parameter or [])
    if grid is None:
        if jobs != 1 or retry or dask or results or fill:
            raise InputError(
                "--jobs, --fill, --retry, --dask or --results arrived without --grid; they belong to: "
                "--grid smoke|quick|paper"
            )
        from modlib.book.notebooks import run_chapter

        made = run_chapter(chapter, values, output or Path(f"{chapter}-executed.ipynb"))
        console.print(f"executed: {made}")
        return
    if output:
        raise InputError(
            f"--output {output} arrived with --grid, which executes no notebook; expected one of them: leave one out"
        )
    from modlib.chapters import find_experiment
    from modlib.tables import runner

    experiment = find_experiment(chapter)
    try:
        done = runner.run(experiment, grid, jobs, dask, results, values, retry, fill or "")
    except runner.Stopped as stopped:
        console.print(f"stopped; {stopped.cells} cells were stored, go on with: {_again()}", soft_wrap=True)
        raise typer.Exit(130) from None
    told = f"rows have {fill} now" if fill else "new rows"
    console.print(f"{done.rows} {told} in the table of {chapter}")
    by_error: dict[str, list[str]] = {}
    for outcome in done.failed:
        again = runner.command(experiment, grid, outcome.cell, results, fill or "")
        by_error.setdefault(str(outcome.error), []).append(again)
    for error, commands in by_error.items():
        lines = [f"  again: {again}" for again in commands[:SHOWN]]
        more = [f"  and {len(commands) - SHOWN} more: type the same command again"] if len(commands) > SHOWN else []
        console.print("\n".join([f"failed: {error}", *lines, *more]), soft_wrap=True)
    if done.failed:
        raise typer.Exit(1)


@app.command()
def verify(
    chapter: Annotated[str | None, typer.Argument(help="Whose table.")] = None,
    parameter: Assignments = None,
    sample: Annotated[int | None, typer.Option(help="Cells to measure again; 3 by default.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Decides which.", min=0)] = 0,
    oldest: Annotated[bool, typer.Option("--oldest", help="Those that were measured longest ago.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="All tables; without --sample, list what it would take.")
    ] = False,
    results: Folder = None,
) -> None:
    """Train and measure stored cells again, and compare with what is stored. Fails if a value differs.

    On a processor with other kernels than those of the run a network comes out as another one. It is then compared as
    one more draw of its condition. Measures must agree on every processor: they are taken of kept networks as well.
    Each -p NAME=VALUE picks among the cells of one table, for example -p dataset=mnist.
    """
    from modlib.chapters import find_experiment
    from modlib.tables import verify as measure_again

    if every == (chapter is not None):
        raise InputError("pass the name of one table, as in: modlib verify dropout; or --all, without a name")
    only = _assignments(parameter or [])
    if every and only:
        raise InputError(
            "-p arrived with --all; it picks among the cells of one table, as in: modlib verify dropout -p seed=0"
        )
    if every and sample is None:
        _list_costs(results)
        return
    names = _stored(results) if chapter is None else [chapter]
    agreed = True
    for name in names:
        found = measure_again(find_experiment(name), sample or 3, seed, results, oldest, only)
        agreed = _report(name, found) and agreed
    if not agreed:
        raise typer.Exit(1)


def _report(name: str, found: Verified) -> bool:
    """Print what measuring again showed; whether all is well."""
    for cell in found.kept:
        console.print(f"{name}, measured on its kept network: {cell}", soft_wrap=True)
    for drawn in found.redrawn:
        console.print(
            f"{name}, another network, {drawn.cell}: each of {drawn.values} values lies where one more network of its "
            f"condition is expected, after {drawn.networks} stored ones; {drawn.reason}",
            soft_wrap=True,
        )
    if not found.differences:
        equal = len(found.trained) - len(found.redrawn)
        console.print(
            f"{name}: every measured value agrees with the table; {equal} of {len(found.trained)} networks are the "
            "same",
            soft_wrap=True,
        )
        return True
    table = Table(
        "cell", "column", "stored", "measured again", title=f"{name}: {len(found.differences)} value(s) differ"
    )
    for difference in found.differences:
        table.add_row(difference.cell, difference.column, _short(difference.stored), _short(difference.measured))
    console.print(table)
    return False


def _list_costs(results: Path | None) -> None:
    """What measuring all tables again would take, by what their runs took, and since when they stand."""
    from modlib.chapters import find_experiment
    from modlib.tables import duration, kept_cells, read_provenance, took

    # without lines, so that all names are whole in a terminal of 80 columns
    table = Table(title="to measure again, one core", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("table", "cells", "kept", "first run", "last run", "a cell", "all"):
        table.add_column(column, no_wrap=True)
    for name in _stored(results):
        provenance, kept = read_provenance(name, results), kept_cells(find_experiment(name), results)
        cells, dates = len(provenance["cells"]), sorted(run["date"] for run in provenance["runs"])
        count, seconds = took(name, "paper", results) or (0, 0.0)
        times = [duration(seconds / count), duration(seconds)] if count else []
        table.add_row(name, str(cells), str(len(kept)), dates[0], dates[-1], *times)
    console.print(table)
    console.print("times of one core; a cell of each: modlib verify --all --sample 1")


def _stored(results: Path | None) -> list[str]:
    """Names of the tables that a folder holds."""
    from modlib.chapters import TABLES

    folder = results or results_folder()
    if names := [name for name in TABLES if (folder / f"{name}.csv").exists()]:
        return names
    raise InputError(
        f"{folder} arrived, which holds no result table; expected a folder with tables such as dropout.csv"
    )


@app.command()
def check(
    chapter: Annotated[str | None, typer.Argument(help="Whose table; all by default.")] = None,
    seal: Annotated[bool, typer.Option("--seal", help="Take a table as it is, after a change on purpose.")] = False,
    results: Folder = None,
) -> None:
    """Check that tables hold just what their runs stored, without training anything."""
    from modlib.chapters import TABLES, find_experiment
    from modlib.tables import integrity

    if seal and chapter is None:
        raise InputError(
            "--seal arrived without a chapter; expected the one whose table was changed: modlib check NAME --seal"
        )
    for name in [chapter] if chapter else TABLES:
        experiment = find_experiment(name)
        if seal:
            integrity.seal(experiment, results)
        stored, _ = integrity.read_accounted(experiment, results)
        console.print(f"{name}: {len(stored.lines)} rows are what was stored")


@app.command()
def tables(results: Folder = None) -> None:
    """List the result tables: how many cells are measured of each profile of which there are any."""
    from modlib.chapters import TABLES, find_experiment
    from modlib.tables import PROFILES, missing_cells

    results = _existing(results)
    counts: dict[str, dict[str, tuple[int, int]]] = {}  # by profile and table: measured cells, and all
    for name, profile in product(TABLES, PROFILES):
        experiment = find_experiment(name)
        cells, missing = experiment.cells(profile), missing_cells(experiment, profile, results)
        counts.setdefault(profile, {})[name] = (len(cells) - len(missing), len(cells))
    shown = [profile for profile, found in counts.items() if any(done for done, _ in found.values())] or PROFILES
    table = Table("table", *shown)
    for name in TABLES:
        table.add_row(name, *(f"{done} of {total}" for done, total in (counts[profile][name] for profile in shown)))
    console.print(table)


@app.command()
def scorecard(
    power: Annotated[bool, typer.Option("--power", help="Also measure how many wrong results would pass.")] = False,
    results: Folder = None,
) -> None:
    """Judge all claims; write numbers, verdicts and what chapters found to csv files among the result tables."""
    from modlib.verdicts import cards, scorecard as card

    results = _existing(results)
    judged = cards.judged(folder=results)
    console.print(f"written: {card.write(card.CARD, card.verdict_lines(judged), results)}")
    console.print(f"written: {card.write(card.FOUND, card.found_lines(results), results)}")
    if power:
        from modlib.verdicts import power as wrong

        counts = wrong.summary(wrong.tried(judged, folder=results))
        console.print(f"written: {card.write(card.POWER, counts, results)}")
        shares = wrong.accepted_shares(counts)
        told = f"{shares.mean():.1%}, {shares.min():.1%} to {shares.max():.1%} by seed" if len(shares) else "none"
        console.print(f"accepted of wrong results: {told}; at most {wrong.BOUND:.0%} may be")


@app.command()
def first(
    folder: Annotated[
        Path | None, typer.Option(help="Where the figure goes: _build/first of the checkout, or, without one, here.")
    ] = None,
) -> None:
    """A first result, in about two minutes of processor time: train, prune, cluster and test a small network."""
    from modlib.first import first_result

    if folder is None:
        folder = Path()
        with suppress(CheckoutMissing):
            folder = build_folder() / "first"
    first_result(folder, console)


@app.command()
def audit(
    model: Annotated[str, typer.Argument(help="A file of weights, or MODULE:FUNCTION of yours that returns a model.")],
    data: Annotated[
        str | None, typer.Option(help="Inputs: an .npz file with x (and y, classes), an .npy file, or such as digits.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="An .npy file with the class of every input.")] = None,
    task: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION of yours that draws inputs and targets; see ml.learn_mask.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the report is written and its parts are kept; NAME-audit by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer shuffles, random units and inputs.")] = False,
    seed: Annotated[int, typer.Option(help="Decides everything random.", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="Worker processes for the shuffles.", min=1)] = 1,
) -> None:
    """All measures on one network of yours, as one HTML file. Typed again, it goes on where it was stopped."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from modlib.audits import QUICK, AuditSettings, audit as measure
    from modlib.audits.sources import read_data, read_model, read_task

    network, name = read_model(model)
    arrays = read_data(data, labels)
    short = Path(model).stem if Path(model).exists() else model  # of a function there is no suffix to take off
    folder = folder or Path(f"{short.replace(':', '-')}-audit")
    note, source = folder / "network.txt", str(Path(model).resolve()) if Path(model).exists() else model
    _refuse_other(note, source)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar: dict[str, Any] = {}

        def show(part: str, done: int, total: int) -> None:
            if part not in bar:
                bar[part] = bars.add_task(part, total=total)
            bars.update(bar[part], completed=done, total=total)

        draw = read_task(task) if task else None
        settings = QUICK if quick else AuditSettings()
        try:
            report = measure(
                network, **arrays, task=draw, settings=settings, seed=seed, jobs=jobs, folder=folder / "parts",
                name=name, progress=show,
            )  # fmt: skip
        except KeyboardInterrupt:
            console.print(f"stopped; the parts that were done are kept, go on with: {_again()}", soft_wrap=True)
            raise typer.Exit(130) from None
    for section in report:
        console.print(Text(section.part.question, "bold"))
        for sentence in section.says or (f"Left out: {section.left_out}.",):
            console.print(f"  {sentence}", soft_wrap=True)
    console.print(f"report: {report.to_html(folder / 'report.html')}", soft_wrap=True)
    replace_file(note, source)


@app.command()
def book(
    force: Annotated[bool, typer.Option("--force", help="Execute every chapter, changed or not.")] = False,
) -> None:
    """Execute every chapter that changed and build the site."""
    from modlib.book.build import build_book

    check()
    console.print(f"the book is built: {build_book(force)}")


@app.command("new-chapter")
def new_chapter(
    name: Annotated[str, typer.Argument(help="In lower case with hyphens, such as topology-shuffles.")],
) -> None:
    """Write the skeleton of a chapter, which passes all checks, and measure its smallest grid."""
    from modlib.book.skeleton import new_chapter as write

    for path in write(name):
        console.print(f"written: {path}")


@app.command()
def sync(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a pair differs.")] = False,
) -> None:
    """Write every notebook from its text twin, and what was found into the README."""
    from modlib.book.twins import sync as sync_notebooks
    from modlib.verdicts.front import sync as sync_readme

    for path in (*sync_notebooks(check), *sync_readme(check)):
        console.print(f"written: {path}")


@app.command()
def slides() -> None:
    """Write slides of every chapter beside the site, from what `modlib book` executed."""
    from modlib.book.pages import read_pages
    from modlib.book.slides import write_slides

    for path in write_slides(read_pages(checkout()), checkout()):
        console.print(f"written: {path}")


@app.command()
def pdf() -> None:
    """Print the book that `modlib book` built, with Chromium, to _build/book.pdf; a few minutes."""
    from modlib.book.pdf import write_pdf

    console.print(f"written: {write_pdf(checkout())}")


@app.command()
def lite() -> None:
    """Lay out the chapters that run in a browser, in _build/lite, and link the site to them: see `make lite`."""
    from modlib.book.lite import write_lite
    from modlib.zoo.perceptrons import trained_mlp_file

    networks = [trained_mlp_file("digits", dropout, seed=0) for dropout in (False, True)]
    console.print(f"written: {write_lite(checkout(), networks)}")


def main() -> None:
    """Run a command: an error that modlib raises on purpose, or that a file makes, is a message, not a traceback."""
    try:
        app()
    except (ModlibError, OSError) as error:
        told = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            told = f"{error.filename} cannot be used ({error.strerror}); name another file or folder"
        message = Text.assemble(("modlib:", "bold red"), f" {told}")
        Console(stderr=True).print(message, soft_wrap=True)
        raise SystemExit(2) from error


def _existing(results: Path | None) -> Path:
    """The folder of the result tables, where there must be some already."""
    folder = results or results_folder()
    if not folder.is_dir():
        raise InputError(
            f"the folder {folder} is not there; expected that of the result tables: pass --results, or set "
            "MODLIB_RESULTS"
        )
    return folder


def _refuse_other(note: Path, source: str) -> None:
    """Refuse a folder whose report is that of another network, as its note says; without one it may be written."""
    before = source
    with suppress(OSError):
        before = note.read_text(encoding="utf-8", errors="replace")
    if before != source:
        raise InputError(
            f"{note.parent} holds the audit of {before}, and that of {source} would take its place; expected a folder "
            "of its own: pass another one by --folder"
        )


def _again() -> str:
    """The command that was typed."""
    return shlex.join(["modlib", *sys.argv[1:]])


def _assignments(pairs: list[str]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"-p {pair!r} arrived; expected NAME=VALUE, for example -p dataset=fashion_mnist")
        values[name] = value
    return values


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "..."
