"""The first result: one network, one figure, one table, in about two minutes of processor time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


def first_result(folder: Path, console: Console) -> Path:
    """Train and prune a small network on digits, cluster it, and test it against shuffles.

    Prints a table and writes ``first-result.png``: the network split into modules, and its n-cut among
    those of shuffled networks.

    Args:
        folder: where the figure goes.
        console: where the table is printed.

    Returns:
        Path of the figure.

    Raises:
        InputError: if the folder cannot be made, before anything is trained, or the figure cannot be written.
    """
    with _can_be_written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from rich.progress import Progress
    from rich.table import Table

    from modlib import plots
    from modlib.data.images import load_images
    from modlib.graphs.neurons import neuron_graph
    from modlib.graphs.shuffles import shuffle_test
    from modlib.training.keras import train_mlp
    from modlib.zoo.perceptrons import recipe_for

    recipe = recipe_for("digits", dropout=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("training on digits", total=recipe.epochs + recipe.pruning_epochs)
        snapshots = train_mlp(load_images("digits"), recipe, 0, lambda *_: progress.advance(task))
    table = Table(
        "stage", "test accuracy", "n-cut (k = 4)", "shuffled n-cuts", "p", title="Is a trained network clusterable?"
    )
    for snapshot in snapshots:
        graph = neuron_graph(snapshot.kernels)
        test = shuffle_test(graph, k=4, n_shuffles=100, seed=0)
        table.add_row(
            snapshot.stage,
            f"{snapshot.accuracy['test']:.3f}",
            f"{test.ncut:.3f}",
            f"{test.shuffled.mean():.3f} ± {test.shuffled.std(ddof=1):.3f}",
            f"{test.p:.3f}",
        )
    console.print(table)
    plots.use_style()
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(3, 2))
    plots.network(graph, test.labels, axes[0], edges=1000)
    axes[0].set_title("a pruned network, split into 4 modules")
    plots.shuffle_test(test.ncut, {"layer": test.shuffled}, axes[1])
    axes[1].set_title("its n-cut, and those of shuffled networks")
    figure.tight_layout()
    path = folder / "first-result.png"
    with _can_be_written(folder):
        figure.savefig(path, dpi=110)
    plt.close(figure)
    console.print(f"figure: {path.resolve()} ({time.perf_counter() - began:.0f} s)")
    return path


@contextmanager
def _can_be_written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"nothing can be written to {folder} ({error.strerror or error}); expected a folder for the figure: pass "
            "another one by --folder"
        ) from error
