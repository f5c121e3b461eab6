"""From a config, and from weights, to the network as TransformerLens has it.

That is a `HookedTransformer` up to TransformerLens 3.9, and a `TransformerBridge` from 4.0 on, where there is no
`HookedTransformer` (see `grokscope.model.bridge`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import torch

from grokscope.config import ConfigError, ModelConfig
from grokscope.model.lens_settings import lens_settings
from grokscope.model.parameters import Weights, dtype_of, trained_names
from grokscope.tasks import Task

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer
    from transformer_lens.model_bridge import TransformerBridge


def require_hooked_transformer(setting: str) -> None:
    """Raise `ConfigError` for a setting that needs a `HookedTransformer` where there is none; nothing is imported.

    Arguments:
        setting: as the user writes it, with its value.
    """
    release = _release()
    if release is None or not release.startswith("3."):
        found = "none is installed" if release is None else f"installed is {release}"
        raise ConfigError(
            f"{setting} needs the HookedTransformer of TransformerLens 3.9, and {found}: pip install "
            "'grokscope[lens]' 'transformer-lens>=3.9,<4'. The TransformerBridge of version 4 cannot be trained in its "
            "place (a gradient with respect to a run's weights needs torch.func.functional_call, which a bridge does "
            "not support); forward = compiled or engine computes the same with either version, or none"
        )


def build_model(
    config: ModelConfig, task: Task, device: str | torch.device = "cpu"
) -> HookedTransformer | TransformerBridge:
    """The network for the task with uninitialised weights (see `grokscope.model.initial_weights`).

    A `HookedTransformer` with TransformerLens 3.9, a `TransformerBridge` with 4. Biases that the config switches off
    have `requires_grad` False. Raises `ImportError` where TransformerLens cannot be imported.
    """
    # Late: importing TransformerLens takes seconds, and training with the exact engine does without it.
    if _has_bridges():
        with _naming_the_extra():
            from grokscope.model.bridge import build_bridge

        return build_bridge(config, task, device)
    with _naming_the_extra():
        from transformer_lens import HookedTransformer, HookedTransformerConfig

        from grokscope.model.blocks import DeterministicEmbed, NormedBlock

    cfg = HookedTransformerConfig(**lens_settings(config, task), dtype=dtype_of(config), device=str(device))
    with warnings.catch_warnings():
        # TransformerLens 3.9 warns that HookedTransformer goes away in 4.0; there a bridge takes its place.
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
) -> HookedTransformer | TransformerBridge:
    """The network in evaluation mode that holds a copy of `weights`; see `build_model`."""
    if _has_bridges():
        with _naming_the_extra():
            from grokscope.model.bridge import build_bridge, load_into_bridge_

        bridge = build_bridge(config, task, device)
        load_into_bridge_(bridge, weights)
        return bridge.eval()
    model = build_model(config, task, device)
    model.load_state_dict(weights)
    return model.eval()


@contextmanager
def _naming_the_extra() -> Iterator[None]:
    """An import that fails within the block says what to install."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"run.model gives a network of TransformerLens, which cannot be imported ({error}): "
            "pip install 'grokscope[lens]'. Weights, trajectories, analyses and reports do without it"
        ) from error


def _has_bridges() -> bool:
    """Whether TransformerLens is one without `HookedTransformer`, as it is from 4.0 on."""
    release = _release()
    return release is not None and int(release.partition(".")[0]) >= 4


def _release() -> str | None:
    try:
        return version("transformer-lens")
    except PackageNotFoundError:
        return None
