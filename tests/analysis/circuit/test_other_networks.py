"""Every analysis of a network that is built otherwise: made, or left out with the reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from grokscope.analysis import analyses, run_all
from grokscope.analysis.tables.registry import applicable
from grokscope.figures.circuit.ablation import ablation
from grokscope.figures.circuit.circuit_losses import circuit_losses, irrep_losses
from grokscope.runs import Run

NETWORKS = {
    "attention only": {"attention_only": True},
    "d_head": {"d_head": 3},
    "tied": {"tied": True},
    "x_y": {"form": "x_y"},
    "bidirectional": {"attention_dir": "bidirectional", "n_layers": 2},
    "mse": {"loss.name": "mse"},
}
OF_NEURONS = (
    "neurons",
    "neuron_tuning",
    "irrep_blocks",
    "cosets",
    "coset_matrix",
    "coset_ablation",
    "activation_regime",
)


@pytest.fixture
def written(write_run: Callable[..., Run]) -> Callable[..., Run]:
    """A run on S3, whose group has everything that is looked for."""

    def make(network: str, name: str = "run", **settings: object) -> Run:
        s3 = {"task.name": "permutation", "degree": 3, "max_norm": 1.0, "steps": 100}
        return write_run(name, **{**s3, **NETWORKS[network], **settings})

    return make


def _hooked_loss(run: Run) -> float:
    """Cross-entropy over all examples at the last checkpoint, of a `HookedTransformer`."""
    with torch.no_grad():
        return float(F.cross_entropy(run.model(-1)(run.task.tokens)[:, -1], run.task.labels))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_analysis_that_applies_is_made(written, network):
    run = written(network, dtype="float64")
    tables = run_all(run)
    assert tuple(tables) == applicable(run)
    assert ("neurons" in tables) == (network != "attention only")
    losses = tables["restricted_loss"].query("step == 100 and basis == 'own' and split == 'all'")
    np.testing.assert_allclose(losses["full_loss"].to_numpy(dtype=float), _hooked_loss(run), rtol=1e-9)
    groups = set(tables["norm_trajectories"]["group"])
    assert ("mlp" in groups) == (network != "attention only")
    assert "unembed" not in groups if network == "tied" else "unembed" in groups
    assert set(tables["learning_curves"]["unit"]) == {"squared error" if network == "mse" else "nats"}


def test_without_an_mlp_no_table_speaks_of_neurons_and_an_analysis_of_them_says_why(written):
    run = written("attention only")
    tables = run_all(run)
    for name in ("spectra", "keys", "answer_share", "ablation"):
        sites = set(tables[name]["site"])
        assert sites
        assert not any("mlp" in site or "neurons" in site for site in sites), name
    assert set(tables["restricted_loss"]["level"]) == {"logits"}
    known = analyses()
    assert not set(OF_NEURONS) & set(tables)
    for name in OF_NEURONS:
        assert not known[name].applies(run)
        with pytest.raises(ValueError, match=r"has attention only .*: there are no neurons to look at"):
            known[name](run)


def test_figures_of_it_have_no_panel_for_neurons_but_beside_a_network_that_has_some(written):
    names = ("restricted_loss", "ablation", "milestones")
    alone = run_all(written("attention only", name="alone"), names)
    titles = [ax.get_title(loc="left") for ax in circuit_losses(alone["restricted_loss"], alone["milestones"]).axes]
    assert len(titles) == 1
    assert titles[0].endswith("logits")
    assert len(irrep_losses(alone["restricted_loss"]).axes) == 1
    assert [tick.get_text() for tick in ablation(alone["ablation"]).axes[0].get_yticklabels()] == [
        "embedding",
        "logits",
    ]
    other = run_all(written("tied", name="other"), names)
    both = {name: pd.concat([alone[name], other[name]], ignore_index=True) for name in names}
    panels = circuit_losses(both["restricted_loss"], both["milestones"]).axes
    assert [ax.axison for ax in panels] == [True, False, True, True]


def test_the_gradient_of_a_tied_network_is_that_of_its_loss(written):
    """Against autograd through a HookedTransformer that is given the embedding in both places."""
    run = written("tied", dtype="float64")
    model, (train, _) = run.model(-1), run.task.split(run.config.task.train_fraction, run.config.seed)
    leaves = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert "unembed.W_U" not in leaves
    weights = leaves | {"unembed.W_U": leaves["embed.W_E"].T[:, : model.cfg.d_vocab_out]}
    logits = torch.func.functional_call(model, weights, (run.task.tokens[train],))[:, -1]
    gradient = torch.autograd.grad(F.cross_entropy(logits, run.task.labels[train]), leaves["embed.W_E"])[0]
    table = run_all(run, ["gradient_entropy"])["gradient_entropy"]
    row = table.loc[(table["step"] == run.final_step) & (table["group"] == "embed") & (table["parameter"] == "")]
    assert float(row["gradient_l2"].iloc[0]) == pytest.approx(float(gradient.norm()), rel=1e-9)
    assert pd.notna(row["gradient_l2"].iloc[0])
