"""Networks of the library transformers, tiny and with random weights; skipped where it is not installed."""

import copy

import numpy as np
import pytest
import torch

from modlib.graphs import neuron_graph
from modlib.lesions import damages
from modlib.networks import trace
from modlib.responses import hidden_activities

transformers = pytest.importorskip("transformers")
TOKENS = np.random.default_rng(0).integers(1, 40, size=(12, 6))
COUNTS = {"vocab_size": 40, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def gpt2(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = transformers.GPT2Config(**COUNTS, n_positions=16, n_embd=8, n_layer=2, n_head=2, num_labels=3)
    return getattr(transformers, kind)(config).eval()


def bert() -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    config = transformers.BertConfig(vocab_size=40, max_position_embeddings=16, num_labels=3, **sizes)
    return transformers.BertForSequenceClassification(config).eval()


def test_gpt2_is_read_with_its_residual_stream_and_its_heads() -> None:
    model = gpt2("GPT2LMHeadModel")
    graph = neuron_graph(model, inputs=TOKENS[:2])
    sizes = dict(zip(graph.names, graph.sizes, strict=True))
    assert sizes["transformer.h.0.attn.c_attn"] == 6  # two queries, two keys, two values
    assert sizes["transformer.h.1.mlp.c_fc"] == 32
    number = {name: place for place, name in enumerate(graph.names)}
    stream = [name for name in graph.names if name.endswith("c_proj")]
    weight = np.abs(model.lm_head.weight.detach().numpy()).T
    for name in stream:  # all that is added up is read by the output
        np.testing.assert_allclose(graph.edges[number[name], len(graph.sizes) - 1], weight, rtol=1e-6)
    inner = np.abs(model.transformer.h[1].mlp.c_proj.weight.detach().numpy())
    pair = number["transformer.h.1.mlp.c_fc"], number["transformer.h.1.mlp.c_proj"]
    np.testing.assert_allclose(graph.edges[pair], inner, rtol=1e-6)
    assert graph.batch_norm is None


@pytest.mark.parametrize("build", [bert, lambda: gpt2("GPT2ForSequenceClassification")])
def test_lesions_and_activities_of_transformers_are_those_of_edited_weights(build) -> None:
    model = build()
    with torch.no_grad():
        for path, weight in model.named_parameters():
            weight *= 1 if "bias" in path or weight.ndim < 2 else 20
    found, changed = trace(model, TOKENS[:2]), 0
    answers = found.answers(TOKENS)
    for layer in found.hidden[1:]:  # without the table of tokens
        name = found.layers[layer].name
        units, unit = [0, 1], found.unit_of(layer)
        edited = copy.deepcopy(model)
        part = edited.get_submodule(name)
        rows = torch.as_tensor(np.isin(unit, units))
        with torch.no_grad():
            (part.weight.T if type(part).__name__ == "Conv1D" else part.weight)[rows] = 0
            wrong = edited(torch.as_tensor(TOKENS)).logits.argmax(1).numpy() != answers
        (damage,) = damages(found, TOKENS, answers, layer, [units])
        assert damage.drop == pytest.approx(wrong.mean()), name
        changed += wrong.sum()
    assert changed
    for layer, activities in zip(found.hidden, hidden_activities(found, TOKENS), strict=True):
        assert activities.shape == (12, found.layers[layer].size)
