"""The presets against the published settings, written out here a second time (issue 2)."""

from __future__ import annotations

import pytest

from grokscope.config import differences, preset, presets

BATCH = {"add": 512, "sub": 512, "mul": 512, "div": 512, "mixed": 2048, "s5": 960, "square-sub": 512}
MAX_NORM = {"add": 1.75, "sub": 1.5, "mul": 2.0, "div": 1.75, "mixed": 1.75, "s5": 1.0, "square-sub": 1.5}
OPTIMIZER = {
    "adamw": ("adamw", (0.9, 0.98), 0.01),
    "lion": ("lion", (0.9, 0.97), 0.0),
    "lion-clip": ("lion", (0.9, 0.97), 0.0),
    "adam-clip": ("adam", (0.9, 0.98), 0.0),
    "signsgd-clip": ("signsgd", None, 0.0),
}
# The settings of each method's source, as issue 7 gives them.
_ADAM, _ADAM_L2 = {"name": "adam", "betas": (0.9, 0.98)}, {"name": "adam", "betas": (0.9, 0.98), "weight_decay": 1e-3}
_LION = {"name": "lion", "betas": (0.9, 0.97)}
ACCELERATORS = {
    "adam-l2": {"optimizer": _ADAM_L2},
    "adamw-decay1": {"optimizer": {"name": "adamw", "betas": (0.9, 0.98), "weight_decay": 1.0}},
    "grokfast-ema": {"optimizer": _ADAM_L2, "gradient": {"name": "grokfast_ema", "alpha": 0.98, "slow_factor": 2.0}},
    "grokfast-ma": {"optimizer": _ADAM_L2, "gradient": {"name": "grokfast_ma", "window": 100, "slow_factor": 5.0}},
    "neuralgrok": {
        "optimizer": _ADAM_L2,
        "gradient": {
            "name": "neuralgrok",
            "amplifier": "trained",
            "amplifier_width": 128,
            "amplifier_scale": 0.2,
            "amplifier_lr": 1e-4,
            "amplifier_betas": (0.9, 0.98),
            "amplifier_weight_decay": 1e-3,
            "clip_norm": 1.0,
            "outer_fraction": 1 / 50,
            "outer_every": 4,
            "merge_outer": False,
        },
    },
    "neuralgrok-normalise": {"optimizer": _ADAM_L2, "gradient": {"name": "neuralgrok", "amplifier": "normalise"}},
    "neuralgrok-frozen": {"optimizer": _ADAM_L2, "gradient": {"name": "neuralgrok", "amplifier": "frozen"}},
    "neuralgrok-merged": {"optimizer": _ADAM_L2, "gradient": {"name": "neuralgrok", "merge_outer": True}},
    "scion": {"optimizer": {"name": "scion", "averaging": 0.1}},
    "clipped-scion": {"optimizer": {"name": "clipped_scion", "averaging": 0.1}},
    "unconstrained-clipped-scion": {"optimizer": {"name": "unconstrained_clipped_scion", "averaging": 0.1}},
    "muon": {"optimizer": {"name": "muon", "lr": 0.02, "momentum": 0.95, "adam_lr": 1e-3}},
    "orthograd": {"optimizer": _ADAM, "gradient": {"name": "orthograd"}},
    "stablemax": {"optimizer": _ADAM, "loss": {"name": "stablemax"}},
    "frobenius-cap": {"optimizer": _LION, "norms": {"cap": "frobenius", "cap_ratio": 1.0}},
    "spectral-cap": {"optimizer": _LION, "norms": {"cap": "spectral", "cap_ratio": 1.0}},
}
# Median grok steps: "Clip to Grok" (2026), its table of max_norm by task.
PUBLISHED = {"mul-lion-clip": 535, "s5-lion-clip": 1348}


def test_there_is_a_preset_for_every_task_and_arm_and_for_experiments():
    named = {f"{task}-{arm}" for task in BATCH for arm in (*OPTIMIZER, *ACCELERATORS)}
    arms = ("none", "init-only", "init-and-clip", "temperature")
    arms += tuple(f"clip-{scope}" for scope in ("decoder", "matrices", "gains", "ln-final", "without-gains"))
    experiments = {f"which-tensor-{arm}" for arm in arms} | {"delay-law-p59"}
    assert set(presets()) == named | experiments | {"mul-8layer-lion-clip", "nanda-add-p113"}


def test_arms_of_which_tensor_differ_in_norm_control_and_loss_alone():
    base = preset("which-tensor-none")
    for name in presets():
        if name.startswith("which-tensor-"):
            assert preset(name).arm == name.removeprefix("which-tensor-")
            changed = {key.partition(".")[0] for key in differences(base, preset(name))}
            assert changed <= {"arm", "norms", "loss"}
    # The final gain's norm at the start, sqrt(d_model), over the clip's bound.
    assert preset("which-tensor-temperature").loss.temperature == pytest.approx(128**0.5 / 2.0, rel=1e-15)


@pytest.mark.parametrize("arm", OPTIMIZER)
@pytest.mark.parametrize("task", BATCH)
def test_a_preset_has_the_published_settings(task, arm):
    config = preset(f"{task}-{arm}")
    assert config.arm == arm
    assert config.seed == 0
    assert config.forward == "compiled"

    if task == "s5":
        assert (config.task.name, config.task.degree) == ("permutation", 5)
    else:
        assert (config.task.name, config.task.modulus) == (task.replace("-", "_"), 97)
    if task == "mixed":
        assert set(config.task.operations) == {"add", "sub", "mul", "div"}
    assert config.task.form == "x_op_y_eq"
    assert config.task.train_fraction == 0.5

    model = config.model
    assert (model.n_layers, model.d_model, model.n_heads, model.d_mlp) == (2, 128, 4, 512)
    assert (model.activation, model.normalization, model.residual, model.init) == ("gelu", "LN", "normed", "torch")
    assert (model.biases, model.unembed_bias, model.dtype) == (True, False, "float32")

    name, betas, decay = OPTIMIZER[arm]
    assert config.optimizer.name == name
    assert config.optimizer.lr == 1e-3
    assert config.optimizer.warmup_steps == 10
    assert config.optimizer.weight_decay == decay
    if betas is not None:
        assert config.optimizer.betas == betas

    assert config.training.batch_size == BATCH[task]
    assert config.training.eval_every is None
    if arm.endswith("clip"):
        assert config.norms.init_rows == "all"
        assert config.norms.max_norm == MAX_NORM[task]
        assert config.norms.row_norm_at_start == MAX_NORM[task]
        assert config.norms.scope == ("decoder",)
    else:
        assert config.norms.init_rows == "none"
        assert config.norms.max_norm is None


@pytest.mark.parametrize("arm", ACCELERATORS)
def test_an_accelerator_has_the_settings_of_its_source(arm):
    config = preset(f"mul-{arm}")
    assert config.training.steps == 6000
    for section, settings in ACCELERATORS[arm].items():
        for name, value in settings.items():
            assert getattr(getattr(config, section), name) == value, f"{section}.{name}"
    if arm != "muon" and "scion" not in arm:
        assert config.optimizer.lr == 1e-3


@pytest.mark.parametrize("arm", ACCELERATORS)
@pytest.mark.parametrize("task", BATCH)
def test_arms_of_a_task_differ_in_method_alone(task, arm):
    changed = {key.partition(".")[0] for key in differences(preset(f"{task}-lion"), preset(f"{task}-{arm}"))}
    assert changed <= {"arm", "optimizer", "gradient", "loss", "norms", "training"}
    assert preset(f"{task}-{arm}").training.batch_size == BATCH[task]
    assert preset(f"{task}-{arm}").norms.max_norm is None


def test_the_eight_layer_preset_has_the_published_settings():
    config, two_layers = preset("mul-8layer-lion-clip"), preset("mul-lion-clip")
    assert config.model.n_layers == 8
    assert config.optimizer.lr == 1e-4
    assert config.optimizer.name == "lion"
    assert config.norms.init_rows == "edge_ln"
    assert config.norms.max_norm == 2.0
    assert config.task == two_layers.task
    assert config.training.batch_size == 512


def test_the_nanda_preset_has_the_published_settings():
    config = preset("nanda-add-p113")
    assert (config.task.name, config.task.modulus, config.task.form) == ("add", 113, "x_y_eq")
    assert config.task.train_fraction == 0.3
    model = config.model
    assert (model.n_layers, model.d_model, model.n_heads, model.d_mlp) == (1, 128, 4, 512)
    assert (model.activation, model.normalization) == ("relu", "none")
    assert config.training.batch_size is None
    assert (config.optimizer.name, config.optimizer.lr, config.optimizer.weight_decay) == ("adamw", 1e-3, 1.0)
    assert config.norms.max_norm is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_grok_step_is_shown_beside_its_preset(name):
    published = presets()[name].published
    assert published is not None
    assert published.grok_step == PUBLISHED[name]
    assert published.seeds >= 1
    assert published.source


def test_the_budget_of_a_clip_preset_exceeds_what_its_source_needed():
    for name, found in presets().items():
        if "clip" in name and found.published is not None and found.published.grok_step is not None:
            assert found.config.training.steps > 1.5 * found.published.grok_step, name
