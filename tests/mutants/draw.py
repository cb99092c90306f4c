"""Draw faults to plant in the measures: places in the code by a seed, and at each one of what cosmic-ray would change.

Written to standard output, one a line, for ``plant.py``. It runs in an environment of its own, which has cosmic-ray.
Left out is what no test could or should notice: annotations, decorators, how an object prints, the words of an error;
and what cannot run, such as the bits of a float.
"""

import ast
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

MEASURES = ("communities", "graphs", "lesions", "masks", "notions", "responses")
ARITHMETIC, BITS = "Add|Sub|Mul|Div|FloorDiv|Mod|Pow", "BitOr|BitAnd|BitXor"
ORDER, SAME = "Eq|NotEq|Lt|LtE|Gt|GtE", "Is|IsNot"
CAN_RUN = re.compile(
    rf"core/(?!Replace(Binary|Comparison)Operator|RemoveDecorator)|.*_({ARITHMETIC})_({ARITHMETIC})$"
    rf"|.*_({BITS})_({BITS})$|.*_({ORDER})_({ORDER})$|.*_({SAME})_({SAME})$"
)
Place = tuple[int, int]


def modules(name: str) -> list[Path]:
    """Files of one module, such as ``graphs/shuffles``, or of all measures."""
    if name != "all":
        return [Path("modlib", f"{name}.py")]
    inside = (path for package in MEASURES for path in sorted(Path("modlib", package).glob("*.py")))
    return [*(path for path in inside if path.name != "__init__.py"), Path("modlib/stats.py")]


def unnoticed(source: str) -> Iterator[tuple[Place, Place]]:
    """From where to where a change could not be noticed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            parts = [node.returns, *node.decorator_list, *([node] if node.name == "_facts" else [])]
        elif isinstance(node, ast.ClassDef):
            parts = node.decorator_list
        elif isinstance(node, ast.Raise):
            parts = [node]
        else:
            continue
        for part in parts:
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def faults(source: str) -> dict[Place, list[tuple[str, int]]]:
    """For every place what may be changed there: operator, and the how many-th that it would change in the file."""
    spans, tree = list(unnoticed(source)), get_ast(source)
    found: dict[Place, list[tuple[str, int]]] = {}
    for name in filter(CAN_RUN.match, operator_names()):
        kind = get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        positions = (start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for occurrence, place in enumerate(positions):
            if not any(start <= place < end for start, end in spans):
                found.setdefault(place, []).append((name, occurrence))
    return found


def main(module: str, sample: int, seed: int) -> None:
    """Print ``sample`` faults, one at a place, in a random order; all places are as likely."""
    sources = {path: path.read_text(encoding="utf-8") for path in modules(module)}
    places = [(path, what) for path, source in sources.items() for _, what in sorted(faults(source).items())]
    rng = random.Random(seed)
    for path, what in rng.sample(places, min(sample, len(places))):
        name, occurrence = rng.choice(what)
        planted = mutate_code(sources[path], get_operator(name)(), occurrence)
        print(json.dumps({"path": str(path), "of": len(places), "source": planted}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
