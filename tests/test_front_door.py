"""modlib: what ``import modlib as ml`` offers, how little it loads, and what a package that is missing gets."""

import importlib
import subprocess
import sys

import pytest
from toy import TOY

import modlib as ml
from modlib.errors import ExtraMissing, ModlibError, extra
from modlib.tables.runner import run

HEAVY = {
    "numpy", "scipy", "pandas", "numba", "sklearn", "statsmodels", "igraph", "leidenalg", "clusim", "pyamg", "joblib",
    "tensorflow", "tf_keras", "keras", "torch", "torchvision", "lucent", "matplotlib", "seaborn", "IPython", "pooch",
    "dask", "distributed", "jupytext", "nbformat", "papermill", "jupyter_book",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Packages that a fresh process has loaded after some code."""
    listing = f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_import_loads_nothing_but_the_standard_library_and_the_loader() -> None:
    loaded = loaded_by("import modlib as ml; dir(ml); ml.__version__; ml.ModlibError")
    assert "lazy_loader" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("name", ["neuron_graph", "shuffle_test", "cluster", "sub_clusters", "stats", "load_network"])
def test_a_measure_of_weights_loads_no_framework_and_no_plots(name: str) -> None:
    loaded = loaded_by(f"import modlib as ml; ml.{name}")
    assert not (HEAVY - {"numpy", "scipy", "numba"}) & loaded


def test_every_name_is_there_and_says_what_it_is() -> None:
    assert len(ml.__all__) == len(set(ml.__all__)) > 25
    assert dir(ml) == sorted(ml.__all__)
    for name in ml.__all__:
        assert getattr(ml, name).__doc__, name


def test_a_name_of_the_door_is_that_of_its_package() -> None:
    packages = [getattr(ml, name) for name in ml.__all__ if hasattr(getattr(ml, name), "__path__")]
    assert {package.__name__ for package in packages} == {
        f"modlib.{name}" for name in ("communities", "graphs", "lesions", "masks", "networks", "responses")
    }
    offered = {name: getattr(package, name) for package in packages for name in package.__all__}
    shared = offered.keys() & set(ml.__all__)
    assert {"shuffle_test", "lesion_tests", "learn_mask", "similarities", "as_network", "visualise"} <= shared
    assert all(getattr(ml, name) is offered[name] for name in shared)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="shufle_test"):
        _ = ml.shufle_test


def test_a_package_of_an_extra_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(ExtraMissing, match=r"drawing needs nonsense_3, .* pip install 'modlib\[art\]'") as raised:  # noqa: SIM117
        with extra("art", "drawing"):
            importlib.import_module("nonsense_3")
    assert isinstance(raised.value, ModlibError)


def test_another_error_in_an_import_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), extra("art", "drawing"):
        _ = 1 / 0


def test_training_with_keras_says_that_it_needs_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "modlib.training.keras", raising=False)
    with pytest.raises(ExtraMissing, match=r"Keras needs tensorflow, .* pip install 'modlib\[keras\]'"):
        importlib.import_module("modlib.training.keras")


def test_dask_says_that_it_needs_distributed(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExtraMissing, match=r"--dask needs distributed, .* pip install 'modlib\[dask\]'"):
        run(TOY, "smoke", dask="tcp://localhost:1", folder=tmp_path)
