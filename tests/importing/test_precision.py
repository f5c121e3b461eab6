"""Losses that stand side by side are computed in one precision: small ones do not come out as 0 in one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.analysis import ablation, restricted_loss
from grokscope.config import preset
from grokscope.importing import import_run
from grokscope.tasks import build_task
from grokscope.training import Trainer
from tests.importing.shipped import ADD7


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """An imported network whose loss is far below the 6e-8 at which float32 rounds one to 0."""
    changes = {
        "task.name": "add",
        "modulus": 7,
        "form": "x_y_eq",
        "train_indices": tuple(range(48)),
        "residual": "pre_ln",
    }
    config = preset("s5-adamw", **changes, n_layers=2, d_model=8, n_heads=1, d_mlp=8, activation="relu",
                    batch_size=None, lr=1e-2, weight_decay=0.0)  # fmt: skip
    trainer = Trainer(config, build_task(config.task))
    for _ in range(200):
        trainer.update()
    folder = tmp_path_factory.mktemp("sure")
    weights = {name: value.detach().clone() for name, value in trainer.weights.items()}
    logits = trainer.engine.answer_logits(weights, torch.arange(48))
    right = logits.gather(1, trainer.task.labels[:48, None])
    margin = right[:, 0] - logits.scatter(1, trainer.task.labels[:48, None], -torch.inf).amax(1)
    assert margin.min() > 0
    weights["unembed.W_U"] *= 19 / margin.min()  # the least margin is 19 nats: a loss of at most 7 exp(-19)
    torch.save(weights, folder / "9.pt")
    return import_run(folder / "9.pt", **ADD7, train_indices=tuple(range(48)), out=folder / "run")


def losses(run):
    """Per example, by numpy in float64, from the logits of the `HookedTransformer`."""
    logits = run.model(9)(run.task.tokens)[:, -1].detach().numpy().astype(np.float64)
    top = logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return log_sum - logits[np.arange(len(logits)), run.task.labels.numpy()]


def test_small_losses_are_those_of_float64_everywhere(sure):
    train = losses(sure)[:48]
    assert train.mean() < 3e-8
    in_float32 = torch.nn.functional.cross_entropy(sure.model(9)(sure.task.tokens)[:48, -1], sure.task.labels[:48])
    assert float(in_float32.detach()) < 0.5 * train.mean()  # what such a loss comes to without care
    expected = pytest.approx(train.mean(), rel=1e-4)  # logits are float32: 1e-6 of some 30
    assert sure.metrics["train_loss"].item() == expected
    restricted = restricted_loss(sure)
    of_train = restricted[(restricted["split"] == "train") & (restricted["basis"] == "own")]
    assert set(of_train["level"]) == {"logits", "neurons"}
    assert of_train["full_loss"].tolist() == [expected] * len(of_train)
    # Where no irrep is removed, what is left is the full loss.
    table = ablation(sure)
    rows = table[(table["split"] == "train") & (table["basis"] == "own")]
    assert rows["full_loss"].tolist() == [expected] * len(rows)
    empty = rows[rows["n_irreps"] == 0]
    assert empty["loss"].tolist() == [pytest.approx(train.mean(), rel=1e-3)] * len(empty)


def test_what_training_logs_is_what_an_import_logs(sure):
    trainer = Trainer(sure.config, sure.task, begun=(9, sure.weights(9)))
    assert trainer.compiled is not None
    expected = losses(sure)
    found = trainer.evaluate()
    assert found["train_loss"] == pytest.approx(expected[:48].mean(), rel=1e-4)
    assert found["val_loss"] == pytest.approx(expected[48:].mean(), rel=1e-4)
