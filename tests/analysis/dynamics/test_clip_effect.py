"""What the optimizer and the clip do to signal, memory and noise: exact where every step is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.circuit.margins import margins
from grokscope.analysis.dynamics.clip_effect import QUANTITIES, clip_effect, clip_totals
from grokscope.config import RunConfig, override
from grokscope.runs import Run, RunError, open_run
from grokscope.training import branch, train
from tests.training.conftest import TINY


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Run]:
    def make(name: str = "run", **changes: object) -> Run:
        settings = {**TINY, "max_norm": 0.8, "record_every": None, "checkpoints.every": 1, **changes}
        return train(override(RunConfig(), settings), tmp_path / name, progress=False)

    return make


def test_every_stage_is_what_the_checkpoints_have(trained: Callable[..., Run]) -> None:
    run = trained(margins_every=1)
    table, at = clip_effect(run), margins(run).set_index(["step", "operation"])
    assert list(table["step"].unique()) == list(range(1, 21))
    assert (table["run"] == "run").all()
    for quantity in QUANTITIES:
        rows = table[table["quantity"] == quantity]
        places = list(zip(rows["step"], rows["operation"], strict=True))
        after = at.loc[places, quantity].to_numpy()
        before = at.loc[[(step - 1, operation) for step, operation in places], quantity].to_numpy()
        np.testing.assert_allclose(rows["after"], after, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(rows["before"], before, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(rows["optimizer"] + rows["clip"], after - before, rtol=1e-3, atol=1e-6)
    assert (table.loc[table["quantity"] == "noise_val", "clip"] != 0).any()


def test_over_training_the_two_sum_to_the_change(trained: Callable[..., Run]) -> None:
    run = trained(margins_every=1)
    totals = clip_totals(clip_effect(run)).set_index("quantity")
    assert (totals["steps"] == 20).all()
    assert (totals["recorded"] == 20).all()
    np.testing.assert_allclose(totals["optimizer"] + totals["clip"], totals["change"], atol=1e-9)
    first, last = (margins(run).iloc[place] for place in (0, -1))
    for quantity in QUANTITIES:
        assert totals.loc[quantity, "change"] == pytest.approx(last[quantity] - first[quantity], rel=1e-3, abs=1e-6)


def test_recording_changes_no_bit_and_has_a_cadence_of_its_own(trained: Callable[..., Run]) -> None:
    runs = [trained(f"{every}", margins_every=every) for every in (None, 1, 7)]
    assert runs[0].digests == runs[1].digests == runs[2].digests
    assert runs[0].recorded_margins.empty
    assert clip_effect(runs[0]).empty
    assert clip_totals(clip_effect(runs[0])).empty
    assert not (runs[0].path / "probes.jsonl").exists()
    assert sorted(set(runs[2].recorded_margins["step"])) == [1, 8, 15]
    sparse, dense = clip_effect(runs[2]), clip_effect(runs[1])
    same = dense[dense["step"].isin([1, 8, 15])].reset_index(drop=True)
    pd.testing.assert_frame_equal(sparse.drop(columns="run"), same.drop(columns="run"))
    both = trained("both", margins_every=3, record_every=2)
    assert sorted(set(both.probes["step"])) == [0, *range(1, 21, 2)]
    assert sorted(set(both.recorded_margins["step"])) == list(range(1, 21, 3))


def test_without_norm_control_the_clip_changes_nothing(trained: Callable[..., Run]) -> None:
    table = clip_effect(trained(margins_every=4, max_norm=None))
    assert (table["clip"] == 0).all()
    assert (table["optimizer"] != 0).any()


def test_a_step_that_does_not_move_leaves_all_to_the_clip(trained: Callable[..., Run], tmp_path: Path) -> None:
    """The first clip of rows outside the ball; without LayerNorm, which would undo the scale behind them."""
    parent = trained("parent", max_norm=None, lr=1e-30, normalization="none", residual="pre_ln")
    run = branch(parent, 8, tmp_path / "clipped", progress=False, margins_every=1, max_norm=0.01)
    table = clip_effect(run)
    first = table[table["step"] == 9].set_index("quantity")
    assert (table["optimizer"] == 0).all()
    for noise in ("noise_train", "noise_val"):
        assert first.loc[noise, "after"] < 0.5 * first.loc[noise, "before"]
    assert (table.loc[table["step"] > 9, "clip"] == 0).all()


def test_a_run_that_recorded_nothing_is_replayed_by_a_branch(trained: Callable[..., Run], tmp_path: Path) -> None:
    parent, recorded = trained("parent"), trained("recorded", margins_every=1)
    replay = branch(parent, 8, tmp_path / "replay", progress=False, margins_every=1)
    assert replay.digests[20] == parent.digests[20]
    expected = clip_effect(recorded)
    expected = expected[expected["step"] > 8].reset_index(drop=True)
    identity = ["run", "arm"]
    pd.testing.assert_frame_equal(clip_effect(replay).drop(columns=identity), expected.drop(columns=identity))


def test_rates_are_shares_of_what_was_there() -> None:
    """By hand: the clip takes a tenth of the signal and a fifth of the memory, every second step of five recorded."""
    rows = []
    for step in (1, 3, 5):
        for quantity, rate in (("signal", -0.1), ("memory", -0.2)):
            before, optimizer = 10.0, 3.0
            clip = rate * before
            stages = {"before": before, "updated": before + optimizer, "after": before + optimizer + clip}
            about = {"run": "r", "task": "t", "arm": "a", "seed": 0, "step": step, "operation": "mul"}
            rows.append({**about, "quantity": quantity, **stages, "optimizer": optimizer, "clip": clip})
    totals = clip_totals(pd.DataFrame(rows)).set_index("quantity")
    assert totals["clip_rate"].to_dict() == pytest.approx({"signal": -0.1, "memory": -0.2})
    assert totals["optimizer_rate"].to_dict() == pytest.approx({"signal": 0.3, "memory": 0.3})
    assert totals["clip"].to_dict() == pytest.approx({"signal": -5.0, "memory": -10.0})
    assert totals["optimizer"].to_dict() == pytest.approx({"signal": 15.0, "memory": 15.0})
    assert (totals["steps"] == 5).all()
    assert (totals["recorded"] == 3).all()


def test_several_operations_have_rows_of_their_own(trained: Callable[..., Run]) -> None:
    mixed = {"task.name": "mixed", "operations": ("add", "mul"), "train_fraction": 0.5}
    run = trained(margins_every=10, **mixed)
    assert set(clip_effect(run)["operation"]) == {"add", "mul"}
    assert len(clip_totals(clip_effect(run))) == 2 * len(QUANTITIES)


def test_a_cadence_of_nothing_is_refused_and_a_damaged_line_named(trained: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match=r"probes\.margins_every"):
        override(RunConfig(), {"margins_every": 0})
    run = trained(margins_every=10)
    file, seals = run.path / "probes.jsonl", run.path / "seals.jsonl"
    seals.write_text(seals.read_text().splitlines(keepends=True)[0])  # so that nothing is recorded of the probes
    file.write_text(file.read_text().replace('"margins": [', '"margins": 1, "lost": [', 1))
    with pytest.raises(RunError, match="the 'margins' of a line are a list"):
        _ = open_run(run.path).recorded_margins
