"""Networks that were trained: few key frequencies, in the right basis, before the grok."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from grokscope.analysis import (
    ablation,
    clock_pizza,
    keys,
    logit_characters,
    neurons,
    onset,
    restricted_loss,
    run_all,
    where,
)
from grokscope.config import preset
from grokscope.runs import Run, open_run
from grokscope.training import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PRESETS = {
    "mul-lion-clip": {"steps": 1000},
    "nanda-add-p113": {"steps": 25000, "stop_evaluations": 100},
}


@pytest.fixture(scope="module", params=PRESETS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path: Path = tmp_path_factory.mktemp("trained") / request.param
    train(preset(request.param, **PRESETS[request.param]), out=path)
    trained = open_run(path)
    assert trained.grok_step is not None
    run_all(trained, workers=2)  # in one pass; the tests read what is kept
    return trained


@pytest.fixture(scope="module")
def final(run: Run) -> Callable[..., pd.DataFrame]:
    """The rows of a table at the last checkpoint, with given values."""
    return lambda table, **values: where(table, step=run.steps[-1], **values)


def test_a_few_frequencies_are_key_in_the_right_basis_and_none_in_the_wrong_one(run: Run, final: Callable) -> None:
    table = final(keys(run), site="embed")
    own, wrong = where(table, basis="own"), where(table, basis="wrong")
    assert 3 <= own["key"].sum() <= 16
    assert own.loc[own["key"], "power"].sum() > 0.6
    assert not wrong["key"].any()


def test_an_untrained_checkpoint_has_no_keys(run: Run) -> None:
    table = where(keys(run), step=0, site="embed")
    assert not table["key"].any()


def test_logits_are_characters_of_the_task_s_own_group(run: Run, final: Callable) -> None:
    share = final(logit_characters(run)).groupby("basis")["share"].sum()
    assert share["own"] > 0.5
    assert share["wrong"] < 0.01


def test_neurons_of_the_first_layer_cluster_by_key_frequency(run: Run, final: Callable) -> None:
    table = final(neurons(run), layer=0)
    own = where(table, basis="own")
    embed = final(keys(run), site="embed", basis="own")
    clustered = own[~own["cluster"].isin(["other", "constant"])]
    assert len(clustered) > 0.1 * len(own)
    power = embed.set_index("irrep")["power"]
    assert (power[clustered["cluster"].unique()] > 1 / len(power)).all()
    assert not where(table, basis="wrong")["cluster"].str.startswith("k=").any()


def test_restricted_loss_falls_before_validation_loss_does(run: Run) -> None:
    table = onset(run).dropna(subset=["split"])
    table = where(table, split="val", level="neurons").set_index("quantity")
    assert table.loc["restricted_loss", "by"] < table.loc["full_loss", "by"]
    assert table.loc["restricted_loss", "lead_least"] > 0


def test_a_key_frequency_is_there_before_the_grok(run: Run) -> None:
    power = where(onset(run), quantity="power")
    assert power["lead_least"].max() > 0


def test_the_wrong_basis_explains_no_behaviour(run: Run, final: Callable) -> None:
    table = final(restricted_loss(run), split="val", level="logits")
    wrong = where(table, basis="wrong", set="matched").iloc[0]
    assert wrong["n_irreps"] > 0
    assert wrong["excluded_loss"] == pytest.approx(wrong["full_loss"], abs=0.02)
    own = where(table, basis="own", set="hindsight").iloc[0]
    assert own["excluded_loss"] > 5 * own["full_loss"]


def test_removing_the_key_set_from_the_embedding_destroys_the_answer_and_its_control_does_not(
    run: Run, final: Callable
) -> None:
    row = final(ablation(run), site="embedding", split="val", set="hindsight").iloc[0]
    assert row["full_accuracy"] > 0.95
    assert row["accuracy"] < 0.1
    assert row["control_accuracy"] > 0.5


def test_the_strongest_irreps_of_the_wrong_basis_are_missed_far_less_than_the_key_set(
    run: Run, final: Callable
) -> None:
    table = final(ablation(run), split="val").set_index(["basis", "set", "site"])["accuracy"]
    for site in ("embedding", "neurons", "logits"):
        own, wrong = table["own", "hindsight", site], table["wrong", "matched", site]
        assert wrong >= own
    assert table["wrong", "matched", "embedding"] > table["own", "hindsight", "embedding"] + 0.3


def test_the_embedding_lies_on_circles_in_the_right_basis_alone(run: Run, final: Callable) -> None:
    circularity = final(clock_pizza(run)).set_index("basis")["circularity"]
    assert circularity["own"] > 0.4
    assert circularity["wrong"] < 0.15
