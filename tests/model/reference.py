"""The same decoder written with torch's own layers, as someone who has never seen TransformerLens would.

Weights go into it from a state dict of ours, and back. It is the oracle for what a row is (its matrices
are `[out, in]`) and for what the two kinds of residual compute.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grokscope.config import ModelConfig
from grokscope.model import Weights, d_vocab_out, dtype_of, is_buffer
from grokscope.tasks import Task


class WideAttention(nn.Module):
    """nn.MultiheadAttention, with its parameters, for heads of any width."""

    def __init__(self, d_model: int, n_heads: int, d_head: int, batch_first: bool) -> None:
        super().__init__()
        self.n_heads, self.batch_first = n_heads, batch_first
        self.in_proj_weight = nn.Parameter(torch.empty(3 * n_heads * d_head, d_model))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * n_heads * d_head))
        self.out_proj = nn.Linear(n_heads * d_head, d_model)

    def forward(self, x: Tensor, *_: Tensor, attn_mask: Tensor | None, need_weights: bool) -> tuple[Tensor, None]:
        x = x if self.batch_first else x.transpose(0, 1)
        joined = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = joined.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        shown = None if attn_mask is None else ~attn_mask
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=shown).transpose(1, 2).flatten(2)
        out = self.out_proj(z)
        return out if self.batch_first else out.transpose(0, 1), None


class Block(nn.Module):
    def __init__(self, config: ModelConfig, batch_first: bool) -> None:
        super().__init__()
        d = config.d_model
        self.normed_residual = config.residual == "normed"
        self.batch_first = batch_first
        self.norm1 = nn.LayerNorm(d) if config.normalization == "LN" else nn.Identity()
        self.attention: nn.Module
        if config.n_heads * config.head_width == d:
            self.attention = nn.MultiheadAttention(d, config.n_heads, batch_first=batch_first)
        else:
            self.attention = WideAttention(d, config.n_heads, config.head_width, batch_first)
        self.causal, self.has_mlp = config.attention_dir == "causal", not config.attention_only
        if not self.has_mlp:
            return
        self.norm2 = nn.LayerNorm(d) if config.normalization == "LN" else nn.Identity()
        self.up = nn.Linear(d, config.d_mlp)
        self.activation = {
            "gelu": F.gelu,
            "relu": F.relu,
            "quadratic": torch.square,
            "silu": F.silu,
            "gelu_new": nn.GELU(approximate="tanh"),
        }[config.activation]
        self.down = nn.Linear(config.d_mlp, d)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1] if self.batch_first else x.shape[0]
        future = torch.ones(length, length, dtype=torch.bool).triu(1) if self.causal else None
        normed = self.norm1(x)
        if self.normed_residual:
            x = normed
        x = x + self.attention(normed, normed, normed, attn_mask=future, need_weights=False)[0]
        if not self.has_mlp:
            return x
        return x + self.down(self.activation(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig, task: Task, batch_first: bool = True) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.embed = nn.Embedding(task.d_vocab, config.d_model)
        self.position = nn.Embedding(task.n_positions, config.d_model)
        self.blocks = nn.ModuleList(Block(config, batch_first) for _ in range(config.n_layers))
        self.final = nn.LayerNorm(config.d_model) if config.normalization == "LN" else nn.Identity()
        self.head = nn.Linear(config.d_model, d_vocab_out(config, task))
        self.to(dtype_of(config))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[example, position, d_vocab_out]`."""
        x = self.embed(tokens) + self.position(torch.arange(tokens.shape[1]))
        x = x if self.batch_first else x.transpose(0, 1)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.final(x))
        return logits if self.batch_first else logits.transpose(0, 1)


def _joined(per_head: Tensor) -> Tensor:
    """[head, d_model, d_head] as nn.Linear keeps it: [(head d_head), d_model]."""
    return torch.cat([head.T for head in per_head])


def _norms(config: ModelConfig) -> tuple[int, ...]:
    """The LayerNorms of a block."""
    return () if config.normalization == "none" else (1,) if config.attention_only else (1, 2)


def to_decoder(config: ModelConfig, task: Task, weights: Weights, batch_first: bool = True) -> Decoder:
    """A `Decoder` that holds the weights of a state dict of ours."""
    decoder = Decoder(config, task, batch_first)
    values = {"embed.weight": weights["embed.W_E"], "position.weight": weights["pos_embed.W_pos"]}
    values |= {"head.weight": weights["unembed.W_U"].T, "head.bias": weights["unembed.b_U"]}
    for layer in range(config.n_layers):
        ours = {n.removeprefix(f"blocks.{layer}."): v for n, v in weights.items() if n.startswith(f"blocks.{layer}.")}
        theirs = {
            "attention.in_proj_weight": torch.cat([_joined(ours[f"attn.W_{which}"]) for which in "QKV"]),
            "attention.in_proj_bias": torch.cat([ours[f"attn.b_{which}"].flatten() for which in "QKV"]),
            "attention.out_proj.weight": torch.cat(list(ours["attn.W_O"])).T,
            "attention.out_proj.bias": ours["attn.b_O"],
        }
        if not config.attention_only:
            theirs |= {"up.weight": ours["mlp.W_in"].T, "up.bias": ours["mlp.b_in"]}
            theirs |= {"down.weight": ours["mlp.W_out"].T, "down.bias": ours["mlp.b_out"]}
        for i in _norms(config):
            theirs |= {f"norm{i}.weight": ours[f"ln{i}.w"], f"norm{i}.bias": ours[f"ln{i}.b"]}
        values |= {f"blocks.{layer}.{name}": value for name, value in theirs.items()}
    if config.normalization == "LN":
        values |= {"final.weight": weights["ln_final.w"], "final.bias": weights["ln_final.b"]}
    decoder.load_state_dict({name: value.clone() for name, value in values.items()})
    return decoder


def from_decoder(config: ModelConfig, decoder: Decoder) -> Weights:
    """The parameters of a `Decoder` under our names, in our shapes."""
    h, e = config.n_heads, config.head_width
    theirs = {name: value.detach() for name, value in decoder.named_parameters()}
    weights = {"embed.W_E": theirs["embed.weight"], "pos_embed.W_pos": theirs["position.weight"]}
    weights |= {"unembed.W_U": theirs["head.weight"].T, "unembed.b_U": theirs["head.bias"]}
    for layer in range(config.n_layers):
        theirs_here, ours_here = f"blocks.{layer}.", f"blocks.{layer}."
        matrices = theirs[theirs_here + "attention.in_proj_weight"].split(h * e)
        biases = theirs[theirs_here + "attention.in_proj_bias"].split(h * e)
        for which, matrix, bias in zip("QKV", matrices, biases, strict=True):
            weights[f"{ours_here}attn.W_{which}"] = torch.stack([head.T for head in matrix.split(e)])
            weights[f"{ours_here}attn.b_{which}"] = torch.stack(bias.split(e))
        out = theirs[theirs_here + "attention.out_proj.weight"]
        weights[f"{ours_here}attn.W_O"] = torch.stack([head.T for head in out.split(e, dim=1)])
        weights[f"{ours_here}attn.b_O"] = theirs[theirs_here + "attention.out_proj.bias"]
        for ours_name, theirs_name in () if config.attention_only else (("in", "up"), ("out", "down")):
            weights[f"{ours_here}mlp.W_{ours_name}"] = theirs[f"{theirs_here}{theirs_name}.weight"].T
            weights[f"{ours_here}mlp.b_{ours_name}"] = theirs[f"{theirs_here}{theirs_name}.bias"]
        for i in _norms(config):
            weights[f"{ours_here}ln{i}.w"] = theirs[f"{theirs_here}norm{i}.weight"]
            weights[f"{ours_here}ln{i}.b"] = theirs[f"{theirs_here}norm{i}.bias"]
    if config.normalization == "LN":
        weights |= {"ln_final.w": theirs["final.weight"], "ln_final.b": theirs["final.bias"]}
    assert not any(is_buffer(name) for name in weights)
    assert all(value.shape[0] == h for name, value in weights.items() if "attn.W_" in name)
    return weights
