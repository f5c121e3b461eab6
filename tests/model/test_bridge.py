"""What TransformerLens 4 gives in place of a `HookedTransformer`."""

from __future__ import annotations

import copy
from importlib.metadata import version

import pytest
import torch

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import load_model, parameter_shapes
from grokscope.tasks import build_task
from tests.model.strategies import random_weights

pytestmark = [
    pytest.mark.lens,
    pytest.mark.skipif(
        version("transformer-lens") < "4", reason="a TransformerBridge is what 4 gives: make test-lens4"
    ),
]

TASK = build_task(TaskConfig(name="add", modulus=5))
SIZES = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_mlp": 20, "unembed_bias": True}


def _bridge(**changes):
    config = ModelConfig(**SIZES, **changes)
    return load_model(config, TASK, random_weights(config, TASK, 0))


def test_a_model_is_a_bridge_around_weights_of_the_config_s_own_precision():
    from transformer_lens.model_bridge import TransformerBridge

    bridge = _bridge(dtype="float64")
    assert isinstance(bridge, TransformerBridge)
    assert {parameter.dtype for parameter in bridge.parameters()} == {torch.float64}
    assert bridge.cfg.dtype == torch.float64
    assert (bridge.cfg.n_layers, bridge.cfg.d_model, bridge.cfg.d_head, bridge.cfg.n_ctx) == (
        2,
        12,
        4,
        TASK.n_positions,
    )


def test_what_boot_native_gives_is_what_is_mended_here():
    """Should these no longer hold in a newer version, `grokscope.model.bridge` can be shorter."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    cfg = TransformerBridgeConfig(
        d_model=8, d_head=4, n_heads=2, n_layers=1, n_ctx=4, d_vocab=7, d_mlp=8, act_fn="relu", dtype=torch.float64
    )
    native = TransformerBridge.boot_native(cfg)
    assert {parameter.dtype for parameter in native.parameters()} == {torch.float32}  # whatever cfg.dtype says
    _, cache = native.run_with_cache(TASK.tokens)
    scores, pattern = (cache[f"blocks.0.attn.hook_{name}"] for name in ("attn_scores", "pattern"))
    assert torch.equal(scores, pattern)  # no scores
    with pytest.raises(ValueError, match="square"):
        TransformerBridge.boot_native({**cfg.to_dict(), "act_fn": "square", "architecture": None})


@pytest.mark.parametrize("residual", ["normed", "pre_ln"])
@pytest.mark.parametrize("normalization", ["LN", "none"])
@pytest.mark.parametrize("output", ["vocab", "answers"])
def test_weights_that_transformer_lens_processes_compute_the_same_or_are_left_with_a_warning(
    residual, normalization, output
):
    bridge = _bridge(residual=residual, normalization=normalization, output=output, dtype="float64")
    before = bridge(TASK.tokens).log_softmax(-1)  # processing centres the logits
    if (residual, normalization) == ("normed", "LN"):
        with pytest.warns(UserWarning, match="does not support fold_ln; norm weights stay unfolded"):
            bridge.enable_compatibility_mode()
    else:
        bridge.enable_compatibility_mode()
    # TransformerLens processes weights in float32.
    torch.testing.assert_close(bridge(TASK.tokens).log_softmax(-1), before, rtol=1e-5, atol=1e-5)
    _, cache = bridge.run_with_cache(TASK.tokens)
    scores = cache["blocks.0.attn.hook_attn_scores"]
    torch.testing.assert_close(scores.softmax(-1), cache["blocks.0.attn.hook_pattern"])


@pytest.mark.parametrize("setting", ["use_attn_result", "use_split_qkv_input", "use_attn_in"])
def test_hooks_that_a_bridge_does_not_have_are_refused(setting):
    with pytest.raises(NotImplementedError, match=f"{setting}: none of this model's attention bridges support"):
        getattr(_bridge(), f"set_{setting}")(True)


def test_a_copy_has_hooks_of_its_own():
    bridge = _bridge()
    plain = bridge(TASK.tokens)
    other = copy.deepcopy(bridge)
    other.add_hook("blocks.0.attn.hook_attn_scores", lambda scores, hook: torch.zeros_like(scores))
    assert torch.equal(bridge(TASK.tokens), plain)
    assert not torch.allclose(other(TASK.tokens), plain)


def test_a_bridge_trains_in_a_loop_of_ones_own():
    bridge = _bridge().train()
    optimizer = torch.optim.Adam([p for p in bridge.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(bridge(TASK.tokens)[:, -1], TASK.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_every_parameter_has_one_place_in_a_bridge():
    from grokscope.model.bridge import bridge_name

    bridge = _bridge()
    names = [bridge_name(name) for name in parameter_shapes(ModelConfig(**SIZES), TASK)]
    assert sorted(names) == sorted(bridge.state_dict())
    assert bridge_name("blocks.0.attn.b_Q") == "blocks.0.attn.q.bias"
    assert bridge_name("blocks.1.ln2.w") == "blocks.1.ln2.weight"
