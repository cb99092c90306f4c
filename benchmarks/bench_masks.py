"""One step of learning a mask: modlib against the definition, and against plain training of the same network.

The definition draws two uniform numbers and takes three logarithms for every weight and sample, builds the
straight-through mask from a sigmoid, and goes through the samples one after another. Both draw masks of the same
distribution (``tests/test_mask_sampling.py``) for a perceptron of four layers of 800 units. All run on one thread.
"""

import time
from collections.abc import Callable, Iterator

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
from modlib.zoo.scan import taught_for, tokens, untrained_seq2seq

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


def of_images(name: str, module: nn.Module, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, object]:
    """The line of a network that tells classes apart."""
    x = torch.as_tensor(rng.normal(size=(512, *shape)).astype(np.float32))
    y = torch.as_tensor(rng.integers(10, size=512))
    definition = (lambda: by_definition(module, x, y)) if name.startswith("perceptron") else None
    return measure(name, module, draw_from(x, y), cross_entropy, parameter_names(module, ["*weight*"]), definition)


def of_commands(network: str, rng: np.random.Generator) -> dict[str, object]:
    """The line of a network that carries out commands; half of an LSTM's batches run freely."""
    module = untrained_seq2seq(network, rng)
    draw = draw_sequences(tokens(commands()), taught_for(network))
    names = parameter_names(module, unmasked=["*embedding*", "*bias*"])
    return measure(f"SCAN, {network}", module, draw, token_loss, names)


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


if __name__ == "__main__":
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    networks = (
        ("perceptron, 4 x 800", perceptron((42, 800, 800, 800, 800, 20), rng), (42,)),
        ("CNN", simple_cnn(rng), (3, 32, 32)),
        ("LSTM, 2 x 256", repeated_lstm(42, 256, 20, 3, rng), (42,)),
    )
    lines = [of_images(name, module, shape, rng) for name, module, shape in networks]
    lines += [of_commands(network, rng) for network in ("lstm", "transformer")]
    store("masks", pd.DataFrame(lines))
