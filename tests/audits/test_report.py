"""The report of an audit: one file that needs no other, runs nothing, and can be read by everyone."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from evil import Page

from modlib.audits import Audit, AuditSettings, audit
from modlib.errors import InputError
from modlib.networks import side_by_side

SMALL = AuditSettings(ks=(2,), n_shuffles=19, n_starts=2, n_random=9, n_inputs=60, n_networks=3, mask_steps=3)
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def report() -> Audit:
    """Names of layers, classes and the network hold code."""
    torch.manual_seed(0)
    layers = {EVIL: torch.nn.Linear(64, 12), "relu": torch.nn.ReLU(), "$x_<b>": torch.nn.Linear(12, 3)}
    model = torch.nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name.replace(".", ""), layer)
    rng = np.random.default_rng(0)
    classes = (EVIL, "'\"><img src=x onerror=alert(1)>", "&amp;")
    return audit(model, rng.random((60, 8, 8)), rng.integers(3, size=60), classes=classes, settings=SMALL, name=EVIL)


def test_names_are_escaped_wherever_they_are_shown(report: Audit, tmp_path: Path) -> None:
    shown = [report.to_html(tmp_path / "report.html").read_text(), report._repr_html_(), report["about"]._repr_html_()]
    for text in shown:
        assert EVIL not in text
        assert "<img src=x" not in text
        assert not {"script", "b", "iframe"} & {tag for tag, _ in Page(text).tags}
        assert not [name for _, attributes in Page(text).tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;" in shown[0]
    Page(shown[1]).check(EVIL, "$x_<b>")  # in a page of the book as well


def test_the_file_needs_no_other_and_no_network(report: Audit, tmp_path: Path) -> None:
    page = Page(report.to_html(tmp_path / "report.html").read_text())
    sources = [attributes["src"] or "" for tag, attributes in page.tags if "src" in attributes]
    assert len(sources) > 5
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not [tag for tag, _ in page.tags if tag in ("link", "script", "object", "embed")]


def test_it_is_well_formed_and_every_figure_has_words(report: Audit, tmp_path: Path) -> None:
    page = Page(report.to_html(tmp_path / "report.html").read_text())
    assert [attributes.get("lang") for tag, attributes in page.tags if tag == "html"] == ["en"]
    assert all(len(attributes["alt"] or "") > 20 for tag, attributes in page.tags if tag == "img")
    targets = {attributes.get("id") for _, attributes in page.tags}
    links = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    assert all(link.startswith("https://") or link[1:] in targets for link in links)


def test_it_says_seed_versions_time_and_what_was_left_out(tmp_path: Path) -> None:
    network, x, _, _ = side_by_side(copies=2, n=20, seed=0)
    text = audit(network, x, settings=SMALL, seed=7).to_html(tmp_path / "report.html").read_text()
    assert re.search(r"<dt>seed</dt><dd>7</dd>", text)
    assert f"torch {torch.__version__.split('+')[0]}" in text
    assert "no labels arrived; pass the class of every input." in text
    assert "What these numbers mean, and do not" in text


def test_tables_are_data_frames_and_figures_are_axes(report: Audit) -> None:
    before = plt.get_fignums()
    for section in report:
        assert section.left_out or section.tables
        for caption, ax in section.figures.items():
            assert len(caption) > 20
            assert ax.has_data()
    assert plt.get_fignums() == before  # none is left to a global list of figures


def test_long_tables_are_cut_in_the_file_alone(tmp_path: Path) -> None:
    """Units are not listed at all: the first fifteen of many say nothing."""
    rng = np.random.default_rng(0)
    found = audit([rng.normal(size=(4, 4)) for _ in range(16)], settings=replace(SMALL, n_shuffles=5))
    assert len(found["modules"].tables["units"]) == 68
    page = found.to_html(tmp_path / "report.html").read_text()
    assert "The first 15 of 17 rows" in page
    assert "each of the 68 units lies in is in the object's table" in page


def test_numbers_stand_to_the_right_and_have_minus_signs(report: Audit) -> None:
    page = report["clusterable"]._repr_html_()
    assert '<th scope="col" class="number">k</th>' in page
    assert '<th scope="col">null</th>' in page
    assert ">\N{MINUS SIGN}" in page
    assert ">-" not in page


def test_a_file_that_cannot_be_written_is_refused(report: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        report.to_html(tmp_path / "file" / "report.html")
    with pytest.raises(InputError, match="path = None arrived; expected a path"):
        report.to_html(None)  # type: ignore[arg-type]


def test_a_report_survives_a_pickle(report: Audit) -> None:
    again = pickle.loads(pickle.dumps(report))
    assert [section.says for section in again] == [section.says for section in report]
    assert again["about"].part is report["about"].part
