"""Learned masks: planted sub-networks found, and nothing changed in the network."""

import copy
import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding
from torch.nn.utils import prune

from modlib.communities import similarities
from modlib.errors import InputError
from modlib.graphs import neuron_graph
from modlib.masks.continual import learn_with_weights
from modlib.masks.learning import LearnedMask, MaskSettings, learn_mask, regularisation_curve
from modlib.masks.mask import TOTAL, Mask, fingerprint, parameter_names
from modlib.networks.network import from_arrays
from modlib.training.steps import Draw, Steps, draw_from, train_steps

SHORT = MaskSettings(steps=3, batch_size=8)


def squared(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def two_functions() -> tuple[nn.Sequential, dict[str, np.ndarray]]:
    """A network that answers two questions with separate halves: is x0 + x1 > x2 + x3 after tanh; and of x4 to x7.

    (With ReLU a unit of one input and no bias would be lost: without its weight it rests where the slope is zero.)
    Returns also which half every weight belongs to: 0, 1 or, for weights that are zero, -1.
    """
    module = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Tanh(), nn.Linear(8, 4, bias=False))
    first, last = np.eye(8) * np.linspace(1.5, 3, 8), np.zeros((4, 8))
    for output in range(4):
        last[output, 2 * output : 2 * output + 2] = 3
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(first))
        module[2].weight.copy_(torch.tensor(last))
    first_half, last_half = np.arange(8)[:, None] // 4 + 0 * first, np.arange(4)[:, None] // 2 + 0 * last
    return module, {
        "0.weight": np.where(first == 0, -1, first_half),
        "2.weight": np.where(last == 0, -1, last_half),
    }


def ask(module: nn.Module, half: int):
    """The question of one half: which of its outputs is larger, as the whole network says."""
    x = torch.tensor(np.random.default_rng(1).normal(size=(2000, 8)), dtype=torch.float32)
    with torch.no_grad():
        y = module(x)[:, 2 * half : 2 * half + 2].argmax(1)
    return x, y


def of_half(half: int):
    return lambda output, target: cross_entropy(output[..., 2 * half : 2 * half + 2], target)


def accuracy(module: nn.Module, x: Tensor, y: Tensor, half: int) -> float:
    with torch.no_grad():
        return float((module(x)[:, 2 * half : 2 * half + 2].argmax(1) == y).double().mean())


@pytest.fixture(scope="module")
def learned() -> tuple[nn.Sequential, dict[str, np.ndarray], list[LearnedMask]]:
    module, halves = two_functions()
    settings = MaskSettings(steps=1500, batch_size=64, beta=0.05, learning_rate=0.02)
    masks = [
        learn_mask(module, draw_from(*ask(module, half)), settings, np.random.default_rng(half), of_half(half))
        for half in (0, 1)
    ]
    return module, halves, masks


def test_a_course_compares_the_last_tenth_of_the_steps_with_the_one_before(learned):
    course = replace(learned[2][0], losses=np.arange(100.0)).course()
    assert (course["loss_first"], course["loss_before_last"], course["loss_last"]) == (0, 84.5, 94.5)


def test_a_planted_sub_network_is_found(learned):
    _, halves, masks = learned
    for half, found in enumerate(masks):
        kept = np.concatenate([found.mask.keep[name].ravel() for name in halves])
        belongs = np.concatenate([part.ravel() for part in halves.values()])
        np.testing.assert_array_equal(kept, belongs == half)


def test_a_mask_keeps_its_function_and_loses_the_other_and_its_inverse_the_other_way_round(learned):
    module, _, masks = learned
    for half, found in enumerate(masks):
        own, other = ask(module, half), ask(module, 1 - half)
        assert accuracy(found.mask.apply(module), *own, half) > 0.97
        assert accuracy(found.mask.apply(module), *other, 1 - half) < 0.75
        assert accuracy((~found.mask).apply(module), *other, 1 - half) > 0.97
        assert accuracy((~found.mask).apply(module), *own, half) < 0.75


def test_probabilities_go_to_both_ends_and_the_course_is_noted(learned):
    _, _, masks = learned
    for found in masks:
        values = np.concatenate([p.ravel() for p in found.probabilities.values()])
        assert ((values < 0.1) | (values > 0.9)).mean() > 0.85
        assert found.losses.shape == (1500,)
        assert found.losses[-200:].mean() < found.losses[:20].mean()
        kept = found.mask.remaining()[TOTAL] / found.mask.size()[TOTAL]
        assert list(found.kept)[-1] == 1500
        assert found.kept[1500] == kept


@pytest.mark.parametrize(("keep", "kept"), [(0.4, False), (0.49, False), (0.51, True), (0.9, True)])
def test_a_weight_is_kept_if_its_probability_is_above_a_half(keep: float, kept: bool):
    module = nn.Linear(3, 2)
    draw = draw_from(torch.randn(8, 3), torch.zeros(8, dtype=torch.long))
    found = learn_mask(module, draw, MaskSettings(steps=0, keep=keep), np.random.default_rng(0))
    assert all((of_one == kept).all() for of_one in found.mask.keep.values())
    assert all(np.allclose(of_one, keep) for of_one in found.probabilities.values())


def test_a_mask_starts_and_learns_as_in_the_paper():
    settings = MaskSettings()
    assert (settings.steps, settings.batch_size, settings.samples, settings.learning_rate) == (20_000, 128, 4, 1e-2)
    assert (settings.beta, settings.keep, settings.clip) == (1e-4, 0.9, 1.0)


def test_the_same_generator_gives_the_same_mask():
    module, _ = two_functions()
    draw = draw_from(*ask(module, 0))
    first, again, other = (
        learn_mask(module, draw, MaskSettings(steps=30, batch_size=8), np.random.default_rng(seed), of_half(0))
        for seed in (5, 5, 6)
    )
    assert all(np.array_equal(first.probabilities[n], again.probabilities[n]) for n in first.probabilities)
    assert not all(np.array_equal(first.probabilities[n], other.probabilities[n]) for n in first.probabilities)


class Shared(nn.Module):
    """One layer that is used twice, and an embedding that is also the output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.twice, self.out = nn.Embedding(6, 5), nn.Linear(5, 5), nn.Linear(5, 6)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embedding(tokens).mean(-2)
        return self.out(self.twice(torch.relu(self.twice(h))))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 6, 2, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0][:, -1])


class Noting(nn.Module):
    """Notes what it was last given, and counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(4, 3), None
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = self.layer(x)
        return self.last


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        read = self.encoder(x)
        return self.out(self.attention(read, read, read, need_weights=False)[0].mean(1))


NETWORKS = {
    "notes and counts": (Noting, lambda: torch.randn(40, 4)),
    "attention": (Attending, lambda: torch.randn(40, 5, 4)),
    "batch norm and dropout": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)),
        lambda: torch.randn(40, 4),
    ),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)),
        lambda: torch.randn(40, 1, 6, 6),
    ),
    "LSTM": (Recurrent, lambda: torch.randn(40, 3, 4)),
    "tied weights and a shared module": (Shared, lambda: torch.randint(6, (40, 5))),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_any_network_is_left_as_it_was(name: str, mode: str):
    make, inputs = NETWORKS[name]
    torch.manual_seed(0)
    module = make()
    for parameter in module.parameters():  # a zero could not be told from one without use
        nn.init.normal_(parameter, std=0.5)
    module.train(mode == "train")
    modes = [part.training for part in module.modules()]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    found = learn_mask(module, draw_from(inputs(), torch.randint(3, (40,))), SHORT, np.random.default_rng(0))
    assert set(found.mask.keep) == {key for key, _ in module.named_parameters()}
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    assert all(parameter.grad is None for parameter in module.parameters())
    found.mask.apply(module)
    torch.save(module, io.BytesIO())  # no tensor of the batched passes is left in it
    # every parameter matters for the loss, so every logit has left the course of the regulariser alone
    for key, values in found.probabilities.items():
        assert np.ptp(values) > 0, key


@pytest.mark.parametrize("name", NETWORKS)
def test_training_mode_does_not_change_a_mask(name: str):
    make, inputs = NETWORKS[name]
    torch.manual_seed(0)
    module, draw = make(), draw_from(inputs(), torch.randint(3, (40,)))
    first, second = (
        learn_mask(module.train(mode), draw, SHORT, np.random.default_rng(0)).probabilities for mode in (True, False)
    )
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_pruned_network_keeps_its_own_weights():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    prune.l1_unstructured(module[0], "weight", 0.5)
    before = module[0].weight
    draw = draw_from(torch.randn(40, 4), torch.randint(3, (40,)))
    found = learn_mask(module, draw, SHORT, np.random.default_rng(0))
    assert module[0].weight is before
    assert {"0.weight_orig", "0.bias", "2.weight", "2.bias"} == set(found.mask.keep)


def test_attention_has_its_fast_path_back_even_after_an_error():
    module = Attending()
    assert torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(InputError, match="the loss is nan"):
        learn_mask(
            module,
            draw_from(torch.full((8, 5, 4), torch.nan), torch.randint(3, (8,))),
            SHORT,
            np.random.default_rng(0),
        )
    assert torch.backends.mha.get_fastpath_enabled()


def test_weights_that_are_used_twice_or_tied_are_masked_once():
    module = Shared()
    draw = draw_from(torch.randint(6, (40, 5)), torch.randint(3, (40,)))
    found = learn_mask(module, draw, SHORT, np.random.default_rng(0)).mask
    assert found.size() == {"embedding.weight": 30, "twice.weight": 25, "twice.bias": 5, "out.bias": 6, TOTAL: 66}
    cut = Mask({"embedding.weight": np.zeros((6, 5), bool)}, fingerprint(module)).apply(module)
    assert cut.out.weight is cut.embedding.weight
    assert not cut.out.weight.any()


def test_parameters_that_are_not_named_or_are_fixed_are_not_learned():
    module, _ = two_functions()
    draw, rng = draw_from(*ask(module, 0)), np.random.default_rng(0)
    names = parameter_names(module, ["2.*"])
    found = learn_mask(module, draw, SHORT, rng, of_half(0), names)
    assert list(found.mask.keep) == ["2.weight"]
    kept = np.random.default_rng(1).random((4, 8)) < 0.5
    fixed = Mask({"2.weight": kept}, fingerprint(module))
    found = learn_mask(module, draw, SHORT, rng, of_half(0), fixed=fixed)
    np.testing.assert_array_equal(found.mask.keep["2.weight"], kept)
    assert set(np.unique(found.probabilities["2.weight"])) == {0.0, 1.0}
    # a fixed mask that cuts the half off leaves nothing to learn but the regulariser
    cut = Mask({"2.weight": np.zeros((4, 8), bool)}, fingerprint(module))
    blind = learn_mask(module, draw, SHORT, rng, of_half(0), fixed=cut)
    assert np.ptp(blind.probabilities["0.weight"]) == 0


def test_a_parameter_that_the_task_does_not_use_is_removed():
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    draw = draw_from(torch.randn(20, 4), torch.randint(3, (20,)))
    settings = MaskSettings(steps=300, batch_size=8, beta=1.0)
    found = learn_mask(Unused(), draw, settings, np.random.default_rng(0))
    assert not found.mask.keep["unused.weight"].any()


def test_the_chosen_strength_is_the_largest_that_leaves_the_task():
    module, _ = two_functions()
    x, y = ask(module, 0)
    settings = MaskSettings(steps=250, batch_size=32, learning_rate=0.05)
    betas = [1e-3, 0.05, 200.0]
    chosen, curve = regularisation_curve(
        module, draw_from(x, y), lambda m: accuracy(m, x, y, 0), betas, settings, seed=0, loss=of_half(0)
    )
    assert [point.beta for point in curve] == betas
    assert curve[0].kept >= curve[1].kept > curve[2].kept
    assert curve[2].performance < 0.95 < curve[1].performance
    assert chosen == 0.05
    none, _ = regularisation_curve(
        module, draw_from(x, y), lambda m: accuracy(m, x, y, 0), [200.0], settings, seed=0, loss=of_half(0)
    )
    assert np.isnan(none)


def test_bad_input_is_refused():
    module, _ = two_functions()
    x, y = ask(module, 0)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="the loss is nan at step 1"):
        learn_mask(module, draw_from(x * np.nan, y), SHORT, rng, of_half(0))
    assert module.training
    with pytest.raises(InputError, match=r"a parameter = '7.weight' arrived; expected one of 0.weight, 2.weight"):
        learn_mask(module, draw_from(x, y), SHORT, rng, names=["7.weight"])
    everything = Mask({n: np.ones(p.shape, bool) for n, p in module.named_parameters()}, fingerprint(module))
    with pytest.raises(InputError, match="no parameter is left"):
        learn_mask(module, draw_from(x, y), SHORT, rng, fixed=everything)
    with pytest.raises(InputError, match="other weights"):
        learn_mask(module, draw_from(x, y), SHORT, rng, fixed=Mask({"0.weight": np.ones((8, 8), bool)}, "x"))
    with pytest.raises(InputError, match="2 inputs and 1 targets"):
        draw_from(x[:2], y[:1])
    with pytest.raises(InputError, match=r"betas = .* expected a list"):
        regularisation_curve(module, draw_from(x, y), lambda m: 1.0, [], SHORT, 0)
    with pytest.raises(InputError, match="equal parts"):
        MaskSettings(batch_size=10, samples=4)
    with pytest.raises(InputError, match=r"keep = 1\.0 arrived; expected a finite number above 0 and below 1"):
        MaskSettings(keep=1.0)
    with pytest.raises(InputError, match="learning_rate = 0 arrived; expected a finite number above 0"):
        MaskSettings(learning_rate=0)


ONE = MaskSettings(steps=1, batch_size=16)
X, Y = torch.randn(20, 8, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
BAD_TASKS = {
    r"inputs of shape \(16, 5\) and type torch.float32 arrived, which the Sequential does not take .*be multiplied": (
        X[:, :5],
        Y,
    ),
    r"inputs of shape \(16, 8\) and type torch.int64 arrived, which the Sequential does not take": (X.long(), Y),
    r"targets = \(16,\) torch.float32 .* arrived .* expected classes from 0 to 3 of shape \(16,\)": (X, Y.float()),
    r"targets = \(16,\) torch.int32 .* arrived .* call targets.long\(\)": (X, Y.int()),
    r"targets = \(16,\) torch.int64 with values -?\d+ to 9 arrived": (X, Y * 8 + 1),
    r"targets = \(16,\) torch.int64 with values -3 to -?\d+ arrived": (X, Y - 3),
    r"targets = \(16, 1\) torch.int64 .* arrived": (X, Y[:, None]),
}
ALL_LEARN = {
    "learn_mask": lambda module, draw, **more: learn_mask(module, draw, ONE, np.random.default_rng(0), **more),
    "learn_with_weights": lambda module, draw, **more: learn_with_weights(
        module, draw, ONE, np.random.default_rng(0), **more
    ),
    "train_steps": lambda module, draw, **more: train_steps(
        module, draw, Steps(1, batch_size=16), np.random.default_rng(0), **more
    ),
}
EACH_LEARNS = pytest.mark.parametrize("learn", ALL_LEARN.values(), ids=ALL_LEARN)


@pytest.mark.parametrize("message", BAD_TASKS)
def test_a_task_that_does_not_fit_the_network_is_refused(message):
    module, _ = two_functions()
    draw, rng = draw_from(*BAD_TASKS[message]), np.random.default_rng(0)
    for learn in (
        lambda: learn_mask(module, draw, ONE, rng),
        lambda: learn_with_weights(module, draw, ONE, rng),
        lambda: train_steps(module, draw, Steps(1, batch_size=16), rng),
    ):
        with pytest.raises(InputError, match=message):
            learn()


@pytest.mark.parametrize(
    "drawn",
    [
        None,
        3,
        X[:16],
        (X[:16],),
        (X[:16], Y[:15]),
        (X[:16].numpy(), Y[:16].numpy()),
        (X[:16], Y[:16], Y[:16]),
        (X[0, 0], Y),
    ],
)
def test_what_is_drawn_must_be_as_many_inputs_and_targets_as_were_asked_for(drawn):
    module, _ = two_functions()
    with pytest.raises(InputError, match=r"draw returned .* expected inputs \(16, ...\) and targets \(16, ...\)"):
        learn_mask(module, lambda _rng, _n: drawn, ONE, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"draw = .* arrived; expected a function"):
        learn_mask(module, drawn, ONE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda outputs, targets: 0.5, r"loss returned 0.5; expected a tensor"),
        (lambda outputs, targets: None, r"loss returned None; expected a tensor"),
        (lambda outputs, targets: (outputs.argmax(1) == targets).float().mean(), "without a gradient at step 1"),
        (lambda outputs, targets: outputs.sum() * np.nan, "the loss is nan at step 1"),
        (lambda outputs, targets: outputs.sum() * np.inf, r"the loss is -?inf|nan at step 1"),
        ("cross_entropy", "loss = 'cross_entropy' arrived; expected a function"),
    ],
)
def test_a_loss_that_cannot_be_learned_from_is_refused(loss, message):
    module, _ = two_functions()
    with pytest.raises(InputError, match=message):
        learn_mask(module, draw_from(X, Y), ONE, np.random.default_rng(0), loss)
    with pytest.raises(InputError, match=message):
        learn_with_weights(module, draw_from(X, Y), ONE, np.random.default_rng(0), loss=loss)


@EACH_LEARNS
@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.functional.l1_loss, nn.SmoothL1Loss(), nn.functional.huber_loss])
def test_a_loss_between_numbers_is_not_given_classes(learn, loss):
    """Four outputs and 16 classes would be stretched to each other, or end in PyTorch's own error."""
    module, _ = two_functions()
    with pytest.raises(InputError, match=r"targets = \(16,\) torch.int64 arrived .* pass one_hot\(targets\)"):
        learn(module, draw_from(X, Y), loss=loss)
    learn(module, draw_from(X, nn.functional.one_hot(Y, 4).float()), loss=loss)


@EACH_LEARNS
def test_an_error_of_the_loss_itself_is_said_with_what_it_was_given(learn):
    module, _ = two_functions()
    with pytest.raises(InputError, match=r"the loss does not take outputs \(\d+, 4\) torch.float32 and targets"):
        learn(module, draw_from(X, Y.double()), loss=nn.NLLLoss())


@pytest.mark.parametrize("learn", [ALL_LEARN["learn_mask"], ALL_LEARN["train_steps"]])
def test_what_is_called_after_a_step_is_a_function(learn):
    module, _ = two_functions()
    with pytest.raises(InputError, match="on_step = 3 arrived; expected a function"):
        learn(module, draw_from(X, Y), on_step=3)


@EACH_LEARNS
def test_nothing_is_learned_without_gradients_and_that_is_said(learn):
    module, _ = two_functions()
    with torch.inference_mode():
        with pytest.raises(InputError, match=r"torch.inference_mode leaves no gradients, and a call in it"):
            learn(module, draw_from(X, Y))
        made_there = copy.deepcopy(module)
        inputs, targets = X.clone(), Y.clone()
    with pytest.raises(InputError, match=r"parameters made in it, such as 0.weight.* copy.deepcopy\(model\)"):
        learn(made_there, draw_from(inputs, targets))
    learn(copy.deepcopy(made_there), draw_from(inputs, targets))


def test_a_parameter_that_is_named_twice_is_masked_once():
    module, _ = two_functions()
    once, twice = (
        learn_mask(module, draw_from(X, Y), ONE, np.random.default_rng(0), names=["2.weight"] * times).probabilities
        for times in (1, 2)
    )
    np.testing.assert_array_equal(once["2.weight"], twice["2.weight"])


@pytest.mark.parametrize(
    "wrong",
    [np.array(["a", "b"]), ["a", "b"], None, 1.0, [[1], [1, 2]], np.array([{}, {}]), np.array(["2020"], "M8[Y]")],
)
def test_examples_are_numbers(wrong):
    with pytest.raises(
        InputError, match=r"targets = .* arrived; expected numbers of shape \(n, ...\); names of classes"
    ):
        draw_from(X[:2], wrong)
    with pytest.raises(InputError, match=r"inputs = .* arrived; expected numbers"):
        draw_from(wrong, Y[:2])


def test_one_number_an_example_is_no_score_of_classes():
    module = nn.Sequential(nn.Linear(8, 1), nn.Flatten(0))
    with pytest.raises(InputError, match=r"outputs \(16,\) torch.float32 arrived; expected scores \(n, classes\)"):
        learn_mask(module, draw_from(X, Y), ONE, np.random.default_rng(0))


def test_targets_that_cross_entropy_takes_are_taken():
    module, _ = two_functions()
    for targets in (torch.where(Y > 0, Y, -100), torch.softmax(X[:, :4], 1)):  # -100 is a class that is not known
        learn_mask(module, draw_from(X, targets), ONE, np.random.default_rng(0))


def test_a_network_in_a_wrapper_without_gradients_in_double_precision_or_of_arrays_gets_the_same_mask():
    module, inputs = two_functions()[0], np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int64)
    width = module[0].weight.shape[1]
    inputs = np.tile(inputs, (1, width))[:, :width]

    def mask_of(model, examples=inputs):
        draw = draw_from(examples, targets)  # numpy arrays
        return learn_mask(model, draw, MaskSettings(steps=20, batch_size=8), np.random.default_rng(1))

    plain = mask_of(module)
    with torch.no_grad():
        found = [mask_of(nn.DataParallel(module)), mask_of(module, inputs.astype(np.float64))]
    for other in found:
        assert all(np.array_equal(kept, other.mask.keep[name]) for name, kept in plain.mask.keep.items())
    found[0].mask.apply(nn.DataParallel(module))
    kernels = [module[0].weight.detach().numpy().T, module[2].weight.detach().numpy().T]
    network = from_arrays(kernels)
    assert mask_of(network).mask.apply(network)


def test_what_no_mask_can_be_learned_on_is_said():
    class Named(nn.Linear):
        def forward(self, x):
            return {"logits": super().forward(x)}

    x, y, rng = torch.randn(20, 5), torch.randint(2, (20,)), np.random.default_rng(0)
    with pytest.raises(InputError, match=r"the network returns a dict; .* pass loss=lambda"):
        learn_mask(Named(5, 2), draw_from(x, y), SHORT, rng)
    learn_mask(Named(5, 2), draw_from(x, y), SHORT, rng, lambda found, wanted: cross_entropy(found["logits"], wanted))
    bag = nn.Sequential(nn.EmbeddingBag(9, 3, sparse=True), nn.Linear(3, 2))
    with pytest.raises(InputError, match="the embedding 0 has sparse gradients"):
        learn_mask(bag, draw_from(x.long().abs(), y), SHORT, rng)

    class Looked(nn.Linear):
        def forward(self, x):
            return super().forward(embedding(x, self.weight.T, sparse=True).mean(1))

    with pytest.raises(InputError, match=r"the network has sparse gradients.*sparse=False\) in its forward"):
        learn_mask(Looked(2, 2), draw_from(x.long().clamp(0, 1), y), SHORT, rng)


class Writes(nn.Module):
    """A network whose pass writes into a buffer, an attribute, a list and, by a hook, a dictionary of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)
        self.register_buffer("calls", torch.zeros(1))
        self.log: list[torch.Tensor] = []
        self.seen: dict[str, list[object]] = {"all": []}
        self.first.register_forward_hook(lambda *given: self.seen["all"].append(given[2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.log.append(x)
        self.hidden = self.act(self.first(x))
        return self.last(self.hidden)


def three_steps() -> tuple[Draw, MaskSettings]:
    inputs = torch.rand(60, 8, generator=torch.Generator().manual_seed(0))
    return draw_from(inputs, torch.arange(60) % 4), MaskSettings(steps=3, batch_size=8, samples=2)


@pytest.mark.parametrize("of", ["mask", "act", "first"])
def test_what_a_pass_writes_is_put_back(of: str) -> None:
    module, (draw, settings) = Writes(), three_steps()
    module.last.eval()
    if of == "mask":
        learn_mask(module, draw, settings, np.random.default_rng(0))
    else:
        inputs, labels = draw(np.random.default_rng(0), 20)
        similarities(module, np.asarray(inputs), np.asarray(labels), layers=[of])
    assert (module.calls.item(), module.log, module.seen, hasattr(module, "hidden")) == (0, [], {"all": []}, False)
    assert [part.training for part in module.children()] == [True, True, False]
    deepcopy(module)
    assert neuron_graph(module).sizes == (8, 6, 4)


@pytest.mark.parametrize("learn", [learn_mask, learn_with_weights])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda module: torch.jit.script(module), "scripted Sequential arrived, .* expected the module that was"),
        (lambda module: torch.jit.trace(module, torch.rand(3, 8)), "scripted Sequential arrived"),
        (lambda module: module.to(torch.float8_e4m3fn), "0.weight has eight bits"),
        (lambda _: nn.Sequential(nn.EmbeddingBag(8, 4, sparse=True)), "embedding 0 has sparse gradients"),
    ],
)
def test_a_network_in_which_none_is_learned_is_refused(
    learn: Callable[..., object], change: Callable[[nn.Module], nn.Module], message: str
) -> None:
    module = change(nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)))
    with pytest.raises(InputError, match=message):
        learn(module, *three_steps(), np.random.default_rng(0))


def test_an_exported_network_is_its_module() -> None:
    module = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))
    exported = torch.export.export(module, (torch.rand(3, 8),), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    first, second = (learn_mask(each, *three_steps(), np.random.default_rng(0)) for each in (module, exported))
    np.testing.assert_allclose(first.losses, second.losses, rtol=1e-6)


def test_tables_and_whole_numbers_of_any_kind_are_taken() -> None:
    draw, settings = three_steps()
    inputs, targets = (np.asarray(part) for part in draw(np.random.default_rng(1), 60))
    of_table = draw_from(pd.DataFrame(inputs), pd.Series(targets))
    floats = MaskSettings(steps=3.0, batch_size=8.0, samples=2.0)  # type: ignore[arg-type]
    assert floats == settings
    module = nn.Linear(8, 4)
    learned = [
        learn_mask(module, each, given, np.random.default_rng(0))
        for each, given in ((draw_from(inputs, targets), settings), (of_table, floats))
    ]
    np.testing.assert_array_equal(learned[0].losses, learned[1].losses)


def test_a_loss_of_many_numbers_is_refused() -> None:
    with pytest.raises(InputError, match="expected one number, the mean over examples"):
        learn_mask(nn.Linear(8, 4), *three_steps(), np.random.default_rng(0), loss=lambda outputs, _: outputs**2)


def test_a_parameter_that_is_named_as_all_together_is_refused_before_anything_is_learned_and_may_be_left_out() -> None:
    module = nn.Linear(8, 2)
    module.register_parameter("total", nn.Parameter(torch.ones(2)))
    draw = draw_from(torch.eye(8), torch.arange(8) % 2)
    with pytest.raises(InputError, match=r"a parameter named total arrived.*rename it, or mask others only"):
        learn_mask(module, lambda *_: pytest.fail("it was drawn for"), SHORT, np.random.default_rng(0))
    names = ["weight", "bias"]
    found = learn_mask(module, draw, SHORT, np.random.default_rng(0), names=names)
    assert list(found.mask.remaining()) == [*names, TOTAL]
