"""Callbacks see every step, evaluation and checkpoint, change nothing by reading, and end a run cleanly by failing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch

import grokscope as gs
from grokscope.config import ConfigError
from grokscope.training import Callback, CallbackError, TensorBoard, WandB, branch, resume, train
from tests import forked
from tests.training.test_resume import _same_runs


class Watcher(Callback):
    """Reads everything that it is shown, and uses torch's global generator."""

    def __init__(self):
        self.started, self.steps, self.evaluations, self.checkpoints, self.ended = [], {}, {}, {}, []

    def on_start(self, config, path, step):
        self.started.append((config.arm, path.name, step))

    def on_step(self, step, loss, weights):
        torch.rand(3)
        self.steps[step] = (loss, float(weights["embed.W_E"].sum()))

    def on_evaluation(self, step, metrics):
        self.evaluations[step] = metrics

    def on_checkpoint(self, step, weights):
        self.checkpoints[step] = {name: value.clone() for name, value in weights.items()}

    def on_end(self, status):
        self.ended.append(status)


class Steps:
    """No subclass: one method is enough."""

    def __init__(self):
        self.steps = []

    def on_step(self, step, loss, weights):
        self.steps.append(step)


@pytest.mark.parametrize("forward", ["compiled", "engine"])
def test_callbacks_see_what_the_run_keeps_and_change_nothing(config, tmp_path, forward):
    settings = config(forward=forward)
    plain = train(settings, tmp_path / "plain", progress=False)
    watcher, steps = Watcher(), Steps()
    run = train(settings, tmp_path / "run", callbacks=[watcher, steps], progress=False)
    assert run.digests == plain.digests
    columns = [name for name in run.metrics if name != "seconds"]
    assert run.metrics[columns].equals(plain.metrics[columns])
    assert run.probes.equals(plain.probes)
    assert steps.steps == list(watcher.steps) == list(range(1, 21))
    assert watcher.started == [("tiny", "run", 0)]
    assert watcher.ended == ["finished"]
    assert list(watcher.checkpoints) == run.steps
    for step, weights in watcher.checkpoints.items():
        assert all(torch.equal(weights[name], value) for name, value in run.weights(step).items())
    kept = run.metrics.set_index("step")
    assert list(watcher.evaluations) == list(kept.index)
    for step, metrics in watcher.evaluations.items():
        assert metrics == kept.loc[step, list(metrics)].to_dict()
    assert watcher.steps[20][1] == float(run.weights(20)["embed.W_E"].sum())


def test_the_loss_of_a_step_is_that_of_its_batch_before_the_update(config, tmp_path):
    """Full batch: it is the training loss of the evaluation before."""
    watcher = Watcher()
    train(config(batch_size=None, eval_every=1), tmp_path / "run", callbacks=[watcher], progress=False)
    for step, (loss, _) in watcher.steps.items():
        assert loss == pytest.approx(watcher.evaluations[step - 1]["train_loss"], rel=1e-5)  # float32


class Failing:
    """It raises at a step."""

    def __init__(self, method, step, error):
        def fail(at, *_):
            if at == step:
                raise error

        setattr(self, method, fail)


@pytest.mark.parametrize(
    ("method", "step"),
    [("on_step", 20), ("on_evaluation", 0), ("on_checkpoint", 8)],
)
def test_a_callback_that_fails_ends_the_run_as_failed_with_its_state_saved(config, tmp_path, method, step):
    whole = train(config(), tmp_path / "whole", progress=False)
    watcher = Watcher()
    message = rf"callback Failing\.{method} at step {step}: ValueError: too hot"
    failing = Failing(method, step, ValueError("too hot"))
    with pytest.raises(CallbackError, match=message) as caught:
        train(config(), tmp_path / "cut", callbacks=[watcher, failing], progress=False)
    assert isinstance(caught.value.__cause__, ValueError)
    cut = gs.open_run(tmp_path / "cut")
    assert cut.status == "failed"
    assert "too hot" in str(cut.reason)
    assert watcher.ended == ["failed"]
    state = json.loads((tmp_path / "cut" / "state.json").read_text())
    assert state["info"]["step"] == step  # nothing is trained twice
    again = Watcher()
    _same_runs(whole, resume(tmp_path / "cut", callbacks=[again], progress=False))
    assert again.started == [("tiny", "cut", step)]
    assert list(again.steps) == list(range(step + 1, 21))


def test_an_interrupt_in_a_callback_is_an_interrupt(config, tmp_path):
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        train(
            config(), tmp_path / "cut", callbacks=[watcher, Failing("on_step", 7, KeyboardInterrupt())], progress=False
        )
    assert gs.open_run(tmp_path / "cut").status == "interrupted"
    assert watcher.ended == ["interrupted"]
    _same_runs(train(config(), tmp_path / "whole", progress=False), resume(tmp_path / "cut", progress=False))


def test_a_branch_calls_them_for_its_own_steps(config, tmp_path):
    watcher = Watcher()
    branch(train(config(), tmp_path / "run", progress=False), 8, tmp_path / "b", callbacks=[watcher], progress=False)
    assert list(watcher.steps) == list(range(9, 21))


@pytest.mark.parametrize("wrong", [3, Watcher, object(), print])
def test_what_is_no_callback_is_refused_before_anything_is_written(config, tmp_path, wrong):
    with pytest.raises(ConfigError, match="use an object with one or more of on_start, on_step, on_evaluation"):
        train(config(), tmp_path / "run", callbacks=[wrong], progress=False)
    assert not (tmp_path / "run").exists()


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard itself reads from event files, by tag and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def test_tensorboard_shows_the_metrics_of_the_run_once_after_a_resume(config, tmp_path):
    plain = train(config(), tmp_path / "plain", progress=False)
    with pytest.raises(CallbackError):
        train(
            config(), tmp_path / "run", callbacks=[TensorBoard(), Failing("on_step", 10, ValueError())], progress=False
        )
    run = resume(tmp_path / "run", callbacks=[TensorBoard()], progress=False)
    assert run.digests == plain.digests
    assert not any(finding.is_bad for finding in gs.verify_run(run.path))
    kept = run.metrics.set_index("step")
    shown = scalars(run.path / "tensorboard")
    assert set(shown) == {"loss/train", "loss/val", "accuracy/train", "accuracy/val"}
    for tag, values in shown.items():
        what, split = tag.split("/")
        assert values == pytest.approx(kept[f"{split}_{what}"].to_dict(), rel=1e-6)  # event files hold float32


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
from grokscope.cli import main
sys.exit(main(["train", "mul-lion-clip", "--log", sys.argv[1], "--out", sys.argv[2]]))
"""


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_a_package_that_is_not_there_is_told_in_one_line_before_anything_is_written(tmp_path, package):
    environment = os.environ | {"PYTHONPATH": str(Path(gs.__file__).parents[1])}
    done = forked.run([sys.executable, "-c", WITHOUT, package, str(tmp_path / "run")], env=environment)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"{package} is not installed" in line
    assert line.endswith(f"pip install 'grokscope[{package}]'")
    assert not (tmp_path / "run").exists()


def test_weights_and_biases_is_offline_and_asks_for_nothing(config, tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked something"))
    run = train(config(), tmp_path / "run", callbacks=[WandB()], progress=False)
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    (kept,) = folder.glob("run-*.wandb")
    content = kept.read_bytes()
    assert b"val_accuracy" in content
    assert b"grokscope" in content
    assert run.digests == train(config(), tmp_path / "plain", progress=False).digests


def test_the_mode_of_weights_and_biases_is_what_the_user_says(monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert WandB()._options["mode"] == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert WandB()._options["mode"] == "disabled"
    assert WandB(mode="online")._options["mode"] == "online"
