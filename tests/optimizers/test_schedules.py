"""Learning rates of every step, against closed forms and against torch.optim.lr_scheduler."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from grokscope.config import ConfigError, OptimizerConfig, RunConfig, override
from grokscope.optimizers import FlatParameters, build_optimizer, learning_rate
from grokscope.optimizers.rules.muon import is_orthogonalised
from tests.optimizers.parameters import flat_parameters, gradients

BUDGET = 40
CASES = {
    "linear": ({"schedule": "linear"}, lambda o, n: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=n)),
    "linear to a tenth": (
        {"schedule": "linear", "schedule_end": 0.1},
        lambda o, n: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=n),
    ),
    "cosine": ({"schedule": "cosine"}, lambda o, n: lr_scheduler.CosineAnnealingLR(o, T_max=n)),
    "cosine to a fifth": (
        {"schedule": "cosine", "schedule_end": 0.2},
        lambda o, n: lr_scheduler.CosineAnnealingLR(o, T_max=n, eta_min=0.2 * 0.03),
    ),
    "step": (
        {"schedule": "step", "step_every": 7, "step_factor": 0.5},
        lambda o, n: lr_scheduler.StepLR(o, step_size=7, gamma=0.5),
    ),
    "constant": ({}, lambda o, n: lr_scheduler.ConstantLR(o, factor=1.0)),
}


@pytest.mark.parametrize("warmup", [0, 1, 6])
@pytest.mark.parametrize("name", CASES)
def test_rates_are_those_of_torch_s_schedulers(name, warmup):
    settings, scheduler = CASES[name]
    config = OptimizerConfig(lr=0.03, warmup_steps=warmup, **settings)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.03)
    after = scheduler(optimizer, BUDGET - max(1, warmup) + 1)
    if warmup > 1:
        rise = lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
        after = lr_scheduler.SequentialLR(optimizer, [rise, after], milestones=[warmup - 1])
    for step in range(1, BUDGET + 1):
        theirs = optimizer.param_groups[0]["lr"]
        assert learning_rate(config, step, BUDGET) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        optimizer.step()
        after.step()


def test_closed_forms_of_the_first_the_middle_and_the_last_step():
    def rate(step, **settings):
        return learning_rate(OptimizerConfig(lr=1.0, **settings), step, 100)

    for schedule in ("linear", "cosine"):
        assert rate(1, schedule=schedule, warmup_steps=0) == 1.0
        assert rate(5, schedule=schedule, warmup_steps=10) == 0.5
        assert rate(10, schedule=schedule, warmup_steps=10) == 1.0
        assert rate(51, schedule=schedule, warmup_steps=0) == pytest.approx(0.5, rel=1e-14)  # 50 of 100 steps on
        assert rate(51, schedule=schedule, warmup_steps=0, schedule_end=0.5) == pytest.approx(0.75, rel=1e-14)
        assert 0 < rate(100, schedule=schedule, warmup_steps=0) < 0.011  # the last step still moves
        assert rate(101, schedule=schedule, warmup_steps=0) == 0.0
        assert rate(21, schedule=schedule, warmup_steps=0, schedule_steps=20, schedule_end=0.3) == 0.3
        assert rate(90, schedule=schedule, warmup_steps=0, schedule_steps=20, schedule_end=0.3) == 0.3
    assert rate(100, schedule="cosine", warmup_steps=0) == pytest.approx((1 + math.cos(math.pi * 0.99)) / 2)
    steps = [rate(step, schedule="step", warmup_steps=5, step_every=10) for step in (1, 5, 14, 15, 24, 25)]
    assert steps == pytest.approx([0.2, 1.0, 1.0, 0.1, 0.1, 0.01])


@given(
    st.sampled_from(["constant", "linear", "cosine"]), st.integers(0, 30), st.integers(31, 200), st.floats(0.0, 1.0)
)  # fmt: skip
def test_after_the_warm_up_no_schedule_rises_and_none_leaves_its_ends(schedule, warmup, budget, end):
    settings = {"schedule_end": end} if schedule != "constant" else {}
    config = OptimizerConfig(lr=0.5, warmup_steps=warmup, schedule=schedule, **settings)
    rates = [learning_rate(config, step, budget) for step in range(max(1, warmup), budget + 3)]
    assert rates[0] == pytest.approx(0.5)
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(rates))
    assert all(rate >= 0.5 * end * (1 - 1e-12) for rate in rates) or schedule == "constant"


def test_settings_that_a_schedule_does_not_read_and_impossible_ones_are_refused():
    for settings, message in (
        ({"schedule": "exponential"}, "optimizer.schedule = 'exponential' .* constant, linear, cosine, step"),
        ({"step_every": 5}, "optimizer.step_every = 5 .*optimizer.schedule = step reads it, constant does not"),
        ({"schedule": "step", "schedule_end": 0.1}, "schedule_end = 0.1 .* linear or cosine reads it, step does not"),
        ({"schedule": "cosine", "schedule_steps": 10, "warmup_steps": 10}, "schedule_steps = 10 .*>= 11"),
        ({"schedule": "cosine", "schedule_end": -1}, "schedule_end = -1"),
        ({"schedule": "step", "step_every": 0}, "step_every = 0"),
        ({"schedule": "step", "step_factor": 0.0}, "step_factor = 0.0"),
    ):
        with pytest.raises(ConfigError, match=message):
            OptimizerConfig(**settings)


def test_the_short_name_schedule_is_still_that_of_checkpoints():
    config = override(RunConfig(), {"schedule": "log", "optimizer.schedule": "cosine"})
    assert (config.checkpoints.schedule, config.optimizer.schedule) == ("log", "cosine")


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_epsilon_is_that_of_torch_s_adam(name):
    """Large enough to matter: 0.1 beside gradients of about 1."""
    config = OptimizerConfig(name=name, eps=0.1, betas=(0.8, 0.95))
    flat = flat_parameters()
    chosen = [n for n in flat.names if name != "muon" or not is_orthogonalised(n)]
    separate = {n: torch.nn.Parameter(flat.weights[n].detach().clone()) for n in chosen}
    ours = build_optimizer(config, flat)
    theirs = torch.optim.Adam(separate.values(), lr=0.01, eps=0.1, betas=(0.8, 0.95))
    for step in range(5):
        grads = gradients(flat, step)
        flat.set_gradient(grads)
        for n, grad in zip(flat.names, grads, strict=True):
            if n in separate:
                separate[n].grad = grad
        ours.step(0.01)
        theirs.step()
    for n, parameter in separate.items():
        torch.testing.assert_close(flat.weights[n].detach(), parameter.detach(), rtol=1e-12, atol=1e-14)
    other = flat_parameters()
    _steps(other, OptimizerConfig(name=name, betas=(0.8, 0.95)))
    assert float((other.vector - flat.vector).detach().abs().max()) > 1e-3
    for bad in (0.0, -1e-8, float("nan")):
        with pytest.raises(ConfigError, match=r"optimizer\.eps = "):
            OptimizerConfig(name=name, eps=bad)
    with pytest.raises(ConfigError, match=r"optimizer\.eps = 0\.1 is not accepted: .*adam.* read it, lion does not"):
        OptimizerConfig(name="lion", eps=0.1)


def _steps(flat: FlatParameters, config: OptimizerConfig) -> None:
    rule = build_optimizer(config, flat)
    for step in range(5):
        flat.set_gradient(gradients(flat, step))
        rule.step(0.01)
