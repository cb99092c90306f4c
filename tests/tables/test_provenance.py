"""modlib.tables.provenance: where a network that is trained again may be another one."""

import sys
from typing import Any

import pytest

from modlib import processor
from modlib.tables.provenance import describe_run, other_kernels

GPU = "NVIDIA H100"


def run_with(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(processor, "gpu_name", lambda: name)
    return describe_run("paper")


def test_a_gpu_is_recorded_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gpu" not in run_with("", monkeypatch)
    assert run_with(GPU, monkeypatch)["gpu"] == GPU


@pytest.mark.parametrize(
    ("there", "here", "reason"),
    [
        ("", "", ""),
        (GPU, "", f"gpu: {GPU} then, none here"),
        ("", GPU, f"gpu: none then, {GPU} here"),
        ("NVIDIA A100", GPU, f"gpu: NVIDIA A100 then, {GPU} here"),
        (GPU, GPU, f"gpu: {GPU}, then and here, computes by whichever kernel is the fastest at the time"),
    ],
)
def test_with_a_gpu_then_or_now_a_network_need_not_be_the_same(
    there: str, here: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(there, monkeypatch)
    monkeypatch.setattr(processor, "gpu_name", lambda: here)
    assert other_kernels(run) == reason


def test_without_pytorch_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert processor.gpu_name() == ""
    assert "gpu" not in processor.kernels()
