"""The architecture of a config in the words of TransformerLens, the same in all its versions."""

from __future__ import annotations

from typing import Any

from grokscope.config import ModelConfig
from grokscope.model.parameters import d_vocab_out
from grokscope.tasks import Task


def lens_settings(config: ModelConfig, task: Task) -> dict[str, Any]:
    """The fields of a `HookedTransformerConfig`, or a `TransformerBridgeConfig`, for a network for the task.

    TransformerLens knows no quadratic activation: it is given relu, in whose place whoever builds the network puts it.
    No weights are drawn.
    """
    return {
        "n_layers": config.n_layers,
        "d_model": config.d_model,
        "n_ctx": task.n_positions,
        "d_head": config.head_width,
        "n_heads": config.n_heads,
        "attn_only": config.attention_only,
        "attention_dir": config.attention_dir,
        "d_mlp": config.d_mlp,
        "act_fn": "relu" if config.activation == "quadratic" else config.activation,
        "d_vocab": task.d_vocab,
        "d_vocab_out": d_vocab_out(config, task),
        "normalization_type": "LN" if config.normalization == "LN" else None,
        "init_weights": False,
        "default_prepend_bos": False,
    }
