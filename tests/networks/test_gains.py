"""Constant gains between layers: edges are weights times the Jacobian of what lies between."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from modlib.graphs import NeuronGraph, neuron_graph
from modlib.networks import trace

MASK = torch.tensor([True, False, True, True])
GAIN = torch.tensor([1.0, -2.0, 0.5, 3.0])


class Between(nn.Module):
    """A function between two layers; a third one reads the first too, so that gains do not belong to the first."""

    def __init__(self, function: Callable[[Tensor], Tensor], width: int = 4, loops: bool = False) -> None:
        super().__init__()
        self.function, self.loops = function, loops
        self.first, self.last, self.other = nn.Linear(3, 4), nn.Linear(width, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        if self.loops:  # over what torch.fx does not know, so that torch.export follows it
            hidden = sum(hidden / 3 for _ in range(x.shape[1]))
        return self.last(self.function(hidden)) + self.other(hidden)


def by_jacobian(module: nn.Module, x: Tensor, source: str, target: str) -> np.ndarray:
    """Edges (units of the source, units of the target): |dfeature / dunit| |weight|, summed over features."""
    layers = dict(module.named_modules())
    seen: list[Tensor] = []
    with torch.no_grad():
        hook = layers[source].register_forward_hook(lambda part, given, output: seen.append(output))
        module(x)
        hook.remove()

    def feature(hidden: Tensor) -> Tensor:
        inputs: list[Tensor] = []
        hooks = [
            layers[source].register_forward_hook(lambda part, given, output: hidden),
            layers[target].register_forward_pre_hook(lambda part, given: inputs.append(given[0])),
        ]
        module(x)
        for hook in hooks:
            hook.remove()
        return inputs[0]

    slopes = torch.autograd.functional.jacobian(feature, seen[0])  # (1, features, 1, units)
    weight = layers[target].weight.detach().abs()
    return (weight @ slopes[0, :, 0].abs()).T.double().numpy()


def edges(graph: NeuronGraph, source: str, target: str) -> np.ndarray:
    """Edges between two layers, neurons without any included."""
    i, j = graph.names.index(source), graph.names.index(target)
    found = np.zeros((graph.sizes[i], graph.sizes[j]))
    if (i, j) in graph.edges:
        found[np.ix_(graph.live[i], graph.live[j])] = graph.edges[i, j]
    return found


LINEAR: dict[str, Callable[[Tensor], Tensor]] = {
    "h + h": lambda h: h + h,
    "h - h / 2": lambda h: h - h / 2,
    "h - h": lambda h: h - h,
    "alpha": lambda h: torch.add(h, h * GAIN, alpha=2),
    "sub with alpha": lambda h: torch.sub(h, h, alpha=3),
    "rsub": lambda h: torch.rsub(h * GAIN, h, alpha=0.5),
    "numbers on the left": lambda h: 1 - (2 * h + 3),
    "negative": lambda h: -h + h.neg() * 0.5,
    "where": lambda h: torch.where(MASK, h * 3, h / 2),
    "where of a number": lambda h: h.where(MASK, torch.tensor(0.0)) * 2,
    "masked": lambda h: h.masked_fill(MASK, 5.0) * GAIN,
    "addcmul": lambda h: torch.addcmul(h, GAIN, h, value=0.5),
    "addcmul on the left": lambda h: torch.addcmul(torch.ones(4), h, GAIN, value=-2),
    "addcdiv": lambda h: torch.addcdiv(h, h, GAIN, value=3),
    "lerp": lambda h: torch.lerp(h, h * GAIN, 0.25),
    "lerp to a constant": lambda h: torch.lerp(h, torch.ones(4), GAIN),
    "copies": lambda h: F.dropout(h, 0.5, False) + h.double().to(torch.float32),
    "moved": lambda h: h.flip(1).roll(1, 1) + h,
    "cat": lambda h: torch.cat([h, -h], 1) + torch.cat([h / 2, h], 1),
    "stack": lambda h: torch.stack([h, h * GAIN, -h]).sum(0),
    "stack, mean": lambda h: torch.stack([h, h * GAIN, -3 * h]).mean(dim=0),
    "in place": lambda h: h.clone().mul_(2).add_(h, alpha=3),
    "inside a function": lambda h: (h - 3 * h).relu() * 0 + (h + 2 * h),
    "parts in place": lambda h: _in_place(h.clone()),
    "fixed places": lambda h: (torch.tensor([[0.5, -2.0]]) @ torch.stack([h, h], 1)).squeeze(1),
}


def _in_place(hidden: Tensor) -> Tensor:
    hidden[:, :2] += 2 * hidden[:, 2:]
    hidden[:, 3] = hidden[:, 0] - hidden[:, 1] / 4
    hidden[:, 1:].mul_(3)
    return hidden


@pytest.mark.parametrize("loops", [False, True], ids=["torch.fx", "torch.export"])
@pytest.mark.parametrize("name", LINEAR)
def test_paths_from_a_unit_add_with_their_signs(name: str, loops: bool) -> None:
    function = LINEAR[name]
    module = Between(function, function(torch.zeros(1, 4)).shape[-1], loops)
    wanted = by_jacobian(module, torch.rand(1, 3), "first", "last")
    np.testing.assert_allclose(edges(neuron_graph(module), "first", "last"), wanted, rtol=1e-6, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-*s"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_any_sums_of_paths_are_what_the_jacobian_says(steps: list[tuple[str, int, int]]) -> None:
    def function(hidden: Tensor) -> Tensor:
        values = [hidden]
        for kind, first, second in steps:
            a, b = values[first % len(values)], values[second % len(values)]
            made = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * GAIN,
                "s": lambda a, b: a / 4 - b,
            }
            values.append(made[kind](a, b))
        return values[-1]

    torch.manual_seed(0)
    module = Between(function)
    wanted = by_jacobian(module, torch.rand(1, 3), "first", "last")
    np.testing.assert_allclose(edges(neuron_graph(module), "first", "last"), wanted, rtol=1e-6, atol=1e-9)


ONE_ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky": lambda h: h.relu() - 0.1 * (-h).relu(),
    "shrink": lambda h: h - h.tanh(),
    "swish": lambda h: h * h.sigmoid(),
    "sum with its activation": lambda h: h + h.relu(),
    "maximum": lambda h: torch.maximum(h, 0.1 * h),
    "chosen by activity": lambda h: torch.where(h > 0, h, 0.1 * h),
}


@pytest.mark.parametrize("name", ONE_ACTIVATION)
def test_of_paths_through_different_functions_the_one_with_the_largest_gain_counts(name: str) -> None:
    module = Between(ONE_ACTIVATION[name])
    np.testing.assert_allclose(
        edges(neuron_graph(module), "first", "last"), module.last.weight.detach().abs().T, rtol=1e-6
    )


def test_the_same_function_of_the_same_unit_is_one_term() -> None:
    relu = nn.ReLU(inplace=True)
    for function in (
        lambda h: h.relu() + torch.relu(h) - 0.5 * F.relu(h),
        lambda h: relu(h * 3) - 0.5 * relu(h * 3),
    ):
        module = Between(function)
        wanted = 1.5 * module.last.weight.detach().abs().T
        np.testing.assert_allclose(edges(neuron_graph(module), "first", "last"), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "relu", [nn.ReLU(inplace=True), lambda h: F.relu(h, True), lambda h: F.relu(h, inplace=True), torch.relu_, F.relu_]
)
def test_what_is_changed_in_place_is_changed_for_all_that_read_it_later(relu: Callable[[Tensor], Tensor]) -> None:
    """Both summands are the activity behind the ReLU; of a part that is changed the whole is too."""

    class Changed(nn.Module):
        def __init__(self, part: bool) -> None:
            super().__init__()
            self.relu_ = relu if isinstance(relu, nn.Module) else None
            self.first_, self.last, self.part = nn.Linear(3, 4), nn.Linear(4, 2), part

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first_(x)
            changed = (self.relu_ or relu)(hidden[:, :2] if self.part else hidden)
            return self.last(torch.cat([changed, hidden[:, 2 if self.part else 4 :]], 1) + hidden)

    for part in (False, True):
        module = Changed(part)
        wanted = 2 * module.last.weight.detach().abs().T
        np.testing.assert_allclose(edges(neuron_graph(module), "first_", "last"), wanted, rtol=1e-6)


def test_places_of_a_sequence_that_are_added_count_as_if_each_had_a_weight_of_its_own() -> None:
    class Steps(nn.Module):
        def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.function, self.first, self.last = function, nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.function(self.first(x)))

    for function, gain in (
        (lambda h: h[:, 1:] - h[:, :-1], 2),
        (lambda h: h.sum(1), 5),
        (lambda h: h.mean(1), 1),
        (lambda h: h.amax(1), 1),
        (lambda h: h[:, 0] - h[:, 1] / 2, 1.5),
    ):
        module = Steps(function)
        graph = neuron_graph(module, inputs=torch.zeros(2, 5, 3))
        wanted = gain * module.last.weight.detach().abs().T
        np.testing.assert_allclose(edges(graph, "first", "last"), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "pool",
    [lambda h: F.avg_pool2d(h, 2, divisor_override=1), nn.AvgPool2d((2, 3), divisor_override=2), nn.AvgPool2d(2)],
)
def test_a_mean_over_a_window_that_is_divided_by_another_number_is_a_gain(pool: Callable[[Tensor], Tensor]) -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.pool = nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 1), pool

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.pool(self.first(x)))

    module = Pooled()
    gain = float(pool(torch.ones(1, 1, 6, 6)).amax())
    graph = neuron_graph(module, inputs=torch.zeros(2, 1, 6, 6))
    wanted = gain * module.last.weight.detach().abs()[:, :, 0, 0].T
    np.testing.assert_allclose(edges(graph, "first", "last"), wanted, rtol=1e-6)


def test_patches_are_places_of_the_units_that_they_show() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 3, 1), nn.Linear(12, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(F.unfold(self.first(x), 2, padding=1, stride=2).transpose(1, 2))

    module = Patches()
    graph = neuron_graph(module, inputs=torch.zeros(2, 1, 4, 4))
    wanted = module.last.weight.detach().abs().T.reshape(3, 4, 2).sum(1)
    np.testing.assert_allclose(edges(graph, "first", "last"), wanted, rtol=1e-6)


class Chain(nn.Module):
    def __init__(self, before: Callable[[Tensor], Tensor], behind: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.before, self.behind = nn.Linear(3, 4), nn.Linear(4, 4), before, behind

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.last(self.before(self.first(x))))


@pytest.mark.parametrize(
    "before",
    [
        lambda h: (h * GAIN).relu(),
        lambda h: h.relu() * GAIN,
        lambda h: F.batch_norm(h, torch.zeros(4), torch.ones(4), GAIN, eps=1e-12).relu(),
        lambda h: F.batch_norm(h.relu(), torch.zeros(4), torch.ones(4), GAIN, eps=1e-12),
        lambda h: F.layer_norm(h, (4,), GAIN).relu(),
        lambda h: (h.unsqueeze(-1) * GAIN[:, None]).relu().flatten(1),
    ],
    ids=["before", "behind", "batch norm", "batch norm behind", "layer norm", "reshaped"],
)
def test_a_constant_gain_scales_the_weights_into_its_layer_as_batch_norm_does(
    before: Callable[[Tensor], Tensor],
) -> None:
    module = Chain(before, lambda h: h)
    graph = neuron_graph(module)
    first, last = (layer.weight.detach().abs().T for layer in (module.first, module.last))
    np.testing.assert_allclose(edges(graph, "input", "first"), first * GAIN.abs(), rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "first", "last"), last, rtol=1e-6)
    assert graph.batch_norm == "fold"
    np.testing.assert_allclose(edges(neuron_graph(module, "ignore"), "input", "first"), first, rtol=1e-6)


@pytest.mark.parametrize(
    "behind",
    [lambda h: h * GAIN, lambda h: (h * GAIN).tanh(), lambda h: h + (h * GAIN - h), lambda h: {"a": (h,)[0] * GAIN}],
    ids=["at once", "before a function", "in a sum", "in a dictionary"],
)
def test_a_constant_gain_on_the_outputs_scales_the_weights_into_them(behind: Callable[[Tensor], Tensor]) -> None:
    module = Chain(torch.relu, behind)
    wanted = module.last.weight.detach().abs().T * GAIN.abs()
    np.testing.assert_allclose(edges(neuron_graph(module), "first", "last"), wanted, rtol=1e-6)


def test_two_heads_that_are_mixed_on_the_way_out_have_their_shares() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.body(x).relu()
            return 0.3 * self.one(x) + (self.two(x) - self.two.bias) / 4

    module = Heads()
    graph = neuron_graph(module)
    for head, share in (("one", 0.3), ("two", 0.25)):
        wanted = share * getattr(module, head).weight.detach().abs().T
        np.testing.assert_allclose(edges(graph, "body", head), wanted, rtol=1e-6)


def test_experts_that_are_stacked_and_weighed_are_joined_with_what_weighs_them() -> None:
    class Experts(nn.Module):
        def __init__(self, stacked: bool) -> None:
            super().__init__()
            self.stacked, self.gate, self.last = stacked, nn.Linear(3, 2), nn.Linear(4, 2)
            self.experts = nn.ModuleList(nn.Linear(3, 4) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            weights, (one, two) = self.gate(x).softmax(-1), (expert(x).relu() for expert in self.experts)
            if not self.stacked:
                return self.last(weights[:, :1] * one + weights[:, 1:] * two)
            return self.last((torch.stack([one, two], 1) * weights.unsqueeze(-1)).sum(1))

    module = Experts(stacked=True)
    by_hand = Experts(stacked=False)
    by_hand.load_state_dict(module.state_dict())
    graph, other = neuron_graph(module), neuron_graph(by_hand)
    assert set(graph.edges) == set(other.edges)
    for pair, block in graph.edges.items():
        np.testing.assert_allclose(block, other.edges[pair], rtol=1e-6)
    assert (graph.names.index("gate"), graph.names.index("last")) in graph.edges


@pytest.mark.parametrize("joined", [False, True])
def test_a_mean_over_units_of_one_or_two_layers_stands_for_none_of_them(joined: bool) -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(8 if joined else 4, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = torch.cat([self.first(x), self.second(x)], 1) if joined else self.first(x) + self.second(x)
            return self.last((hidden - hidden.mean(-1, keepdim=True)) / hidden.std(-1, keepdim=True))

    module = Centred()
    wanted = module.last.weight.detach().abs().T
    for name, part in (("first", wanted[:4]), ("second", wanted[-4:])):
        np.testing.assert_allclose(edges(neuron_graph(module), name, "last"), part, rtol=1e-6)


def test_a_unit_that_is_masked_is_read_by_nothing_and_sums_of_layers_keep_their_own_gains() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first(x) * MASK
            return self.last(torch.stack([hidden, -2 * self.second(x)]).mean(0))

    module = Masked()
    found = trace(module)
    assert [layer.name for layer in found.layers] == ["input", "first", "second", "last"]
    graph, last = neuron_graph(module), module.last.weight.detach().abs().T
    np.testing.assert_allclose(edges(graph, "first", "last"), MASK[:, None] * last / 2, rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "second", "last"), last / 2, rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "input", "second"), 2 * module.second.weight.detach().abs().T, rtol=1e-6)


def test_a_gain_on_an_output_that_a_layer_reads_too_scales_nothing() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            hidden = self.first(x)
            return self.last(hidden), 3 * hidden

    module = Both()
    graph = neuron_graph(module)
    np.testing.assert_allclose(edges(graph, "input", "first"), module.first.weight.detach().abs().T, rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "first", "last"), module.last.weight.detach().abs().T, rtol=1e-6)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (lambda a, b: torch.lerp(a, b, 0.25), lambda a, b: 0.75 * a + 0.25 * b),
        (lambda a, b: torch.add(a, b, alpha=3), lambda a, b: a + 3 * b),
        (lambda a, b: torch.sub(a, b, alpha=3), lambda a, b: a - 3 * b),
        (lambda a, b: torch.addcmul(a, b, torch.tensor(2.0), value=1.5), lambda a, b: a + 3 * b),
        (lambda a, b: torch.addcdiv(a, b, torch.tensor(4.0), value=2.0), lambda a, b: a + b / 2),
    ],
)
def test_a_sum_has_one_graph_however_it_is_written(written: Callable, meant: Callable) -> None:
    class Two(nn.Module):
        def __init__(self, mix: Callable) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.mix = mix
            self.one, self.other, self.last = nn.Linear(5, 4), nn.Linear(5, 4), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.mix(self.one(x), self.other(x)))

    graphs = [neuron_graph(Two(mix), inputs=np.zeros((2, 5))) for mix in (written, meant)]
    for edge, block in graphs[0].edges.items():
        np.testing.assert_allclose(block, graphs[1].edges[edge], rtol=1e-6)
