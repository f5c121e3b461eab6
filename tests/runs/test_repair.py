"""Whatever is damaged or lost, `repair_run` gives back a run that verifies, and says what it did; nothing is deleted.

Runs are trained, so that a resume after a repair can be compared with a run that nothing happened to, byte by byte.
"""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import safetensors.torch
import torch

import grokscope as gs
from grokscope.cli import main
from grokscope.runs import RunError, list_runs, open_run, reopen_run, repair_run, verify_run
from grokscope.training import Callback, branch, resume, train
from grokscope.training import loop as training_loop

CONFIG = gs.override(
    gs.RunConfig(),
    {
        "task.modulus": 5, "model.n_layers": 1, "model.d_model": 8, "model.n_heads": 2, "model.d_mlp": 8,
        "training.steps": 40, "training.batch_size": None, "training.eval_every": 5, "checkpoints.schedule": "every",
        "checkpoints.every": 10, "probes.record_every": 20, "norms.max_norm": 2.0,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of which a state was saved at every evaluation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop, "STATE_EVERY_SECONDS", 0.0)
        return train(CONFIG, tmp_path_factory.mktemp("whole") / "run", progress=False).path


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory) -> Path:
    """The same, stopped after step 25, as a kill leaves it."""

    class Stop(Callback):
        def on_step(self, step, loss, weights):
            if step == 25:
                raise ZeroDivisionError

    path = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop, "STATE_EVERY_SECONDS", 0.0)
        with pytest.raises(Exception, match="ZeroDivision"):
            train(CONFIG, path, progress=False, callbacks=[Stop()])
    return path


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def half(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "half")


def contents(path: Path) -> set[str]:
    """Digests of all files, wherever they lie."""
    return {sha256(file.read_bytes()).hexdigest() for file in path.rglob("*") if file.is_file()}


def flip(file: Path, place: int = -9) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def repaired(path: Path) -> dict[str, str]:
    """What was done, by file; the run verifies then, and nothing that was there is gone."""
    before = contents(path)
    done = repair_run(path)
    assert done
    assert not [finding for finding in verify_run(path) if finding.is_bad]
    kept = contents(path)
    changed = {"status.json", "seals.jsonl", "metrics.parquet", "state.json", "run.lock"}
    of_changed = {sha256((path / name).read_bytes()).hexdigest() for name in changed if (path / name).exists()}
    lost = before - kept
    assert len(lost) <= len(changed), (lost, of_changed)
    assert repair_run(path) == []
    told: dict[str, str] = {}
    for one in done:
        told[one.file] = f"{told.get(one.file, '')} {one.done}".strip()
    return told


def weights_of(path: Path) -> dict[int, str]:
    return open_run(path).digests


def test_a_run_as_it_was_written_is_left_alone(run, half):
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert repair_run(run) == repair_run(half) == []
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_an_edited_config_is_put_back_and_the_run_trains_on_as_it_would_have(half, whole):
    file = half / "config.json"
    content = file.read_bytes()
    record = json.loads(content)
    record["config"]["optimizer"]["lr"] = 0.5
    file.write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"optimizer\.lr is 0\.5, was"):
        resume(half, progress=False)
    assert "put back" in repaired(half)["config.json"]
    assert file.read_bytes() == content
    assert json.loads((half / "quarantine/config.json").read_text())["config"]["optimizer"]["lr"] == 0.5
    assert weights_of(resume(half, progress=False).path) == weights_of(whole)


def test_a_config_that_is_gone_is_put_back(run):
    content = (run / "config.json").read_bytes()
    (run / "config.json").unlink()
    assert "put back" in repaired(run)["config.json"]
    assert (run / "config.json").read_bytes() == content
    assert open_run(run).status == "finished"


def test_a_damaged_checkpoint_is_set_aside_and_the_others_stay(run, whole):
    name = "checkpoints/step_00000010.safetensors"
    flip(run / name)
    assert "set aside" in repaired(run)[name]
    assert (run / "quarantine" / name).exists()
    opened = open_run(run)
    assert (opened.steps, opened.status) == ([0, 20, 30, 40], "finished")
    assert weights_of(run) == {step: sha for step, sha in weights_of(whole).items() if step != 10}


def test_the_last_checkpoint_is_given_back_by_a_resume(run, whole):
    flip(run / "checkpoints/step_00000040.safetensors")
    said = repaired(run)
    assert "a resume gives it back" in said["status.json"]
    assert "falls back on the state before, of step 35" in said["state.json"]
    assert open_run(run).status == "interrupted"
    assert weights_of(resume(run, progress=False).path) == weights_of(whole)
    assert list(open_run(run).metrics.step) == list(open_run(whole).metrics.step)


def test_a_manifest_that_is_gone_is_made_anew_of_the_networks_that_are_there(run, whole):
    (run / "manifest.jsonl").unlink()
    broken = run / "checkpoints/step_00000020.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    other = {"w": torch.zeros(2)}
    safetensors.torch.save_file(other, run / "checkpoints/step_00000033.safetensors")
    said = repaired(run)
    assert "made anew" in said["manifest.jsonl"]
    assert "taken as it is" in said["checkpoints/step_00000010.safetensors"]
    assert all("set aside" in said[f"checkpoints/step_000000{step}.safetensors"] for step in (20, 33))
    assert weights_of(run) == {step: sha for step, sha in weights_of(whole).items() if step != 20}


@pytest.mark.parametrize("line", [b"{\n", b'{"step": 9}\n'])
def test_a_damaged_manifest_is_made_anew(run, whole, line):
    lines = (run / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (run / "manifest.jsonl").write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
    assert "set aside" in repaired(run)["manifest.jsonl"]
    assert weights_of(run) == weights_of(whole)


def test_edited_metrics_of_a_finished_run_come_back_from_their_table(run, whole):
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    rows[0]["val_accuracy"] = 1.0
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "put back from metrics.parquet" in repaired(run)["metrics.jsonl"]
    assert open_run(run).metrics.equals(open_run(whole).metrics)
    assert open_run(run).status == "finished"


def test_where_the_table_is_gone_too_they_are_cut_back_to_a_seal_and_trained_again(run, whole):
    (run / "metrics.parquet").unlink()
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join([*lines[:4], lines[4].replace(b"0.", b"1.", 1), *lines[5:]]))
    said = repaired(run)
    assert "holds 4 lines now, up to step 15" in said["metrics.jsonl"]
    assert "begins at step 0" in said["state.json"]
    again = resume(run, progress=False)
    assert weights_of(again.path) == weights_of(whole)
    left, right = again.metrics.drop(columns="seconds"), open_run(whole).metrics.drop(columns="seconds")
    assert left.equals(right)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_state_gives_way_to_the_one_before(half, whole, damage):
    state = json.loads((half / "state.json").read_text())
    file = half / state["file"]
    if damage == "flipped":
        flip(file)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    with pytest.raises(RunError, match=state["file"]):
        resume(half, progress=False)
    before = state["previous"]["info"]["step"]
    assert f"falls back on the state before, of step {before}" in repaired(half)["state.json"]
    assert weights_of(resume(half, progress=False).path) == weights_of(whole)


def test_where_no_state_is_left_training_begins_anew_and_is_compared(half, whole):
    for file in half.glob("state.?.safetensors"):
        flip(file)
    assert "a resume begins at step 0" in repaired(half)["state.json"]
    assert weights_of(resume(half, progress=False).path) == weights_of(whole)


def test_a_branch_without_a_state_is_to_be_branched_once_more(run, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop, "STATE_EVERY_SECONDS", 0.0)
        path = branch(run, 20, tmp_path / "branch", progress=False).path
    for file in path.glob("state.?.safetensors"):
        flip(file)
    assert "branch off the parent once more" in repaired(path)["state.json"]


@pytest.mark.parametrize("lost", ["missing", "first", "middle"])
def test_seals_that_are_lost_begin_anew(run, whole, lost):
    file = run / "seals.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    if lost == "missing":
        file.unlink()
    elif lost == "first":
        file.write_bytes(b"".join(lines[1:]))
    else:
        file.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    said = repaired(run)["seals.jsonl"]
    assert ("3 of its lines hold" if lost == "middle" else "begins anew") in said
    assert weights_of(run) == weights_of(whole)
    assert open_run(run).status == "finished"


@pytest.mark.parametrize("content", [None, b"", b'{"state": "finished"}', b"[]"])
def test_a_status_that_is_lost_is_put_back(run, half, content):
    for path, status in ((run, "finished"), (half, "interrupted")):
        (path / "status.json").unlink()
        if content is not None:
            (path / "status.json").write_bytes(content)
        assert repaired(path)["status.json"]
        assert open_run(path).status == status


def test_a_checkpoint_that_is_a_link_to_outside_is_set_aside(run, tmp_path):
    file = run / "checkpoints/step_00000020.safetensors"
    outside = tmp_path / "outside.safetensors"
    shutil.move(file, outside)
    file.symlink_to(outside)
    with pytest.raises(RunError, match="is a link to outside the run"):
        open_run(run).weights(20)
    with pytest.raises(RunError, match="is a link to outside the run"):
        open_run(run).trajectory("embed.W_E")
    assert "link to outside" in repaired(run)["checkpoints/step_00000020.safetensors"]
    assert 20 not in open_run(run).steps
    assert outside.exists()


def test_a_folder_that_is_a_link_to_outside_is_refused(run, tmp_path):
    shutil.move(run / "checkpoints", tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="checkpoints is a link to outside the run"):
        open_run(run).weights(20)
    assert {f.verdict for f in verify_run(run) if f.file.startswith("checkpoints/")} == {"link"}
    inside = run / "checkpoints"
    inside.unlink()
    shutil.move(tmp_path / "elsewhere", run / "stored")
    inside.symlink_to("stored")  # within the run: as good as any folder
    assert open_run(run).weights(20)


OF_FILES = [
    "config.json", "status.json", "manifest.jsonl", "metrics.jsonl", "metrics.parquet", "probes.jsonl", "state.json",
    "state.0.safetensors", "state.1.safetensors", "seals.jsonl", "run.lock", "checkpoints/step_00000020.safetensors",
    "checkpoints/step_00000040.safetensors",
]  # fmt: skip
"""Names in a run that are those of files."""


@pytest.mark.parametrize("name", OF_FILES)
@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_a_folder_where_a_file_belongs_is_found_and_set_aside_and_training_goes_on_to_the_same_weights(
    run, half, whole, name, state
):
    path = run if state == "finished" else half
    (path / name).unlink(missing_ok=True)
    (path / name).mkdir()
    (path / name / "note").write_text("somebody's")
    (found,) = [finding for finding in verify_run(path) if finding.file == name]
    assert found.verdict == "damaged"
    assert found.detail == f"{path / name} is a folder where a file is expected"
    told = repaired(path)
    assert "is a folder where a file is expected: it is set aside in quarantine" in told[name]
    assert (path / "quarantine" / name / "note").read_text() == "somebody's"
    if open_run(path).status == "interrupted":
        resume(path, progress=False)
    kept = {step: sha for step, sha in weights_of(whole).items() if name != f"checkpoints/step_{step:08d}.safetensors"}
    assert kept.items() <= weights_of(path).items() <= weights_of(whole).items()
    assert open_run(path).status == "finished"
    assert not [finding for finding in verify_run(path) if finding.is_bad]


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_what_stands_in_the_place_of_the_folder_of_checkpoints_is_set_aside(run, whole, kind):
    shutil.rmtree(run / "checkpoints")
    if kind == "file":
        (run / "checkpoints").write_text("somebody's")
    else:
        (run / "checkpoints").symlink_to("nowhere")
    (found,) = [finding for finding in verify_run(run) if finding.file == "checkpoints"]
    assert (found.verdict, "is no folder" in found.detail) == ("damaged", True)
    assert "set aside" in repaired(run)["checkpoints"]
    assert weights_of(resume(run, progress=False).path) == {40: weights_of(whole)[40]}  # its state is of step 35
    # What is set aside later does not run into it.
    flip(run / "checkpoints/step_00000040.safetensors")
    assert "set aside" in repaired(run)["checkpoints/step_00000040.safetensors"]
    assert (run / "quarantine/checkpoints/step_00000040.safetensors").is_file()


@pytest.mark.parametrize("kind", ["file", "link to outside"])
def test_what_is_no_folder_of_the_run_where_things_are_set_aside_is_set_aside_itself(run, tmp_path, kind):
    if kind == "file":
        (run / "quarantine").write_text("somebody's")
    else:
        (tmp_path / "outside").mkdir()
        (run / "quarantine").symlink_to(tmp_path / "outside")
    name = "checkpoints/step_00000020.safetensors"
    flip(run / name)
    repaired(run)
    assert (run / "quarantine" / name).is_file()
    assert os.path.lexists(run / "quarantine/quarantine")
    assert kind == "file" or not list((tmp_path / "outside").iterdir())


def test_a_folder_with_the_name_of_a_temporary_file_is_in_nobodys_way(half, whole):
    for place in (half, half / "checkpoints"):
        (place / "notes.tmp").mkdir()
    assert weights_of(resume(half, progress=False).path) == weights_of(whole)
    assert (half / "notes.tmp").is_dir()


def test_a_run_that_is_a_link_is_a_run(run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    assert open_run(tmp_path / "link").weights(20)


def test_what_cannot_be_had_any_more_is_said(run):
    (run / "config.json").unlink()
    (run / "seals.jsonl").unlink()
    with pytest.raises(RunError, match="neither"):
        repair_run(run)
    (run / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        repair_run(run)


def test_a_run_that_is_being_trained_is_not_repaired(run):
    with reopen_run(run) as writer:
        flip(run / "checkpoints/step_00000010.safetensors")
        with pytest.raises(RunError, match="is being trained by another process"):
            repair_run(run)
        writer.finish("interrupted")


def test_the_command_says_what_it_did_and_a_listing_does_not_take_what_was_set_aside_for_a_run(run, capsys):
    flip(run / "manifest.jsonl", 3)
    flip(run / "config.json", 5)
    assert main(["runs", str(run.parent)]) == 0
    assert "unreadable" in capsys.readouterr().out
    assert main(["repair", str(run)]) == 0
    out = capsys.readouterr().out
    assert "config.json" in out
    assert "repaired" in out
    assert main(["verify", str(run)]) == 0
    assert main(["repair", str(run)]) == 0
    assert "nothing to repair" in capsys.readouterr().out
    assert [row["run"] for row in list_runs(run.parent)] == ["run"]
