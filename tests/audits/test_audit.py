"""The audit: what it says of networks whose modules are known, and of networks that have none."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from shapes import LSTMClassifier, UNet
from sklearn.metrics import adjusted_rand_score

import modlib as ml
from modlib.audits import QUICK, Audit, AuditSettings, Findings, audit, needs
from modlib.audits.findings import NotDone
from modlib.audits.parts import PARTS, Run
from modlib.audits.subject import read_subject
from modlib.errors import DataError, GraphError, InputError
from modlib.files import checkout
from modlib.graphs import neuron_graph, shuffle_tests, sub_clusters
from modlib.lesions import lesion_tests
from modlib.networks import Network, planted_weights, random_weights, side_by_side
from modlib.training import draw_from

SMALL = AuditSettings(
    ks=(2, 4), n_shuffles=39, n_starts=3, n_random=39, n_inputs=200, n_networks=19, mask_steps=20
)  # fmt: skip

TINY = AuditSettings(
    ks=(7,), n_shuffles=3, n_starts=2, n_random=5, n_inputs=200, n_networks=2, mask_steps=3
)  # fmt: skip


def twins() -> tuple[Network, np.ndarray, np.ndarray, list[np.ndarray]]:
    return side_by_side(copies=8, n=200, seed=0)


@pytest.fixture(scope="module")
def of_twins() -> Audit:
    """Two networks side by side, which know nothing of each other."""
    network, x, y, _ = twins()
    return audit(network, x, y, classes=("left +", "left -", "right +", "right -"), settings=SMALL)


def same(first: Audit, second: Audit) -> bool:
    for one, other in zip(first, second, strict=True):
        assert (one.says, one.left_out) == (other.says, other.left_out)
        for name, table in one.tables.items():
            pd.testing.assert_frame_equal(table, other.tables[name])
    return True


def test_two_networks_side_by_side_are_clusterable_and_their_halves_are_its_modules(of_twins: Audit) -> None:
    _, _, _, truth = twins()
    tests = of_twins["clusterable"].tables["shuffle tests"].set_index(["null", "k"])
    assert tests.loc[("layer", 2), "n-cut"] < 1e-9
    assert tests.loc[("layer", 2), "p"] == 1 / 40
    assert tests.loc[("layer", 2), "significant"]
    assert tests.loc[("layer", 2), "stability"] == 1
    assert of_twins["clusterable"].says[0].startswith("Yes, at k = ")
    units = of_twins["modules"].tables["units"]
    labels = of_twins["clusterable"].found.arrays["labels 2"]  # type: ignore[union-attr]
    for layer, of_layer in zip(("layer_0", "layer_1"), truth, strict=True):
        assert adjusted_rand_score(labels[units["layer"] == layer], of_layer) == 1


def test_shuffles_that_change_nothing_are_told_in_the_report_and_nowhere_else(of_twins: Audit) -> None:
    told = "Not told: a layer-nonzero shuffle leaves this network as it is, for what it exchanges is all alike."
    assert told in of_twins["clusterable"].says
    network, *_ = twins()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert told in audit(network, settings=TINY)["clusterable"].says


def test_lesions_of_its_modules_cost_more_than_random_units(of_twins: Audit) -> None:
    table = of_twins["lesions"].tables["lesions"]
    assert table["significant"].all()
    assert (table["lost"] > table["by random units"]).all()


def test_its_modules_answer_to_the_classes_of_their_half(of_twins: Audit) -> None:
    table = of_twins["responses"].tables["responses"]
    assert table["significant by class"].all()
    sides = {tuple(sorted(set(rows["answers most to"].str.split().str[0]))) for _, rows in table.groupby("module")}
    assert all(len(side) == 1 for side in sides)


def test_communities_of_units_that_see_the_same_agree_with_its_modules(of_twins: Audit) -> None:
    table = of_twins["agreement"].tables["agreement"]
    rows = table[(table["groups by"] == "weights") & (table["and by"] == "normalised covariance")]
    assert rows["significant"].all()
    assert (rows["agreement"] > 0.3).all()


def test_its_units_fall_into_clearer_communities_than_with_shuffled_weights(of_twins: Audit) -> None:
    table = of_twins["similar"].tables["communities"]
    assert (table["Q"] > table["Q of shuffled weights"] + 0.05).all()
    assert table["significant"].all()


def test_a_mask_learned_without_a_class_may_drop_its_weights_but_not_its_output() -> None:
    network, x, y, _ = side_by_side(copies=4, n=200, seed=0)
    report = audit(network, x, y, settings=replace(SMALL, mask_steps=150, n_networks=1))
    accuracy = report["masks"].tables["masks"].set_index("mask")
    assert accuracy.loc["whole network", ["accuracy on the class", "on the others"]].tolist() == [1, 1]
    assert accuracy.loc["without one", "on the others"] > 0.9
    assert accuracy.loc["without one", "weights kept"] < 1
    kept = report["masks"].tables["weights kept"].set_index("parameter")
    assert kept.loc["layer_2.weight", "for the class"] == 0


def test_the_modules_of_noise_depend_on_the_start() -> None:
    report = audit(random_weights((30, 30, 30), seed=0), settings=replace(SMALL, ks=(7,), n_shuffles=2, n_starts=6))
    assert report["clusterable"].tables["shuffle tests"]["stability"].iloc[0] < 0.9
    assert "trust no single unit" in " ".join(report["clusterable"].says)


def test_planted_modules_are_found_from_weights_alone() -> None:
    weights, truth = planted_weights((24, 24, 24, 24), 4, seed=0, outside=0.05)
    report = audit(weights, settings=SMALL)
    assert report["clusterable"].says[0].startswith("Yes, at k = ")
    labels = report["clusterable"].found.arrays["labels 4"]  # type: ignore[union-attr]
    assert adjusted_rand_score(labels, np.concatenate(truth)) == 1
    assert {section.part.name for section in report if section.left_out} == {
        "lesions", "responses", "similar", "masks", "agreement",
    }  # fmt: skip
    assert "pass a model" in report["lesions"].left_out


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_network_is_not_clusterable_and_nothing_of_it_is_significant(seed: int) -> None:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        *(torch.nn.Linear(16, 24), torch.nn.ReLU(), torch.nn.Linear(24, 24), torch.nn.ReLU(), torch.nn.Linear(24, 4))
    )
    rng = np.random.default_rng(seed)
    report = audit(model, rng.normal(size=(100, 16)), rng.integers(4, size=100), settings=SMALL, seed=seed)
    assert report["clusterable"].says[0].startswith("No: ")
    assert not report["clusterable"].tables["shuffle tests"]["significant"].any()
    assert not report["lesions"].tables["lesions"]["significant"].any()
    assert not report["similar"].tables["communities"]["significant"].any()


def test_numbers_are_those_of_the_measures_themselves(of_twins: Audit) -> None:
    network, x, y, _ = twins()
    graph = neuron_graph(network)
    rows = of_twins["clusterable"].tables["shuffle tests"]
    for null in ("layer", "layer-nonzero"):
        for test in shuffle_tests(graph, (2, 4), SMALL.n_shuffles, 0, null):  # type: ignore[arg-type]
            [row] = rows[(rows["null"] == null) & (rows["k"] == test.k)].to_dict("records")
            assert (row["n-cut"], row["p"], row["Z"]) == pytest.approx((test.ncut, test.p, test.z), nan_ok=True)
    labels = of_twins["modules"].found.arrays["labels"]  # type: ignore[union-attr]
    parts = sub_clusters(graph.labels_by_layer(labels)[1:-1], at_least=2)
    tests = lesion_tests(network, x, y, parts, SMALL.n_random, np.random.default_rng(0))
    assert of_twins["lesions"].tables["lesions"]["lost"].tolist() == [test.damage.drop for test in tests]


def test_workers_change_no_number() -> None:
    weights = random_weights((12, 10, 8), seed=0)
    settings = replace(SMALL, n_shuffles=8)
    assert same(audit(weights, settings=settings), audit(weights, settings=settings, jobs=2))


def test_a_seed_gives_the_same_report_and_another_one_other_shuffles(tmp_path: Path, of_twins: Audit) -> None:
    network, x, y, _ = twins()
    names = of_twins.subject.classes
    again = audit(network, x, y, classes=names, settings=SMALL)
    assert same(of_twins, again)
    pages = [one.to_html(tmp_path / name).read_text() for name, one in (("a", of_twins), ("b", again))]
    assert pages[0].split("<dt>time")[0] == pages[1].split("<dt>time")[0]
    other = audit(network, x, y, classes=names, settings=SMALL, seed=1)
    tables = [one["clusterable"].tables["shuffle tests"]["shuffled"].tolist() for one in (again, other)]
    assert tables[0] != tables[1]


def test_parts_draw_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(seed: int) -> list[float]:
        first: list[float] = []

        def measure(run: Run) -> Findings:
            first.append(run.rng.random())
            raise NotDone("its first number is all that is asked")

        monkeypatch.setattr("modlib.audits.run.PARTS", [replace(part, measure=measure, rests_on=()) for part in PARTS])
        audit(random_weights((4, 4), seed=0), settings=TINY, seed=seed)
        return first

    assert len({*drawn(0), np.random.default_rng(0).random()}) == len(PARTS) + 1
    assert drawn(0) == drawn(0) != drawn(1)


def test_the_model_and_the_data_are_left_as_they_were() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(6, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    kept = x.copy()
    audit(model, x, y, settings=replace(SMALL, ks=(2,)))
    assert model.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert np.array_equal(x, kept)


def kept_in(folder: Path) -> dict[str, int]:
    """When each part was written."""
    return {path.name.rsplit("-", 1)[0]: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_an_audit_that_was_stopped_goes_on_where_it_was(tmp_path: Path, of_twins: Audit) -> None:
    network, x, y, _ = twins()
    options: dict[str, Any] = {"classes": of_twins.subject.classes, "settings": SMALL, "folder": tmp_path}

    def stop(part: str, done: int, total: int) -> None:
        if part == "similar" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(network, x, y, progress=stop, **options)
    stored = kept_in(tmp_path)
    assert set(stored) == {"about", "clusterable", "modules", "lesions", "responses"}
    steps: list[tuple[str, int, int]] = []
    report = audit(network, x, y, progress=lambda *step: steps.append(step), **options)
    assert same(report, of_twins)
    assert {
        path.name.rsplit("-", 1)[0]: path.stat().st_mtime_ns for path in tmp_path.iterdir()
    }.items() >= stored.items()
    assert {part for part, done, total in steps if 0 < done < total} == {"similar", "masks"}


@pytest.mark.parametrize("change", ["weights", "data", "labels", "settings", "seed"])
def test_what_was_kept_of_another_audit_is_not_taken_for_it(change: str, tmp_path: Path) -> None:
    weights, _ = planted_weights((8, 8, 8), 2, seed=0)
    settings = replace(SMALL, n_shuffles=5, mask_steps=1, n_networks=1, n_random=1)
    x, y = np.random.default_rng(0).normal(size=(20, 8)), np.arange(20) % 8
    options: dict[str, Any] = {"settings": settings, "seed": 0, "folder": tmp_path}
    audit(ml.networks.from_arrays(weights), x, y, **options)
    before = {path.name for path in tmp_path.iterdir()}
    assert before
    match change:
        case "weights":
            weights = [1.01 * weights[0], weights[1]]
        case "data":
            x = x + 1e-3
        case "labels":
            y = y[::-1].copy()
        case "settings":
            options["settings"] = replace(settings, n_shuffles=6)
        case "seed":
            options["seed"] = 1
    audit(ml.networks.from_arrays(weights), x, y, **options)
    assert len({path.name for path in tmp_path.iterdir()} - before) == len(before)


class Joined(torch.nn.Module):
    """A network that branches; what comes after its layers is no part of it."""

    def __init__(self, after: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.after(self.first(x))
        return self.last(hidden + self.after(self.middle(hidden)))


def pooled(pool: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3), torch.nn.ReLU(), pool]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4, 3))


@pytest.mark.parametrize("change", ["pool", "activation", "activation that is seldom another", "images"])
def test_networks_that_differ_in_what_has_no_weights_and_other_readings_of_data_are_told_apart(change: str) -> None:
    rng = np.random.default_rng(0)
    x, flat = rng.normal(size=(20, 1, 8, 8)).astype(np.float32), rng.normal(size=(20, 6)).astype(np.float32)
    match change:
        case "pool":
            pools = torch.nn.AdaptiveMaxPool2d(1), torch.nn.AdaptiveAvgPool2d(1)
            pair: list[tuple[object, np.ndarray]] = [(pooled(pool), x) for pool in pools]
        case "activation":
            pair = [(Joined(after), flat) for after in (torch.relu, torch.tanh)]
        case "activation that is seldom another":
            pair = [(Joined(after), flat) for after in (torch.relu, torch.nn.functional.relu6)]
        case "images":
            network = ml.networks.from_arrays(random_weights((64, 8, 3), seed=0))
            pair = [(network, x.reshape(20, 64)), (network, x.reshape(20, 8, 8))]
    first, again, other = (read_subject(*one).digest(TINY, 0) for one in (pair[0], pair[0], pair[1]))
    assert first == again != other


def test_images_are_not_taken_for_what_was_kept_of_lines(tmp_path: Path) -> None:
    network = ml.networks.from_arrays(random_weights((16, 8, 4), seed=0))
    x, y = np.random.default_rng(0).normal(size=(40, 16)), np.arange(40) % 4
    settings = replace(TINY, ks=(2,), mask_steps=1)
    for data in (x.reshape(40, 4, 4), x):
        fresh, kept = (audit(network, data, y, settings=settings, folder=f) for f in (None, tmp_path))
        assert same(kept, fresh)


def test_a_kept_part_that_is_damaged_is_refused(tmp_path: Path) -> None:
    weights = random_weights((8, 6, 4), seed=0)
    settings = replace(SMALL, ks=(2,), n_shuffles=5)
    audit(weights, settings=settings, folder=tmp_path)
    [path] = tmp_path.glob("clusterable-*")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is damaged") as caught:
        audit(weights, settings=settings, folder=tmp_path)
    assert str(caught.value).endswith("; delete it and run again")
    assert str(caught.value).count(";") == 1  # one remedy


def test_findings_survive_a_file() -> None:
    tables = {"a": pd.DataFrame({"layer": ["x", "<y>"], "n": [1, 2], "p": [0.5, np.nan], "significant": [True, False]})}
    found = Findings(("One.", "Two."), tables, {"labels 2": np.arange(3)})
    again = Findings.from_arrays(found.to_arrays())
    assert again.says == found.says
    pd.testing.assert_frame_equal(again.tables["a"], tables["a"])
    assert again.arrays["labels 2"].tolist() == [0, 1, 2]


def test_data_without_labels_leave_out_what_needs_labels() -> None:
    network, x, _, _ = twins()
    report = audit(network, x, settings=SMALL)
    assert "pass the class of every input" in report["lesions"].left_out
    assert "inputs are no images and have no labels" in report["responses"].left_out
    assert report["similar"].tables


def test_a_task_of_the_reader_takes_the_place_of_a_class() -> None:
    network, x, y, _ = twins()
    task = draw_from(torch.as_tensor(x), torch.as_tensor(y, dtype=torch.long))
    report = audit(network, x, y, task=task, settings=SMALL)
    assert report["masks"].says[0].startswith("Your task keeps ")


def test_a_task_may_draw_tensors_that_need_a_gradient() -> None:
    network, x, y, _ = twins()
    inputs = torch.as_tensor(x).requires_grad_()
    task = draw_from(inputs, torch.as_tensor(y, dtype=torch.long))
    subject = read_subject(network, x, task=task)
    assert subject.digest(TINY, 0)["task"]
    assert needs.masks(subject, TINY, 0, lambda done, total: None).tables
    assert inputs.grad is None


@pytest.mark.parametrize("is_chain", [True, False])
def test_labels_of_a_network_with_one_output_are_refused_with_what_to_pass(is_chain: bool) -> None:
    class Yes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.first(x)
            return (self.last(hidden + hidden.relu())).sigmoid()

    layers = [torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid()]
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    with pytest.raises(InputError, match=r"one output, which has no classes; .*: pass a network with two outputs"):
        read_subject(torch.nn.Sequential(*layers) if is_chain else Yes(), x, np.arange(20) % 2)


def test_of_a_chain_with_other_functions_everything_is_audited() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    x = np.random.default_rng(0).normal(size=(50, 6))
    report = audit(model, x, np.arange(50) % 3, settings=replace(TINY, ks=(2,)))
    assert all(report[part].tables for part in ("lesions", "responses", "similar", "masks"))


class Residual(torch.nn.Module):
    """A network that branches and joins."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).relu()
        return self.last(hidden + self.middle(hidden).relu())


def test_of_a_network_that_branches_everything_is_audited() -> None:
    rng = np.random.default_rng(0)
    model, x = Residual(), rng.normal(size=(60, 6)).astype(np.float32)
    with torch.no_grad():  # so that there are inputs of every class
        model.last.weight -= model.last.weight.mean(1, keepdim=True)
        model.last.bias -= model(torch.as_tensor(x)).mean(0)
    y = model(torch.as_tensor(x)).argmax(1).numpy()
    report = audit(model, x, y, settings=replace(TINY, ks=(2,)))
    assert report["about"].tables["layers of the graph"]["layer"].tolist() == ["input", "first", "middle", "last"]
    assert report["about"].tables["layers of weights"]["reads"].tolist() == ["input", "first", "first, middle"]
    assert "It answers 100.0% of them right." in report["about"].says
    assert not [section.part.name for section in report if section.left_out and section.part.name != "agreement"]
    assert report["modules"].figures
    lost = report["lesions"].tables["lesions"]
    assert set(lost["layer"]) <= {"first", "middle"}
    labels = report["modules"].found.arrays["labels"]  # type: ignore[union-attr]
    units = dict(zip(("input", "first", "middle", "last"), report.subject.graph.labels_by_layer(labels), strict=True))
    for row in lost.itertuples():
        layer = getattr(model, row.layer)
        gone = torch.as_tensor(units[row.layer] == row.module)
        hook = layer.register_forward_hook(lambda part, _, out, gone=gone: torch.where(gone, part.bias, out))
        assert row.lost == pytest.approx(1 - (model(torch.as_tensor(x)).argmax(1).numpy() == y).mean())
        hook.remove()


def test_an_audit_takes_what_the_network_takes() -> None:
    tokens = np.random.default_rng(0).integers(11, size=(40, 5))
    report = audit(LSTMClassifier(), tokens, np.arange(40) % 4, settings=TINY)
    assert not [section.part.name for section in report if section.left_out and section.part.name != "agreement"]
    assert report.subject.images is None
    pictures = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
    report = audit(UNet(), pictures, settings=TINY)
    assert report["responses"].tables
    assert report["lesions"].left_out == "no labels arrived; pass the class of every input"
    with pytest.raises(InputError, match=r"expected one vector an input, \(n, classes\)"):
        audit(UNet(), pictures, np.arange(20) % 2)
    chain = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    assert read_subject(chain, pictures).inputs.shape == (20, 1, 8, 8)
    with pytest.raises(InputError, match=r"outputs of shape \(2, 4, 4, 4\) arrived"):
        read_subject(chain, pictures, np.arange(20) % 2)


class ByHand(torch.nn.Module):
    """A recurrent network whose steps are written out, which takes images as well, as longer sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.i, self.h, self.o = torch.nn.Linear(5, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.i(x[:, 0]))
        for t in range(1, x.shape[1]):
            h = torch.tanh(self.i(x[:, t]) + self.h(h))
        return self.o(h)


class DeepSet(torch.nn.Module):
    """A network that takes the mean over the things of a set."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(5, 8), torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu().mean(1))


def sequences() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 7, 5)).astype(np.float32)


@pytest.mark.parametrize(("build", "sizes"), [(ByHand, [35, *[8] * 13, 3]), (DeepSet, [5, 8, 3])])
def test_sequences_are_read_as_they_are_by_a_network_that_takes_images_as_well(
    build: type[torch.nn.Module], sizes: list[int]
) -> None:
    subject = read_subject(build(), sequences(), np.arange(60) % 3)
    assert subject.inputs is not None
    assert subject.inputs.shape == (60, 7, 5)
    assert [int(size) for size in subject.graph.sizes] == sizes


class Transformer(torch.nn.Module):
    """Its attention computes an output for all inputs and steps along one axis."""

    def __init__(self) -> None:
        super().__init__()
        block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.i, self.blocks, self.o = (
            torch.nn.Linear(5, 8),
            torch.nn.TransformerEncoder(block, 1),
            torch.nn.Linear(8, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.o(self.blocks(self.i(x)).mean(1))


def test_a_layer_that_does_not_show_its_activity_is_left_out_alone_and_the_report_says_so() -> None:
    torch.manual_seed(0)
    report = audit(Transformer(), sequences(), np.arange(60) % 3, settings=replace(TINY, ks=(3,)))
    hidden = ", ".join(f"blocks.layers.0.self_attn.{name}" for name in ("queries", "keys", "heads"))
    told = f"Not told: {hidden}, for the steps that compute them do not show their activity"
    assert any(sentence.startswith(told) for sentence in report["similar"].says)
    assert any(sentence.startswith(told) for sentence in report["responses"].says)
    layers = ["i", *(f"blocks.layers.0.{name}" for name in ("self_attn.out_proj", "linear1", "linear2"))]
    assert report["similar"].tables["communities"]["layer"].tolist() == layers


class Branching(torch.nn.Module):
    """A network of convolutions that is no chain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.middle = torch.nn.Conv2d(channels, 6, 3, padding=1), torch.nn.Conv2d(6, 6, 3, padding=1)
        self.last = torch.nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).relu()
        return self.last((hidden + self.middle(hidden).relu()).mean((2, 3)))


@pytest.mark.parametrize(("channels", "shape"), [(1, (60, 9, 8)), (2, (60, 2, 9, 8)), (3, (60, 9, 8, 3))])
def test_a_branching_network_of_convolutions_gets_images_with_channels_first(
    channels: int, shape: tuple[int, ...]
) -> None:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    subject = read_subject(Branching(channels), data, np.arange(60) % 3)
    assert subject.inputs is not None
    assert subject.inputs.shape == (60, channels, 9, 8)
    assert any("channels last" in note for note in subject.notes) == (channels == 3)


@pytest.mark.parametrize("is_chain", [True, False])
def test_without_a_hidden_layer_parts_that_ask_about_hidden_units_are_left_out(is_chain: bool) -> None:
    class Waving(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.only(x).sin()

    model = torch.nn.Sequential(torch.nn.Linear(6, 3)) if is_chain else Waving()
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    report = audit(model, x, np.arange(60) % 3, settings=replace(TINY, ks=(2,)))
    assert report["clusterable"].tables
    for part in ("lesions", "responses", "similar"):
        assert "the network has no hidden layer" in report[part].left_out


def images(channels: int = 1) -> tuple[torch.nn.Module, np.ndarray, np.ndarray]:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(channels, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(8 * 36, 3))
    rng = np.random.default_rng(0)
    return model, rng.random((40, channels, 8, 8)).astype(np.float32), rng.integers(3, size=40)


def test_a_network_of_convolutions_is_read_by_its_channels() -> None:
    model, x, y = images()
    report = audit(model, x, y, settings=replace(SMALL, ks=(2,)))
    assert report["about"].tables["layers of the graph"]["units"].tolist() == [6, 8]
    assert report["about"].tables["layers of the graph"]["layer"].tolist() == ["0", "2"]
    assert not [section.part.name for section in report if section.left_out and section.part.name != "agreement"]
    assert report["responses"].found.arrays["images"].shape[1:] == (8, 8)  # type: ignore[union-attr]


def test_images_with_channels_last_are_read_as_the_network_takes_them_and_the_report_says_so() -> None:
    model, x, y = images(channels=3)
    first, last = (audit(model, data, y, settings=replace(SMALL, ks=(2,))) for data in (x, x.transpose(0, 2, 3, 1)))
    assert first["lesions"].tables["lesions"].equals(last["lesions"].tables["lesions"])
    assert any("channels last" in sentence for sentence in last["about"].says)


def test_large_images_are_shown_small() -> None:
    rng = np.random.default_rng(0)
    network = ml.networks.from_arrays(planted_weights((40 * 70, 8, 4), 2, seed=0)[0])
    report = audit(network, rng.random((30, 40, 70)), settings=replace(SMALL, ks=(2,), n_networks=2, n_random=5))
    assert report["responses"].found.arrays["images"].shape[1:] == (13, 23)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((20, 3))}, "do not fit the network"),
        ({"data": np.full((20, 2), np.nan)}, "expected finite real numbers"),
        ({"data": np.zeros(20)}, "expected at least two inputs"),
        ({"data": np.array([["a", "b"]] * 20)}, "expected finite real numbers"),
        ({"data": np.full((20, 2), 1j)}, "expected finite real numbers"),
        ({"labels": np.array(["cat"] * 20)}, "expected whole numbers"),
        ({"labels": [None] * 20}, "expected whole numbers"),
        ({"labels": np.zeros(19, int)}, r"of shape \(20,\), one for each"),
        ({"labels": np.full(20, 4)}, "whole numbers of at least 0 and at most 3"),
        ({"labels": np.full(20, 0.5)}, "expected whole numbers"),
        ({"data": None}, "labels or a task arrived without data"),
        ({"classes": ("a", "b")}, "2 names of classes arrived for 4 outputs"),
        ({"jobs": 0}, "jobs = 0 arrived"),
        ({"jobs": 2.5}, "jobs = 2.5 arrived"),
        ({"seed": -1}, "seed = -1 arrived"),
        ({"settings": {}}, "settings = {} arrived"),
        ({"folder": 3}, "folder = 3 arrived; expected a path"),
        ({"progress": 3}, "progress = 3 arrived; expected a function"),
        ({"task": "mine:task"}, "task = 'mine:task' arrived; expected a function"),
        ({"task": lambda rng, n: 1 / 0}, "the task raised ZeroDivisionError: division by zero; expected a function"),
        ({"task": lambda n: 1}, "the task raised TypeError: .*; expected a function of a random generator"),
        ({"task": lambda rng, n: 1}, "draw returned 1 for 16 examples"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_measured(change: dict[str, Any], message: str) -> None:
    network, x, y, _ = side_by_side(copies=2, n=20, seed=0)

    def never(*step: object) -> None:
        raise AssertionError("something was measured")

    given: dict[str, Any] = {"data": x, "labels": y, "settings": SMALL, "progress": never} | change
    with pytest.raises(InputError, match=message):
        audit(network, **given)


@pytest.mark.parametrize(
    "change", [{"n_random": 0}, {"n_starts": 1}, {"mask_steps": 1.5}, {"ks": ()}, {"ks": (1,)}, {"ks": (2, 2)}]
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"{next(iter(change))}(\[0\])? = "):
        replace(QUICK, **change)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InputError, match="expected a Keras or PyTorch model"):
        audit({"weights": 1})
    with pytest.raises(GraphError, match="NaN"):
        audit([np.full((3, 3), np.nan)])


def test_a_graph_that_is_too_small_is_left_out_and_what_rests_on_it() -> None:
    report = audit([np.ones((1, 1))], settings=SMALL)
    assert "too few for 2 modules" in report["clusterable"].left_out
    assert "it rests on the part clusterable" in report["modules"].left_out


def test_numbers_of_modules_that_a_graph_is_too_small_for_are_told() -> None:
    report = audit([np.random.default_rng(0).normal(size=(4, 3))], settings=replace(SMALL, ks=(3, 50, 60)))
    assert report["clusterable"].tables["shuffle tests"]["k"].unique().tolist() == [3]
    assert "50 and 60 modules were not tested: there are 7 units" in " ".join(report["clusterable"].says)


def test_modules_of_neurons_that_have_decayed_are_named_as_such() -> None:
    weights = random_weights((128, 128, 128, 128, 64), 0)
    assert not any("decayed" in sentence for sentence in audit(weights, settings=TINY)["clusterable"].says)
    for before, after in pairwise(weights):
        before[:, :40] *= 1e-38
        after[:40, 40:] *= 1e-38
    report = audit(weights, settings=replace(TINY, ks=(12,)))
    assert any(
        "of 12 modules are neurons whose weights have all decayed" in sentence
        for sentence in report["clusterable"].says
    )


def test_runs_of_layers_are_named_as_such() -> None:
    deep = random_weights((10,) * 12, seed=0)
    report = audit(deep, settings=replace(SMALL, ks=(2,), n_shuffles=5))
    assert any(
        "runs of layers, and no shuffle within layers can say" in sentence for sentence in report["modules"].says
    )


def test_every_part_has_a_chapter_and_says_what_its_numbers_do_not_mean() -> None:
    root = checkout()
    for part in PARTS:
        assert part.does_not_mean
        assert all((root / "notebooks" / f"{chapter}.md").exists() for chapter in part.chapters)


def test_a_part_that_is_not_there_is_refused(of_twins: Audit) -> None:
    with pytest.raises(InputError, match="did you mean lesions"):
        of_twins["lesion"]
    with pytest.raises(InputError, match="part = 0 arrived; expected one of about"):
        of_twins[0]  # type: ignore[index]
