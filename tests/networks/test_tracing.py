"""What tracing makes of layers one by one: recurrent layers, attention, embeddings; and what it refuses."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modlib.errors import GraphError, InputError
from modlib.graphs import NeuronGraph, neuron_graph
from modlib.lesions import damages
from modlib.networks import answers, as_network, torch_module, trace
from modlib.networks.programs import arguments_of


def edges(graph: NeuronGraph, source: str, target: str) -> np.ndarray:
    block = graph.edges[graph.names.index(source), graph.names.index(target)]
    return block.toarray() if sp.issparse(block) else np.asarray(block)


def absolute(weight: Tensor) -> np.ndarray:
    return weight.detach().abs().double().numpy()


class Classifier(nn.Module):
    """Words, an LSTM in both directions, and classes by its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.classes = nn.Embedding(9, 4), nn.Linear(6, 2)
        self.lstm = nn.LSTM(4, 3, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor) -> Tensor:
        _, (last, _) = self.lstm(self.words(tokens))
        return self.classes(torch.cat([last[0], last[1]], 1))


def test_gates_of_an_lstm_share_their_unit_and_a_step_reads_the_one_before() -> None:
    module = Classifier()
    graph = neuron_graph(module)
    assert set(graph.names) == {
        *("words tokens", "words", "lstm.l0 before", "lstm.l0", "lstm.l0 reverse before", "lstm.l0 reverse", "classes")
    }
    inner, outer = (absolute(weight).reshape(4, 3, -1).sum(0).T for weight in module.lstm._flat_weights[:2])
    np.testing.assert_allclose(edges(graph, "words", "lstm.l0"), inner, rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "lstm.l0 before", "lstm.l0"), outer, rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "words tokens", "words"), absolute(module.words.weight), rtol=1e-6)
    last = absolute(module.classes.weight).T
    np.testing.assert_allclose(edges(graph, "lstm.l0", "classes"), last[:3], rtol=1e-6)
    np.testing.assert_allclose(edges(graph, "lstm.l0 reverse", "classes"), last[3:], rtol=1e-6)


@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN])
def test_other_recurrent_layers_are_read_alike(kind: type[nn.RNNBase]) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.out = kind(4, 3, 2), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.memory(x)[0][-1])

    module = Last()
    graph = neuron_graph(module)
    second = absolute(module.memory._flat_weights[4]).reshape(-1, 3, 3).sum(0).T
    np.testing.assert_allclose(edges(graph, "memory.l0", "memory.l1"), second, rtol=1e-6)
    assert graph.sizes[0] == 4


class Attention(nn.Module):
    """As it is often written by hand: one layer for queries, keys and values, two heads of three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.start = nn.Linear(6, 18), nn.Linear(6, 6), nn.Linear(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        n, steps, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, steps, 3, 2, 3).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) / 3**0.5).softmax(-1)
        return x + self.out((scores @ v).transpose(1, 2).reshape(n, steps, 6))


def test_heads_are_units_of_attention_and_queries_and_keys_send_nothing_on() -> None:
    by_hand, module = Attention(), nn.MultiheadAttention(6, 2, batch_first=True)
    with torch.no_grad():
        module.in_proj_weight.copy_(by_hand.qkv.weight)
        module.out_proj.weight.copy_(by_hand.out.weight)
    graph = neuron_graph(by_hand)
    into = absolute(by_hand.qkv.weight).reshape(6, 3, 6).sum(1).T  # (features, heads of queries, keys and values)
    out = absolute(by_hand.out.weight).T.reshape(2, 3, 6).sum(1)
    assert graph.sizes == (5, 6, 6, 6)
    np.testing.assert_allclose(edges(graph, "start", "qkv"), into, rtol=1e-6)
    sent = edges(graph, "qkv", "out")
    np.testing.assert_allclose(sent[4:], out, rtol=1e-6)
    assert not sent[:4].any()
    x = torch.randn(2, 4, 6)
    theirs = neuron_graph(module, inputs=(x, x, x))
    assert set(theirs.sizes) == {6, 2}
    values = theirs.names.index("value")
    (heads,) = (j for i, j in theirs.edges if i == values)
    np.testing.assert_allclose(theirs.edges[values, heads], into[:, 4:], rtol=1e-6)
    (last,) = (j for i, j in theirs.edges if i == heads)
    np.testing.assert_allclose(theirs.edges[heads, last], out, rtol=1e-6)


class OwnLinear(nn.Linear):
    """A layer that keeps only half of its weights."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * (torch.arange(self.in_features) % 2), self.bias)


def test_a_layer_is_what_it_computes_and_not_what_it_is_called() -> None:
    module = nn.Sequential(OwnLinear(4, 3), nn.SiLU(), nn.Linear(3, 2))
    graph = neuron_graph(module)
    assert [live.tolist() for live in graph.live] == [[1, 3], [0, 1, 2], [0, 1]]
    np.testing.assert_allclose(graph.edges[0, 1], absolute(module[0].weight).T[1::2], rtol=1e-6)


class Options(nn.Module):
    """Flags, checks of shapes, and outputs in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor, return_hidden: bool = False) -> dict[str, Tensor]:
        if x.shape[1] != 4:
            raise ValueError(x.shape)
        hidden = self.first(x).relu()
        return {"logits": self.last(hidden), "hidden": hidden} if return_hidden else {"logits": self.last(hidden)}


def test_flags_checks_and_dictionaries_are_followed() -> None:
    assert neuron_graph(Options()).names == ("input", "first", "last")
    assert neuron_graph(Options(), inputs={"x": np.zeros((2, 4)), "return_hidden": True}).sizes == (4, 3, 2)


def test_a_norm_written_by_hand_passes_units_on_and_a_sum_over_units_is_refused() -> None:
    class Summed(nn.Module):
        def __init__(self, keep: bool) -> None:
            super().__init__()
            self.keep, self.first, self.last = keep, nn.Linear(4, 3), nn.Linear(3 if keep else 1, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first(x)
            size = hidden.pow(2).mean(-1, keepdim=True)
            return self.last(hidden / (size + 1e-5).sqrt() if self.keep else size)

    module = Summed(keep=True)
    np.testing.assert_allclose(edges(neuron_graph(module), "first", "last"), absolute(module.last.weight).T, rtol=1e-6)
    with pytest.raises(InputError, match="layer 'last' is fed by a mean or product over many units"):
        neuron_graph(Summed(keep=False))


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (nn.Linear(3, 2), np.full((2, 3), np.inf), "not finite in single precision"),
        (nn.Linear(3, 2), np.zeros((2, 4)), r"needs an example input, and .* does not fit"),
        (nn.Linear(3, 2), (np.zeros((2, 3)), np.ones(2)), "a tuple of 2 arrived; expected at most one .*: input$"),
        (nn.Linear(3, 2), [np.zeros(2), np.zeros(0)], r"{'input': 'list'} does not fit"),
        (nn.LSTM(3, 4, proj_size=2), None, "is an LSTM with projections"),
        (torch.jit.script(nn.Sequential(nn.Linear(3, 2))), None, "a scripted Sequential arrived"),
    ],
    ids=["infinite", "shape", "too many", "list", "projections", "scripted"],
)
def test_what_cannot_be_traced_is_said(model: nn.Module, inputs: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trace(model, inputs)


EINSUMS = {  # with the shape of their weights, and the matrix (inputs, outputs) that these are
    "bi,oi->bo": ((4, 6), lambda w: w.T),
    "oi,bi->bo": None,
    "...i,io": ((6, 4), lambda w: w),
    "...i,oi->...o": ((4, 6), lambda w: w.T),
    "bhi,hio->bho": ((3, 2, 4), lambda w: torch.block_diag(*w)),
    "bhi,hij->bhj": ((3, 2, 2), lambda w: torch.block_diag(*w)),
    "bhi,hio->bo": ((3, 2, 4), lambda w: w.flatten(0, 1)),
}


@pytest.mark.parametrize("equation", EINSUMS)
def test_an_einsum_is_the_layer_whose_matrix_it_multiplies_by(equation: str) -> None:
    shape, matrix_of = EINSUMS[equation] or ((4, 6), lambda w: w.T)

    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.weight = nn.Linear(5, 6), nn.Parameter(torch.randn(shape))
            self.last = nn.Linear(matrix_of(self.weight).shape[1], 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x).relu()
            x = x.unflatten(1, (3, 2)) if "h" in equation else x
            terms = (self.weight, x) if EINSUMS[equation] is None else (x, self.weight)
            return self.last(torch.einsum(equation, *terms).flatten(1).relu())

    torch.manual_seed(0)
    module = Product()
    graph = neuron_graph(module)
    (name,) = set(graph.names) - {"input", "first", "last"}
    np.testing.assert_allclose(edges(graph, "first", name), absolute(matrix_of(module.weight)), rtol=1e-6)
    np.testing.assert_allclose(edges(graph, name, "last"), absolute(module.last.weight).T, rtol=1e-6)


@pytest.mark.parametrize(
    ("equation", "what"),
    [("bi,oi,oi->bo", "is no product"), ("bi,oj->bo", "sums a tensor on its own"), ("bi,ii->bi", "is no product")],
)
def test_an_einsum_that_is_no_such_product_is_refused(equation: str, what: str) -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.weight = nn.Linear(5, 6), nn.Parameter(torch.randn(6, 6))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum(equation, self.first(x), *[self.weight] * (equation.count(",")))

    with pytest.raises(InputError, match=f"einsum {equation!r}, which {what}"):
        trace(Product())


@pytest.mark.parametrize("shape", [(0, 2), (0, 0, 2), (0, 3, 2), (2, 0, 2)])
def test_an_example_without_numbers_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="hold no number"):
        trace(nn.Linear(2, 2), np.zeros(shape))


@pytest.mark.parametrize(
    "inputs",
    [torch.eye(3).to_sparse(), torch.empty(2, 3, device="meta"), np.zeros((2, 3), ">f8")],
    ids=["sparse", "meta", "byte order"],
)
def test_of_inputs_only_the_shape_counts_however_they_are_stored(inputs: Tensor | np.ndarray) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    found, expected = neuron_graph(model, inputs=inputs), neuron_graph(model)
    assert abs(found.adjacency - expected.adjacency).max() == 0


def test_an_example_of_whole_numbers_is_one_of_images_and_one_that_cannot_be_cut_stays_whole() -> None:
    layers = nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 3)
    assert neuron_graph(nn.Sequential(*layers), inputs=np.zeros((2, 1, 8, 8), np.uint8)).sizes == (4, 4)

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 6)

        def forward(self, x: torch.Tensor, joined: torch.Tensor) -> torch.Tensor:
            return joined @ self.first(x)

    given, _ = arguments_of(Joined(), (torch.zeros(5, 4), torch.ones(5, 5)))
    assert [tuple(value.shape) for value in given.values()] == [(5, 4), (5, 5)]
    with pytest.raises(InputError, match=r"\{'x': \(5, 4\), 'joined': \(6, 6\)\} does not fit"):
        arguments_of(Joined(), (torch.zeros(5, 4), torch.ones(6, 6)))


def test_a_trace_is_taken_where_a_model_is_or_the_model_is_asked_for() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    found = trace(model)
    assert trace(found) is found
    assert neuron_graph(found).sizes == neuron_graph(found, inputs=np.zeros((2, 6))).sizes == (6, 8, 3)
    with pytest.raises(InputError, match=r"Trace arrived.*pass the model itself"):
        torch_module(found)


def test_inputs_of_another_shape_than_a_guess_are_told_of_the_guess() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(0, 1), nn.Linear(4, 3))
    tokens = np.zeros((5, 7), int)
    with pytest.raises(InputError, match=r"\(5, 7\) arrived.* guessed \(n, 8\).*trace\(model, inputs=inputs\[:2\]\)"):
        trace(model).answers(tokens)
    with pytest.raises(InputError) as told:
        trace(model, tokens[:, :6]).answers(tokens)
    assert "guess" not in str(told.value)


def test_layers_at_fault_are_named() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[2].weight[0, 0] = float("nan")
    with pytest.raises(GraphError, match=r"the weight of layer '2' of shape \(3, 2\) holds 1 NaN"):
        neuron_graph(model)
    with pytest.raises(InputError, match="kernel of layer '2' = "):
        as_network(model)
    with pytest.warns(UserWarning, match="zero-element"):
        empty = nn.Linear(3, 0)
    with pytest.raises(InputError, match="size of layer '2' = 0 arrived"):
        neuron_graph(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), empty))


@pytest.mark.filterwarnings("ignore")  # it goes away in a later PyTorch
def test_a_quantised_model_is_said_to_be_one() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
    with pytest.raises(InputError, match="no layer of weights but quantised ones, a Linear among them"):
        trace(model)


@pytest.mark.parametrize("layer", [0, 2])
def test_a_bias_that_is_no_number_is_refused_by_its_name(layer: int) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[layer].bias[0] = float("nan")
    for read in (trace, neuron_graph, as_network):
        with pytest.raises(InputError, match=f"{layer}.bias of shape .* holds 1 NaN or infinite value"):
            read(model)


@pytest.mark.parametrize(("value", "told"), [(1e300, r"1e\+300"), (1e-60, "1e-60")])
def test_what_single_precision_does_not_hold_is_told(value: float, told: str) -> None:
    model = nn.Linear(3, 2).double()
    with torch.no_grad():
        model.weight.fill_(value)
    with pytest.raises(InputError, match=f"weight with values of up to {told} arrived, which single precision"):
        neuron_graph(model)


def test_answers_that_are_no_numbers_are_not_counted_as_right() -> None:
    class Undefined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.last = nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.hidden(x).relu()).sqrt()

    inputs, model = np.random.default_rng(0).normal(size=(20, 4)), Undefined()
    with torch.no_grad():
        model.last.bias.fill_(-100)
    asked = (
        trace(model).answers,
        lambda x: answers(model, x),
        lambda x: damages(trace(model), x, np.arange(20) % 2, 1, [np.array([0])]),
    )
    for ask in asked:
        with pytest.raises(InputError, match=r"scores of shape .* of which \d+ vectors hold NaN"):
            ask(inputs)


class Inside(nn.Module):
    """A module as a part of another one."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("layers", [0, 2])
def test_attention_is_read_alike_at_the_root_and_inside_of_another_module(layers: int, before: bool) -> None:
    torch.manual_seed(0)
    module: nn.Module = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True, norm_first=before)
    if layers:
        module = nn.TransformerEncoder(module, layers, enable_nested_tensor=False)
    one, other = (neuron_graph(part, inputs=np.zeros((2, 5, 12))) for part in (module, Inside(module)))
    assert [f"part.{name}" for name in one.names[1:]] == list(other.names[1:])
    assert {name.rpartition(".")[2] for name in one.names} >= {"queries", "keys", "heads", "out_proj"}
    for edge, block in one.edges.items():
        np.testing.assert_array_equal(block, other.edges[edge])


def test_a_pass_that_cannot_be_followed_is_told_by_its_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(5, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first(x)
            return self.last(hidden * 2 if hidden.sum() > 0 else hidden)

    with pytest.raises(InputError, match="the forward pass of Chooses cannot be traced"):
        neuron_graph(Chooses(), inputs=np.zeros((2, 5)))
    assert capfd.readouterr() == ("", "")
