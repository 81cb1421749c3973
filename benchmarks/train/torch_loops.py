"""Training by hand in PyTorch: an eager loop, or the same loop with compiled parts."""

from collections.abc import Callable
from typing import Any

import torch
from cases import BLOCKS, CASES, HEADS, LENGTH, VOCABULARY, WIDTH, make_data
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody gives it


class _LastOfLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.dense = nn.LSTM(32, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.lstm(x)[0][:, -1])


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        heads = (*x.shape[:2], 3, HEADS, WIDTH // HEADS)
        q, k, v = self.qkv(self.norm_1(x)).view(heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class _Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*[_Block() for _ in range(BLOCKS)])
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.norm(self.blocks(self.tokens(tokens) + self.places.weight)))


def _model(name: str) -> nn.Module:
    if name == "cnn64":
        return nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(4096, 64), nn.ReLU(), nn.Linear(64, 10)),
        )
    if name == "lstm32":
        return _LastOfLstm()
    if name == "tfm16":
        return _Transformer()
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def torch_epochs(name: str, *, compiled: bool) -> Callable[[], float]:
    """Give a function that trains an epoch step by step, rows gathered by indexing."""
    torch.manual_seed(0)
    case = CASES[name]
    x, y = (torch.from_numpy(array) for array in make_data(name))
    y = y.long()
    if name == "cnn64":
        x = x.permute(0, 3, 1, 2).contiguous()
    if name == "tfm16":
        x = x.long()
    model = _model(name)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, foreach=True)

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        scores = model(x)
        return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))

    def update() -> None:
        optimizer.step()

    forward: Any = torch.compile(loss_of) if compiled else loss_of
    apply: Any = torch.compile(update) if compiled else update

    def run() -> float:
        total = torch.zeros(())
        for rows in torch.randperm(len(x)).split(case.batch):
            optimizer.zero_grad()
            loss = forward(x[rows], y[rows])
            loss.backward()
            apply()
            total += loss.detach()
        return float(total) / case.steps

    return run
