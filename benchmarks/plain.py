"""Contestant (a): the same decoder as a PyTorch user would write it, with the clip as a loop over parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.start import start_weights
from benchmarks.torch_loop import TorchLoop
from grokscope.config import RunConfig
from grokscope.model import Weights, as_matrix, d_vocab_out, from_matrix, is_matrix, parameter_shapes
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


def parts(layers: int) -> dict[str, tuple[str, ...]]:
    """The `HookedTransformer` parameters that make up each parameter of the decoder, stacked by their rows."""
    names: dict[str, tuple[str, ...]] = {
        "tokens.weight": ("embed.W_E",),
        "positions.weight": ("pos_embed.W_pos",),
        "ln_final.weight": ("ln_final.w",),
        "ln_final.bias": ("ln_final.b",),
        "head.weight": ("unembed.W_U",),
    }
    for block in (f"blocks.{layer}" for layer in range(layers)):
        for norm in (f"{block}.ln1", f"{block}.ln2"):
            names |= {f"{norm}.weight": (f"{norm}.w",), f"{norm}.bias": (f"{norm}.b",)}
        for kind, leaf in (("weight", "W"), ("bias", "b")):
            names |= {
                f"{block}.attn.in_proj_{kind}": tuple(f"{block}.attn.{leaf}_{one}" for one in "QKV"),
                f"{block}.attn.out_proj.{kind}": (f"{block}.attn.{leaf}_O",),
                f"{block}.mlp.0.{kind}": (f"{block}.mlp.{leaf}_in",),
                f"{block}.mlp.2.{kind}": (f"{block}.mlp.{leaf}_out",),
            }
    return names


EMBEDDINGS = ("embed.W_E", "pos_embed.W_pos")
"""Matrices of which `nn.Embedding` stores the same as `HookedTransformer`."""


def into_torch(name: str, value: Tensor) -> Tensor:
    """A `HookedTransformer` parameter as PyTorch's modules store it: [out, in], biases as vectors."""
    if name in EMBEDDINGS:
        return value
    return as_matrix(name, value) if is_matrix(name) else value.flatten()


def out_of_torch(name: str, value: Tensor, shape: Sequence[int]) -> Tensor:
    """The inverse of `into_torch`."""
    return from_matrix(name, value, shape) if is_matrix(name) and name not in EMBEDDINGS else value.reshape(shape)


class PlainContestant(TorchLoop):
    """Training steps and evaluations of the plain decoder."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        self.decoder = Decoder(config, task)
        super().__init__(config, task, self.decoder)
        start, self._parts = start_weights(config, task), parts(config.model.n_layers)
        self._shapes = parameter_shapes(config.model, task)
        with torch.no_grad():
            for name, parameter in self.decoder.named_parameters():
                parameter.copy_(torch.cat([into_torch(part, start[part]) for part in self._parts[name]]))

    @property
    def weights(self) -> Weights:
        """The weights as they are now, with `HookedTransformer` names and shapes."""
        weights: Weights = {}
        for name, parameter in self.decoder.named_parameters():
            stacked = self._parts[name]
            for part, rows in zip(stacked, parameter.detach().chunk(len(stacked)), strict=True):
                weights[part] = out_of_torch(part, rows, self._shapes[part])
        return weights

    def clip(self, max_norm: float) -> None:
        clip(self.decoder, max_norm)
