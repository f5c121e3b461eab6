"""The writer: one process, one config, nothing overwritten, an honest status."""

from __future__ import annotations

import dataclasses
import json
import socket

import pytest
import torch

from grokscope.runs import RunError, create_run, open_run, reopen_run, verify_run
from grokscope.runs.environment import environment


def save_again(path, step, weights):
    with reopen_run(path) as writer:
        writer.checkpoint(step, weights)
        writer.flush()


def test_config_and_environment_are_recorded_and_the_config_round_trips(trained, config):
    record = json.loads((trained / "config.json").read_text())
    assert record["format"] == 1
    assert record["environment"].keys() == {
        "grokscope", "torch", "transformer-lens", "python", "platform", "machine", "capability", "threads", "products",
        "subnormals",
    }  # fmt: skip
    assert (
        record["environment"]["torch"] == torch.__version__.split("+")[0]
        or record["environment"]["torch"] == torch.__version__
    )
    assert open_run(trained).config == config


def test_repr_tells_task_arm_seed_steps_and_grok_step(trained):
    assert repr(open_run(trained)) == (
        "<Run mul-lion-clip-seed3: task mul-p5, arm lion-clip, seed 3, "
        "6 checkpoints at steps 0 to 50, no grok, finished>"
    )


def test_an_existing_run_is_refused_and_left_alone(trained, config):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    with pytest.raises(RunError, match="is a run already: resume it"):
        create_run(trained, config)
    assert {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()} == before


def test_a_directory_that_holds_something_is_refused_and_left_alone(tmp_path, config):
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(RunError, match=r"is not empty \(it holds thesis\.tex\)"):
        create_run(tmp_path, config)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_directory_and_one_that_a_killed_creation_left_are_taken(tmp_path, config):
    (tmp_path / "checkpoints").mkdir()
    for name in ("run.lock", "manifest.jsonl", "metrics.jsonl", ".config.json.0a1b2c3d.tmp"):
        (tmp_path / name).touch()
    create_run(tmp_path, config).finish("finished")
    assert open_run(tmp_path).status == "finished"


def test_a_run_that_lost_its_config_is_not_taken_for_an_empty_directory(trained, config):
    (trained / "config.json").unlink()
    with pytest.raises(RunError, match="is not empty"):
        create_run(trained, config)
    with pytest.raises(RunError, match=r"is not a run: it has no config\.json"):
        reopen_run(trained)


def test_a_changed_config_is_refused_with_the_settings_that_changed(trained, config):
    changed = dataclasses.replace(config, seed=4, optimizer=dataclasses.replace(config.optimizer, lr=0.5))
    with pytest.raises(RunError, match=r"seed = 3 in the run, 4 given; optimizer\.lr = 0\.001 in the run, 0\.5 given"):
        reopen_run(trained, changed)
    reopen_run(trained, config).finish("finished")


def test_a_second_writer_is_kept_out_until_the_first_is_done(trained):
    with reopen_run(trained) as first:
        with pytest.raises(RunError, match="is being trained by another process"):
            reopen_run(trained)
        first.finish("finished")
    reopen_run(trained).finish("finished")


def test_a_step_saved_again_with_the_same_weights_changes_nothing(trained, weights_at):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in (trained / "checkpoints").iterdir()}
    with reopen_run(trained) as writer:
        writer.checkpoint(30, weights_at(30))
        writer.checkpoint(50, weights_at(50))
        writer.finish("finished")
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in (trained / "checkpoints").iterdir()} == before
    assert open_run(trained).steps == [0, 10, 20, 30, 40, 50]


def test_a_step_saved_again_with_other_weights_is_an_error_and_never_overwrites(trained, weights_at):
    weights = weights_at(30)
    weights["embed.W_E"][0, 0] = torch.nextafter(weights["embed.W_E"][0, 0], torch.tensor(torch.inf))
    with pytest.raises(RunError, match=r"weights at step 30 differ from those in .*manifest\.jsonl"):
        save_again(trained, 30, weights)
    assert open_run(trained).weights(30)["embed.W_E"].equal(weights_at(30)["embed.W_E"])
    assert open_run(trained).status == "failed"


def test_that_error_says_what_changed_on_this_machine(trained, weights_at, monkeypatch):
    here = environment()
    for module in ("opening", "writer"):
        monkeypatch.setattr(f"grokscope.runs.{module}.environment", lambda: here | {"torch": "9.0", "threads": 64})
    with pytest.raises(RunError, match=r"torch was 2\..*, is 9\.0; threads was 1, is 64"):
        save_again(trained, 30, weights_at(31))


@pytest.mark.parametrize("name", ["torch", "machine", "capability", "threads", "products", "subnormals", "grokscope"])
def test_an_environment_that_may_round_otherwise_is_recorded_from_that_step_on(killed, monkeypatch, name):
    here = environment()
    monkeypatch.setattr("grokscope.runs.opening.environment", lambda: here | {name: "another"})
    for _ in range(2):  # once: the second time it is the one of before
        reopen_run(killed).finish("interrupted")
    run = open_run(killed)
    assert [(step, made_in[name]) for step, made_in in run.environments] == [(0, here[name]), (50, "another")]


def test_another_python_or_kernel_is_not_another_environment(killed, monkeypatch):
    here = environment()
    monkeypatch.setattr("grokscope.runs.opening.environment", lambda: here | {"python": "3", "platform": "Plan 9"})
    reopen_run(killed).finish("interrupted")
    assert len(open_run(killed).environments) == 1


@pytest.mark.parametrize("name", ["torch", "threads", "products", "capability"])
def test_an_edited_environment_is_refused(trained, name):
    record = json.loads((trained / "config.json").read_text())
    record["environment"][name] = "other"
    (trained / "config.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=rf"config\.json has changed .*: environment\.{name} is 'other', was"):
        open_run(trained)


def test_an_edited_config_is_refused_field_by_field_and_points_to_a_branch(killed):
    record = json.loads((killed / "config.json").read_text())
    record["config"]["optimizer"]["lr"] = 0.5
    record["config"]["norms"]["max_norm"] = 3.0
    record["config"]["training"]["steps"] = 7
    (killed / "config.json").write_text(json.dumps(record))
    message = (
        r"optimizer\.lr is 0\.5, was 0\.001; norms\.max_norm is 3\.0, was None; training\.steps is 7, was \d+\. .*"
        "grokscope branch"
    )
    for use in (open_run, reopen_run):
        with pytest.raises(RunError, match=message):
            use(killed)
    (finding,) = [finding for finding in verify_run(killed) if finding.is_bad]
    assert (finding.file, finding.verdict) == ("config.json", "digest mismatch")


def test_a_lost_checkpoint_is_restored_when_its_step_is_trained_again(trained, weights_at):
    (trained / "checkpoints/step_00000030.safetensors").unlink()
    (trained / "checkpoints/step_00000040.safetensors").write_bytes(b"short")
    with reopen_run(trained) as writer:
        writer.checkpoint(30, weights_at(30))
        writer.checkpoint(40, weights_at(40))
        writer.finish("finished")
    run = open_run(trained)
    assert all(run.weights(step)["embed.W_E"].equal(weights_at(step)["embed.W_E"]) for step in run.steps)


def test_an_error_in_the_background_stops_all_later_writes_and_is_raised_by_every_later_call(trained, weights_at):
    writer = reopen_run(trained)
    writer.checkpoint(30, weights_at(31))
    with pytest.raises(RunError, match="step 30 differ"):
        writer.flush()
    manifest, metrics = (trained / "manifest.jsonl").read_bytes(), (trained / "metrics.jsonl").read_bytes()
    for use in (
        lambda: writer.checkpoint(60, weights_at(60)),
        lambda: writer.log({"step": 60}),
        lambda: writer.save_state({}, {}),
        lambda: writer.finish("finished"),
    ):
        with pytest.raises(RunError, match="step 30 differ"):
            use()
    assert (trained / "manifest.jsonl").read_bytes() == manifest
    assert (trained / "metrics.jsonl").read_bytes() == metrics
    run = open_run(trained)
    assert run.status == "failed"
    assert "step 30 differ" in (run.reason or "")
    reopen_run(trained).finish("finished")  # the lock was given up


def test_a_block_that_raises_marks_the_run_failed_or_interrupted_and_keeps_what_was_saved(tmp_path, config, weights_at):
    def save_and_raise(path, error):
        with create_run(path, config) as writer:
            writer.checkpoint(0, weights_at(0))
            writer.log({"step": 0, "val_accuracy": 0.5})
            raise error

    for name, error, status in (
        ("a", ZeroDivisionError("1/0"), "failed"),
        ("b", KeyboardInterrupt(), "interrupted"),
    ):
        with pytest.raises(type(error)):
            save_and_raise(tmp_path / name, error)
        run = open_run(tmp_path / name)
        assert (run.status, run.steps, len(run.metrics)) == (status, [0], 1)
        assert type(error).__name__ in (run.reason or "")
    with create_run(tmp_path / "c", config):
        pass
    assert open_run(tmp_path / "c").status == "interrupted"


def test_a_closed_writer_refuses_everything(trained, weights_at):
    writer = reopen_run(trained)
    writer.finish("diverged", "loss is nan", step=57)
    for use in (
        lambda: writer.checkpoint(60, weights_at(60)),
        lambda: writer.log({"step": 60}),
        lambda: writer.finish("failed"),
    ):
        with pytest.raises(RunError, match="is closed"):
            use()
    run = open_run(trained)
    assert (run.status, run.reason) == ("diverged", "loss is nan")
    assert json.loads((trained / "status.json").read_text())["step"] == 57


def test_an_unknown_status_is_refused(trained):
    with (
        reopen_run(trained) as writer,
        pytest.raises(RunError, match="status 'done' is not accepted: use one of running, finished"),
    ):
        writer.finish("done")  # type: ignore[arg-type]


def test_a_running_status_counts_only_as_long_as_its_process_lives(killed):
    file = killed / "status.json"
    record = json.loads(file.read_text())
    assert open_run(killed).status == "running"  # this process, which made the run
    file.write_text(json.dumps(record | {"process_started": record["process_started"] - 1000}))
    assert open_run(killed).status == "interrupted"  # the number belongs to another process by now
    for pid in (2**22 + 1, -1, 2**70):
        file.write_text(json.dumps(record | {"pid": pid}))
        assert open_run(killed).status == "interrupted"
    assert "ended without finishing" in (open_run(killed).reason or "")
    file.write_text(json.dumps(record | {"pid": 2**22 + 1, "host": socket.gethostname() + "-other"}))
    assert open_run(killed).status == "running"  # nothing is known of other machines


@pytest.mark.parametrize(("name", "value"), [("step", "3"), ("pid", "x"), ("reason", 3), ("host", None), ("state", 1)])
def test_a_status_with_a_value_of_another_kind_is_named(killed, name, value):
    record = json.loads((killed / "status.json").read_text())
    (killed / "status.json").write_text(json.dumps(record | {name: value}))
    with pytest.raises(RunError, match=rf"status\.json is damaged: {name} = "):
        open_run(killed)


@pytest.mark.parametrize("step", [-1, 1.0, True, "3", None])
def test_a_checkpoint_step_is_an_integer_from_zero(trained, weights_at, step):
    with reopen_run(trained) as writer:
        with pytest.raises(RunError, match="use an integer >= 0"):
            writer.checkpoint(step, weights_at(0))
        writer.finish("finished")


def test_reopening_clears_temporary_files_and_the_table_that_will_be_behind(trained):
    (trained / "checkpoints/.step_00000060.safetensors.12345678.tmp").write_bytes(b"half")
    (trained / ".status.json.12345678.tmp").write_bytes(b"half")
    with reopen_run(trained) as writer:
        assert not list(trained.rglob("*.tmp"))
        assert not (trained / "metrics.parquet").exists()
        writer.finish("finished")
    assert (trained / "metrics.parquet").exists()


def test_a_run_of_a_later_format_is_refused(trained, without_seals):
    without_seals(trained)
    record = json.loads((trained / "config.json").read_text())
    (trained / "config.json").write_text(json.dumps(record | {"format": 2}))
    with pytest.raises(RunError, match="has format 2; this version of grokscope reads format 1"):
        open_run(trained)


def test_a_config_with_a_setting_that_cannot_be_run_is_named(trained, without_seals):
    without_seals(trained)
    record = json.loads((trained / "config.json").read_text())
    record["config"]["task"]["modulus"] = 96
    (trained / "config.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"config\.json is damaged: task\.modulus = 96 is not prime"):
        open_run(trained)
