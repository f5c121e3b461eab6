"""Analyses of logits, gradients and ranks against HookedTransformer and numpy; what scaling must not change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from grokscope.analysis import collapse, gradient_entropy, names, probes, ranks, run_all, update_parts, where
from grokscope.analysis.dynamics.ranks import parts_of
from grokscope.analysis.tables.registry import applicable
from grokscope.model import role
from grokscope.runs import Run, create_run, open_run

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer

SETTINGS = [
    {"n_layers": 2},
    {"n_layers": 1, "normalization": "none", "biases": False, "residual": "pre_ln"},
]


def hooked(run: Run, dtype: torch.dtype) -> HookedTransformer:
    return run.model(-1).to(dtype)


def train_of(run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
    return run.task.tokens[train], run.task.labels[train]


def with_weights(run: Run, change: Callable[[str, torch.Tensor], torch.Tensor], name: str) -> Run:
    """A run of one checkpoint, the last of another with changed weights."""
    weights = {k: change(k, v) for k, v in run.weights(-1).items()}
    with create_run(run.path.with_name(name), run.config) as writer:
        writer.checkpoint(0, weights)
        writer.finish("finished" if weights["unembed.W_U"].isfinite().all() else "diverged")
    return open_run(run.path.with_name(name))


@pytest.mark.parametrize("settings", SETTINGS)
def test_logit_statistics_agree_with_numpy_on_a_hooked_transformer(write_run, settings):
    run = write_run(growth=2.0, modulus=7, **settings)
    table = where(collapse(run), step=run.steps[-1]).set_index("dtype")
    tokens, labels = train_of(run)
    y = labels.numpy()
    model = hooked(run, torch.float64)
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
    z = logits[:, -1].numpy()
    hidden = cache[f"blocks.{run.config.model.n_layers - 1}.hook_resid_post"][:, -1].numpy()
    at = np.arange(len(y))
    others = np.where(np.eye(z.shape[1], dtype=bool)[y], -np.inf, z)
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    expected = {
        "loss": float(-np.log(p[at, y]).mean()),
        "logit_std": float((z - z.mean(1, keepdims=True)).std()),
        "margin": float((z[at, y] - others.max(1)).mean()),
        "entropy": float(-(p * np.log(np.where(p > 0, p, 1))).sum(1).mean()),
        "collapse": float((e.sum(1) == 1).mean()),
        "hidden_norm": float(np.linalg.norm(hidden, axis=1).mean()),
    }
    for column, value in expected.items():
        assert table.loc["float64", column] == pytest.approx(value, rel=1e-9, abs=1e-12), column
        assert table.loc["float32", column] == pytest.approx(value, rel=1e-3, abs=1e-4), column
    if settings.get("normalization") == "none":
        assert table["final_gain_norm"].isna().all()
    else:
        assert table["final_gain_norm"].tolist() == pytest.approx([2 * 8**0.5] * 2)  # grown gains of a d_model of 8


def test_collapse_in_float32_is_gone_in_float64_of_the_same_weights(write_run):
    run = write_run()
    # Logits that differ by some 20 nats: exp(-20) is lost beside 1 in float32 and not in float64.
    scale = 20 / float(collapse(run)["logit_std"].iloc[0])
    scaled = with_weights(run, lambda k, v: v * scale if k == "unembed.W_U" else v, "scaled")
    table = collapse(scaled).set_index("dtype")
    assert table.loc["float32", "collapse"] > table.loc["float64", "collapse"]
    assert table.loc["float32", "collapse"] > 0.1


def test_the_loss_is_told_of_the_logits_that_the_run_minimises(write_run):
    plain, hot = write_run("plain"), write_run("hot", **{"loss.temperature": 4.0})
    one, four = (where(collapse(run), step=0, dtype="float64").iloc[0] for run in (plain, hot))
    assert four["logit_std"] == pytest.approx(one["logit_std"] / 4)
    assert four["margin"] == pytest.approx(one["margin"] / 4)
    assert four["loss"] != pytest.approx(one["loss"])


def test_a_float64_run_is_read_in_one_dtype(write_run):
    assert names(collapse(write_run(dtype="float64")), "dtype") == ["float64"]


def test_many_examples_are_read_in_chunks(write_run, monkeypatch):
    run, twin = write_run(modulus=7), write_run("twin", modulus=7)
    whole, gradient = collapse(run), gradient_entropy(run)
    for module in ("collapse", "gradient_entropy"):
        # Not by attribute: the functions go by the names of their modules.
        monkeypatch.setattr(sys.modules[f"grokscope.analysis.dynamics.{module}"], "CHUNK", 5)
    for table, again in ((whole, collapse(twin)), (gradient, gradient_entropy(twin))):
        numbers = list(table.select_dtypes("number").columns)
        # The gradient of b_K is rounding alone: keys that all move by one vector change no pattern.
        known = ~table["parameter"].str.endswith("b_K") if "parameter" in table else slice(None)
        np.testing.assert_allclose(again.loc[known, numbers], table.loc[known, numbers], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_gradient_entropy_agrees_with_numpy_on_autograd_of_a_hooked_transformer(write_run, settings):
    run = write_run(modulus=7, dtype="float64", **settings)
    table = where(gradient_entropy(run), step=run.steps[-1])
    tokens, labels = train_of(run)
    model = hooked(run, torch.float64)
    F.cross_entropy(model(tokens)[:, -1], labels).backward()
    trained = {name for name in table["parameter"] if name}
    gradients = {k: np.abs(v.grad.numpy()).ravel() for k, v in model.named_parameters() if k in trained}
    weights = {k: np.abs(v.detach().numpy()).ravel() for k, v in model.named_parameters() if k in trained}
    assert trained == set(gradients)
    chosen = {("all", ""): list(trained)} | {(role(k), k): [k] for k in trained}
    chosen |= {(group, ""): [k for k in trained if role(k) == group] for group in map(role, trained)}
    assert len(table) == len(chosen)
    for (group, parameter), of in chosen.items():
        g, w = (np.concatenate([values[k] for k in of]) for values in (gradients, weights))
        found = where(table, group=group, parameter=parameter).iloc[0]
        age = -(g[g > 1e-18] * np.log(g[g > 1e-18])).sum()
        assert found["gradient_l1"] == pytest.approx(g.sum(), rel=1e-6, abs=1e-12)
        assert found["gradient_l2"] == pytest.approx(np.sqrt((g**2).sum()), rel=1e-6, abs=1e-12)
        assert found["gradient_absolute_entropy"] == pytest.approx(age, rel=1e-6, abs=1e-10)
        if g.sum() > 1e-9:
            p = g / g.sum()
            entropy = -(p[p > 1e-18] * np.log(p[p > 1e-18])).sum()
            assert found["gradient_normalised_entropy"] == pytest.approx(entropy, rel=1e-6)
            assert found["gradient_effective_number"] == pytest.approx(np.exp(entropy), rel=1e-6)
        expected = -(w[w > 0] * np.log(w[w > 0])).sum()
        assert found["weight_absolute_entropy"] == pytest.approx(expected, rel=1e-9)


def test_effective_ranks_agree_with_numpy(write_run):
    run = write_run(n_layers=2, growth=2.0)
    table = where(ranks(run), step=0).set_index("matrix")
    w = {k: v.double().numpy() for k, v in run.weights(0).items() if v.ndim > 1 and v.dtype.is_floating_point}

    def rank(m: np.ndarray) -> float:
        s = np.linalg.svd(m, compute_uv=False)
        p = s / s.sum()
        return float(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum()))

    attn = {x: w[f"blocks.1.attn.W_{x}"] for x in "QKVO"}
    assert table.loc["embed.W_E", "effective_rank"] == pytest.approx(rank(w["embed.W_E"]))
    assert table.loc["blocks.1.attn.QK.1", "effective_rank"] == pytest.approx(rank(attn["Q"][1] @ attn["K"][1].T))
    assert table.loc["blocks.1.attn.OV.0", "effective_rank"] == pytest.approx(rank(attn["V"][0] @ attn["O"][0]))
    assert table.loc["blocks.1.attn.W_V", "effective_rank"] == pytest.approx(rank(np.hstack(list(attn["V"]))))
    out = w["blocks.0.mlp.W_out"] @ w["unembed.W_U"]
    assert table.loc["blocks.0.mlp.out_U", "effective_rank"] == pytest.approx(rank(out))
    assert (table["effective_rank"] <= table["largest"] + 1e-9).all()
    assert (table["effective_rank"] >= 1 - 1e-9).all()
    assert table.loc["blocks.1.attn.QK.1", "largest"] == run.config.model.head_width


def test_effective_rank_does_not_change_when_weights_are_scaled(write_run):
    table = ranks(write_run(growth=5.0, every=600))
    first, last = (where(table, step=step)["effective_rank"].to_numpy() for step in (0, 600))
    np.testing.assert_allclose(last, first, rtol=1e-5)


def test_names_of_matrices_are_taken_apart():
    assert parts_of("blocks.3.attn.QK.1") == ("3", "QK", "1")
    assert parts_of("blocks.0.mlp.out_U") == ("0", "out_U", None)
    assert parts_of("embed.W_E") == (None, "W_E", None)


def test_a_network_of_zeros_has_no_rank_and_no_normalised_entropy(write_run):
    zeros = with_weights(write_run(), lambda k, v: torch.zeros_like(v) if v.ndim else v, "zeros")
    assert ranks(zeros)["effective_rank"].isna().all()
    table = where(gradient_entropy(zeros), group="attention", parameter="").iloc[0]
    assert table["gradient_l1"] == 0
    assert np.isnan(table["gradient_normalised_entropy"])
    found = where(collapse(zeros), dtype="float64").iloc[0]
    assert (found["logit_std"], found["margin"], found["collapse"]) == (0, 0, 0)


def test_a_diverged_run_keeps_its_tables(write_run):
    run = with_weights(write_run(), lambda k, v: v * torch.nan if k == "unembed.W_U" else v, "diverged")
    tables = run_all(run, ["collapse", "gradient_entropy", "norm_trajectories"])
    assert where(tables["collapse"], dtype="float64")["logit_std"].isna().all()
    found = where(tables["norm_trajectories"], parameter="").set_index("group")["norm"]
    assert np.isnan(found["unembed"])
    assert found["embed"] > 0


def test_ranks_of_a_diverged_run_are_missing(write_run):
    run = with_weights(write_run(), lambda k, v: v * torch.nan if k == "unembed.W_U" else v, "diverged")
    table = ranks(run).set_index("matrix")["effective_rank"]
    assert np.isnan(table["unembed.W_U"])
    assert table["embed.W_E"] > 1


def test_the_family_of_dynamics_is_what_a_run_has(write_run):
    run = write_run()
    assert set(run_all(run, ["dynamics"])) == set(applicable(run)) & {
        *("collapse", "gradient_entropy", "ranks", "norm_trajectories", "phase", "probes", "margins", "margin_onset")
    }
    assert "probes" not in applicable(run)
    assert "learning_coefficient" not in applicable(run)
    unknown = write_run("unknown", **{"task.train_indices": ()})
    assert not {"collapse", "gradient_entropy"} & set(applicable(unknown))
    with pytest.raises(ValueError, match=r"'unknown' does not say which examples it was trained on"):
        collapse(unknown)


def recorded(run: Run, table: pd.DataFrame) -> Run:
    """The run with probes, as if they had been recorded."""
    run.__dict__["_probe_table"] = table
    return run


def probe_rows(part: dict[str, float], step: int = 10) -> pd.DataFrame:
    return pd.DataFrame([{"step": step, "group": "mlp", "parameter": "", "norm": 1.0, **part}])


def test_parts_of_a_step_are_split_into_radial_and_tangential(write_run):
    sizes = {"gradient": 5.0, "gradient_radial": 3.0, "decay": 1.0, "decay_radial": 1.0, "clip": 2.0}
    sizes |= {"clip_radial": 2.0 + 1e-12, "total": 4.1, "total_radial": 0.5}
    found = update_parts(probes(recorded(write_run(), probe_rows(sizes)))).set_index("part")
    assert found.index.tolist() == ["gradient", "decay", "clip", "total"]
    assert found["size"].tolist() == [5, 1, 2, 4.1]
    assert found["tangential"].tolist() == pytest.approx([4, 0, 0, np.sqrt(4.1**2 - 0.25)])
    assert found["share"].tolist()[:3] == pytest.approx([5 / 8, 1 / 8, 2 / 8])
    assert np.isnan(found.loc["total", "share"])


def test_a_step_that_moved_nothing_has_no_shares(write_run):
    still = {f"{part}{side}": 0.0 for part in ("gradient", "decay", "clip", "total") for side in ("", "_radial")}
    assert update_parts(probes(recorded(write_run(), probe_rows(still))))["share"].isna().all()


def test_runs_that_recorded_nothing_or_step_0_alone_have_no_parts(write_run):
    nothing = probes(write_run())
    assert nothing.empty
    assert update_parts(nothing).empty
    start = probes(recorded(write_run("start"), probe_rows({}, step=0)))
    assert start["total"].isna().all()
    assert update_parts(start).empty
