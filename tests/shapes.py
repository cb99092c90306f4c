"""Networks of many shapes, with weights of their own: what measures of any network are tested on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def built(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network with weights of its own, made without the time that its usual start takes."""
    with torch.device("meta"):
        module = build()
    module = module.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                value.uniform_(*((0.5, 1.5) if name.endswith("running_var") else (-0.2, 0.2)), generator=generator)
            else:
                value.zero_()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.weight.uniform_(0.5, 1.5, generator=generator)
    return module


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.bottom = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.joined, self.out = (
            nn.ConvTranspose2d(8, 4, 2, 2),
            nn.Conv2d(8, 4, 3, padding=1),
            nn.Conv2d(4, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        down = self.down(x).relu()
        up = self.up(self.bottom(F.max_pool2d(down, 2)).relu())
        return self.out(self.joined(torch.cat([down, up], 1)).relu())


class Autoencoder(nn.Module):
    """Convolutions, dense layers between them, and convolutions again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)
        self.code, self.back = nn.Linear(4 * 49, 5), nn.Linear(5, 4 * 49)
        self.third, self.last = nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.ConvTranspose2d(3, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        code = self.code(self.second(self.first(x).relu()).relu().flatten(1))
        return self.last(self.third(self.back(code).relu().view(-1, 4, 7, 7)).relu())


class ResidualMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start, self.end = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
        self.wide = nn.ModuleList(nn.Linear(8, 12) for _ in range(3))
        self.narrow = nn.ModuleList(nn.Linear(12, 8) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for norm, wide, narrow in zip(self.norms, self.wide, self.narrow, strict=True):
            x = x + narrow(F.gelu(wide(norm(x))))
        return self.end(x)


def transformer() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2)


class LSTMClassifier(nn.Module):
    """Tokens in, classes out."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.rnn = nn.Embedding(11, 5), nn.LSTM(5, 6, batch_first=True)
        self.out = nn.Linear(6, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.rnn(self.tokens(tokens))[0][:, -1])


class Deep(nn.Module):
    """A recurrent network of several layers and directions."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn, self.out = kind(3, 4, 2, bidirectional=True), nn.Linear(8, 3)

    def forward(self, steps: Tensor) -> Tensor:
        return self.out(self.rnn(steps.transpose(0, 1))[0].mean(0))


class Attentive(nn.Module):
    """A transformer that gives classes."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm, self.out = (
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.LayerNorm(8),
            nn.Linear(8, 3),
        )

    def forward(self, steps: Tensor) -> Tensor:
        seen = self.norm(steps + self.attention(steps, steps, steps)[0])
        return self.out(seen.mean(1))
