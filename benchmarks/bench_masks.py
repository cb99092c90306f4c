"""One step of learning a mask: modlib against the definition, and against plain training of the same network.

The definition draws two uniform numbers and takes three logarithms for every weight and sample, builds the
straight-through mask from a sigmoid, and goes through the samples one after another. Both draw masks of the same
distribution (``tests/masks/test_sampling.py``) for a perceptron of four layers of 800 units. All run on one thread.

SCAN's LSTM is taught in half of its batches and runs freely, for longer, in the others. Masks and training would meet
different numbers of either kind, so each is timed for itself.

Called with patterns of names, such as ``'SCAN, *'``, it measures only these networks.
"""

import sys
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import pandas as pd
import torch
from common import store
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from modlib.data import commands
from modlib.masks import MaskSettings, learn_mask, parameter_names
from modlib.networks import perceptron, repeated_lstm, simple_cnn
from modlib.training import Steps, draw_from, train_steps
from modlib.training.steps import Draw, Loss
from modlib.zoo.answers import draw_sequences, token_loss
from modlib.zoo.scan import tokens, untrained_seq2seq

STEPS, WARM = 150, 10  # steps of a run, and how many of them are not counted
ROUNDS = 2
SETTINGS = MaskSettings(STEPS)


def seconds(run: Callable[[Callable[..., object]], object]) -> float:
    """Median processor time of a step; ``run`` calls its argument after every step."""
    times = [time.process_time()]
    run(lambda *_: times.append(time.process_time()))
    return float(np.median(np.diff(times)[WARM:]))


def by_definition(module: nn.Module, x: Tensor, y: Tensor) -> Iterator[None]:
    """Learn a mask as the paper writes it."""
    names = parameter_names(module, ["*weight*"])
    frozen = {name: parameter.detach() for name, parameter in module.named_parameters()}
    logits = {name: torch.full_like(frozen[name], 2.197, requires_grad=True) for name in names}
    adam = torch.optim.Adam(logits.values(), lr=SETTINGS.learning_rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randint(len(x), (SETTINGS.batch_size,), generator=generator)
        adam.zero_grad()
        for part in chosen.chunk(SETTINGS.samples):
            masked = dict(frozen)
            for name, logit in logits.items():
                first, second = torch.rand(2, *logit.shape, generator=generator)
                soft = torch.sigmoid(logit - torch.log(torch.log(first) / torch.log(second)))
                masked[name] = frozen[name] * ((soft > 0.5).float() - soft.detach() + soft)
            outputs = functional_call(module, masked, (x[part],))
            (cross_entropy(outputs, y[part]) / SETTINGS.samples).backward()
        regulariser = SETTINGS.beta / SETTINGS.batch_size * sum(logit.sum() for logit in logits.values())
        regulariser.backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(logits.values(), SETTINGS.clip)
        adam.step()
        yield


def of_images(name: str, make: Callable[[np.random.Generator], nn.Module], shape: tuple[int, ...]) -> dict[str, object]:
    """The line of a network that tells classes apart."""
    rng = np.random.default_rng(0)
    module = make(rng)
    x = torch.as_tensor(rng.normal(size=(512, *shape)).astype(np.float32))
    y = torch.as_tensor(rng.integers(10, size=512))
    definition = (lambda: by_definition(module, x, y)) if name.startswith("perceptron") else None
    return measure(name, module, draw_from(x, y), cross_entropy, parameter_names(module, ["*weight*"]), definition)


def of_commands(name: str, network: str, taught: float) -> dict[str, object]:
    """The line of a network that carries out commands, with all of its batches taught, or none."""
    module = untrained_seq2seq(network, np.random.default_rng(0))
    draw = draw_sequences(tokens(commands()), taught)
    return measure(name, module, draw, token_loss, parameter_names(module, unmasked=["*embedding*", "*bias*"]))


def measure(
    name: str,
    module: nn.Module,
    draw: Draw,
    loss: Loss,
    names: list[str],
    definition: Callable[[], Iterator[None]] | None = None,
) -> dict[str, object]:
    """A line of the table; the ways take turns, so that a slow moment of the machine meets all."""
    rng = np.random.default_rng
    ways: dict[str, Callable[[Callable[..., object]], object]] = {
        "modlib": lambda tick: learn_mask(module, draw, SETTINGS, rng(0), loss, names, on_step=tick),
        "training": lambda tick: train_steps(module, draw, Steps(STEPS), rng(0), loss, on_step=tick),
    }
    if definition:
        ways["definition"] = lambda tick: [tick() for _ in definition()]
    rounds = [{way: seconds(run) for way, run in ways.items()} for _ in range(ROUNDS)]
    times = pd.DataFrame(rounds, columns=["modlib", "definition", "training"]).median()
    return {
        "network": name,
        **{f"{way}, s a step": times[way] for way in times.index},
        "times faster": times["definition"] / times["modlib"],
        "masking to training": times["modlib"] / times["training"],
    }


LINES: dict[str, Callable[[str], dict[str, object]]] = {
    "perceptron, 4 x 800": partial(
        of_images, make=lambda rng: perceptron((42, 800, 800, 800, 800, 20), rng), shape=(42,)
    ),
    "CNN": partial(of_images, make=simple_cnn, shape=(3, 32, 32)),
    "LSTM, 2 x 256": partial(of_images, make=lambda rng: repeated_lstm(42, 256, 20, 3, rng), shape=(42,)),
    "SCAN, lstm, taught": partial(of_commands, network="lstm", taught=1.0),
    "SCAN, lstm, free": partial(of_commands, network="lstm", taught=0.0),
    "SCAN, transformer": partial(of_commands, network="transformer", taught=1.0),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = [name for name in LINES if any(fnmatchcase(name, pattern) for pattern in sys.argv[1:] or "*")]
    store("masks", pd.DataFrame([LINES[name](name) for name in wanted]), by=("network", "cpu"))
