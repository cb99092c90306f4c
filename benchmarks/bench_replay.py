"""Steps of training on a GPU, replayed against taken one kernel at a time: modlib.training.replay.

Wall-clock seconds of a step, the median of several rounds in which both ways take turns. A step is timed by runs of two
lengths, of which the difference is free of start and capture.
"""

import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import pandas as pd
import torch
from common import store

from modlib.masks import MaskSettings, learn_mask, parameter_names
from modlib.networks.architectures import small_cnn, vgg16
from modlib.processor import device, gpu_name
from modlib.training import PrunedRecipe, replay, train_and_prune
from modlib.zoo.arithmetic import make_task
from modlib.zoo.pruned import turned

STEPS = 50, 450  # of a short run and a long one
ROUNDS = 3
Run = Callable[[int], object]


def convolutional(make: Callable[[], torch.nn.Module], shape: tuple[int, ...], batch: int, **how: object) -> Run:
    """Training of a network with convolutions on random images, for a number of steps."""
    rng = np.random.default_rng(0)
    x = torch.rand(STEPS[1] * batch, *shape, device=device())
    y = torch.randint(10, (len(x),), device=device())
    recipe = PrunedRecipe(epochs=1, pruning_epochs=0, batch_size=batch)

    def run(steps: int) -> None:
        module = make().to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        train_and_prune(module, x[: steps * batch], y[: steps * batch], recipe, rng, **how)  # type: ignore[arg-type]

    return run


def masked(steps: int) -> None:
    """A mask of the paper's perceptron for the addition of digits."""
    task = make_task("addition and multiplication", "fnn 2000-2000-2000-2000")
    module = task.network(np.random.default_rng(0))
    function, names = task.functions[0], parameter_names(module, unmasked=["*bias*"])
    learn_mask(module, function.draw, MaskSettings(steps), np.random.default_rng(1), function.loss, names)


def seconds(run: Run) -> float:
    """Of one more step."""
    times = []
    for steps in STEPS:
        torch.cuda.synchronize()
        began = time.perf_counter()
        run(steps)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return (times[1] - times[0]) / (STEPS[1] - STEPS[0])


def measure(name: str, run: Run) -> dict[str, object]:
    """A line of the table."""
    rounds: dict[str, list[float]] = {"ordinary": [], "replayed": []}
    for _ in range(ROUNDS):
        with mock.patch.object(replay, "_one_way", return_value=False):
            rounds["ordinary"].append(seconds(run))
        rounds["replayed"].append(seconds(run))
    ordinary, replayed = (1000 * float(np.median(times)) for times in rounds.values())
    return {"step of": name, "ordinary, ms": ordinary, "replayed, ms": replayed, "times faster": ordinary / replayed}


if __name__ == "__main__":
    if gpu_name():
        start = np.random.default_rng(0)
        ways: dict[str, Run] = {
            "small CNN, batch 64": convolutional(lambda: small_cnn(start), (1, 28, 28), 64),
            "VGG-16, batch 128": convolutional(lambda: vgg16(start), (3, 32, 32), 128, augment=turned),
            "mask of a perceptron, 4 x 2000": masked,
        }
        store("replay", pd.DataFrame([measure(*way) for way in ways.items()]).assign(gpu=gpu_name()))
    else:
        print("not measured: steps are replayed on a GPU, and PyTorch finds none here")
