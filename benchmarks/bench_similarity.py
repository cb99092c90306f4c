"""Eight similarities of a (64, 64) perceptron over 10,000 images: modlib against one backward pass a unit.

The other side is the authors' way: for every hidden unit and batch of 100 images one backward pass for the
Jacobian, one for each output, and one second backward pass a unit for the Hessian. It sees a tenth of the images,
and its time is multiplied by ten. Both run on one thread.
"""

import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import store
from torch import nn

from modlib.communities import PLAIN, similarities

IMAGES, SHARE, BATCH = 10_000, 10, 100


def one_pass_a_unit(model: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> dict[str, dict[str, np.ndarray]]:
    """The four plain measures of the two hidden layers, by backward passes."""
    found: dict[str, dict[str, Any]] = {}
    for cut in (2, 4):
        sums = dict.fromkeys(PLAIN, 0)
        mean: Any = 0
        for part, target in zip(x.split(BATCH), y.split(BATCH), strict=True):
            part = part.clone().requires_grad_()
            hidden = model[:cut](part)
            outputs = model[cut:](hidden)
            mean = mean + hidden.detach().sum(0)
            sums["covariance"] = sums["covariance"] + hidden.detach().T @ hidden.detach()
            rows = [torch.autograd.grad(h.sum(), part, retain_graph=True)[0] for h in hidden.unbind(1)]
            jacobian = torch.stack(rows)
            sums["input sensitivity"] = sums["input sensitivity"] + torch.einsum("ubi,vbi->uv", jacobian, jacobian)
            rows = [torch.autograd.grad(o.sum(), hidden, retain_graph=True)[0] for o in outputs.unbind(1)]
            jacobian = torch.stack(rows)
            sums["output sensitivity"] = sums["output sensitivity"] + torch.einsum("obu,obv->uv", jacobian, jacobian)
            loss = nn.functional.cross_entropy(outputs, target, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, hidden, create_graph=True)
            rows = [torch.autograd.grad(g.sum(), hidden, retain_graph=True)[0].sum(0) for g in gradient.unbind(1)]
            sums["loss Hessian"] = sums["loss Hessian"] + torch.stack(rows)
        n, mean = len(x), mean / len(x)
        means = {name: total / n for name, total in sums.items()}
        means["covariance"] = (sums["covariance"] - n * torch.outer(mean, mean)) / (n - 1)
        found[str(cut - 2)] = {name: matrix.abs().numpy() for name, matrix in means.items()}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    rng = np.random.default_rng(0)
    x, y = rng.random((IMAGES, 784), dtype=np.float32), rng.integers(10, size=IMAGES)
    few = IMAGES // SHARE
    similarities(model, x[:few])
    began = time.process_time()
    similarities(model, x)
    ours = time.process_time() - began
    began = time.process_time()
    theirs_found = one_pass_a_unit(model, torch.tensor(x[:few]), torch.tensor(y[:few]))
    theirs = (time.process_time() - began) * SHARE
    ours_found = similarities(model, x[:few])
    difference = max(
        np.abs(ours_found[layer][name] - theirs_found[layer][name]).max() / theirs_found[layer][name].max()
        for layer in theirs_found
        for name in PLAIN
    )
    assert difference < 1e-4, "the two sides do not compute the same"
    line = {"network": "784-64-64-10", "images": IMAGES, "modlib, s": ours, "one pass a unit, s": theirs}
    store("similarity", pd.DataFrame([line | {"times faster": theirs / ours, "largest difference": difference}]))
