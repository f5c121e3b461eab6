"""From a config to a run: what is saved when, what stops it, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from grokscope.config import ConfigError, override, preset
from grokscope.model import is_buffer
from grokscope.norms import clip_rows_, row_norms
from grokscope.runs import RunError, open_run, verify_run
from grokscope.tasks import build_task
from grokscope.training import Trainer, train
from tests.model.reference import to_decoder


def _is_sound(run) -> bool:
    return not any(finding.verdict != "ok" for finding in verify_run(run.path))


def test_a_run_is_finished_with_first_and_last_and_scheduled_checkpoints(trained):
    run = trained(**{"training.steps": 18, "checkpoints.every": 5})
    assert run.status == "finished"
    assert run.steps == [0, 5, 10, 15, 18]
    assert _is_sound(run)


@pytest.mark.parametrize(("per_decade", "expected"), [(1, [0, 1, 10, 20]), (3, [0, 1, 2, 5, 10, 20])])
def test_a_log_schedule_saves_powers(trained, per_decade, expected):
    run = trained(schedule="log", per_decade=per_decade)
    assert run.steps == expected


def test_every_k_steps_are_evaluated_and_the_last(trained):
    run = trained(**{"training.steps": 20, "eval_every": 3})
    assert run.metrics["step"].tolist() == [0, 3, 6, 9, 12, 15, 18, 20]
    assert set(run.metrics) == {"step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds"}
    assert run.metrics["seconds"].is_monotonic_increasing


@pytest.mark.parametrize(("batch_size", "cadence"), [(6, 3), (15, 1), (100, 1), (1, 15), (None, 10)])
def test_evaluation_is_every_epoch_unless_said_otherwise(trained, batch_size, cadence):
    run = trained(**{"batch_size": batch_size, "eval_every": None, "training.steps": 31})
    assert run.metrics["step"].tolist() == sorted({*range(0, 32, cadence), 31})


def test_metrics_are_those_of_the_saved_weights_computed_with_torch_layers(trained):
    run = trained(eval_every=4, dtype="float64")
    task = run.task
    train_set, val_set = task.split(run.config.task.train_fraction, run.config.seed)
    for row in run.metrics.to_dict("records"):
        weights = run.weights(row["step"])
        logits = to_decoder(run.config.model, task, weights)(task.tokens)[:, -1].detach()
        for name, examples in (("train", train_set), ("val", val_set)):
            loss = torch.nn.functional.cross_entropy(logits[examples], task.labels[examples])
            accuracy = (logits[examples].argmax(-1) == task.labels[examples]).double().mean()
            assert row[f"{name}_loss"] == pytest.approx(float(loss), rel=1e-10)
            assert row[f"{name}_accuracy"] == pytest.approx(float(accuracy))


@pytest.mark.parametrize("forward", ["compiled", "engine", "hooked"])
def test_a_small_network_memorises_and_generalises(trained, forward):
    """The parity of 2 of 7 bits, from half of the table."""
    settings = {"task.name": "parity", "bits": 7, "parity_bits": 2, "train_fraction": 0.5, "batch_size": None}
    settings |= {"d_model": 32, "d_mlp": 64, "output": "answers", "init_rows": "all", "max_norm": 1.5}
    settings |= {"optimizer.name": "adam", "lr": 3e-3, "training.steps": 400, "eval_every": 10, "stop_evaluations": 0}
    run = trained(forward=forward, **settings, **{"checkpoints.every": 400})
    assert run.memorisation_step is not None
    assert run.grok_step == run.sustained_grok_step
    assert 20 <= run.grok_step <= 200
    assert run.final_step == run.grok_step + 50
    assert run.metrics["val_loss"].iloc[-1] < 0.1 < run.metrics["val_loss"].iloc[0]


@pytest.mark.parametrize("enough", [0, 3])
def test_a_run_stops_that_many_evaluations_after_a_sustained_grok(trained, monkeypatch, enough):
    accuracy = {step: float(step >= 6) for step in range(0, 100, 2)}

    def evaluate(self):
        value = accuracy[self.step]
        return {"train_loss": 1.0, "train_accuracy": value, "val_loss": 1.0, "val_accuracy": value}

    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    run = trained(**{"eval_every": 2, "stop_evaluations": enough, "training.steps": 90})
    # First above at 6; sustained once the next five (8 .. 16) are; then `enough` more.
    assert run.sustained_grok_step == 6
    assert run.metrics["step"].iloc[-1] == run.final_step == 16 + 2 * enough
    assert run.status == "finished"
    assert "sustained" in run.reason


def test_without_a_stopping_rule_the_whole_budget_is_used(trained, monkeypatch):
    row = {"train_loss": 0.0, "train_accuracy": 1.0, "val_loss": 0.0, "val_accuracy": 1.0}
    monkeypatch.setattr(Trainer, "evaluate", lambda self: row)
    assert trained().final_step == 20


def test_a_dense_schedule_thins_out_after_the_grok_is_sustained(trained, monkeypatch):
    def evaluate(self):
        value = float(self.step >= 4)
        return {"train_loss": 1.0, "train_accuracy": value, "val_loss": 1.0, "val_accuracy": value}

    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    run = trained(
        **{"schedule": "dense", "checkpoints.every": 3, "sparse_every": 10, "eval_every": 2, "training.steps": 45}
    )
    # Sustained is known at step 4 + 5 * 2 = 14.
    assert run.steps == [0, 3, 6, 9, 12, 20, 30, 40, 45]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_checkpoints_have_the_dtype_of_the_model_and_load_strictly(trained, dtype):
    run = trained(dtype=dtype)
    for step in run.steps:
        weights = run.weights(step)
        assert {v.dtype for n, v in weights.items() if not is_buffer(n)} == {getattr(torch, dtype)}
        run.model(step).load_state_dict(weights, strict=True)


def test_every_checkpoint_of_a_clipped_run_keeps_the_bound(trained):
    run = trained(**{"init_rows": "all", "max_norm": 0.5, "optimizer.name": "lion", "lr": 0.05})
    bound_reached = 0
    for step in run.steps:
        decoder = to_decoder(run.config.model, run.task, run.weights(step))
        for name, parameter in decoder.named_parameters():
            norms = parameter.detach().double().norm(dim=-1)
            if not name.startswith(("embed.", "head.")):
                assert float(norms.max()) <= 0.5 * (1 + 1e-6), (step, name)
                bound_reached += int((norms > 0.5 * (1 - 1e-6)).sum())
            elif step == 0 and name != "head.bias":
                torch.testing.assert_close(norms, torch.full_like(norms, 0.5), rtol=1e-6, atol=0)
    assert bound_reached > 0
    last = row_norms("embed.W_E", run.weights(-1)["embed.W_E"])
    assert float(last.max()) > 0.5 * 1.01  # embeddings are free


def test_a_step_is_gradient_update_and_clip(config):
    """One step of Lion from scratch: w - lr * sign(g), then the clip; lr is a tenth of the full one."""
    settings = config(**{"optimizer.name": "lion", "lr": 0.1, "max_norm": 0.5, "batch_size": None, "dtype": "float64"})
    trainer = Trainer(settings, build_task(settings.task))
    before = {name: value.detach().clone() for name, value in trainer.weights.items()}
    decoder = to_decoder(settings.model, trainer.task, before)
    logits = decoder(trainer.task.tokens[trainer.train])[:, -1]
    expected_loss = torch.nn.functional.cross_entropy(logits, trainer.task.labels[trainer.train])
    expected_loss.backward()
    assert trainer.update() == pytest.approx(float(expected_loss.detach()), rel=1e-12)
    moved = {"embed.W_E": decoder.embed.weight, "pos_embed.W_pos": decoder.position.weight}
    stepped = {name: before[name] - 0.01 * weight.grad.sign() for name, weight in moved.items()}
    clip_rows_(stepped, 0.5, ["pos_embed.W_pos"])
    for name, value in stepped.items():
        torch.testing.assert_close(trainer.weights[name].detach(), value, rtol=1e-12, atol=1e-14)


def test_arms_of_one_seed_share_initial_weights_split_and_batch_order(config):
    trainers = []
    for changes in ({}, {"optimizer.name": "adamw"}, {"warmup_steps": 3, "lr": 0.5}, {"forward": "hooked"}):
        settings = config(**changes)
        trainers.append(Trainer(settings, build_task(settings.task)))
    first = trainers[0]
    orders = [[trainer.batches.next().tolist() for _ in range(7)] for trainer in trainers]
    for trainer, order in zip(trainers, orders, strict=True):
        assert order == orders[0]
        assert torch.equal(trainer.train, first.train)
        assert torch.equal(trainer.val, first.val)
        assert all(torch.equal(trainer.weights[name], value) for name, value in first.weights.items())
    # Norm control starts from the same weights: its rows point the same way.
    clipped_config = config(init_rows="all", max_norm=0.25)
    clipped = Trainer(clipped_config, build_task(clipped_config.task))
    for name, value in first.weights.items():
        if not is_buffer(name) and ".b_" not in name:
            pair = [value.detach(), clipped.weights[name].detach()]
            torch.testing.assert_close(*(v / row_norms(name, v).clamp(min=1e-9) for v in pair))


def test_engine_and_hooked_runs_agree(trained):
    adam = {"optimizer.name": "adam", "dtype": "float64"}
    runs = [trained(forward, forward=forward, **adam) for forward in ("engine", "hooked")]
    for step in runs[0].steps:
        first, second = (run.weights(step) for run in runs)
        assert all(torch.allclose(first[n], second[n], rtol=0, atol=1e-8) for n in first if not is_buffer(n))


def test_the_same_config_gives_the_same_bytes_and_another_seed_others(trained):
    first, second, other = trained("a"), trained("b"), trained("c", seed=1)
    assert first.digests == second.digests
    assert not set(first.digests.values()) & set(other.digests.values())
    assert first.metrics.drop(columns="seconds").equals(second.metrics.drop(columns="seconds"))


def test_saving_and_evaluating_change_nothing_that_is_trained(trained):
    often = trained("often", **{"checkpoints.every": 1, "eval_every": 1})
    seldom = trained("seldom", **{"checkpoints.every": 100, "eval_every": 100})
    assert often.digests[20] == seldom.digests[20]
    assert seldom.steps == [0, 20]


def test_overrides_go_by_short_name_and_unknown_ones_name_the_nearest(config, tmp_path):
    run = train(config(), tmp_path / "run", progress=False, seed=3, lr=1e-4)
    assert (run.config.seed, run.config.optimizer.lr) == (3, 1e-4)
    with pytest.raises(ConfigError, match=r"'max_nrom'.*norms\.max_norm"):
        train(config(), tmp_path / "other", progress=False, max_nrom=2.0)
    assert not (tmp_path / "other").exists()


def _tree(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_an_existing_run_is_refused_and_left_as_it_is(trained, config, tmp_path):
    run = trained()
    before = _tree(run.path)
    with pytest.raises(RunError, match="is a run already"):
        train(config(seed=5), run.path, progress=False)
    assert _tree(run.path) == before
    other = tmp_path / "notes"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="not empty"):
        train(config(), other, progress=False)
    assert _tree(other) == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize(
    "changes", [{"train_fraction": 1e-6}, {"device": "nonsense"}, {"device": "cuda:99"}], ids=["split", "device", "gpu"]
)
def test_settings_that_cannot_be_run_here_are_refused_before_anything_is_written(config, tmp_path, changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        train(config(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_training_leaves_threads_and_global_generator_as_they_were(trained):
    torch.set_num_threads(2)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    trained(threads=1)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_run_without_a_directory_goes_to_checkpoints_under_its_name(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = train(config(seed=2), progress=False)
    assert run.path == Path("checkpoints/mul-p7-tiny-seed2")
    assert open_run(run.path).status == "finished"


def test_a_progress_bar_counts_the_steps(config, tmp_path, capfd):
    train(config(), tmp_path / "run", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "tiny seed 0" in err
    assert "20 of 20 steps" in err
    assert "00:00 left" in err


def test_the_loss_at_the_start_is_that_of_guessing_when_logits_are_small():
    config = override(preset("mul-lion"), {"modulus": 7, "d_model": 8, "n_heads": 2, "d_mlp": 8, "output": "answers"})
    trainer = Trainer(config, build_task(config.task))
    with torch.no_grad():
        trainer.weights["unembed.W_U"].zero_()
    assert trainer.evaluate()["val_loss"] == pytest.approx(math.log(7), rel=1e-6)
