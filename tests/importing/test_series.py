"""Many checkpoints in one file become one run, with one split, each at its step."""

from __future__ import annotations

import pytest
import torch

from grokscope.config import ConfigError
from grokscope.importing import WeightsError, import_run
from tests.importing.shipped import ADD7, TASK, left_facing, logits, network

STATES = [network(seed=seed) for seed in range(3)]


@pytest.mark.parametrize(
    ("content", "steps"),
    [
        ({"state_dicts": STATES, "epochs": [0, 100, 200]}, [0, 100, 200]),
        (
            {"checkpoints": STATES, "checkpoint_epochs": torch.tensor([5, 10, 15]), "train_losses": [1.0] * 3},
            [5, 10, 15],
        ),
        ({"run": {"state_dicts": STATES, "steps": (0, 1, 7)}, "seed": 3}, [0, 1, 7]),
        (dict(zip((0, 50, 9), STATES, strict=True)), [0, 9, 50]),
        ({"model": {"step_10": STATES[0], "step_20": STATES[1], "step_30": STATES[2]}}, [10, 20, 30]),
        (STATES, [0, 1, 2]),
        ({"state_dicts": STATES, "epochs": [0, 100, 200, 300]}, [0, 1, 2]),
    ],
)
def test_a_list_or_a_mapping_by_step_becomes_one_run(tmp_path, content, steps):
    torch.save(content, tmp_path / "all.pt")
    indices = tuple(range(0, 49, 2))
    run = import_run(tmp_path / "all.pt", **ADD7, train_indices=indices, out=tmp_path / "run")
    assert run.steps == steps == run.metrics["step"].tolist()
    order = [0, 2, 1] if steps == [0, 9, 50] else [0, 1, 2]
    for step, state in zip(steps, order, strict=True):
        expected = logits(STATES[state])
        assert torch.equal(run.model(step)(TASK.tokens)[:, -1], expected)
        right = (expected.argmax(-1) == TASK.labels).double()
        row = run.metrics.set_index("step").loc[step]
        assert row["train_accuracy"] == pytest.approx(float(right[list(indices)].mean()))
    assert run.config.task.train_indices == indices
    assert run.reason == "imported from 1 file, 3 checkpoints"
    notes = " ".join(run.imported["notes"])
    assert ("steps of the checkpoints are not known and stand as 0, 1, 2" in notes) == (steps == [0, 1, 2])


def test_steps_may_be_given_for_the_checkpoints_of_a_file(tmp_path):
    torch.save({"state_dicts": STATES}, tmp_path / "all.pt")
    assert import_run(tmp_path / "all.pt", **ADD7, steps=[0, 100, 200], out=tmp_path / "run").steps == [0, 100, 200]
    with pytest.raises(ConfigError, match="steps has 2 entries for 3 checkpoints: give one per checkpoint"):
        import_run(tmp_path / "all.pt", **ADD7, steps=[0, 1], out=tmp_path / "other")


def test_a_state_dict_beside_the_checkpoints_is_left_out_and_said(tmp_path):
    content = {"model": STATES[2], "state_dicts": STATES[:2], "epochs": [0, 100]}
    torch.save(content, tmp_path / "all.pt")
    run = import_run(tmp_path / "all.pt", **ADD7, out=tmp_path / "run")
    assert run.steps == [0, 100]
    assert "name it as `entry`" in run.imported["skipped"]["model"]
    assert "the checkpoints are those in 'state_dicts' of the file" in run.imported["notes"]
    alone = import_run(tmp_path / "all.pt", **ADD7, entry="model", out=tmp_path / "alone")
    assert torch.equal(alone.model(-1)(TASK.tokens)[:, -1], logits(STATES[2]))
    named = import_run(tmp_path / "all.pt", **ADD7, entry="state_dicts", out=tmp_path / "named")
    assert named.digests == run.digests
    one = import_run(tmp_path / "all.pt", **ADD7, entry="state_dicts.1", out=tmp_path / "one")
    assert one.steps == [0]
    assert torch.equal(one.model(0)(TASK.tokens)[:, -1], logits(STATES[1]))


def test_several_files_of_several_checkpoints_are_one_run_in_one_layout(tmp_path):
    turned = [left_facing(state) for state in STATES]
    torch.save({0: turned[0], 10: turned[1]}, tmp_path / "early.pt")
    torch.save({20: turned[2], 30: turned[0]}, tmp_path / "late.pt")
    run = import_run([tmp_path / "late.pt", tmp_path / "early.pt"], **ADD7, out=tmp_path / "run")
    assert run.steps == [0, 10, 20, 30]
    assert torch.equal(run.model(20)(TASK.tokens)[:, -1], logits(STATES[2]))
    assert run.reason == "imported from 2 files, 4 checkpoints"
    torch.save({20: turned[2], 10: turned[0]}, tmp_path / "late.pt")
    with pytest.raises(ConfigError, match=r"step 10 is that of late\.pt \(10\) and of early\.pt \(10\)"):
        import_run([tmp_path / "late.pt", tmp_path / "early.pt"], **ADD7, out=tmp_path / "twice")


def test_one_that_does_not_fit_is_named_and_nothing_is_left(tmp_path):
    broken = {name: value for name, value in STATES[1].items() if name != "blocks.1.attn.W_K"}
    torch.save({"state_dicts": [STATES[0], broken]}, tmp_path / "all.pt")
    with pytest.raises(WeightsError, match=r"all\.pt \(state_dicts\.1\): missing: blocks\.1\.attn\.W_K"):
        import_run(tmp_path / "all.pt", **ADD7, out=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["all.pt"]
