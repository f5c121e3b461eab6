"""Norm control: windows of a clip, bounds by group, clamps; against row norms computed by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, ModelConfig, NormConfig, TaskConfig
from grokscope.model import in_scope, initial_weights, is_buffer, role
from grokscope.norms import NormControl, clamp_, joint_norm, row_norms, start_rows_
from grokscope.tasks import build_task

CONFIG = ModelConfig(n_layers=2, d_model=8, n_heads=2, d_mlp=12, dtype="float64")
TASK = build_task(TaskConfig(name="mul", modulus=5))


def _weights(scale: float = 3.0) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    drawn = initial_weights(CONFIG, TASK, 0)
    return {
        n: w if is_buffer(n) else scale * torch.randn(w.shape, dtype=torch.float64, generator=source)
        for n, w in drawn.items()
    }


def _largest_row(weights: dict[str, torch.Tensor], name: str) -> float:
    return float(row_norms(name, weights[name]).max())


def test_a_clip_acts_from_its_first_step_to_its_last():
    control = NormControl(NormConfig(max_norm=1.0, from_step=3, until_step=5), _weights())
    for step in range(8):
        weights = _weights()
        before = weights["blocks.0.mlp.W_in"].clone()
        control.apply_(weights, step)
        changed = not torch.equal(weights["blocks.0.mlp.W_in"], before)
        assert changed == (3 <= step <= 5)


def test_a_clip_that_begins_later_leaves_the_start_alone():
    weights = _weights()
    before = {n: w.clone() for n, w in weights.items()}
    start_rows_(weights, NormConfig(max_norm=1.0, from_step=1))
    assert all(torch.equal(weights[n], before[n]) for n in weights)


def test_groups_have_bounds_of_their_own_and_others_the_common_one():
    config = NormConfig(max_norm=1.0, scope=("decoder",), group_max_norm=(("ln", 0.5), ("embed", 2.0)))
    weights = _weights()
    NormControl(config, weights).apply_(weights, 1)
    expected = {"ln": 0.5, "embed": 2.0, "unembed": None}
    for name in weights:
        if is_buffer(name) or name.endswith(("b_Q", "b_K", "b_V")):
            continue
        bound = expected.get(role(name), 1.0)
        if bound is None:
            assert torch.equal(weights[name], _weights()[name])
        else:
            assert _largest_row(weights, name) <= bound * (1 + 1e-12)
    assert _largest_row(weights, "embed.W_E") == pytest.approx(2.0)
    only = NormControl(NormConfig(group_max_norm=(("ln_final", 1.0),)), weights)
    assert set(only.bounds) == {"ln_final.w"}


def test_a_clamp_scales_all_matrices_by_one_factor_to_the_joint_norm():
    weights = _weights()
    names = in_scope(weights, ("embed", "pos_embed", "attention", "mlp", "unembed"))
    matrices = [n for n in names if n != "unembed.b_U"]
    before = {n: w.clone() for n, w in weights.items()}
    NormControl(NormConfig(clamp_norm=7.0), weights).apply_(weights, 0)
    flat = np.concatenate([weights[n].numpy().ravel() for n in names])
    assert np.linalg.norm(flat) == pytest.approx(7.0)
    factors = [(weights[n] / before[n]).numpy() for n in matrices]
    assert max(np.ptp(f) for f in factors) <= 1e-12
    assert len({round(float(f.flat[0]), 12) for f in factors}) == 1
    assert torch.equal(weights["blocks.0.ln1.w"], before["blocks.0.ln1.w"])


def test_a_clamp_may_be_a_multiple_of_a_reference_begin_late_and_hold_groups_apart():
    config = NormConfig(clamp_rho=0.5, clamp_reference=20.0, clamp_from_step=4, group_clamp_norm=(("embed", 3.0),))
    control = NormControl(config, _weights())
    weights = _weights()
    control.apply_(weights, 3)
    assert torch.equal(weights["embed.W_E"], _weights()["embed.W_E"])
    control.apply_(weights, 4)
    assert float(weights["embed.W_E"].norm()) == pytest.approx(3.0)
    rest = in_scope(weights, ("pos_embed", "attention", "mlp", "unembed"))
    assert joint_norm([weights[n] for n in rest]) == pytest.approx(10.0)


def test_a_clamp_leaves_zeros_and_refuses_a_norm_of_zero():
    weights = {"embed.W_E": torch.zeros(3, 2)}
    clamp_(weights, 5.0, ["embed.W_E"])
    assert not weights["embed.W_E"].any()
    with pytest.raises(ConfigError, match=r"norms\.clamp_norm = 0\.0"):
        clamp_(weights, 0.0, ["embed.W_E"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"from_step": -1}, "norms.from_step = -1"),
        ({"from_step": 5, "until_step": 4}, "norms.until_step = 4"),
        ({"group_max_norm": (("head", 1.0),)}, "norms.group_max_norm = "),
        ({"group_max_norm": (("ln", 1.0), ("ln", 2.0))}, "norms.group_max_norm = "),
        ({"group_max_norm": (("ln", 0.0),)}, "norms.group_max_norm of ln = 0.0"),
        ({"group_max_norm": (("ln", None),)}, "norms.group_max_norm of ln = None"),
        ({"clamp_norm": 0}, "norms.clamp_norm = 0"),
        ({"clamp_rho": 0.9}, "norms.clamp_rho = 0.9 and norms.clamp_reference = None belong together"),
        ({"clamp_norm": 1.0, "clamp_rho": 0.9, "clamp_reference": 2.0}, "norms.clamp_norm = 1.0"),
        ({"clamp_scope": ()}, r"norms.clamp_scope = \(\)"),
        ({"clamp_scope": ("decoder",)}, "norms.clamp_scope = 'decoder'"),
        ({"clamp_from_step": 1.5}, "norms.clamp_from_step = 1.5"),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_by_field_and_value(settings, message):
    with pytest.raises(ConfigError, match=message):
        NormConfig(**settings)
