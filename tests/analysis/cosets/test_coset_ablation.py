"""Ablation of coset neurons, against a HookedTransformer whose neurons are held at their means by a hook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grokscope.analysis.cosets.coset_ablation import DRAWS, coset_ablation, equal_power
from grokscope.analysis.cosets.cosets import cosets
from grokscope.runs import Run
from tests.planted_cosets import coset_run

HOOK = "blocks.0.mlp.hook_post"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return coset_run(tmp_path_factory.mktemp("cosets") / "run")


class Oracle:
    """Losses of the HookedTransformer on all pairs, by split, with some neurons at their means."""

    def __init__(self, run: Run) -> None:
        self.run, self.model = run, run.model(0)
        with torch.no_grad():
            _, cache = self.model.run_with_cache(run.task.tokens)
        self.mean = cache[HOOK][:, -1].mean(0)
        train, val = run.task.split(run.config.task.train_fraction, run.config.seed)
        self.splits = {"train": train, "val": val}

    def __call__(self, neurons: np.ndarray) -> dict[str, tuple[float, float]]:
        def hold(value, hook):
            value[..., torch.from_numpy(neurons)] = self.mean[torch.from_numpy(neurons)]
            return value

        with torch.no_grad():
            logits = self.model.run_with_hooks(self.run.task.tokens, fwd_hooks=[(HOOK, hold)])[:, -1]
        loss = F.cross_entropy(logits, self.run.task.labels, reduction="none")
        right = (logits.argmax(-1) == self.run.task.labels).double()
        return {name: (float(loss[s].mean()), float(right[s].mean())) for name, s in self.splits.items()}


def test_losses_are_those_of_the_hooked_network_without_the_neurons(run: Run) -> None:
    table, oracle = coset_ablation(run), Oracle(run)
    explained = cosets(run)
    explained = explained[explained["explains"]]
    full = oracle(np.array([], dtype=int))
    assert set(table["subgroup"].dropna()) == set(explained["subgroup"])
    assert "S3" in set(explained["subgroup"])
    for row in table.to_dict("records"):
        rows = explained if row["set"] == "any" else explained[explained["subgroup"] == row["subgroup"]]
        neurons = np.unique(rows["neuron"])
        assert row["n_neurons"] == len(neurons) > 0
        expected = oracle(neurons)[row["split"]]
        assert (row["loss"], row["accuracy"]) == pytest.approx(expected, abs=1e-9)
        assert (row["full_loss"], row["full_accuracy"]) == pytest.approx(full[row["split"]], abs=1e-9)
        assert row["layer"] == 0


def test_controls_are_those_of_random_neurons_of_equal_power(run: Run) -> None:
    table, oracle, found = coset_ablation(run), Oracle(run), cosets(run)
    variance = found.drop_duplicates("neuron").sort_values("neuron")["neuron_variance"].to_numpy()
    controlled = table[table["note"] == ""]
    assert len(controlled)
    for _, rows in controlled.groupby("subgroup"):
        here = found[found["explains"] & (found["subgroup"] == rows["subgroup"].iloc[0])]
        chosen = np.isin(np.arange(len(variance)), here["neuron"])
        drawn = [equal_power(variance, chosen, seed) for seed in range(DRAWS)]
        outcomes = [oracle(neurons) for neurons in drawn if neurons is not None]
        for row in rows.to_dict("records"):
            values = np.array([outcome[row["split"]] for outcome in outcomes])
            means, spread = values.mean(0), values.std(0, ddof=1)
            assert (row["control_loss"], row["control_accuracy"]) == pytest.approx(tuple(means), abs=1e-9)
            assert (row["control_loss_sd"], row["control_accuracy_sd"]) == pytest.approx(tuple(spread), abs=1e-9)
            assert row["control_share_of_variance"] == pytest.approx(row["share_of_variance"], rel=0.1)


def test_a_set_of_more_power_than_all_others_has_no_control_and_says_so(tmp_path: Path) -> None:
    table = coset_ablation(coset_run(tmp_path / "run", generic=0.2))
    whole = table[table["set"] == "any"]
    assert (whole["share_of_variance"] > 0.6).all()
    assert (whole["note"] == "other neurons have no such variance together").all()
    assert whole["control_loss"].isna().all()
    assert (table.loc[table["control_loss"].isna(), "note"] != "").all()


@pytest.mark.parametrize("seed", range(5))
def test_random_neurons_of_equal_power_are_outside_the_set_and_sum_to_its_variance(seed: int) -> None:
    variance = np.random.default_rng(100 + seed).lognormal(size=200)
    chosen = np.zeros(200, dtype=bool)
    chosen[:20] = True
    drawn = equal_power(variance, chosen, seed)
    assert drawn is not None
    assert drawn.min() >= 20
    assert len(set(drawn.tolist())) == len(drawn)
    assert variance[drawn].sum() == pytest.approx(variance[chosen].sum(), rel=0.02)
    other = equal_power(variance, chosen, seed + 1)
    assert set(drawn.tolist()) != set(other.tolist())  # type: ignore[union-attr]
    assert equal_power(variance, variance > 0, seed) is None
    assert len(equal_power(variance, variance < 0, seed)) == 0  # type: ignore[arg-type]


def test_neurons_that_are_generic_are_not_ablated_with_those_of_cosets(run: Run) -> None:
    table = coset_ablation(run)
    rows = table[(table["subgroup"] == "S3") & (table["split"] == "val")]
    # Four kinds of eight, and the three linear ones of `tests.planted`: the first entry of Young's standard
    # representation is a function of where one point goes.
    assert rows["n_neurons"].tolist() == [35]
