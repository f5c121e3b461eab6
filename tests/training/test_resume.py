"""An interrupted run, resumed, is bit for bit the run that was not interrupted."""

from __future__ import annotations

import json

import pytest
import torch

import grokscope.training.loop as loop
from grokscope.runs import RunError, open_run, reopen_run, verify_run
from grokscope.runs.environment import environment
from grokscope.runs.opening import locked
from grokscope.training import Trainer, resume, train


@pytest.fixture(autouse=True)
def _state_with_every_checkpoint(monkeypatch):
    """As if every checkpoint were five seconds after the last."""
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", -1.0)


def _interrupt_after(step: int, error: type[BaseException], patch: pytest.MonkeyPatch) -> None:
    taken = Trainer._step

    def until(self, *, record):
        if self.step == step:
            raise error
        return taken(self, record=record)

    patch.setattr(Trainer, "_step", until)


def _same_runs(first, second) -> None:
    assert first.status == second.status == "finished"
    assert first.digests == second.digests
    assert first.reason == second.reason
    columns = [name for name in first.metrics if name != "seconds"]
    assert first.metrics[columns].equals(second.metrics[columns])
    for step in first.steps:
        ours, theirs = first.weights(step), second.weights(step)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not any(finding.is_bad for finding in verify_run(second.path))


OPTIMIZERS = {
    "lion": {"optimizer.name": "lion", "init_rows": "all", "max_norm": 0.5},
    "adamw": {"optimizer.name": "adamw", "weight_decay": 0.1},
    "adam": {"optimizer.name": "adam"},
    "sgd": {"optimizer.name": "sgd", "momentum": 0.9, "lr": 0.1},
    "sgd-plain": {"optimizer.name": "sgd", "lr": 0.1},
    "signsgd": {"optimizer.name": "signsgd", "max_norm": 0.5},
}
ACCELERATORS = {
    "muon": {"optimizer.name": "muon", "momentum": 0.9, "weight_decay": 0.1},
    "muon per head": {"optimizer.name": "muon", "momentum": 0.9, "heads": "per_head", "adam_lr": 1e-4},
    "scion": {"optimizer.name": "scion", "lr": 0.05},
    "unconstrained scion": {"optimizer.name": "unconstrained_scion", "group_lmo": (("embed", "col_norm"),)},
    "clipped scion": {"optimizer.name": "clipped_scion", "lr": 0.05, "heads": "per_head", "radius": 3.0},
    "unconstrained clipped scion": {"optimizer.name": "unconstrained_clipped_scion", "rho": 5.0, "max_norm": 0.5},
    "grokfast ema": {"gradient.name": "grokfast_ema", "optimizer.name": "adamw"},
    "grokfast ma": {"gradient.name": "grokfast_ma", "window": 4, "optimizer.name": "adam"},
    "orthograd": {"gradient.name": "orthograd", "optimizer.name": "adamw"},
    "neuralgrok": {"gradient.name": "neuralgrok", "outer_every": 2, "amplifier_width": 8, "optimizer.name": "adamw"},
    "frobenius cap": {"cap": "frobenius", "cap_ratio": 0.9},
    "spectral cap": {"cap": "spectral", "cap_heads": "per_head", "max_norm": 0.5, "init_rows": "all"},
    "decay by group": {
        "optimizer.name": "adam", "weight_decay": 0.5, "decay_form": "decoupled", "decay_scope": ("mlp", "embed")},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [*((name, size) for name in OPTIMIZERS for size in (6, None)), *((name, 6) for name in ACCELERATORS)],
)
def test_a_resumed_run_is_the_uninterrupted_one(config, tmp_path, monkeypatch, name, batch_size):
    # Epochs have 3 steps (the last one ragged); states are saved with evaluations (0, 3, 6, ...) and checkpoints (0, 4,
    # 8, ...): a resume goes on from the one before, at a step that one of the two may be due at, or both.
    settings = config(batch_size=batch_size, **(OPTIMIZERS | ACCELERATORS)[name])
    whole = train(settings, tmp_path / "whole", progress=False)
    path = tmp_path / "cut"
    for step in (3, 11):
        with monkeypatch.context() as patch:
            _interrupt_after(step, KeyboardInterrupt, patch)
            with pytest.raises(KeyboardInterrupt):
                resume(path, progress=False) if path.exists() else train(settings, path, progress=False)
        assert open_run(path).status == "interrupted"
    _same_runs(whole, resume(path, progress=False))


@pytest.mark.parametrize("step", [0, 1, 4, 19])
@pytest.mark.parametrize(
    "changes",
    [{"dtype": "float64"}, {"forward": "hooked"}, {"forward": "compiled"}, {"task.name": "mixed", "modulus": 5}],
)
def test_it_may_be_interrupted_anywhere(config, tmp_path, monkeypatch, changes, step):
    settings = config(**changes)
    whole = train(settings, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        _interrupt_after(step, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "cut", progress=False)
    _same_runs(whole, resume(tmp_path / "cut", progress=False))


def test_a_run_interrupted_in_its_first_seconds_can_be_resumed(config, tmp_path, monkeypatch):
    """The only state is then that of step 0, where metrics and checkpoint are on disk already."""
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", 1e9)
    whole = train(config(), tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "cut", progress=False)
    assert json.loads((tmp_path / "cut" / "state.json").read_text())["info"]["step"] == 0
    _same_runs(whole, resume(tmp_path / "cut", progress=False))


def test_a_run_that_failed_says_why_and_can_be_resumed(config, tmp_path, monkeypatch):
    whole = train(config(), tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        _interrupt_after(7, MemoryError, patch)
        with pytest.raises(MemoryError):
            train(config(), tmp_path / "cut", progress=False)
    run = open_run(tmp_path / "cut")
    assert run.status == "failed"
    assert "MemoryError" in run.reason
    _same_runs(whole, resume(tmp_path / "cut", progress=False))


def test_a_run_interrupted_before_any_state_starts_again(config, tmp_path, monkeypatch):
    whole = train(config(), tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        _interrupt_after(9, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "cut", progress=False)
    for file in (tmp_path / "cut").glob("state*"):
        file.unlink()
    _same_runs(whole, resume(tmp_path / "cut", progress=False))


def test_a_stopping_rule_and_a_dense_schedule_are_taken_up_where_they_were(config, tmp_path, monkeypatch):
    def evaluate(self):
        value = float(self.step >= 4)
        return {"train_loss": 1.0, "train_accuracy": value, "val_loss": 1.0, "val_accuracy": value}

    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    changes = {"schedule": "dense", "checkpoints.every": 3, "sparse_every": 7, "eval_every": 2}
    settings = config(**changes, **{"stop_evaluations": 8, "training.steps": 90})
    whole = train(settings, tmp_path / "whole", progress=False)
    assert whole.steps == [0, 3, 6, 9, 12, 21, 28, 30]
    for step in (2, 10, 15, 23, 29):
        path = tmp_path / f"cut{step}"
        with monkeypatch.context() as patch:
            _interrupt_after(step, KeyboardInterrupt, patch)
            with pytest.raises(KeyboardInterrupt):
                train(settings, path, progress=False)
        _same_runs(whole, resume(path, progress=False))


def test_seconds_go_on_from_where_they_were(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False)
    run = resume(tmp_path / "run", progress=False)
    assert run.metrics["seconds"].is_monotonic_increasing


def test_a_finished_run_is_returned_as_it_is(trained):
    run = trained()
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*")}
    assert resume(run.path, progress=False).digests == run.digests
    assert {p: p.stat().st_mtime_ns for p in run.path.rglob("*")} == before


def _files(run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def unsealed(run) -> bytes:
    """The seals of a run without that of its end, as a kill after its status leaves them on disk."""
    seals = run.path / "seals.jsonl"
    seals.write_bytes(b"".join(seals.read_bytes().splitlines(keepends=True)[:-1]))
    assert {finding.verdict for finding in verify_run(run.path)} == {"ok", "unsealed"}
    return seals.read_bytes()


def test_a_run_that_was_killed_before_the_seal_of_its_end_is_sealed(trained):
    """A kill after the status and before the last seal leaves files of which nothing is recorded."""
    run = trained()
    before = _files(run)
    unsealed(run)
    assert resume(run.path).status == "finished"
    assert {finding.verdict for finding in verify_run(run.path)} == {"ok"}
    again = _files(run)
    assert again | {"seals.jsonl": b""} == before | {"seals.jsonl": b""}
    resume(run.path)
    assert _files(run) == again


def test_a_run_that_its_process_is_leaving_is_left_to_it(trained):
    run = trained()
    seals = unsealed(run)
    lock = locked(run.path)
    try:
        assert resume(run.path).status == "finished"
    finally:
        lock.release()
    assert (run.path / "seals.jsonl").read_bytes() == seals


def test_a_changed_config_is_refused_naming_the_settings(trained, config):
    run = trained()
    with pytest.raises(RunError, match=r"optimizer\.lr = 0\.001 in the run, 0\.5 given") as caught:
        reopen_run(run.path, config(lr=0.5, seed=7))
    assert "seed = 0 in the run, 7 given" in str(caught.value)
    assert open_run(run.path).status == "finished"


def test_a_config_that_was_edited_by_hand_is_noticed(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False)
    file = tmp_path / "run" / "config.json"
    record = json.loads(file.read_text())
    record["config"]["optimizer"]["lr"] = 0.5
    file.write_text(json.dumps(record))
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    with pytest.raises(RunError, match=r"optimizer\.lr is 0\.5, was 0\.001\. .*grokscope branch"):
        resume(tmp_path / "run", progress=False)
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before


def test_training_that_arrives_elsewhere_than_the_checkpoints_is_refused_and_overwrites_nothing(
    config, tmp_path, monkeypatch
):
    """Of a run that is older than seals, whose config was edited."""
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False)
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    record["config"]["optimizer"]["lr"] = 0.5
    del record["sealed"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(record))
    # Without the state of step 8 it trains from the start, and arrives elsewhere at step 4.
    for file in (*(tmp_path / "run").glob("state*"), tmp_path / "run" / "seals.jsonl"):
        file.unlink()
    digests = open_run(tmp_path / "run").digests
    with pytest.raises(RunError, match="differ from those in"):
        resume(tmp_path / "run", progress=False)
    assert open_run(tmp_path / "run").digests == digests
    assert not any(finding.is_bad for finding in verify_run(tmp_path / "run"))


def test_another_environment_is_a_warning_and_with_strict_an_error(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False)
    here = environment()
    monkeypatch.setattr("grokscope.runs.opening.environment", lambda: here | {"torch": "9.0"})
    with pytest.raises(RunError, match=r"may round otherwise: torch was .*, is 9\.0.*without strict"):
        resume(tmp_path / "run", progress=False, strict=True)
    with pytest.warns(RuntimeWarning, match=r"may round otherwise: torch was .*, is 9\.0"):
        run = resume(tmp_path / "run", progress=False)
    assert run.status == "finished"
    assert [made_in["torch"] for _, made_in in run.environments] == [here["torch"], "9.0"]
    assert {finding.verdict for finding in verify_run(run.path)} == {"ok"}


def test_a_damaged_state_is_refused_and_nothing_is_lost(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt_after(11, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False)
    file = tmp_path / "run" / json.loads((tmp_path / "run" / "state.json").read_text())["file"]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    digests = open_run(tmp_path / "run").digests
    with pytest.raises(RunError, match=f"{file.name}.*has changed"):
        resume(tmp_path / "run", progress=False)
    assert open_run(tmp_path / "run").digests == digests


def test_resuming_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="there is no run at"):
        resume(tmp_path / "nothing", progress=False)
