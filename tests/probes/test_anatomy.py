"""A step's displacement: parts that sum, angles against trigonometry, and what rescaling does not change."""

from __future__ import annotations

from math import atan2, pi

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import initial_weights, is_buffer
from grokscope.norms import clip_rows_, row_angles, row_norms, row_table
from grokscope.probes import Displacement, displacement_table
from grokscope.tasks import build_task

TASK = build_task(TaskConfig(name="mul", modulus=5))
CONFIG = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=12, dtype="float64")
NAMES = tuple(name for name in initial_weights(CONFIG, TASK, 0) if not is_buffer(name))
GROUPS = {"all": NAMES, "mlp": ("blocks.0.mlp.W_in", "blocks.0.mlp.W_out"), "gain": ("ln_final.w",)}


def _weights(seed: int) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    shapes = initial_weights(CONFIG, TASK, 0)
    return {n: torch.randn(shapes[n].shape, dtype=torch.float64, generator=source) for n in NAMES}


def _step(seed: int, shrinkage: float = 0.01) -> Displacement:
    before = _weights(seed)
    updated = {
        n: w * (1 - shrinkage) + 0.03 * v for (n, w), v in zip(before.items(), _weights(seed + 1).values(), strict=True)
    }
    after = {n: w.clone() for n, w in updated.items()}
    clip_rows_(after, 2.0, NAMES)
    return Displacement(before, updated, after, dict.fromkeys(before, shrinkage))


@given(st.integers(0, 2**20))
def test_gradient_decay_and_clip_sum_to_the_displacement(seed):
    step = _step(seed)
    for name in NAMES:
        parts = step.parts(name)
        whole = step.after[name] - step.before[name]
        total = parts["gradient"] + parts["decay"] + parts["clip"]
        # Four roundings of numbers of order 1.
        assert float((total - whole).abs().max()) <= 8 * np.finfo(float).eps * max(1.0, float(whole.abs().max()))
        torch.testing.assert_close(parts["total"], whole)
        torch.testing.assert_close(parts["decay"], -0.01 * step.before[name])


def test_each_group_s_sizes_are_those_of_its_vectors():
    step = _step(3)
    found = displacement_table(step, GROUPS)
    for group, names in GROUPS.items():
        for part in ("gradient", "decay", "clip", "total"):
            vector = np.concatenate([step.parts(n)[part].numpy().ravel() for n in names])
            assert found[group][part] == pytest.approx(np.linalg.norm(vector), abs=1e-14)
        w = np.concatenate([step.before[n].numpy().ravel() for n in names])
        moved = np.concatenate([(step.after[n] - step.before[n]).numpy().ravel() for n in names])
        cosine = moved @ w / np.linalg.norm(moved) / np.linalg.norm(w)
        assert found[group]["cosine_weights"] == pytest.approx(cosine)


def test_decay_is_radial_and_a_rotation_is_tangential():
    before = _weights(0)
    shrunk = {n: w * 0.9 for n, w in before.items()}
    radial = displacement_table(Displacement(before, shrunk, shrunk, dict.fromkeys(before, 0.1)), GROUPS)["all"]
    assert radial["decay"] == pytest.approx(radial["decay_radial"])
    assert radial["total"] == pytest.approx(radial["total_radial"])
    assert radial["angle_max"] <= 1e-7
    assert radial["cosine_weights"] == pytest.approx(-1.0)
    assert radial["gradient"] <= 1e-12
    # Turn the two entries of each row of W_in that are first and second.
    name, angle = "blocks.0.mlp.W_in", 0.3
    turned = {n: w.clone() for n, w in before.items()}
    a, b = before[name][0], before[name][1]
    turned[name] = torch.zeros_like(before[name])
    start = {**before, name: turned[name].clone()}
    start[name][0], start[name][1] = a, b
    turned[name][0] = np.cos(angle) * a - np.sin(angle) * b
    turned[name][1] = np.sin(angle) * a + np.cos(angle) * b
    found = displacement_table(Displacement(start, turned, turned), {"one": (name,)})["one"]
    assert found["angle_mean"] == pytest.approx(angle)
    assert found["angle_max"] == pytest.approx(angle)


@given(st.floats(1e-9, pi - 1e-3), st.floats(0.1, 10))
def test_angles_are_exact_for_small_and_large_turns(angle, scale):
    before = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    after = scale * torch.tensor([[np.cos(angle), np.sin(angle)]])
    found = float(row_angles("embed.W_E", before, after)[0])
    exact = atan2(float(after[0, 1]), float(after[0, 0]))
    assert found == pytest.approx(exact, rel=1e-6)


def test_rescaling_a_row_changes_no_angle_and_a_zero_row_has_none():
    step = _step(1)
    name = "blocks.0.attn.W_O"
    found = row_angles(name, step.before[name], step.after[name])
    torch.testing.assert_close(row_angles(name, 7 * step.before[name], 0.2 * step.after[name]), found)
    assert len(found) == row_norms(name, step.before[name]).numel()
    none = displacement_table(Displacement(*({"ln_final.w": torch.zeros(8)},) * 3), {"gain": ("ln_final.w",)})["gain"]
    assert np.isnan(none["angle_mean"])
    assert np.isnan(none["cosine_weights"])
    assert none["total"] == 0.0


def test_rows_at_the_bound_are_counted_and_norms_are_numpy_s():
    weights = _weights(4)
    clip_rows_(weights, 2.0, GROUPS["mlp"])
    found = row_table(weights, GROUPS, dict.fromkeys(GROUPS["mlp"], 2.0))
    rows = np.concatenate(
        [
            np.linalg.norm(weights["blocks.0.mlp.W_in"].numpy(), axis=0),
            np.linalg.norm(weights["blocks.0.mlp.W_out"].numpy(), axis=0),
        ]
    )
    mlp = found["mlp"]
    assert mlp["rows"] == len(rows)
    assert mlp["row_max"] == pytest.approx(rows.max())
    assert mlp["row_min"] == pytest.approx(rows.min())
    assert [mlp["row_q10"], mlp["row_median"], mlp["row_q90"]] == pytest.approx(np.quantile(rows, [0.1, 0.5, 0.9]))
    assert mlp["norm"] == pytest.approx(np.linalg.norm(rows))
    assert mlp["at_bound"] == pytest.approx(np.isclose(rows, 2.0).mean())
    assert 0 < mlp["at_bound"] < 1
    assert np.isnan(found["gain"]["at_bound"])
