"""From a config to a `HookedTransformer`, and from weights to a `HookedTransformer`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from grokscope.config import ModelConfig
from grokscope.model.parameters import Weights, d_vocab_out, dtype_of, trained_names
from grokscope.tasks import Task

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer


def build_model(config: ModelConfig, task: Task, device: str | torch.device = "cpu") -> HookedTransformer:
    """A `HookedTransformer` for the task with uninitialised weights (see `grokscope.model.initial_weights`).

    Biases that the config switches off have `requires_grad` False.
    """
    # Late: importing TransformerLens takes seconds, and training with the exact engine does without it.
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    from grokscope.model.blocks import DeterministicEmbed, NormedBlock

    cfg = HookedTransformerConfig(
        n_layers=config.n_layers,
        d_model=config.d_model,
        n_ctx=task.n_positions,
        d_head=config.head_width,
        n_heads=config.n_heads,
        attn_only=config.attention_only,
        attention_dir=config.attention_dir,
        d_mlp=config.d_mlp,
        act_fn="relu" if config.activation == "quadratic" else config.activation,  # it knows no squares; see below
        d_vocab=task.d_vocab,
        d_vocab_out=d_vocab_out(config, task),
        normalization_type="LN" if config.normalization == "LN" else None,
        dtype=dtype_of(config),
        device=str(device),
        init_weights=False,
        default_prepend_bos=False,
    )
    with warnings.catch_warnings():
        # TransformerLens 3.9 warns that HookedTransformer goes away in 4.0; we require < 4 and use it knowingly.
        warnings.filterwarnings("ignore", message="HookedTransformer is deprecated", category=DeprecationWarning)
        model = HookedTransformer(cfg, move_to_device=False)  # moving prints a line
    model.embed = DeterministicEmbed(model.cfg)
    if config.residual == "normed":
        for layer in range(config.n_layers):
            model.blocks[layer] = NormedBlock(model.cfg, layer)
    if config.activation == "quadratic":
        model.cfg.act_fn = "quadratic"
        for layer in range(0 if config.attention_only else config.n_layers):
            model.blocks[layer].mlp.act_fn = torch.square
    model.setup()  # hook points learn their names anew
    trained = set(trained_names((name for name, _ in model.named_parameters()), config))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    return model.to(device, print_details=False)


def load_model(
    config: ModelConfig, task: Task, weights: Weights, device: str | torch.device = "cpu"
) -> HookedTransformer:
    """A `HookedTransformer` in evaluation mode that holds a copy of `weights`."""
    model = build_model(config, task, device)
    model.load_state_dict(weights)
    return model.eval()
