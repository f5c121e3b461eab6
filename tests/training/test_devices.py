"""A run on a GPU is the run of the processor, up to rounding, and is opened and analysed where there is no GPU.

What a GPU runs is run on the processor too: every method by operations of torch, against compiled loops.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import pytest
import torch

import grokscope.training.loop as loop
from grokscope.analysis import applicable, run_all
from grokscope.config import override
from grokscope.jit import operations_of_torch
from grokscope.runs import open_run, verify_run
from grokscope.tasks import build_task
from grokscope.training import MarginRecorder, Recorder, Trainer, branch, resume, train
from tests.training.test_interventions import INTERVENTIONS
from tests.training.test_resume import ACCELERATORS, OPTIMIZERS

STEPS = 12
# Twelve steps in float64 amplify the rounding of a sum, 1e-16, by a few orders of magnitude; a sign that flips in a
# rule of signs would show as 2 lr, 1e-3 and more.
CLOSE = {"rtol": 1e-8, "atol": 1e-10}
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
HERE: dict[str, Any] = {"device": "cpu", "dtype": "float64"}


class Elsewhere(NamedTuple):
    """Where a run is trained that is compared with one of compiled loops on the processor."""

    settings: dict[str, Any]
    around: Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["torch", pytest.param("cuda", marks=[pytest.mark.cuda, NO_GPU])])
def elsewhere(request) -> Elsewhere:
    """A GPU, or the processor with what a GPU runs: operations of torch."""
    if request.param == "cuda":
        return Elsewhere({"device": "cuda", "dtype": "float64"}, nullcontext)
    return Elsewhere({"device": "cpu", "forward": "engine", "dtype": "float64"}, operations_of_torch)


def _after(config, changes: dict[str, Any], steps: int = STEPS) -> Trainer:
    config = override(config, changes)
    trainer = Trainer(config, build_task(config.task))
    for _ in range(steps):
        trainer.update()
    return trainer


def _same_weights(one, other, **tolerance) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(
            one[name].cpu(), other[name].cpu(), **(tolerance or CLOSE), msg=lambda m, n=name: n + m
        )


@pytest.mark.parametrize("settings", (OPTIMIZERS | ACCELERATORS).values(), ids=OPTIMIZERS | ACCELERATORS)
def test_every_method_takes_the_steps_of_the_processor(config, elsewhere, settings):
    theirs = _after(config(**settings), HERE)
    with elsewhere.around():
        ours = _after(config(**settings), elsewhere.settings)
        evaluation = ours.evaluate()
    assert all(value.device.type == elsewhere.settings["device"] for value in ours.weights.values())
    _same_weights(ours.weights, theirs.weights)
    for name, value in theirs.evaluate().items():
        assert evaluation[name] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_intervention_takes_the_steps_of_the_processor(config, elsewhere, tmp_path, name):
    traced = config(seed=7, trace=True, max_norm=0.5, **{"training.steps": 20})
    with elsewhere.around():
        trace = train(override(traced, elsewhere.settings), tmp_path / "traced", progress=False).trace
    reference = trace.save(tmp_path / "trace")
    chosen = INTERVENTIONS[name].items()
    settings = {setting: reference if value == "TRACE" else value for setting, value in chosen}
    theirs = _after(config(**settings), HERE)
    with elsewhere.around():
        _same_weights(_after(config(**settings), elsewhere.settings).weights, theirs.weights)


@pytest.mark.parametrize("residual", ["normed", "pre_ln"])
@pytest.mark.parametrize("forward", ["compiled", "engine", "hooked"])
@pytest.mark.parametrize("task", [{"modulus": 7}, {"task.name": "permutation", "degree": 3}, {"task.name": "mixed"}])
def test_every_forward_pass_on_every_form_of_task(config, elsewhere, forward, residual, task):
    settings = {**task, "residual": residual, "n_layers": 2}
    theirs = _after(config(**settings), {**HERE, "forward": forward})
    with elsewhere.around():
        other = elsewhere.settings if forward == "compiled" else {**elsewhere.settings, "forward": forward}
        _same_weights(_after(config(**settings), other).weights, theirs.weights)


@pytest.mark.cuda
@NO_GPU
def test_float32_differs_from_the_processor_by_rounding(config):
    made = [Trainer(config(device=device), build_task(config().task)) for device in ("cuda", "cpu")]
    examples = torch.arange(made[0].task.n_examples)
    ours, theirs = (each.engine.answer_logits(each.weights, examples.to(each.train.device)).detach() for each in made)
    # Sums of up to 16 terms of float32.
    torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.cuda
@NO_GPU
@pytest.mark.parametrize("name", ["lion", "adamw", "muon", "grokfast ema"])
def test_two_trainings_on_a_gpu_have_the_same_bits(config, tmp_path, name):
    """In float32 and of several layers: nothing is added in an order that changes from time to time."""
    settings = {**(OPTIMIZERS | ACCELERATORS)[name], "device": "cuda", "modulus": 31, "n_layers": 2, "batch_size": 64}
    one, other = (train(config(**settings), tmp_path / f"{turn}", progress=False) for turn in range(2))
    assert one.digests == other.digests


def test_what_is_recorded_is_what_the_processor_records(config, elsewhere):
    settings = {"max_norm": 0.5, "optimizer.name": "adamw", "weight_decay": 0.3}
    rows = []
    for changes, around in (elsewhere, (HERE, nullcontext)):
        with around():
            trainer = _after(config(**settings), changes, 3)
            record = trainer.recorded_update()
            rows.append(Recorder(trainer).rows(record) + MarginRecorder(trainer).rows(record))
    assert len(rows[0]) == len(rows[1]) > 0
    for ours, theirs in zip(*rows, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            if isinstance(value, float):
                assert ours[name] == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True), name
            else:
                assert ours[name] == value


@pytest.mark.cuda
@NO_GPU
def test_a_run_is_analysed_on_the_processor(config, tmp_path):
    runs = {
        device: train(
            config(device=device, dtype="float64", max_norm=0.5, margins_every=5), tmp_path / device, progress=False
        )
        for device in ("cuda", "cpu")
    }
    run = open_run(tmp_path / "cuda")
    assert run.status == "finished"
    assert not any(finding.is_bad for finding in verify_run(run.path))
    assert run.weights(20)["embed.W_E"].device.type == "cpu"
    for step in run.steps:
        _same_weights(run.weights(step), runs["cpu"].weights(step))
    names = ["margins", "answer_share", "restricted"]
    tables = {device: run_all(runs[device], [n for n in names if n in applicable(run)]) for device in runs}
    for name, table in tables["cuda"].items():
        numbers = table.select_dtypes("number").to_numpy()
        expected = tables["cpu"][name].select_dtypes("number").to_numpy()
        assert numbers == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True)


@pytest.mark.cuda
@NO_GPU
@pytest.mark.parametrize("name", ["lion", "adamw", "muon", "grokfast ma", "neuralgrok"])
def test_an_interrupted_run_goes_on(config, tmp_path, monkeypatch, name):
    settings = {**(OPTIMIZERS | ACCELERATORS)[name], "device": "cuda", "dtype": "float64"}
    whole = train(config(**settings), tmp_path / "whole", progress=False)
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", -1.0)
    taken = Trainer._step

    def until(self, *, record):
        if self.step == 10:
            raise KeyboardInterrupt
        return taken(self, record=record)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until)
        with pytest.raises(KeyboardInterrupt):
            train(config(**settings), tmp_path / "cut", progress=False)
    run = resume(tmp_path / "cut", progress=False)
    assert run.status == "finished"
    _same_weights(run.weights(20), whole.weights(20))


@pytest.mark.cuda
@NO_GPU
def test_a_branch_of_a_run_on_a_gpu(config, tmp_path):
    settings = {"device": "cuda", "dtype": "float64", "max_norm": 0.5}
    parent = train(config(**settings), tmp_path / "parent", progress=False)
    child = branch(parent, 8, tmp_path / "child", progress=False, max_norm=0.25)
    assert child.status == "finished"
    _same_weights(child.weights(8), parent.weights(8))
