"""Power by pairs of irreps against the definition; and groups by another name give the same tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis import run_all
from grokscope.analysis.circuit.irrep_blocks import irrep_blocks
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import Weights, initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run

SMALL = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_mlp": 16}


def _run(path, task: TaskConfig, weights: Weights | None = None) -> Run:
    config = override(RunConfig(), {**SMALL, "task": task})
    drawn = initial_weights(config.model, build_task(task), 3) if weights is None else weights
    return write_run(path, config, {0: drawn})


def test_powers_are_squares_of_projections_on_products_of_matrix_entries(tmp_path):
    run = _run(tmp_path / "run", TaskConfig(name="group", group="S3"))
    found = irrep_blocks(run)
    group = run.task.operations[0].group
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    _, cache = run.model(0).run_with_cache(run.task.tokens)
    assert torch.equal(run.task.tokens[:, list(run.task.operand_positions)], pairs)
    for layer in (0, 1):
        x = cache[f"blocks.{layer}.mlp.hook_post"][:, -1].detach().double().numpy().reshape(6, 6, -1)
        x = x - x.mean((0, 1))
        here = found[found["layer"] == layer].set_index(["left", "right"])["power"]
        assert here.sum() == pytest.approx(1.0)
        for rho in group.irreps:
            for sigma in group.irreps:
                if (rho.name, sigma.name) == ("trivial", "trivial"):
                    continue
                # The projector on the span of rho's entries is convolution with d chi / |G|.
                p, q = (irrep.dim / 6 * irrep.character[group.table[group.inverse]] for irrep in (rho, sigma))
                inside = np.einsum("ac,cdn,db->abn", p, x, q)
                assert here[rho.name, sigma.name] == pytest.approx((inside**2).sum() / (x**2).sum(), abs=1e-6)


def test_a_cyclic_group_by_name_gives_the_tables_of_addition(tmp_path):
    """The same weights, once as x + y mod 7 and once as a group of 7 elements: one code path, one answer."""
    add = _run(tmp_path / "add", TaskConfig(name="add", modulus=7, form="x_y_eq"))
    named = _run(tmp_path / "named", TaskConfig(name="group", group="Z7", form="x_y_eq"), add.weights(0))
    ours, theirs = run_all(named, ["fourier"]), run_all(add, ["fourier"])
    for name in ("spectra", "keys", "neurons", "logit_characters", "restricted_loss", "clock_pizza"):
        left, right = (
            table[table["basis"] == "own"].drop(columns=["run", "task", "operation"]).reset_index(drop=True)
            for table in (ours[name], theirs[name])
        )
        pd.testing.assert_frame_equal(left, right, check_exact=False, rtol=1e-5, atol=1e-7)


def test_an_untrained_network_that_does_not_vary_has_no_power(tmp_path):
    task = TaskConfig(name="group", group="D4")
    weights = initial_weights(override(RunConfig(), {**SMALL, "task": task}).model, build_task(task), 0)
    for name in ("blocks.0.mlp.W_in", "blocks.1.mlp.W_in"):
        weights[name].zero_()
    found = irrep_blocks(_run(tmp_path / "flat", task, weights))
    assert (found["power"] == 0).all()
