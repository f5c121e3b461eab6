"""Norm trajectories against numpy on the checkpoint files, with rows written out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from grokscope.analysis import ALL, GROUPS, norm_trajectories, phase
from grokscope.model import in_scope
from grokscope.norms import clip_rows_
from grokscope.runs import create_run, open_run

GROUP_OF = {
    "attention": ("W_Q", "W_K", "W_V", "W_O"),
    "mlp": ("W_in", "W_out"),
    "ln": ("ln1.w", "ln2.w"),
    "ln_final": ("ln_final.w",),
    "pos_embed": ("W_pos",),
    "biases": (".b", "b_Q", "b_K", "b_V", "b_O", "b_in", "b_out"),
    "embed": ("W_E",),
    "unembed": ("W_U",),
}


def rows_of(name: str, value: np.ndarray) -> np.ndarray:
    """A parameter as `[row, in]`, in the manner of an nn.Linear weight."""
    leaf = name.split(".")[-1]
    if leaf in ("W_E", "W_pos"):
        return value
    if leaf in ("W_in", "W_out", "W_U"):
        return value.T
    if leaf in ("W_Q", "W_K", "W_V"):
        return np.concatenate([head.T for head in value])
    if leaf == "W_O":
        return value.reshape(-1, value.shape[-1]).T
    return value.reshape(1, -1)


def norms_of(weights: dict[str, np.ndarray], leaves: tuple[str, ...]) -> np.ndarray:
    """Norms of the rows of a group; b_Q, b_K and b_V of a layer are one row, as in nn.MultiheadAttention."""
    chosen = {k: v.astype("f8") for k, v in weights.items() if k.endswith(leaves)}
    joint = {k.rpartition(".")[0] for k in chosen if k.endswith(("b_Q", "b_K", "b_V"))}
    parts = [rows_of(k, v) for k, v in chosen.items() if not k.endswith(("b_Q", "b_K", "b_V"))]
    parts += [np.concatenate([chosen[f"{module}.b_{x}"].ravel() for x in "QKV"])[None] for module in sorted(joint)]
    return np.concatenate([np.sqrt((part**2).sum(1)) for part in parts])


def expected(norms: np.ndarray) -> dict[str, float]:
    q10, median, q90 = np.quantile(norms, [0.1, 0.5, 0.9])
    return {
        "norm": np.sqrt((norms**2).sum()),
        "row_mean": norms.mean(),
        "row_min": norms.min(),
        "row_q10": q10,
        "row_median": median,
        "row_q90": q90,
        "row_max": norms.max(),
        "rows": len(norms),
    }


def test_norms_agree_with_numpy_on_the_rows_of_nn_linear(write_run):
    run = write_run(growth=3.0, n_layers=2)
    table = norm_trajectories(run).query("parameter == ''").set_index(["step", "group"])
    for step in (run.steps[0], run.steps[-1]):
        weights = load_file(run.path / f"checkpoints/step_{step:08d}.safetensors")
        found = {group: norms_of(weights, leaves) for group, leaves in GROUP_OF.items()}
        for group, norms in {**found, ALL: np.concatenate(list(found.values()))}.items():
            for column, value in expected(norms).items():
                assert table.loc[(step, group), column] == pytest.approx(value, rel=1e-12), (step, group, column)


def test_every_parameter_has_norms_of_its_own_and_gains_are_one_row(write_run):
    run = write_run(n_layers=2)
    table = norm_trajectories(run).query("step == 0 and parameter != ''").set_index("parameter")
    weights = load_file(run.path / "checkpoints/step_00000000.safetensors")
    for name in ("blocks.1.ln2.w", "ln_final.w", "blocks.0.attn.W_O", "unembed.W_U"):
        norms = norms_of(weights, (name,))
        assert table.loc[name, "norm"] == pytest.approx(np.sqrt((norms**2).sum()), rel=1e-12)
        assert table.loc[name, "rows"] == len(norms)
    assert table.loc["ln_final.w", ["group", "rows"]].tolist() == ["ln_final", 1]
    # One row of three parameters is told of the first.
    joint = np.concatenate([weights[f"blocks.0.attn.b_{x}"].ravel() for x in "QKV"]).astype("f8")
    assert table.loc["blocks.0.attn.b_Q", "norm"] == pytest.approx(np.linalg.norm(joint), rel=1e-12)
    assert "blocks.0.attn.b_K" not in table.index


def test_norms_agree_with_the_trajectory_of_a_parameter(write_run):
    run = write_run(growth=2.0)
    embed = norm_trajectories(run).query("parameter == 'embed.W_E'")
    assert embed["step"].tolist() == run.steps
    trajectory = run.trajectory("embed.W_E").double().flatten(1).norm(dim=1)
    np.testing.assert_allclose(embed["norm"], trajectory, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({"normalization": "none"}, {"ln", "ln_final"}), ({"biases": False}, {"biases"})],
)
def test_groups_without_a_trained_parameter_are_left_out(write_run, settings, missing):
    table = norm_trajectories(write_run(**settings))
    assert set(table["group"]) == set(GROUPS) - missing


def test_rows_at_the_bound_are_counted_while_the_clip_is_on(write_run):
    free = write_run("free")
    weights = free.weights(0)
    clip_rows_(weights, 0.3, in_scope(weights, ("decoder",)))
    config = write_run("like", max_norm=0.3, **{"norms.from_step": 10}).config
    path = free.path.with_name("clipped")
    with create_run(path, config) as writer:
        writer.checkpoint(0, weights)
        writer.checkpoint(10, weights)
    table = norm_trajectories(open_run(path)).query("parameter == ''").set_index(["step", "group"])
    before, after = table.loc[0], table.loc[10]
    assert before[["at_bound", "bound"]].isna().all(axis=None)
    assert (after.loc[["attention", "mlp", "ln_final"], "bound"] == 0.3).all()
    assert after.loc[["ln", "ln_final"], "at_bound"].tolist() == [1.0, 1.0]
    assert after.loc[["embed", "unembed"], ["at_bound", "bound"]].isna().all(axis=None)
    assert after.drop([ALL, "embed", "unembed"])["row_max"].max() == pytest.approx(0.3, rel=1e-6)
    assert after.loc["embed", "row_max"] > 0.3


def test_groups_may_have_bounds_of_their_own(write_run):
    run = write_run("own", **{"norms.group_max_norm": (("mlp", 0.5), ("embed", 7.0))})
    table = norm_trajectories(run).query("step == 0 and parameter == ''").set_index("group")["bound"]
    assert table.dropna().to_dict() == {"mlp": 0.5, "embed": 7.0, ALL: 7.0}


def test_a_run_without_checkpoints_has_no_norms_and_no_phase(write_run, tmp_path):
    with create_run(tmp_path / "empty", write_run().config):
        pass
    run = open_run(tmp_path / "empty")
    assert norm_trajectories(run).empty
    assert phase(run).empty
    assert {"group", "norm", "bound"} <= set(norm_trajectories(run).columns)


def test_phase_joins_losses_to_norms_between_checkpoints(write_run):
    run = write_run(growth=3.0, steps=200, every=100)
    table = phase(run)
    assert table["step"].tolist() == list(range(0, 201, 10))
    norms = norm_trajectories(run).query(f"group == '{ALL}' and parameter == ''").set_index("step")["norm"]
    at = table.set_index("step")
    assert at.loc[100, "norm"] == pytest.approx(norms[100])
    assert at.loc[30, "norm"] == pytest.approx(0.7 * norms[0] + 0.3 * norms[100])
    metrics = run.metrics.set_index("step")
    pd.testing.assert_series_equal(at["val_loss"], metrics["val_loss"], check_names=False)
    pd.testing.assert_series_equal(at["train_loss"], metrics["train_loss"], check_names=False)


def test_phase_says_nothing_after_the_last_checkpoint(write_run, tmp_path):
    whole = write_run()
    with create_run(tmp_path / "short", whole.config) as writer:
        for row in whole.metrics.to_dict("records"):
            writer.log({**row, "step": int(row["step"])})
        writer.checkpoint(0, whole.weights(0))
    assert phase(open_run(tmp_path / "short"))["step"].tolist() == [0]
