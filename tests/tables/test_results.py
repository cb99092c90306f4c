"""modlib.tables.results: rows and provenance are stored together, or neither is; what a caption says."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toy import TOY, cells, measure

from modlib.errors import OtherNetwork, ResultsError
from modlib.tables import append_rows, caption, fill_rows, read_accounted, run, seal, verify

RUN = {"id": "1", "profile": "smoke", "date": "2026-01-02", "commit": "abc1234def", "seconds": 1.0}
FILES = {"toy.csv", "toy.json", ".toy.lock"}


def rows(number: int) -> list[dict[str, object]]:
    cell = cells("smoke")[number]
    return [{**cell, **row} for row in measure(cell)]


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a filled table in which nothing can be written, by a user whom that stops."""
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(TOY, "smoke", folder=folder, only={"dataset": "a"})
        (folder / ".toy.lock").unlink(missing_ok=True)
        folder.chmod(0o555)
        if not before:
            os.seteuid(65534)
        yield folder
        if not before:
            os.seteuid(before)
        folder.chmod(0o755)


def test_rows_are_added_in_the_order_of_their_keys_and_once(tmp_path: Path) -> None:
    assert append_rows(TOY, rows(5), RUN, tmp_path) == 2
    assert append_rows(TOY, rows(0), RUN, tmp_path) == 2
    assert append_rows(TOY, rows(5), RUN, tmp_path) == 0
    stored, provenance = read_accounted(TOY, tmp_path)
    assert [line[:5] for line in stored.lines] == [
        ("smoke", "b", "no", "0", "4"), ("smoke", "b", "no", "0", "12"),
        ("smoke", "b", "yes", "2", "4"), ("smoke", "b", "yes", "2", "12"),
    ]  # fmt: skip
    (entry,) = provenance["runs"]
    assert (entry["rows"], entry["seconds"]) == (4, 2.0)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_full_disk_leaves_the_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Space runs out while provenance is written, or the table."""
    append_rows(TOY, rows(0), RUN, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = iter(range(10))

    def full(handle: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ResultsError, match=r"No space left on device.*the table is as it was: make room"):
            append_rows(TOY, rows(1), RUN, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert append_rows(TOY, rows(1), RUN, tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    for name in (".toy.x1.csv", "..toy.next.y2.json", ".toy.next.json"):
        (tmp_path / name).write_text("{")
    (tmp_path / ".toys.x1.csv").touch()
    append_rows(TOY, rows(0), RUN, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES | {".toys.x1.csv"}


def nothing_new(folder: Path) -> None:
    assert append_rows(TOY, rows(1), RUN, folder) == 0


def another_network(folder: Path) -> None:
    with pytest.raises(OtherNetwork):
        fill_rows(TOY, "missing", [row | {"value": 7.0} for row in rows(1)], RUN, folder)


def no_room(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ResultsError, match="No space left"):
            append_rows(TOY, rows(2), RUN, folder)


def sealed(folder: Path) -> None:
    assert seal(TOY, folder) == 2


def full(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("then", [nothing_new, another_network, no_room, sealed])
def test_provenance_of_the_table_outlives_its_killed_writer(tmp_path: Path, then: Callable[[Path], None]) -> None:
    """The writer was killed when the table was in its place, and provenance did not have its name yet."""
    append_rows(TOY, rows(0), RUN, tmp_path)
    before = (tmp_path / "toy.json").read_text()
    append_rows(TOY, rows(1), RUN | {"id": "2"}, tmp_path)
    after = read_accounted(TOY, tmp_path)[1]
    (tmp_path / "toy.json").rename(tmp_path / ".toy.next.json")
    (tmp_path / "toy.json").write_text(before)
    then(tmp_path)
    assert read_accounted(TOY, tmp_path)[1] == after
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(read_only: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot be stored in .* \(Permission denied\)"):
        run(TOY, "smoke", folder=read_only)
    with pytest.raises(ResultsError, match="Permission denied"):
        append_rows(TOY, rows(0), RUN, read_only)
    assert {path.name for path in read_only.iterdir()} == {"toy.csv", "toy.json"}


def test_what_only_reads_needs_no_right_to_write(read_only: Path) -> None:
    assert verify(TOY, 2, folder=read_only).differences == ()
    assert run(TOY, "smoke", folder=read_only, only={"dataset": "a"}).rows == 0
    assert caption(TOY, folder=read_only).startswith("smoke profile, 6 networks, ")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(ResultsError, match="Not a directory"):
        run(TOY, "smoke", folder=tmp_path / "results")


def test_a_caption_names_profile_networks_date_and_commit(tmp_path: Path) -> None:
    append_rows(TOY, rows(0), RUN, tmp_path)
    assert caption(TOY, folder=tmp_path) == "smoke profile, 1 network, 2026-01-02, commit abc1234"
    append_rows(TOY, rows(1), RUN | {"id": "2", "date": "2026-01-03"}, tmp_path)
    assert caption(TOY, folder=tmp_path) == "smoke profile, 2 networks, 2026-01-02 to 2026-01-03, commit abc1234"
