"""Every preset trains, with the clip and without, at sizes that take milliseconds."""

from __future__ import annotations

import pytest

from grokscope.config import override, presets
from grokscope.model import in_scope
from grokscope.norms import row_norms
from grokscope.tasks import build_task
from grokscope.training import Trainer

SMALL = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, "batch_size": 8, "train_fraction": 0.3}
CLIP = {"init_rows": "all", "init_norm": 0.5, "max_norm": 0.5, "scope": ("decoder",)}


def _small(name: str):
    config = override(presets()[name].config, SMALL)
    if config.task.name == "permutation":
        return override(config, {"degree": 3})
    return override(config, {"modulus": 7})


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("name", presets())
def test_it_takes_steps_and_keeps_within_the_clip(name, clip):
    config = override(_small(name), CLIP) if clip else _small(name)
    trainer = Trainer(config, build_task(config.task))
    before = {key: value.detach().clone() for key, value in trainer.weights.items()}
    for _ in range(5):
        trainer.update()
    assert any(not (before[key] == value).all() for key, value in trainer.weights.items())
    assert all(value.isfinite().all() for key, value in trainer.weights.items() if not key.endswith("IGNORE"))
    if clip:
        # Rows that hold several parameters (the biases of queries, keys and values) are within their bound apart too.
        bound = 0.5 * (1 + 1e-5)
        for key in in_scope(trainer.parameters.names, ("decoder",)):
            assert (row_norms(key, trainer.weights[key].detach()) <= bound).all(), key
