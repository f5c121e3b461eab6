"""Tables made together are the tables made alone, and what is kept is not made again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from grokscope.analysis.checkpoint import over_checkpoints as module
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.over_checkpoints import (
    CheckpointAnalysis,
    in_one_pass,
    over_checkpoints,
    spread_steps,
)
from grokscope.analysis.tables.declared import analyses
from grokscope.analysis.tables.registry import run_all
from grokscope.config import RunConfig, override
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run

CONFIG = override(RunConfig(), {"modulus": 7, "d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 1})


def random_run(path: Path) -> Run:
    task = build_task(CONFIG.task)
    return write_run(path, CONFIG, {step: initial_weights(CONFIG.model, task, step) for step in (0, 10, 20)})


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    seen: list[int] = []
    plain = module.Checkpoint

    def counted(context: object, step: int) -> Checkpoint:
        seen.append(step)
        return plain(context, step)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Checkpoint", counted)
    return seen


def test_tables_made_in_one_pass_are_those_made_alone(tmp_path: Path) -> None:
    together = run_all(random_run(tmp_path / "run"))
    other = random_run(tmp_path / "other" / "run")
    of_checkpoints = [found for found in analyses().values() if isinstance(found, CheckpointAnalysis)]
    assert {"spectra", "ranks", "cosets", "embedding_planes"} <= {found.name for found in of_checkpoints} & set(
        together
    )
    for found in of_checkpoints:
        if found.name in together:
            pd.testing.assert_frame_equal(found(other), together[found.name])


def test_tables_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    one, two = run_all(random_run(tmp_path / "run")), run_all(random_run(tmp_path / "2" / "run"), workers=2)
    for name, table in one.items():
        pd.testing.assert_frame_equal(two[name], table)


def test_one_pass_visits_each_checkpoint_once_and_a_second_none(tmp_path: Path, visits: list[int]) -> None:
    run = random_run(tmp_path / "run")
    first = run_all(run)
    assert visits == [0, 10, 20]
    second = run_all(run)
    assert visits == [0, 10, 20]
    for name, table in first.items():
        pd.testing.assert_frame_equal(second[name], table)


def test_a_pass_makes_what_is_missing_and_no_more(tmp_path: Path) -> None:
    made = []

    def table(name: str):
        def measure(checkpoint: Checkpoint) -> pd.DataFrame:
            made.append((name, checkpoint.step))
            return pd.DataFrame({"name": [name]})

        measure.__qualname__ = measure.__name__ = name
        return over_checkpoints(family="test")(measure)

    one, other = table("one"), table("other")
    run = random_run(tmp_path / "run")
    one(run)
    assert made == [("one", 0), ("one", 10), ("one", 20)]
    made.clear()
    tables = in_one_pass(run, {"one": one, "other": other})
    assert made == [("other", 0), ("other", 10), ("other", 20)]
    assert tables["one"]["step"].tolist() == tables["other"]["step"].tolist() == [0, 10, 20]


@pytest.mark.parametrize(
    ("count", "steps", "expected"),
    [(3, [0, 10, 20, 30, 40], [0, 20, 40]), (11, [0, 10, 20], [0, 10, 20]), (3, [5], [5]), (3, [5, 9], [5, 9])],
)
def test_spread_steps_keeps_the_ends(count: int, steps: list[int], expected: list[int]) -> None:
    assert spread_steps(count)(steps) == expected
