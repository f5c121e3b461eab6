"""The network as a `TransformerBridge` of TransformerLens 4, which has no `HookedTransformer`.

`TransformerBridge.boot_native` alone will not do. It makes float32 weights whatever `cfg.dtype` says, knows neither
the `normed` residual nor squares, has no trained bias in the unembedding, draws from torch's global generator, and
what it shows as `hook_attn_scores` is the pattern after the softmax. Here the parts that it puts together are put
together with those five mended. Hook names and values are those of a `HookedTransformer` wherever the bridge has the
hook; TransformerLens itself refuses the settings that it lacks (`use_attn_result`, `use_split_qkv_input`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.architecture_adapter import ArchitectureAdapter
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
from transformer_lens.model_bridge.sources.native import NativeAttention, NativeBlock, NativeModel

from grokscope.config import ModelConfig
from grokscope.model.lens_settings import lens_settings
from grokscope.model.matrices import as_matrix, is_matrix
from grokscope.model.parameters import Weights, d_vocab_out, dtype_of, is_buffer, parameter_shapes, trained_names
from grokscope.tasks import Task


class Attention(NativeAttention):
    """Attention whose scores can be read and changed before the softmax, as those of a `HookedTransformer`."""

    hook_scores: Callable[[Tensor], Tensor]
    """The bridge's `hook_attn_scores`, once there is a bridge."""

    def forward(
        self,
        hidden_states: Float[Tensor, "batch pos d_model"],
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        pattern_fn: Callable[[Tensor], Tensor] | None = None,
        **kwargs: Any,
    ) -> tuple[Float[Tensor, "batch pos d_model"], None]:
        batch, n_pos, _ = hidden_states.shape
        q, k, v = (
            project(hidden_states).unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)
            for project in (self.q, self.k, self.v)
        )
        hidden = self.causal_mask[:n_pos, :n_pos] & self.causal
        if attention_mask is not None:
            hidden = self._combine_attention_mask(hidden, attention_mask, batch=batch)
        scores = self.hook_scores((q @ k.transpose(-2, -1) / self.scale).masked_fill(hidden, -torch.inf))
        pattern = scores.softmax(-1)
        pattern = pattern.masked_fill(pattern.isnan(), 0.0)  # of a position that sees none
        if pattern_fn is not None:
            pattern = pattern_fn(pattern)
        # No pattern is returned: the bridge would show it as the scores.
        return self.o((pattern @ v).transpose(1, 2).flatten(2)), None


class Block(NativeBlock):
    """A block with either residual; see `grokscope.model.blocks` for `normed`."""

    def __init__(self, cfg: TransformerBridgeConfig, is_normed: bool) -> None:
        super().__init__(cfg)
        self.attn = Attention(cfg)
        self.is_normed = is_normed

    def forward(
        self, hidden_states: Float[Tensor, "batch pos d_model"], attention_mask: Tensor | None = None, **kwargs: Any
    ) -> tuple[Float[Tensor, "batch pos d_model"]]:
        x = self.ln1(hidden_states)
        residual = x if self.is_normed else hidden_states
        residual = residual + self.attn(x, attention_mask=attention_mask)[0]
        if self.cfg.attn_only:
            return (residual,)
        return (residual + self.mlp(self.ln2(residual)),)


def build_bridge(config: ModelConfig, task: Task, device: str | torch.device = "cpu") -> TransformerBridge:
    """A `TransformerBridge` for the task with weights that are not initialised (see `load_into_bridge_`).

    Biases that the config switches off have `requires_grad` False. With the `normed` residual the gain and bias of a
    block's first LayerNorm are part of the residual stream. TransformerLens leaves them where they are, and warns, when
    it is asked to fold them into the layers after them (`enable_compatibility_mode`).
    """
    cfg = TransformerBridgeConfig(**lens_settings(config, task))
    is_normed = config.residual == "normed" and config.normalization == "LN"
    with torch.random.fork_rng(devices=[]):  # layers of torch draw weights when they are made
        module = NativeModel(cfg)
        for layer in range(config.n_layers):
            module.layers[layer] = Block(cfg, is_normed)
            if config.activation == "quadratic" and not config.attention_only:
                module.layers[layer].mlp.act = torch.square
        module.head = nn.Linear(config.d_model, d_vocab_out(config, task))

    def leave_unfolded(adapter: ArchitectureAdapter) -> None:
        setattr(adapter, "supports_fold_ln", not is_normed)  # noqa: B010 (3.9 declares it in the subclasses only)

    cfg.act_fn = config.activation
    bridge = build_bridge_from_module(
        module.to(device=device, dtype=dtype_of(config)),
        architecture="TransformerLensNative",
        tl_config=cfg,
        model_name="grokscope",
        post_adapter_hook=leave_unfolded,
    )
    for block in bridge.blocks:
        # Not as a part of the module, which would give the hook a second name.
        object.__setattr__(block.attn.original_component, "hook_scores", block.attn.hook_attn_scores)
    names = tuple(parameter_shapes(config, task))
    trained, parameters = trained_names(names, config), bridge.state_dict(keep_vars=True)
    for name in names:
        parameters[bridge_name(name)].requires_grad_(name in trained)
    return bridge


def load_into_bridge_(bridge: TransformerBridge, weights: Weights) -> None:
    """Copy a `HookedTransformer` state dict into a bridge, in place. Raises RuntimeError for one that does not fit."""
    bridge.load_state_dict(
        {bridge_name(name): _as_layer(name, value) for name, value in weights.items() if not is_buffer(name)}
    )


def bridge_name(name: str) -> str:
    """The name of a `HookedTransformer` parameter in a bridge's state dict: blocks.0.attn.q.weight for .W_Q."""
    module, _, leaf = name.rpartition(".")
    kind, _, part = leaf.partition("_")
    inner = f".{part.lower()}" if module.endswith((".attn", ".mlp")) else ""
    return f"{module}{inner}.{'weight' if kind in 'Ww' else 'bias'}"


def _as_layer(name: str, value: Tensor) -> Tensor:
    """A parameter as torch's layers store it: [out, in] with heads joined, embeddings [token, d_model]."""
    if not is_matrix(name):
        return value.flatten()
    matrix = as_matrix(name, value)
    return matrix.T if name in ("embed.W_E", "pos_embed.W_pos") else matrix
