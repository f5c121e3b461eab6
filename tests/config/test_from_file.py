"""One run's config from a TOML file, and settings by every kind of name."""

from __future__ import annotations

import pytest

import grokscope as gs
from grokscope.config import CheckpointConfig, ConfigError, RunConfig, config_from_file, override, preset
from grokscope.config.nearest import near

FILE = """
preset = "mul-lion-clip"
seed = 3
max_norm = "none"
init_rows = "none"
task = "group"
elements = "s3.txt"
[optimizer]
name = "adamw"
eps = 1e-6
[checkpoints]
steps = [1, 2, 5, 10]
"""


def test_a_file_has_the_settings_that_calls_have(tmp_path):
    (tmp_path / "run.toml").write_text(FILE)
    (tmp_path / "s3.txt").write_text("012\n021\n102\n120\n201\n210\n")
    elements = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    assert config_from_file(tmp_path / "run.toml") == preset(
        "mul-lion-clip", seed=3, max_norm=None, init_rows="none", task={"name": "group", "elements": elements},
        optimizer={"name": "adamw", "eps": 1e-6}, **{"checkpoints.steps": (1, 2, 5, 10)},
    )  # fmt: skip
    (tmp_path / "empty.toml").write_text("")
    assert config_from_file(tmp_path / "empty.toml") == RunConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [1]\n", r"bad.toml has 'seeds', so it describes many runs: grokscope sweep .*bad.toml"),
        ("[arms.a]\n", r"bad.toml has 'arms', so it describes many runs"),
        ("preset = 3\n", r"bad.toml: preset = 3 is not accepted"),
        ("preset = 'mul-lion-clop'\n", r"bad.toml: there is no preset 'mul-lion-clop'; nearest: mul-lion-clip"),
        ("lrr = 3\n", r"bad.toml: there is no setting 'lrr'; nearest: optimizer.lr"),
        ("lr = 3\noptimizer.lr = 2\n", r"bad.toml: setting optimizer.lr is given twice"),
        ("lr = 'fast'\n", r"bad.toml: optimizer.lr = 'fast' is not accepted"),
        ("training = 'long'\n", r"bad.toml: training = 'long' is not accepted: use a table"),
        ("lr = \n", r"bad.toml is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_name(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        config_from_file(tmp_path / "bad.toml")


def test_a_text_stands_for_the_name_of_a_section():
    assert preset("mul-lion", task="sub").task.name == "sub"
    assert override(RunConfig(), {"optimizer": "adamw", "gradient": "orthograd", "loss": "stablemax"}) == override(
        RunConfig(), {"optimizer.name": "adamw", "gradient.name": "orthograd", "loss.name": "stablemax"}
    )
    for section in ("model", "training", "norms", "checkpoints", "probes"):
        with pytest.raises(ConfigError, match=f"{section} = 'x' is not accepted: use a table of its settings"):
            override(RunConfig(), {section: "x"})
    with pytest.raises(ConfigError, match=r"setting task\.name is given twice"):
        override(RunConfig(), {"task": "sub", "task.name": "add"})


def test_a_run_is_trained_by_names_alone(tmp_path):
    small = {"modulus": 5, "d_model": 8, "n_heads": 1, "d_mlp": 8, "n_layers": 1, "steps": 3}
    run = gs.train(task="sub", optimizer="sgd", out=tmp_path / "run", progress=False, **small)
    assert (run.config.task.name, run.config.optimizer.name) == ("sub", "sgd")


def test_checkpoints_at_listed_steps_are_those_the_first_and_the_last():
    config = CheckpointConfig(steps=(1, 2, 5, 10), schedule="dense", every=3)
    assert [step for step in range(21) if config.due(step, None)] == [0, 1, 2, 5, 10]
    assert [step for step in range(21) if config.due(step, 3)] == [0, 1, 2, 5, 10]
    for steps, message in (
        ((1, -2), r"checkpoints\.steps = -2 is not accepted: use an integer >= 0"),
        ((1, 2.5), r"checkpoints\.steps = 2\.5"),
        (5, r"checkpoints\.steps = 5 is not accepted: use a list of steps"),
        ((2001,), r"checkpoints\.steps = 2001 is not accepted: use steps up to training\.steps = 2000"),
    ):
        with pytest.raises(ConfigError, match=message):
            override(RunConfig(), {"checkpoints.steps": steps})
    # The short name is the budget's, as it always was.
    assert override(RunConfig(), {"steps": 7}).training.steps == 7


@pytest.mark.parametrize("name", ["dropout", "model.dropout", "attn_dropout"])
def test_dropout_is_left_out_and_nothing_else_is_suggested(name):
    with pytest.raises(ConfigError, match=rf"there is no setting '{name}'; there is no dropout: ") as caught:
        override(RunConfig(), {name: 0.1})
    assert "product" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("dropout", ["task.product", "model.output", "task.group"], []),
        ("W_E", ["unembed.W_U", "embed.W_E", "pos_embed.W_pos"], ["embed.W_E"]),
        ("embed.WE", ["embed.W_E", "unembed.W_U"], ["embed.W_E"]),
        ("train.steps", ["training.steps", "training.threads", "seed"], ["training.steps"]),
        ("trian", ["train", "resume", "doctor"], ["train"]),
        ("xyz", ["train", "resume"], []),
        ("", ["train"], []),
    ],
)
def test_only_what_is_near_is_suggested(name, known, found):
    assert near(name, known)[: max(1, len(found))] == found
