"""Every activation of the network, written down in float64 from the formulas alone."""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.model import Weights

EPS = 1e-5
"""What `HookedTransformerConfig.eps` is by default."""

ACTIVATIONS = {
    "gelu": lambda x: x * (1 + torch.erf(x / sqrt(2))) / 2,
    "relu": lambda x: x * (x > 0),
    "quadratic": lambda x: x * x,
    "silu": lambda x: x / (1 + (-x).exp()),
    "gelu_new": lambda x: x * (1 + ((2 / pi) ** 0.5 * (x + 0.044715 * x**3)).tanh()) / 2,
}


def plain_hooks(config: ModelConfig, weights: Weights, tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits `[example, position, answer]`, and activations by the hook names that a `HookedTransformer` documents."""
    w = {name: value.double() for name, value in weights.items() if value.is_floating_point()}
    seen: dict[str, Tensor] = {}

    def norm(x: Tensor, name: str) -> Tensor:
        if config.normalization == "none":
            return x
        centred = x - x.mean(-1, keepdim=True)
        seen[f"{name}.hook_scale"] = ((centred**2).mean(-1, keepdim=True) + EPS).sqrt()
        seen[f"{name}.hook_normalized"] = centred / seen[f"{name}.hook_scale"]
        return seen[f"{name}.hook_normalized"] * w[f"{name}.w"] + w[f"{name}.b"]

    n_positions = tokens.shape[1]
    seen["hook_embed"] = w["embed.W_E"][tokens]
    seen["hook_pos_embed"] = w["pos_embed.W_pos"][:n_positions].expand(len(tokens), -1, -1)
    stream = seen["hook_embed"] + seen["hook_pos_embed"]
    later = torch.arange(n_positions)[None, :] > torch.arange(n_positions)[:, None]
    later = later & (config.attention_dir == "causal")
    for layer in range(config.n_layers):
        block, attn, mlp = f"blocks.{layer}", f"blocks.{layer}.attn", f"blocks.{layer}.mlp"
        seen[f"{block}.hook_resid_pre"] = stream
        x = norm(stream, f"{block}.ln1")
        stream = x if config.residual == "normed" else stream
        for part in "QKV":
            heads = torch.einsum("bpd,hde->bphe", x, w[f"{attn}.W_{part}"])
            seen[f"{attn}.hook_{part.lower()}"] = heads + w[f"{attn}.b_{part}"]
        q, k, v = (seen[f"{attn}.hook_{part}"] for part in "qkv")
        scores = torch.einsum("bqhe,bkhe->bhqk", q, k) / sqrt(q.shape[-1])
        seen[f"{attn}.hook_attn_scores"] = torch.where(later, torch.tensor(-torch.inf).double(), scores)
        powers = torch.where(later, torch.zeros(()).double(), (scores - scores.amax()).exp())
        seen[f"{attn}.hook_pattern"] = powers / powers.sum(-1, keepdim=True)
        seen[f"{attn}.hook_z"] = torch.einsum("bhqk,bkhe->bqhe", seen[f"{attn}.hook_pattern"], v)
        out = torch.einsum("bphe,hed->bpd", seen[f"{attn}.hook_z"], w[f"{attn}.W_O"]) + w[f"{attn}.b_O"]
        seen[f"{block}.hook_attn_out"] = out
        if config.attention_only:
            stream = seen[f"{block}.hook_resid_post"] = stream + out
            continue
        stream = seen[f"{block}.hook_resid_mid"] = stream + out
        seen[f"{mlp}.hook_pre"] = norm(stream, f"{block}.ln2") @ w[f"{mlp}.W_in"] + w[f"{mlp}.b_in"]
        seen[f"{mlp}.hook_post"] = ACTIVATIONS[config.activation](seen[f"{mlp}.hook_pre"])
        seen[f"{block}.hook_mlp_out"] = seen[f"{mlp}.hook_post"] @ w[f"{mlp}.W_out"] + w[f"{mlp}.b_out"]
        stream = seen[f"{block}.hook_resid_post"] = stream + seen[f"{block}.hook_mlp_out"]
    return norm(stream, "ln_final") @ w["unembed.W_U"] + w["unembed.b_U"], seen
