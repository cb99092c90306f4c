"""modlib.tables.durations: how long a cell takes, by what stored runs took."""

import json
from pathlib import Path

import pytest
from toy import TOY

from modlib.tables import run
from modlib.tables.durations import duration, seconds_a_cell


def test_the_mean_is_over_all_runs_of_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seconds_a_cell("toy", "smoke", tmp_path) is None
    run(TOY, "smoke", folder=tmp_path, only={"dataset": "a"})
    assert "by stored runs" not in capsys.readouterr().err
    run(TOY, "smoke", folder=tmp_path, only={"dropout": "yes"})
    assert "3 cells, by stored runs 0 s each on one core, 0 s in 1 process(es)" in capsys.readouterr().err
    path = tmp_path / "toy.json"
    provenance = json.loads(path.read_text())
    for entry, seconds in zip(provenance["runs"], (600, 1200), strict=True):
        entry["seconds"] = seconds
    path.write_text(json.dumps(provenance))
    assert seconds_a_cell("toy", "smoke", tmp_path) == 1800 / 9
    assert seconds_a_cell("toy", "paper", tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (7200, "2.0 h")]
)
def test_a_duration_is_told_in_few_digits(seconds: float, told: str) -> None:
    assert duration(seconds) == told
