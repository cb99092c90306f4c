"""How objects print, and that two of them can be compared."""

import ast
import html
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from modlib.communities import Communities
from modlib.data import Images
from modlib.graphs import Clustering, ShuffleTest, SubCluster, neuron_graph
from modlib.lesions import Damage, DoubleLesion, LesionTest
from modlib.masks import LearnedMask, Mask
from modlib.networks import BatchNorm, Layer, from_arrays
from modlib.reprs import AS_IT_IS, BriefRepr, brief
from modlib.responses import Visualisation

MODLIB = Path(__file__).parents[1] / "modlib"
ARRAYS = re.compile(r"\b(ndarray|Tensor|Matrix|s[pc]array|spmatrix|DataFrame|Series|NeuronGraph|Network|Snapshot)\b")

PART = SubCluster(2, 7, np.arange(3), np.arange(10), 12)
OTHER = SubCluster(1, 0, np.arange(4), np.arange(10), 12)
DROPS = tuple(Damage(drop, np.array([drop, drop])) for drop in (0.1, 0.3))
MASK = Mask({"0.weight": np.eye(3, dtype=bool), "0.bias": np.zeros(3, dtype=bool)}, "")


@pytest.mark.parametrize(
    ("thing", "printed"),
    [
        (
            neuron_graph([np.array([[1.0, -2, 0], [0, 0, 0]]), np.ones((3, 2))]),
            "NeuronGraph(sizes=[2, 3, 2], live=6 of 7, edges=8)",
        ),
        (
            from_arrays([np.ones((4, 3)), np.ones((3, 2))]),
            "Network(layer_0=4 x 3 relu, layer_1=3 x 2 linear)",
        ),
        (
            Layer("first", np.zeros((3, 3, 1, 64)), np.zeros(64), "relu"),
            "Layer(name=first, kernel=(3, 3, 1, 64) float64, bias=(64,) float64, activation=relu, batch_norm=None)",
        ),
        (
            BatchNorm(*np.eye(4)[:, :2], 1e-3),
            "BatchNorm(gamma=[1, 0], beta=[0, 1], mean=[0, 0], variance=[0, 0], epsilon=0.001)",
        ),
        (Clustering(np.array([0, 2, 0]), 0.25, 4), "Clustering(k=4, ncut=0.25, sizes=[2, 0, 1, 0])"),
        (
            ShuffleTest(2, "layer", 0.2, np.array([0.5, 1.0, 1.5]), np.array([0, 1])),
            "ShuffleTest(k=2, null=layer, ncut=0.2, shuffled=1 (mean of 3), p=0.25, z=-1.6)",
        ),
        (PART, "SubCluster(layer=2, cluster=7, units=3 of 12)"),
        (Damage(0.5, np.array([1.0, 0.0])), "Damage(drop=0.5, class_drops=[1, 0])"),
        (LesionTest(PART, DROPS[1], DROPS), "LesionTest(part=2-7, drop=0.3, random_drops=0.2 (mean of 2))"),
        (
            DoubleLesion(OTHER, PART, 0.5, np.array([0.1, 0.3])),
            "DoubleLesion(first=1-0, second=2-7, delta=0.5, random=0.2 (mean of 2), p=0.3333)",
        ),
        (
            Communities(np.array([0, 0, 1, -1]), 0.375, 0.25),
            "Communities(q=0.375, q_start=0.25, sizes=[2, 1], unplaced=1)",
        ),
        (Communities(np.array([-1, -1]), 0.0, 0.0), "Communities(q=0, q_start=0, sizes=[], unplaced=2)"),
        (MASK, "Mask(0.weight=3 of 9, 0.bias=0 of 3, total=3 of 12)"),
        (
            LearnedMask(MASK, {}, np.array([2.0, 1.0, 0.5]), {}),
            "LearnedMask(kept=3 of 12, steps=3, losses=[2, 0.5])",
        ),
        (LearnedMask(MASK, {}, np.array([]), {}), "LearnedMask(kept=3 of 12, steps=0, losses=[])"),
        (
            Visualisation(np.zeros((2, 1, 8, 8)), *np.ones((4, 2))),
            "Visualisation(images=(2, 1, 8, 8) float64, score=[1, 1], entropy=[1, 1], variance=[1, 1], "
            "variation=[1, 1])",
        ),
        (
            Images("toy", np.zeros((9, 64)), np.zeros(9), np.zeros((2, 64)), np.zeros(2), "f" * 64, "grey"),
            "Images(name=toy, x_train=(9, 64) float64, x_test=(2, 64) float64, note=grey)",
        ),
    ],
    ids=lambda thing: type(thing).__name__ if isinstance(thing, BriefRepr) else "",
)
def test_an_object_prints_its_facts_in_a_line_and_in_a_table(thing: BriefRepr, printed: str) -> None:
    assert repr(thing) == printed
    table = thing._repr_html_()
    assert table.startswith(f'<table class="{AS_IT_IS}"><caption>{type(thing).__name__}</caption>')
    cells = re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", table)
    facts = ", ".join(f"{html.unescape(name)}={html.unescape(value)}" for name, value in cells)
    assert f"{type(thing).__name__}({facts})" == printed


def test_a_name_cannot_write_html() -> None:
    images = Images("<script>", *(np.zeros((1, 1)), np.zeros(1)) * 2, note="a & b")
    assert "<script>" not in images._repr_html_()
    assert "<td>&lt;script&gt;</td>" in images._repr_html_()
    assert "<td>a &amp; b</td>" in images._repr_html_()


def test_no_value_fills_the_page() -> None:
    assert brief(torch.zeros(64, 64)) == "(64, 64) torch.float32"
    assert brief([np.zeros((784, 256)), np.zeros((256, 10))]) == "[(784, 256) float64, (256, 10) float64]"
    assert brief({"train": 0.98765432, "test": 1}) == "[train: 0.9877, test: 1]"
    assert brief(np.float32(0.125)) == "0.125"
    assert len(brief([0.123456789] * 10_000)) < 20
    assert len(brief(np.arange(10_000))) < 20


def holders_of_arrays(source: str) -> list[tuple[str, list[str]]]:
    """Dataclasses with a field whose type has arrays in it, and the arguments of their decorators."""
    found = []
    for node in ast.walk(ast.parse(source)):
        decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", [])]
        if isinstance(node, ast.ClassDef) and any(one.startswith("dataclass") for one in decorators):
            types = [ast.unparse(field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)]
            if any(ARRAYS.search(annotation) for annotation in types):
                found.append((node.name, decorators))
    return found


@pytest.mark.parametrize("path", sorted(MODLIB.rglob("*.py")), ids=lambda path: str(path.relative_to(MODLIB)))
def test_a_dataclass_that_holds_arrays_compares_by_identity(path: Path) -> None:
    by_value = [name for name, how in holders_of_arrays(path.read_text("utf-8")) if "eq=False" not in " ".join(how)]
    assert not by_value, f"{by_value} of {path.name} raise at ==; make them @dataclass(eq=False)"


def test_the_check_for_arrays_sees_them_in_containers() -> None:
    assert holders_of_arrays("@dataclass\nclass A:\n    a: Mapping[str, np.ndarray] | None = None\n    b: int = 0\n")
    assert not holders_of_arrays("@dataclass\nclass A:\n    a: int\n\nclass B:\n    b: np.ndarray\n")


def test_equal_arrays_do_not_make_equal_objects_and_nothing_raises() -> None:
    first, second = (Clustering(np.zeros(3, dtype=int), 0.0, 1) for _ in range(2))
    assert first != second  # where arrays are compared, this raises
    assert len({first, second}) == 2
