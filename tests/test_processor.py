"""modlib.processor: training must not depend on how wide the registers of a processor are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modlib import processor
from modlib.processor import LIMIT, first_cache, instructions, kernels, limit_xla, seeded_numpy, seeded_torch

TRAIN = """
import hashlib
from modlib.data.images import load_images
from modlib.processor import kernels
from modlib.training.keras import Recipe, train_mlp
_, pruned = train_mlp(load_images("digits"), Recipe((16, 16), epochs=1, pruning_epochs=1, dropout=0.5), 0)
weights = b"".join(array.tobytes() for array in (*pruned.kernels, *pruned.biases))
found = hashlib.sha256(weights).hexdigest(), kernels()
"""


@pytest.mark.slow
@pytest.mark.skipif("avx2" not in instructions(), reason="XLA writes other code for a processor without AVX2")
def test_a_network_is_the_same_whatever_kernels_linear_algebra_has() -> None:
    pytest.importorskip("tf_keras")
    here: dict[str, Any] = {}
    exec(TRAIN, here)
    variables = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    made = subprocess.run(
        [sys.executable, "-c", f"{TRAIN}\nimport json\nprint(json.dumps(found))"],
        env=variables | {"OPENBLAS_CORETYPE": "Prescott"},
        capture_output=True,
        check=True,
    )
    digest, there = json.loads(made.stdout.splitlines()[-1])
    assert digest == here["found"][0]
    assert there["blas"] != here["found"][1]["blas"]
    assert there["choices"]["XLA_FLAGS"] == f"--{LIMIT}=AVX2"


def test_a_cache_of_which_the_system_says_little_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "CACHES", tmp_path)
    caches = {"index0": {"level": "1", "type": "Data"}, "index1": {"level": "1", "type": "Data", "size": "48K"}}
    assert first_cache() == ""
    for name, about in caches.items():
        (tmp_path / name).mkdir()
        for key, text in about.items():
            (tmp_path / name / key).write_text(f"{text}\n")
        assert first_cache() == about.get("size", "")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (None, f"--{LIMIT}=AVX2"),
        ("--xla_dump_to=/x", f"--xla_dump_to=/x --{LIMIT}=AVX2"),
        (f"--{LIMIT}=AVX", f"--{LIMIT}=AVX"),
    ],
)
def test_xla_is_limited_unless_it_is_already(flags: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: ["avx2", "avx512f"])
    monkeypatch.setenv("XLA_FLAGS", flags or "")
    for _ in range(2):
        limit_xla()
        assert os.environ["XLA_FLAGS"] == expected
        assert kernels()["choices"]["XLA_FLAGS"] == expected


def test_a_library_draws_the_same_and_leaves_the_global_generator_as_it_was() -> None:
    drawn = []
    with seeded_numpy(5):
        before = str(np.random.get_state())  # noqa: NPY002
        for _ in range(2):
            with seeded_numpy(0):
                drawn.append(np.random.random())  # noqa: NPY002
        assert str(np.random.get_state()) == before  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_a_processor_without_avx2_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: ["asimd"])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    limit_xla()
    assert "XLA_FLAGS" not in os.environ


def test_pytorch_draws_what_manual_seed_makes_it_draw_and_no_gpu_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = torch.rand(5)
    before = torch.random.get_rng_state()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("all GPUs were seeded"))
    with seeded_torch(3):
        assert torch.equal(torch.rand(5), expected)
    assert torch.equal(torch.random.get_rng_state(), before)
