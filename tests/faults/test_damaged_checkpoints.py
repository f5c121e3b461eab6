"""A damaged checkpoint is named, and keeps nobody from the others; one whose content no training wrote is refused."""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest
import safetensors.torch
import torch

import grokscope as gs
from grokscope.cli import main
from grokscope.disk.files import digest
from grokscope.runs import RunError, create_run, list_runs, open_run, verify_run
from grokscope.training import train

CONFIG = gs.override(
    gs.RunConfig(),
    {
        "task.modulus": 5, "model.n_layers": 1, "model.d_model": 8, "model.n_heads": 2, "model.d_mlp": 8,
        "training.steps": 20, "training.batch_size": None, "training.eval_every": 5, "checkpoints.schedule": "every",
        "checkpoints.every": 5,
    },
)  # fmt: skip
DAMAGED = "checkpoints/step_00000010.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(CONFIG, tmp_path_factory.mktemp("trained") / "run", progress=False).path


@pytest.fixture
def damaged(trained, tmp_path, monkeypatch):
    """A run with one flipped bit, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    path = shutil.copytree(trained, tmp_path / "run")
    data = bytearray((path / DAMAGED).read_bytes())
    data[-1] ^= 1
    (path / DAMAGED).write_bytes(data)
    return path


def test_an_analysis_goes_on_with_the_others_and_names_it(damaged, trained, tmp_path, capsys):
    assert main(["analyze", "run", "--only", "norm_trajectories", "--out", "tables"]) == 0
    assert re.search(r"left out: .*step_00000010\.safetensors has changed", capsys.readouterr().err)
    table = pd.read_csv(tmp_path / "tables" / "run-norm_trajectories.csv")
    assert sorted(table["step"].unique()) == [0, 5, 15, 20]
    of_whole = gs.analysis.norm_trajectories([open_run(trained)])
    expected = of_whole[of_whole["step"] != 10].reset_index(drop=True)
    pd.testing.assert_frame_equal(table[["step", "norm"]], expected[["step", "norm"]], rtol=1e-12)
    assert main(["analyze", "run", "--only", "norm_trajectories", "--strict"]) == 2
    assert "step_00000010.safetensors has changed" in capsys.readouterr().err


@pytest.mark.usefixtures("light_workers")
def test_runs_side_by_side_go_on_too(damaged, trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "other")
    assert main(["analyze", "run", "other", "--only", "norm_trajectories", "--workers", "1", "--out", "t"]) == 0
    assert "left out: " in capsys.readouterr().err
    assert 10 not in set(pd.read_csv("t/run-norm_trajectories.csv")["step"])
    assert 10 in set(pd.read_csv("t/other-norm_trajectories.csv")["step"])
    assert main(["analyze", "run", "other", "--only", "norm_trajectories", "--workers", "1", "--strict"]) == 2
    assert "run failed: " in capsys.readouterr().err


def test_the_sound_view_of_a_run_says_what_it_leaves_out(damaged, trained):
    run = open_run(damaged)
    with pytest.raises(RunError, match="step_00000010"):
        run.trajectory("embed.W_E")
    sound = run.sound()
    assert (sound.steps, list(sound.damaged)) == ([0, 5, 15, 20], [10])
    assert sound.trajectory("embed.W_E").shape[0] == 4
    assert sound.in_basis("additive").damaged == sound.damaged
    assert sound.metrics.equals(run.metrics)
    whole = open_run(trained)
    assert whole.sound() is whole


def test_a_page_counts_what_it_leaves_out(damaged):
    from grokscope.report.findings import left_out

    assert left_out([open_run(damaged).sound()]) == ["run: 1 of 5 checkpoints are damaged and left out, of step 10."]
    assert left_out([open_run(damaged)]) == []


def other_content(path, change):
    """Give a run a checkpoint of other content with a digest that is right, as somebody makes one by hand."""
    weights = safetensors.torch.load_file(path / DAMAGED)
    change(weights)
    data = safetensors.torch.save(weights)
    (path / DAMAGED).write_bytes(data)
    lines = [json.loads(line) for line in (path / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        if line["step"] == 10:
            line |= {"bytes": len(data), "sha256": digest(data)}
    (path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Without seals, so that the manifest is believed.
    (path / "seals.jsonl").unlink()
    record = json.loads((path / "config.json").read_text())
    del record["sealed"]
    (path / "config.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.update(extra=torch.zeros(1)), "it has extra, which the config has not"),
        (lambda w: w.pop("blocks.0.mlp.W_in"), r"it has no blocks\.0\.mlp\.W_in"),
        (lambda w: w.update({"embed.W_E": w["embed.W_E"].double()}), r"embed\.W_E is \[7, 8\] of float64, and "),
        (lambda w: w.update({"embed.W_E": w["embed.W_E"].T.contiguous()}), r"embed\.W_E is \[8, 7\] of float32"),
        (lambda w: w["unembed.W_U"].fill_(float("nan")), r"unembed\.W_U holds what is not finite"),
        (lambda w: w["blocks.0.attn.b_K"].fill_(float("inf")), r"blocks\.0\.attn\.b_K holds what is not finite"),
    ],
)  # fmt: skip
def test_a_right_digest_of_wrong_content_is_refused(trained, tmp_path, change, message):
    path = shutil.copytree(trained, tmp_path / "run")
    other_content(path, change)
    run = open_run(path)
    with pytest.raises(RunError, match=rf"step_00000010\.safetensors is no checkpoint of .*{message}"):
        run.weights(10)
    assert run.weights(5)
    (finding,) = [finding for finding in verify_run(path) if finding.is_bad]
    assert (finding.file, finding.verdict) == (DAMAGED, "damaged")
    assert run.sound().steps == [0, 5, 15, 20]


def test_values_that_are_not_finite_belong_to_a_run_that_diverged(tmp_path):
    weights = gs.model.initial_weights(CONFIG.model, gs.build_task(CONFIG.task), seed=0)
    weights["embed.W_E"][0, 0] = float("inf")
    for status in ("diverged", "finished"):
        with create_run(tmp_path / status, CONFIG) as writer:
            writer.checkpoint(0, weights)
            writer.finish(status)
    assert open_run(tmp_path / "diverged").weights(0)["embed.W_E"][0, 0] == float("inf")
    with pytest.raises(RunError, match="not finite"):
        open_run(tmp_path / "finished").weights(0)


def deep(path):
    (path / "config.json").write_text('{"a":' * 20_000 + "1" + "}" * 20_000)


def duplicated(path):
    with (path / "metrics.jsonl").open("a") as file:
        file.write((path / "metrics.jsonl").read_text().splitlines()[0] + "\n")


BREAK = {
    "deep config": deep,
    "huge config": lambda path: (path / "config.json").open("r+").truncate(200_000_000),
    "duplicated row": duplicated,
    "blank line": lambda path: (path / "metrics.jsonl").write_text("\n\n"),
    "no config of ours": lambda path: (path / "config.json").write_text('{"model": 3}'),
    "directory in place of a file": lambda path: ((path / "status.json").unlink(), (path / "status.json").mkdir()),
    "binary manifest": lambda path: (path / "manifest.jsonl").write_bytes(bytes(range(256)) * 4),
}


def test_a_listing_shows_every_bad_run_with_its_reason_and_the_others_as_they_are(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "zz good")
    for name, damage in BREAK.items():
        damage(shutil.copytree(trained, tmp_path / name))
    rows = {row["run"]: row for row in list_runs(tmp_path)}
    assert rows.keys() == {*BREAK, "zz good"}
    assert rows["zz good"]["status"] == "finished"
    for name in BREAK:
        assert rows[name]["status"] == "unreadable", name
        assert str(tmp_path / name) in rows[name]["problem"]
    assert main(["runs", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.count("unreadable") == len(BREAK)
    assert err.count("error: ") == len(BREAK)
    assert main(["scrub", str(tmp_path / "deep config"), "--out", str(tmp_path / "page.html")]) == 2
    assert str(tmp_path / "deep config") in capsys.readouterr().err


def test_a_run_inside_a_run_is_listed(trained, tmp_path):
    outer = shutil.copytree(trained, tmp_path / "outer")
    shutil.copytree(trained, outer / "more" / "inner")
    assert [row["run"] for row in list_runs(tmp_path)] == ["outer", "outer/more/inner"]


def test_a_listing_of_closed_runs_says_what_reading_them_says(trained, tmp_path):
    """Its rows come from the last seal; without it, from all files."""
    shutil.copytree(trained, tmp_path / "a" / "run")
    path = shutil.copytree(trained, tmp_path / "b" / "run")
    lines = (path / "seals.jsonl").read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "closed"
    (path / "seals.jsonl").write_bytes(b"".join(lines[:-1]))
    (closed,), (read,) = list_runs(tmp_path / "a"), list_runs(tmp_path / "b")
    assert {**closed, "path": ""} == {**read, "path": ""}
