"""Which modules code depends on: a made-up library, and what Python itself loads of the real one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from modlib.book.imports import Library, Use
from modlib.errors import BookError
from modlib.files import checkout

LAZY = "import lazy_loader\n\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)\n"
MADE_UP = {
    "__init__.py": LAZY,
    "__init__.pyi": "from . import graphs\nfrom .bridge import cut\nfrom .graphs import cluster\n",
    "errors.py": "",
    "plots.py": "from modlib.errors import E",
    "alone.py": "",
    "graphs/__init__.py": LAZY,
    "graphs/__init__.pyi": "from .draw import draw\nfrom .spectral import fast_cluster as cluster, ncut as ncut\n",
    "graphs/spectral.py": "def fast_cluster():\n    from . import kmeans\n    return kmeans.kmeans_labels()\n",
    "graphs/kmeans.py": "from ..errors import E",
    "graphs/draw.py": "import modlib.plots",
    "bridge.py": "from modlib import graphs\nfrom modlib.graphs import ncut as cut\n",
    "chapters/__init__.py": "from importlib import import_module\n\nimport_module(__name__ + '.one')\n",
    "chapters/one.py": "",
    "chapters/two.py": "",
}
SPECTRAL = {"", "errors", "graphs", "graphs.kmeans", "graphs.spectral"}
DRAW = {"", "errors", "graphs", "graphs.draw", "plots"}
EVERYTHING = {name.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".") for name in MADE_UP}
EVERYTHING -= {name for name in EVERYTHING if name.endswith("pyi")}


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in MADE_UP.items():
        path = tmp_path / "modlib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def reached(root: Path, code: str) -> set[str]:
    library = Library(root)
    found = library.reach(library.modules(ast.parse(code)))
    return {module.removeprefix("modlib").removeprefix(".") for module in found}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", set()),
        ("import modlib.alone", {"", "alone"}),
        ("from modlib import alone", {"", "alone"}),
        ("from modlib.plots import anything", {"", "plots", "errors"}),
        # re-exported lazily, under another name too, and through the front door
        ("from modlib.graphs import cluster", SPECTRAL),
        ("from modlib.graphs import draw", DRAW),
        ("from modlib import cluster as c", SPECTRAL),
        # an import within a function, a class, a branch
        ("def f():\n    from modlib.graphs import cluster", SPECTRAL),
        ("if word:\n    class A:\n        import modlib.graphs.spectral", SPECTRAL),
        # an alias, and what is asked of it
        ("import modlib as ml\nml.cluster(1)", SPECTRAL),
        ("import modlib as ml\nml.graphs.ncut", SPECTRAL),
        ("import modlib\nmodlib.graphs.draw(1).figure", DRAW),
        ("import modlib.alone\nmodlib.graphs.draw", DRAW | {"alone"}),
        ("from modlib import graphs as g\nprint(g.ncut(1))", SPECTRAL),
        ("from modlib import graphs as g", {"", "graphs"}),
        ("import modlib as ml\nml.plots.style", {"", "plots", "errors"}),
        # through a module that imports it
        ("from modlib.bridge import cut", SPECTRAL | {"bridge"}),
        ("from modlib import cut", SPECTRAL | {"bridge"}),
        ("import modlib as ml\nml.cut(1)", SPECTRAL | {"bridge"}),
        ("from modlib import bridge\nbridge.graphs.draw", SPECTRAL | DRAW | {"bridge"}),
        # in doubt all of a package, or of the library
        ("from modlib import graphs\nf = graphs", SPECTRAL | DRAW),
        ("import modlib as ml\ngetattr(ml.graphs, name)", SPECTRAL | DRAW),
        ("import modlib as ml\ngetattr(ml, name)", EVERYTHING),
        ("from modlib.graphs import *", EVERYTHING),
        ("from importlib import import_module as load\nload(name)", EVERYTHING),
        ("import importlib\nimportlib.import_module(name)", EVERYTHING),
        # chapters are asked for by name; who knows the names, adds them
        ("import modlib.chapters", {"", "chapters"}),
    ],
)
def test_code_depends_on_what_it_imports_however_it_is_written(root, code, expected):
    assert reached(root, code) == expected


def test_files_are_sources_and_the_stubs_of_lazy_packages(root):
    found = Library(root).files(["modlib.graphs", "modlib.alone"])
    assert [file.relative_to(root / "modlib").as_posix() for file in found] == [
        "alone.py",
        "graphs/__init__.py",
        "graphs/__init__.pyi",
    ]


def test_a_use_names_the_function_and_where_it_is_defined(root):
    uses = list(Library(root).uses(ast.parse("import modlib as ml\nml.cluster(1)")))
    named = [(use.module, use.name) for use in uses if isinstance(use.node, ast.Attribute) and use.name]
    assert named == [("modlib.graphs.spectral", "fast_cluster")]
    assert all(isinstance(use, Use) for use in uses)


def test_imports_in_a_circle_come_to_an_end(root):
    (root / "modlib" / "errors.py").write_text("from modlib.plots import E\n")
    assert reached(root, "from modlib.errors import E") == {"", "errors", "plots"}


def test_a_module_that_does_not_parse_is_red(root):
    (root / "modlib" / "alone.py").write_text("def f(:\n")
    with pytest.raises(BookError, match=r"alone\.py does not parse"):
        Library(root)


@pytest.mark.parametrize(
    "code",
    [
        "from modlib.graphs import sub_clusters",
        "from modlib.verdicts import cards",
        "from modlib.zoo import trained_mlp",
        "from modlib.chapters.importance import figures",
        "from modlib.first import first_result",
    ],
)
def test_what_python_loads_is_among_the_modules_found(code):
    loaded = "print(*(name for name in sys.modules if name.split('.')[0] == 'modlib'))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{loaded}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=checkout(),
    )
    library = Library(checkout())
    assert set(done.stdout.split()) <= library.reach(library.modules(ast.parse(code)))
