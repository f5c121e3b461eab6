"""What a run takes of memory and disk is told from its config: against counted bytes, and before anything is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import capacity
from grokscope.capacity import CapacityError
from grokscope.config import CheckpointConfig, RunConfig, override, preset
from grokscope.config.methods import methods
from grokscope.engine import estimate as engine_estimate
from grokscope.engine.compiled.program import Program
from grokscope.runs import open_run
from grokscope.tasks import build_task, task_size
from grokscope.training import Trainer, branch, estimate, resume, train

SMALL = {"modulus": 13, "d_model": 32, "n_heads": 2, "d_mlp": 64, "batch_size": 32, "training.steps": 20}
NETWORKS = {
    "two layers": {},
    "full batch": {"batch_size": None},
    "one layer": {"n_layers": 1},
    "relu": {"activation": "relu"},
    "four layers": {"n_layers": 4},
    "folded": {"n_layers": 1, "activation": "relu", "normalization": "none", "biases": False, "batch_size": 128},
    "attention only": {"attention_only": True},
    "bidirectional": {"attention_dir": "bidirectional", "n_layers": 3},
    "float64": {"dtype": "float64"},
    "parity": {"task.name": "parity", "bits": 6},
    "S4": {"task.name": "permutation", "degree": 4},
}


def small(**changes: object) -> RunConfig:
    return override(preset("mul-lion-clip"), {**SMALL, **changes})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every array that a compiled network is laid out on."""
    sizes: list[int] = []
    for name in ("empty", "zeros"):
        allocate = getattr(Program, name)

        def counted(self, *shape, allocate=allocate):
            array = allocate(self, *shape)
            sizes.append(array.nbytes)
            return array

        monkeypatch.setattr(Program, name, counted)
    return sizes


@pytest.mark.parametrize("backward", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("settings", NETWORKS.values(), ids=NETWORKS)
def test_activations_are_counted_as_they_are_allocated(made, settings, backward):
    config = small(**settings)
    trainer = Trainer(config, build_task(config.task))
    n = estimate.batch_size(config)
    network = trainer.compiled._network(n, backward=backward)
    plan = network.plan
    rows = sum(a.nbytes for queries in (plan.of_unigrams, plan.of_rows) for a in vars(queries).values())
    told = engine_estimate.activations(config.model, task_size(config.task), n, backward=backward)
    assert 0.6 < (sum(made) + rows) / told < 1.25


def test_memory_is_what_a_trainer_and_its_copies_hold(made):
    config = small(d_model=128, d_mlp=512, n_heads=4, modulus=31, batch_size=256, **{"optimizer.name": "adam"})
    trainer = Trainer(config, build_task(config.task))
    record = trainer.recorded_update()
    trainer.evaluate()
    tensors, _ = trainer.state()
    state = sum(value.nbytes for value in tensors.values())
    vector = trainer.parameters.vector.nbytes
    recorded = 3 * vector  # the gradient, and the weights before and after the update
    assert len(record.before) == len(record.gradient) == len(trainer.parameters.names)
    tables = [*trainer.engine.prefixes.ids, trainer.engine.prefixes.unigrams] * 3  # engine, compiled twice
    held = sum(made) + 2 * state + 3 * vector + recorded + sum(value.nbytes for value in tables)
    held += trainer.task.tokens.nbytes + sum(value.nbytes for value in trainer.optimizer.tensors().values())
    assert 0.5 < held / (estimate.memory(config) - estimate.LIBRARIES) < 1


@pytest.mark.parametrize("section", ["optimizer", "gradient"])
def test_every_method_keeps_as_many_vectors_as_it_says(section):
    for name in set(methods(section)) - {"custom"}:
        decay = {"weight_decay": 0.0} if section == "optimizer" else {}
        settings = {f"{section}.name": name, **decay, **({"window": 3} if name == "grokfast_ma" else {})}
        config = small(**settings, d_model=64, d_mlp=256, n_layers=1)
        trainer = Trainer(config, build_task(config.task))
        trainer.update()
        method = trainer.optimizer if section == "optimizer" else trainer.transform
        kept = sum(value.nbytes for value in method.tensors().values()) if method is not None else 0
        if name == "neuralgrok":  # its amplifier does not grow with the network
            kept = sum(value.nbytes for value in method.tensors().values() if value.numel() > 10**6)
        vectors = kept / trainer.parameters.vector.nbytes
        told = getattr(config, section).kept_vectors
        assert told - 2 < vectors <= told + 0.01, name


DIRECTORIES = {
    "as published": {},
    "traced": {"trace": True, "margins_every": 5},
    "logarithmic": {"checkpoints.schedule": "log", "per_decade": 5, "record_every": None},
    "mixed": {"task.name": "mixed", "modulus": 5, "margins_every": 4, "checkpoints.schedule": "ends"},
}


@pytest.mark.parametrize("settings", DIRECTORIES.values(), ids=DIRECTORIES)
def test_disk_is_what_a_run_comes_to(tmp_path, settings):
    config = small(**settings)
    train(config, tmp_path / "run", progress=False)
    size = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert 0.5 < size / estimate.disk(config) <= 1
    assert estimate.held(tmp_path / "run") == size
    run = open_run(tmp_path / "run")
    number = estimate.counts(config)
    assert number.checkpoints == len(run.steps)
    assert 0 <= number.evaluations - len(run.metrics) <= 1
    assert number.records == (run.probes["step"].nunique() - 1 if len(run.probes) else 0) + bool(number.records)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 7}, {"train_indices": (0, 1, 2)}, {"batch_size": None}])
def test_epochs_and_batches_are_those_of_the_trainer(settings):
    config = small(**settings)
    trainer = Trainer(config, build_task(config.task))
    assert estimate.n_train(config) == len(trainer.train)
    assert estimate.steps_per_epoch(config) == trainer.batches.steps_per_epoch
    assert estimate.batch_size(config) == len(trainer.batches.next())


@given(
    st.sampled_from(["every", "log", "dense", "ends"]), st.integers(1, 30), st.integers(1, 40), st.integers(1, 300),
    st.integers(0, 40), st.lists(st.integers(0, 300), max_size=4),
)  # fmt: skip
def test_checkpoints_are_counted_as_they_are_due(schedule, every, per_decade, steps, begin, listed):
    config = CheckpointConfig(schedule=schedule, every=every, per_decade=per_decade, steps=tuple(listed))
    begin = min(begin, steps - 1)
    due = {begin, steps} | {step for step in range(begin, steps) if config.due(step, None) and step}
    assert config.count(steps, begin) == len(due)
    assert CheckpointConfig(every=1).count(10**9) == 10**9 + 1  # without a look at each


def test_a_billion_steps_are_counted_at_once():
    config = small(**{"training.steps": 10**9, "checkpoints.every": 1, "record_every": 1})
    assert estimate.counts(config).checkpoints == 10**9 + 1
    assert estimate.disk(config) > 10**9 * estimate.disk(small()) / 10_000


def test_what_lies_on_another_device_is_no_memory_of_the_machine():
    for batch_size in (32, None):
        here, there = (estimate.memory(small(batch_size=batch_size, device=device)) for device in ("cpu", "cuda"))
        assert there < here
    one, other = (estimate.memory(small(device="cuda", batch_size=size)) for size in (1, None))
    assert one == other
    assert estimate.memory(small(device="cuda", d_model=512)) > one


@pytest.fixture
def run(tmp_path: Path):
    """A run that is trained, and the machine has no memory left."""
    return train(small(), tmp_path / "run", progress=False)


def test_training_resuming_and_branching_are_refused_before_anything_is_made(run, tmp_path, monkeypatch):
    state = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("grokscope.runs.Run.status", property(lambda self: "interrupted"))
    monkeypatch.setattr(capacity, "free_memory", lambda: 10**8)
    for module in ("loop", "branching"):
        monkeypatch.setattr(f"grokscope.training.{module}.run_task", lambda config: pytest.fail("a task is built"))
    for act in (
        lambda: train(small(seed=1), tmp_path / "other", progress=False),
        lambda: resume(run.path, progress=False),
        lambda: branch(run, 10, tmp_path / "other", progress=False, lr=1e-4),
    ):
        with pytest.raises(
            CapacityError, match=r"^training (run|other) needs about 1\d\d MB of memory, and 100 MB are"
        ):
            act()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == state


def test_a_run_that_goes_on_needs_the_disk_that_is_left_to_write(run, monkeypatch):
    written, whole = estimate.held(run.path), estimate.disk(run.config)
    monkeypatch.setattr(capacity, "free_disk", lambda path: 2 * (whole - written))
    estimate.check_room(run.config, run.path, "training it")
    monkeypatch.setattr(capacity, "free_disk", lambda path: whole - written - 1)
    with pytest.raises(CapacityError, match=r"training it needs about .* of disk"):
        estimate.check_room(run.config, run.path, "training it")
    assert estimate.disk(run.config, begin=10) < whole


EARLY = {
    "stop": ({"stop_evaluations": 0}, {"checkpoints.schedule": "ends", "training.steps": 1}),
    "dense": ({"checkpoints.schedule": "dense", "sparse_every": 20}, {"checkpoints.schedule": "every", "every": 20}),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_run_that_may_end_early_is_warned_of_its_budget_and_not_refused(tmp_path, monkeypatch, name):
    settings, least = EARLY[name]
    config = small(**settings, every=2)
    most, fewest = estimate.disk(config), estimate.disk(small(**{"every": 2, **least}))
    assert fewest < most
    monkeypatch.setattr(capacity, "free_disk", lambda path: (most + fewest) // 2)
    with pytest.warns(RuntimeWarning, match=r"^a run needs about .* of disk, .*: it may not be enough$"):
        estimate.check_room(config, tmp_path / "run", "a run")
    with pytest.raises(CapacityError):
        estimate.check_room(small(every=2), tmp_path / "run", "a run")
    monkeypatch.setattr(capacity, "free_disk", lambda path: fewest - 1)
    with pytest.raises(CapacityError):
        estimate.check_room(config, tmp_path / "run", "a run")


def test_float64_doubles_what_weights_take():
    one, two = (estimate.memory(small(d_model=512, d_mlp=2048, dtype=dtype)) for dtype in ("float32", "float64"))
    assert np.isclose(two - estimate.LIBRARIES, 2 * (one - estimate.LIBRARIES), rtol=0.02)
