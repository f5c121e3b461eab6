"""Contestant (a): the same decoder as a PyTorch user would write it, with the clip as a loop over parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.torch_loop import TorchLoop
from grokscope.config import RunConfig
from grokscope.model import d_vocab_out
from grokscope.tasks import Task


class Block(nn.Module):
    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        m = config.model
        norm = nn.LayerNorm if m.normalization == "LN" else lambda d: nn.Identity()
        self.ln1, self.ln2 = norm(m.d_model), norm(m.d_model)
        self.attn = nn.MultiheadAttention(m.d_model, m.n_heads, bias=m.biases, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(m.d_model, m.d_mlp, bias=m.biases),
            nn.GELU() if m.activation == "gelu" else nn.ReLU(),
            nn.Linear(m.d_mlp, m.d_model, bias=m.biases),
        )
        self.normed = m.residual == "normed"

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.ln1(x)
        x = h if self.normed else x
        x = x + self.attn(h, h, h, attn_mask=mask, is_causal=True, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class Decoder(nn.Module):
    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__()
        m = config.model
        self.tokens = nn.Embedding(task.d_vocab, m.d_model)
        self.positions = nn.Embedding(task.n_positions, m.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(m.n_layers))
        self.ln_final = nn.LayerNorm(m.d_model) if m.normalization == "LN" else nn.Identity()
        self.head = nn.Linear(m.d_model, d_vocab_out(m, task), bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(task.n_positions))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.ln_final(x))


@torch.no_grad()
def clip(model: nn.Module, max_norm: float) -> None:
    """Clip every row (last dimension) outside the embedding and the head."""
    for name, parameter in model.named_parameters():
        if not name.startswith(("tokens", "head")):
            norm = parameter.norm(dim=-1, keepdim=True).clamp(min=1e-8)
            parameter.mul_(norm.clamp(max=max_norm) / norm)


class PlainContestant(TorchLoop):
    """Training steps and evaluations of the plain decoder."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        torch.manual_seed(config.seed)
        super().__init__(config, task, Decoder(config, task))

    def clip(self, max_norm: float) -> None:
        clip(self.model, max_norm)
