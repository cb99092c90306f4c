"""modlib.cli: what a person types, and what a wrong word gets."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from toy import FAULTS, REFUSED, TOY
from typer.testing import CliRunner

import modlib
from modlib import chapters, cli, tables
from modlib.chapters import TABLES
from modlib.cli import app, main
from modlib.errors import InputError
from modlib.files import checkout, results_folder
from modlib.networks import side_by_side
from modlib.tables import read_table
from modlib.verdicts.found import NOT_YET


@pytest.fixture
def toy_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    find = chapters.find_experiment
    monkeypatch.setattr(chapters, "find_experiment", lambda name: TOY if name == "toy" else find(name))


def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What ``modlib WORDS`` prints on its way to exit status 2."""
    monkeypatch.setattr(sys, "argv", ["modlib", *words])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    return capsys.readouterr().err


def test_a_scorecard_without_rows_is_written_and_accepts_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["scorecard", "--power", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "accepted of wrong results: none" in done.output
    assert "not tested at this scale" in (tmp_path / "scorecard.csv").read_text(encoding="utf-8")
    assert NOT_YET in (tmp_path / "what-was-found.csv").read_text(encoding="utf-8")
    assert (tmp_path / "scorecard-power.csv").read_text(encoding="utf-8").startswith("wrong rows,paper,seed,wrong")


@pytest.mark.usefixtures("toy_chapter")
def test_run_with_a_grid_fills_the_table_and_verify_agrees(tmp_path: Path) -> None:
    words = ["run", "toy", "--grid", "smoke", "-p", "dataset=a", "--results", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "12 new rows" in done.output
    assert set(read_table(TOY, tmp_path)["dataset"]) == {"a"}
    assert CliRunner().invoke(app, ["verify", "toy", "--results", str(tmp_path)]).exit_code == 0


@pytest.mark.usefixtures("toy_chapter")
def test_verify_fails_on_a_tampered_row(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    table = read_table(TOY, tmp_path)
    table["value"] += 1
    table.to_csv(tmp_path / "toy.csv", index=False)
    done = CliRunner().invoke(app, ["verify", "toy", "--sample", "1", "--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "2 value(s) differ" in done.output


@pytest.mark.usefixtures("toy_chapter")
def test_verify_picks_cells_by_column_and_says_which_table(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    words = ["verify", "toy", "--sample", "99", "--results", str(tmp_path)]
    done = CliRunner().invoke(app, [*words, "-p", "dataset=a", "--oldest"])
    assert done.exit_code == 0, done.output
    assert "toy: every measured value agrees with the table; 6 of 6 networks" in done.output
    refused = CliRunner().invoke(app, [*words, "-p", "dataset=c"])
    assert isinstance(refused.exception, InputError)
    assert "dataset = c arrived" in str(refused.exception)


def test_verify_all_lists_what_it_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in ("csv", "json"):
        (tmp_path / f"dropout.{ending}").write_bytes((results_folder() / f"dropout.{ending}").read_bytes())
    done = CliRunner().invoke(app, ["verify", "--all", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    line = next(line for line in done.output.splitlines() if "dropout" in line)
    assert line.split()[:3] == ["dropout", "30", "0"]
    assert line.count("2026-") == 2
    assert "clusterability" not in done.output
    assert "holds no result table" in say(monkeypatch, capsys, "verify", "--all", "--results", str(tmp_path / "no"))
    assert "pass the name of one table" in say(monkeypatch, capsys, "verify")
    assert "picks among the cells of one table" in say(monkeypatch, capsys, "verify", "--all", "-p", "k=4")


def test_verify_all_shows_whole_names_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "console", Console(width=80))
    monkeypatch.setattr(cli, "_stored", lambda results: [*TABLES])
    monkeypatch.setattr("modlib.chapters.find_experiment", lambda name: None)
    monkeypatch.setattr("modlib.tables.kept_cells", lambda experiment, results: [1] * 100)
    runs = [{"date": "2026-11-20"}]
    monkeypatch.setattr("modlib.tables.read_provenance", lambda name, results: {"cells": [0] * 1000, "runs": runs})
    monkeypatch.setattr("modlib.tables.took", lambda *_: (1000, 3.5e6))
    with cli.console.capture() as shown:
        cli._list_costs(None)
    rows = [line.split() for line in shown.get().splitlines()]
    assert [row[0] for row in rows if row[1:3] == ["1000", "100"]] == list(TABLES)
    assert "…" not in shown.get()


def test_a_run_with_failures_names_them_says_what_to_type_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chapters, "find_experiment", lambda name: FAULTS)
    words = ["run", "toy", "--grid", "smoke", "-p", "seed=0", "--jobs", "2", "--results", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "6 new rows in the table of toy" in done.output
    assert "failed: ValueError: no such network" in done.output
    assert (
        f"again: modlib run toy --grid smoke -p dataset=a -p dropout=yes -p seed=0 --results {tmp_path}" in done.output
    )


def test_an_error_that_all_cells_share_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapters, "find_experiment", lambda name: REFUSED)
    done = CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    cells = len(TOY.cells("smoke"))
    assert cells > cli.SHOWN
    assert done.stdout.count("failed: ValueError: no GPU here") == 1
    assert done.stdout.count("again: modlib run toy") == cli.SHOWN
    assert f"and {cells - cli.SHOWN} more: type the same command again" in done.stdout
    assert done.stderr.count("failed:") == 1


@pytest.mark.usefixtures("toy_chapter")
def test_check_finds_a_changed_digit_that_seal_takes_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    words = ["check", "toy", "--results", str(tmp_path)]
    assert CliRunner().invoke(app, words).output == "toy: 24 rows are what was stored\n"
    path = tmp_path / "toy.csv"
    path.write_text(path.read_text().replace(",none,", ",some,", 1))
    assert "the rows of the cell smoke,a,no,0 were changed" in say(monkeypatch, capsys, *words)
    assert CliRunner().invoke(app, [*words, "--seal"]).exit_code == 0
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "--seal arrived without a chapter" in say(monkeypatch, capsys, "check", "--seal")


def test_check_looks_at_every_table() -> None:
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 0
    assert [line.split(":")[0] for line in done.output.splitlines()] == list(chapters.TABLES)


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"modlib {modlib.__version__}\n")


@pytest.mark.parametrize("words", [["tables"], ["scorecard"], ["check"], ["verify", "dropout"]])
def test_a_folder_of_tables_that_is_not_there_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    assert str(nowhere) in say(monkeypatch, capsys, *words, "--results", str(nowhere))
    monkeypatch.setenv("MODLIB_RESULTS", str(nowhere))
    assert str(nowhere) in say(monkeypatch, capsys, *words)
    assert not nowhere.exists()


def test_an_interrupt_while_the_commands_are_imported_shows_no_traceback() -> None:
    interrupted = (
        "import sys, builtins; real = builtins.__import__\n"
        "def hooked(name, *args):\n"
        "    if name == 'typer': raise KeyboardInterrupt\n"
        "    return real(name, *args)\n"
        "builtins.__import__ = hooked\n"
        "from modlib.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_tables_lists_every_chapter_with_a_table(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tables", "--results", str(tmp_path)])
    assert done.exit_code == 0
    assert all(name in done.output for name in chapters.TABLES)


@pytest.mark.usefixtures("toy_chapter")
def test_tables_shows_the_profiles_of_which_there_are_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapters, "TABLES", ("toy",))
    words = ["tables", "--results", str(tmp_path)]
    assert all(profile in CliRunner().invoke(app, words).output for profile in tables.PROFILES)  # none has any
    CliRunner().invoke(app, ["run", "toy", "--grid", "quick", "-p", "seed=1", "--results", str(tmp_path)])
    shown = CliRunner().invoke(app, words).output
    assert "quick" in shown
    assert "4 of 12" in shown
    assert not any(profile in shown for profile in ("smoke", "paper"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "dropuot", "--grid", "smoke"], "did you mean dropout?"),
        (["run", "dropout", "--grid", "everything"], "profile 'everything' arrived"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset"], "expected NAME=VALUE"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset=imagenet"], "dataset = imagenet arrived"),
        (["run", "dropout", "--jobs", "2"], "arrived without --grid"),
        (["run", "nothing", "--grid", "smoke", "--output", "here.ipynb"], "--output here.ipynb arrived with --grid"),
        (["run", "dropuot"], "did you mean dropout?"),
        (["verify", "dropuot"], "did you mean dropout?"),
        (["new-chapter", "dropout"], "chapters/dropout is there already"),
        (["new-chapter", "Two Words"], "chapter 'Two Words' arrived"),
        (["run", "[red]", "--grid", "smoke"], "chapter '[red]' arrived"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset=[/b] :smile: [a]"], "dataset = [/b] :smile: [a] arrived"),
    ],
)
def test_a_wrong_word_gets_a_clear_message(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in say(monkeypatch, capsys, *words)


def test_verify_refuses_a_negative_seed_before_it_looks_for_a_table() -> None:
    found = CliRunner().invoke(app, ["verify", "nothing", "--seed", "-1"])
    assert found.exit_code == 2
    assert "Invalid value for '--seed'" in found.output


def test_a_folder_without_notebooks_is_not_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("book", "notebooks"):
        (tmp_path / name).mkdir()
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).touch()
    monkeypatch.setenv("MODLIB_ROOT", str(tmp_path))
    assert "so nothing was checked" in say(monkeypatch, capsys, "sync", "--check")


@pytest.mark.usefixtures("toy_chapter")
def test_brackets_in_values_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    difference = tables.Difference("dataset=[red]", "value", "[1, 2]", "[bold]")
    drawn = tables.Redrawn("seed=[7]", "blas: [a] then, [b] here", 56, 10)
    monkeypatch.setattr(
        tables, "verify", lambda *_: tables.Verified((difference,), (drawn,), ("k=[4]",), ("seed=[7]",))
    )
    done = CliRunner().invoke(app, ["verify", "toy"])
    assert all(text in done.output for text in ("dataset=[red]", "[1, 2]", "[bold]", "k=[4]", "[b] here"))


MINE = """
import numpy as np
from modlib.networks import side_by_side

NETWORK, X, Y, _ = side_by_side(copies=4, n=40, seed=0)


def model():
    return NETWORK


def nothing():
    return None


def broken():
    raise RuntimeError("no weights here")


def draw(rng, n):
    import torch

    chosen = rng.integers(len(X), size=n)
    return torch.as_tensor(X[chosen]), torch.as_tensor(Y[chosen], dtype=torch.long)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code and data of somebody's own, and an audit that takes a second."""
    from modlib import audits

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # and put back afterwards
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "unfinished.py").write_text("import sys\ndef model(:\n")
    (tmp_path / "failing.py").write_text("rate = 1 / 0\n")
    sys.modules.pop("mine", None)
    network, x, y, _ = side_by_side(copies=4, n=40, seed=0)
    np.savez("data.npz", x=x, y=y, classes=np.array(["a", "b", "c", "d"]))
    np.save("x.npy", x)
    np.save("y.npy", y)
    np.savez("weights.npz", **{f"kernel/{i}": layer.kernel for i, layer in enumerate(network.layers)})
    np.savez("other.npz", inputs=x)
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "model.keras").touch()
    (tmp_path / "model.pkl").touch()
    small = {"ks": (2,), "n_shuffles": 39, "n_starts": 2, "n_random": 9, "n_networks": 2, "mask_steps": 2}
    monkeypatch.setattr(audits, "QUICK", audits.AuditSettings(**small))  # type: ignore[arg-type]
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["mine:model", "--data", "data.npz"],
        ["weights.npz", "--data", "x.npy", "--labels", "y.npy", "--task", "mine:draw"],
    ],
)
def test_an_audit_of_a_network_of_ones_own_writes_a_report(mine: Path, words: list[str]) -> None:
    done = CliRunner().invoke(app, ["audit", *words, "--quick", "--folder", "out"])
    assert done.exit_code == 0, done.output
    assert "Yes, at k = 2" in done.output
    assert "report: out/report.html" in done.output
    assert "Left out" not in done.output
    text = (mine / "out" / "report.html").read_text()
    assert ("Your task keeps" in text) == ("--task" in words)
    assert len(list((mine / "out" / "parts").iterdir())) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.keras"], "load a Keras file with Keras"),
        (["model.pkl"], "A pickle is not read because it can run code"),
        (["missing.npz"], "missing.npz"),
        (["mine"], "expected .npz, .safetensors, .pt or .pth"),
        (["mine:"], "expected a file that is there, or MODULE:FUNCTION"),
        (["mine.part:model"], "mine.part cannot be imported"),
        (["mine:modle"], "did you mean model?"),
        (["nowhere:model"], "nowhere cannot be imported"),
        (["nowhere.py:model"], "expected a module, not its file: nowhere:model"),
        (["mine:broken"], "raised RuntimeError: no weights here"),
        (["mine:nothing"], "expected a Keras or PyTorch model"),
        (["mine:model", "--data", "digitz"], "or one of digits"),
        (["mine:model", "--data", "other.npz"], "expected x, and perhaps y and classes"),
        (["mine:model", "--data", "objects.npy"], "does not read as arrays without pickles"),
        (["mine:model", "--data", "data.npz", "--labels", "y.npy"], "labels arrived twice"),
        (["mine:model", "--data", "x.npy", "--labels", "other.npz"], "other.npz holds ['inputs']; expected an .npy"),
        (["unfinished:model"], "importing unfinished in"),
        (["unfinished:model"], "(unfinished.py, line 2)"),
        (["failing:model"], "raised ZeroDivisionError: division by zero; mend it"),
        (["mine:model", "--labels", "y.npy"], "labels or a task arrived without data"),
        (["mine:model", "--data", "digits"], "do not fit the network"),
        (["mine:model", "--data", "data.npz", "--task", "math:sqrt"], "the task raised TypeError"),
        (["mine:model", "--folder", "x.npy"], "by folder= or --folder"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_an_audit_of_what_is_no_network_gets_a_clear_message(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in say(monkeypatch, capsys, "audit", *words, "--quick")


@pytest.mark.usefixtures("mine")
def test_models_of_one_package_have_a_folder_each(tmp_path: Path) -> None:
    """And what follows the point of a module is no suffix, as that of a file is."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "models.py").write_text("from mine import model\n\nother = model\n")
    for source in ("pkg.models:model", "pkg.models:other", "mine:model", "weights.npz"):
        done = CliRunner().invoke(app, ["audit", source, "--quick"])
        assert done.exit_code == 0, done.output
    found = sorted(path.name for path in tmp_path.glob("*-audit"))
    assert found == ["mine-model-audit", "pkg.models-model-audit", "pkg.models-other-audit", "weights-audit"]


@pytest.mark.usefixtures("mine")
def test_the_report_of_another_network_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy("weights.npz", f"{folder}/net.npz")
    for _ in range(2):  # the same audit again may
        done = CliRunner().invoke(app, ["audit", "a/net.npz", "--quick"])
        assert done.exit_code == 0, done.output
    written = Path("net-audit/report.html").stat().st_mtime_ns
    told = say(monkeypatch, capsys, "audit", "b/net.npz", "--quick")
    assert f"net-audit holds the audit of {tmp_path / 'a' / 'net.npz'}" in told
    assert "pass another one by --folder" in told
    assert Path("net-audit/report.html").stat().st_mtime_ns == written


def test_an_audit_that_is_stopped_says_how_to_go_on(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modlib import audits

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audits, "audit", stop)
    monkeypatch.setattr(sys, "argv", ["modlib", "audit", "mine:model"])
    done = CliRunner().invoke(app, ["audit", "mine:model"])
    assert done.exit_code == 130
    assert "go on with: modlib audit mine:model" in done.output


def test_the_first_figure_lies_in_the_checkout_or_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, here = [], checkout()
    monkeypatch.setattr("modlib.first.first_result", lambda folder, console: folders.append(folder))
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["first"])
    monkeypatch.setenv("MODLIB_ROOT", str(tmp_path))  # no checkout
    CliRunner().invoke(app, ["first"])
    CliRunner().invoke(app, ["first", "--folder", "there"])
    assert folders == [here / "_build" / "first", Path(), Path("there")]


def test_where_the_first_figure_cannot_be_written_nothing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("modlib.data.images.load_images", lambda *_: pytest.fail("its data were read"))
    (tmp_path / "file").touch()
    assert "pass another one by --folder" in say(monkeypatch, capsys, "first", "--folder", str(tmp_path / "file"))


@pytest.mark.parametrize(
    "words",
    [
        ["check", "dropout", "--results", "FILE"],
        ["run", "dropout", "-o", "FILE/x.ipynb"],
        ["run", "dropout", "-o", "/proc/x/y.ipynb"],
        ["audit", "LONG"],
        ["tables", "--results", "LONG"],
        ["check", "dropout", "--results", "LONG"],
    ],
)
def test_a_path_at_which_no_file_can_be_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "file").write_text("x")
    given = {"FILE": str(tmp_path / "file"), "LONG": "x" * 300}
    for name, path in given.items():
        words = [word.replace(name, path) for word in words]
    told = say(monkeypatch, capsys, *words)
    assert told.startswith("modlib: ")
    assert "Traceback" not in told


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected names of at most 255 bytes, none of them zero"):
        modlib.audit([np.ones((4, 3))], folder=name)
