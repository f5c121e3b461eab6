"""Which operations can be read in a Fourier basis: those whose tokens are group elements one to one."""

from __future__ import annotations

import numpy as np
import pytest

from grokscope.analysis.checkpoint.frames import frames
from grokscope.analysis.tables.declared import analyses
from grokscope.analysis.tables.registry import applicable, run_all
from grokscope.config import TaskConfig
from grokscope.tasks import build_task

CIRCUITS = {name for name, found in analyses().items() if found.family in ("fourier", "subgroups")}
NO_BASIS = r"task 'square_sub mod 5' has operands that share a group element, as a and -a .*no Fourier basis; use add"


def _mixed(*operations: str) -> TaskConfig:
    return TaskConfig(name="mixed", modulus=11, operations=operations)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["square_sub", "mixed"])
def test_square_sub_has_no_fourier_basis_and_says_so(name):
    task = build_task(TaskConfig(name=name, modulus=5, operations=("square_sub",)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=NO_BASIS):
        frames(task)


def test_a_mixed_task_is_read_in_the_frames_of_its_other_operations():
    mixed, alone = build_task(_mixed("square_sub", "add")), build_task(TaskConfig(name="add", modulus=11))
    found, expected = frames(mixed), frames(alone)
    assert [frame.keys for frame in found] == [frame.keys for frame in expected]
    assert [frame.basis for frame in found] == ["own", "wrong"]
    for one, other in zip(found, expected, strict=True):
        for place in ("left", "right", "answer"):
            assert np.array_equal(getattr(one, place), getattr(other, place))
    three = frames(build_task(_mixed("add", "square_sub", "mul")))
    assert [(frame.operation, frame.basis) for frame in three] == [
        ("add", "own"), ("add", "wrong"), ("mul", "own"), ("mul", "wrong"),
    ]  # fmt: skip


def test_a_run_of_square_sub_has_analyses_of_dynamics_alone(write_run):
    run = write_run(**{"task.name": "square_sub"})
    names = applicable(run)
    assert not CIRCUITS & set(names)
    assert {"norm_trajectories", "phase", "ranks"} <= set(names)
    assert set(run_all(run, only=["norm_trajectories"])) == {"norm_trajectories"}
    for asked in (["spectra"], ["fourier"], ["keys", "norm_trajectories"]):
        with pytest.raises(ValueError, match=NO_BASIS):
            run_all(run, only=asked)


def test_every_analysis_that_a_run_of_square_sub_has_can_be_made(write_run):
    run = write_run(**{"task.name": "square_sub"})
    tables = run_all(run)
    assert set(tables) == set(applicable(run))
    assert not any(table.empty for table in tables.values())


def test_a_mixed_run_keeps_the_analyses_of_its_other_operation(write_run):
    run = write_run(**{"task.name": "mixed", "operations": ("add", "square_sub")})
    names = applicable(run)
    fourier = {name for name, found in analyses().items() if found.family == "fourier"}
    assert fourier - set(names) == {"embedding_overlap"}
    tables = run_all(run, only=["spectra", "keys", "restricted_loss"])
    assert {operation for table in tables.values() for operation in table["operation"]} == {"add"}
