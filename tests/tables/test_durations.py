"""modlib.tables.durations: how long cells take, by what stored runs of cells like them took."""

import json
from pathlib import Path
from typing import Any

import pytest
from toy import TOY

from modlib.tables import expected, run
from modlib.tables.durations import duration, took


def stored(folder: Path, runs: list[dict[str, Any]], cells: list[str]) -> None:
    """Provenance of the toy table."""
    about = {"profile": "paper", "date": "2026-11-26", "commit": "c", "rows": 1}
    entries = [{"id": str(number), **about, **entry} for number, entry in enumerate(runs)]
    provenance = {"table": "toy", "runs": entries, "cells": dict.fromkeys(cells, "0" * 16)}
    (folder / "toy.json").write_text(json.dumps(provenance))


def todo(dataset: str, dropout: str) -> list[dict[str, Any]]:
    return [dict(cell) for cell in TOY.cells("paper") if (cell["dataset"], cell["dropout"]) == (dataset, dropout)]


def test_a_run_says_before_it_begins_what_stored_runs_of_such_cells_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(TOY, "smoke", folder=tmp_path, only={"dataset": "a", "seed": "0", "dropout": "yes"})
    assert capsys.readouterr().err.startswith("1 cells; no such cell was measured yet\n")
    run(TOY, "smoke", 2, folder=tmp_path, only={"dropout": "yes", "dataset": "a"})
    assert capsys.readouterr().err.startswith("2 cells, by stored runs 0 s on one core, 0 s in 2 process(es)\n")
    run(TOY, "smoke", folder=tmp_path, only={"dataset": "b"})
    assert capsys.readouterr().err.startswith("6 cells; no such cell was measured yet\n")


def test_cells_unlike_those_to_do_say_nothing_of_them(tmp_path: Path) -> None:
    """As where 400 of 416 stored cells are networks before training, and others train for an hour."""
    runs = [
        {"seconds": 24.0, "cells": [f"paper,a,no,{seed}" for seed in range(12)]},
        {"seconds": 7200.0, "cells": ["paper,b,no,0", "paper,b,no,1"]},
        {"seconds": 3600.0, "cells": ["paper,b,no,2"]},
    ]
    stored(tmp_path, runs, [cell for entry in runs for cell in entry["cells"]])
    assert expected(TOY, todo("a", "no"), tmp_path).seconds == 24
    assert expected(TOY, todo("b", "no"), tmp_path).seconds == 12 * 3600
    none = expected(TOY, todo("b", "yes"), tmp_path)
    assert (none.unlike, none.seconds) == (12, 0)
    assert none.in_words(1) == "12 cells; no such cell was measured yet"
    both = expected(TOY, [*todo("b", "no"), *todo("b", "yes")], tmp_path)
    assert both.in_words(2) == (
        "24 cells, by stored runs 12.0 h on one core, 6.0 h in 2 process(es), without 12 like none that was measured"
    )
    assert both.in_words() == "24 cells, by stored runs 12.0 h on one core, without 12 like none that was measured"
    assert expected(TOY, [{**cell, "profile": "smoke"} for cell in todo("a", "no")], tmp_path).unlike == 12


def test_a_run_of_several_kinds_limits_what_each_of_them_took(tmp_path: Path) -> None:
    runs = [
        {"seconds": 100.0, "cells": ["paper,a,no,0", "paper,a,no,1", "paper,b,no,0"]},
        {"seconds": 120.0, "cells": ["paper,a,no,2", "paper,b,yes,0"]},
        {"seconds": 9.0, "cells": ["paper,a,no,0"], "fills": "value"},
        {"seconds": 1.0, "cells": ["paper,a,no,3"], "trained": {}},
    ]
    stored(tmp_path, runs, [cell for entry in runs for cell in entry["cells"]])
    found = expected(TOY, todo("a", "no")[:4], tmp_path)
    assert (found.seconds, found.at_most) == (4 * 50, True)
    assert found.in_words(1) == "4 cells, by stored runs at most 3 min on one core, 3 min in 1 process(es)"
    # as many as those runs measured cannot take longer than these did, whatever each kind took
    again = [*todo("a", "no")[:3], *todo("b", "no")[:1], *todo("b", "yes")[:1]]
    assert expected(TOY, again, tmp_path).seconds == pytest.approx(220)


def test_runs_that_list_no_cells_measured_those_that_no_other_run_lists(tmp_path: Path) -> None:
    runs = [{"seconds": 40.0}, {"seconds": 20.0}, {"seconds": 500.0, "cells": ["paper,b,no,0"]}]
    stored(tmp_path, runs, ["paper,a,no,0", "paper,a,no,1", "paper,b,no,0"])
    found = expected(TOY, todo("a", "no")[:1], tmp_path)
    assert (found.seconds, found.at_most) == (30, False)
    assert took("toy", "paper", tmp_path) == (3, 560)
    assert took("toy", "smoke", tmp_path) is None
    assert took("other", "paper", tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (7200, "2.0 h")]
)
def test_a_duration_is_told_in_few_digits(seconds: float, told: str) -> None:
    assert duration(seconds) == told
