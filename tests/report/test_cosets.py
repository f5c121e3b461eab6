"""The section on cosets: for groups that are not abelian, and its choice of a neuron to show."""

from __future__ import annotations

import pandas as pd

from grokscope.analysis.cosets.neuron_grid import most_coset_like
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.figures.plates import plates
from grokscope.model import initial_weights
from grokscope.report import Section
from grokscope.report.draw import draw_section
from grokscope.report.sections import cosets
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run

SMALL = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 12}


def section(runs: list[Run]) -> Section:
    declared = [plate for plate in plates().values() if plate.section == cosets.SECTION.name]
    return draw_section(cosets.SECTION, declared, runs)


def _run(path, **task):
    config = override(RunConfig(), {**SMALL, "task": TaskConfig(**task)})
    start = initial_weights(config.model, build_task(config.task), 0)
    return write_run(path, config, {0: start, 20: start})


def test_abelian_tasks_have_no_section_and_others_have_one(tmp_path):
    abelian = _run(tmp_path / "mul", name="mul", modulus=13)
    assert section([abelian]).plates == ()
    drawn = section([abelian, _run(tmp_path / "s3", name="permutation", degree=3)])
    assert [plate.name for plate in drawn.plates] == [
        "coset_concentration",
        "coset_counts",
        "readings",
        "coset_ablation",
        "neuron_on_grid",
    ]
    assert all(set(plate.table["run"]) == {"s3"} for plate in drawn.plates)
    assert drawn.plates[-1].caption.startswith("s3: the neuron of largest score")


def test_the_neuron_shown_varies_enough_and_is_no_sign():
    table = pd.DataFrame(
        {
            "run": "r",
            "operation": "s5",
            "step": [0, 10, 10, 10, 10],
            "layer": [0, 0, 0, 1, 1],
            "neuron": [3, 0, 1, 0, 1],
            "neuron_variance": [9.0, 1.0, 0.01, 2.0, 2.0],
            "index": [5, 5, 5, 2, 10],
            "score": [99.0, 10.0, 50.0, 60.0, 20.0],
        }
    )
    # Neuron 3 is of an earlier step, (0, 1) hardly varies, (1, 0) is a sign.
    assert most_coset_like(table) == (1, 1)
