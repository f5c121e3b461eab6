"""Weight norms against numpy on the checkpoint files, with rows written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

from grokscope.analysis import weight_norms

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


def test_norms_agree_with_numpy_on_the_rows_of_nn_linear(write_run):
    run = write_run(growth=3.0, n_layers=2)
    table = weight_norms(run).set_index(["step", "group"])
    assert list(table.columns) == ["run", "task", "arm", "seed", "norm", "mean_row_norm", "max_row_norm"]
    for step in (run.steps[0], run.steps[-1]):
        weights = load_file(run.path / f"checkpoints/step_{step:08d}.safetensors")
        everything = []
        for group, leaves in GROUP_OF.items():
            rows = [rows_of(k, v.astype("f8")) for k, v in weights.items() if k.endswith(leaves)]
            norms = np.concatenate([np.sqrt((part**2).sum(1)) for part in rows])
            everything.append(norms)
            flat = np.concatenate([part.ravel() for part in rows])
            expected = [np.linalg.norm(flat), norms.mean(), norms.max()]
            np.testing.assert_allclose(table.loc[(step, group)].to_numpy()[-3:].astype(float), expected, rtol=1e-12)
        norms = np.concatenate(everything)
        expected = [np.sqrt((norms**2).sum()), norms.mean(), norms.max()]
        np.testing.assert_allclose(table.loc[(step, "total")].to_numpy()[-3:].astype(float), expected, rtol=1e-12)


def test_norms_agree_with_the_trajectory_of_a_parameter(write_run):
    run = write_run(growth=2.0)
    embed = weight_norms(run).query("group == 'embed'")
    assert embed["step"].tolist() == run.steps
    trajectory = run.trajectory("embed.W_E").double().flatten(1).norm(dim=1)
    np.testing.assert_allclose(embed["norm"], trajectory, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({"normalization": "none"}, {"ln", "ln_final"}), ({"biases": False}, {"biases"})],
)
def test_groups_without_a_trained_parameter_are_left_out(write_run, settings, missing):
    groups = set(weight_norms(write_run(**settings))["group"])
    assert groups == {*GROUP_OF, "total"} - missing


def test_a_clip_shows_as_its_largest_row(write_run):
    from grokscope.model import in_scope
    from grokscope.norms import clip_rows_
    from grokscope.runs import create_run, open_run

    free = write_run("free")
    weights = free.weights(0)
    clip_rows_(weights, 0.3, in_scope(weights, ("decoder",)))
    with create_run(free.path.with_name("clipped"), free.config) as writer:
        writer.checkpoint(0, weights)
    largest = weight_norms(open_run(free.path.with_name("clipped"))).set_index("group")["max_row_norm"]
    assert largest.drop(["embed", "unembed", "total"]).max() == pytest.approx(0.3, rel=1e-6)
    assert largest["embed"] > 0.3
