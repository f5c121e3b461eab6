"""Seeds that are trained side by side are what each is alone, up to rounding."""

from __future__ import annotations

import pytest
import torch

from grokscope.capacity import CapacityError
from grokscope.config import ConfigError, override
from grokscope.model import as_matrix, is_buffer, is_matrix
from grokscope.tasks import run_task
from grokscope.training import Replicas, Trainer, train, train_replicas
from grokscope.training.replayed import ReplayedStep
from tests.training.test_devices import CLOSE, NO_GPU, STEPS
from tests.training.test_resume import ACCELERATORS, OPTIMIZERS

SEEDS = (3, 0, 11)
SHARED = {
    **OPTIMIZERS,
    **{name: ACCELERATORS[name] for name in ("grokfast ema", "grokfast ma", "decay by group")},
    "clip in a window": {"max_norm": 0.5, "from_step": 3, "until_step": 8},
    "bounds by group": {"max_norm": 0.9, "group_max_norm": (("biases", 0.1), ("embed", 0.4))},
    "shrink": {"shrink_step": 4, "shrink_factor": 0.8},
    "rates": {"group_rate": (("embed", 0.5),), "group_decay": (("mlp", 1.0),), "decay_form": "decoupled"},
    "schedule": {"optimizer.schedule": "cosine", "warmup_steps": 4},
    "full batch": {"batch_size": None},
    "three layers": {"n_layers": 3, "residual": "pre_ln"},
    "tied": {"tied": True},
    "stablemax": {"loss.name": "stablemax", "temperature": 2.0},
    "mse": {"loss.name": "mse"},
    "smoothing": {"smoothing": 0.2},
    "label noise": {"label_noise": 0.5},
    "permutations": {"task.name": "permutation", "degree": 3},
    "mixed": {"task.name": "mixed"},
}
REFUSED = {
    "optimizer.name": ({"optimizer.name": "muon"}, r"optimizer\.name = 'muon' is not accepted: use a rule of single"),
    "gradient.name": ({"gradient.name": "orthograd"}, r"gradient\.name = 'orthograd' .*use none, grokfast_ema"),
    "norms": ({"sphere": "rows"}, r"norms: sphere is not accepted: .* have projection, clip, shrink"),
    "angular": ({"angular_step": (("mlp", 0.01),)}, r"optimizer\.angular_step = "),
    "forward": ({"forward": "hooked"}, r"forward = 'hooked' is not accepted: use compiled or engine"),
}


def assert_as_alone(config, **elsewhere) -> None:
    config = override(config, {"dtype": "float64"})
    replicas = Replicas(override(config, elsewhere), SEEDS)
    of_seeds = [override(config, {"seed": seed}) for seed in SEEDS]
    trainers = [Trainer(of_seed, run_task(of_seed)) for of_seed in of_seeds]
    for _ in range(STEPS):
        replicas.update()
        for trainer in trainers:
            trainer.update()
    for seed, trainer, evaluation in zip(SEEDS, trainers, replicas.evaluate(), strict=True):
        weights = replicas.weights_of(seed)
        assert list(weights) == list(trainer.weights)
        for name, value in trainer.weights.items():
            torch.testing.assert_close(weights[name], value.detach(), **CLOSE, msg=lambda m, n=name: n + m)
        assert evaluation == pytest.approx(trainer.evaluate(), rel=1e-9)


@pytest.mark.parametrize("name", SHARED)
def test_each_seed_takes_the_steps_that_it_takes_alone(config, name):
    assert_as_alone(config(**SHARED[name]))


@pytest.mark.cuda
@NO_GPU
@pytest.mark.parametrize("name", SHARED)
def test_each_seed_takes_the_same_steps_on_a_gpu(config, name):
    assert_as_alone(config(**SHARED[name]), device="cuda")


def is_clipped_matrix(name: str) -> bool:
    return name.startswith("blocks.") and not is_buffer(name) and is_matrix(name)


def test_rows_are_clipped_in_every_network(config):
    """In `nn.Linear`'s layout: a row of W_in is the column of a neuron."""
    replicas = Replicas(config(max_norm=0.3), SEEDS)
    for _ in range(5):
        replicas.update()
    for seed in SEEDS:
        weights = replicas.weights_of(seed)
        for name in (
            name for name in weights if name.startswith("blocks.") and not is_buffer(name) and is_matrix(name)
        ):
            norms = torch.linalg.vector_norm(as_matrix(name, weights[name]), dim=1)
            assert float(norms.max()) <= 0.3 * (1 + 1e-6), name


def test_results_are_those_of_the_runs(config, tmp_path):
    """Milestones and metrics, beside `train`, of networks that memorise within 150 steps."""
    fast = {"optimizer.name": "adam", "lr": 1e-2, "max_norm": 2.0, "batch_size": None, "eval_every": 5}
    fast |= {"task.name": "add", "train_fraction": 0.8, "d_model": 16, "d_mlp": 32, "training.steps": 150}
    settings = config(dtype="float64", **fast)
    results = train_replicas(settings, SEEDS, progress=False)
    assert list(results.metrics) == ["seed", "step", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert results.diverged == {}
    for seed in SEEDS:
        run = train(settings, tmp_path / f"{seed}", seed=seed, progress=False)
        ours = results.metrics[results.metrics["seed"] == seed].drop(columns="seed").reset_index(drop=True)
        assert ours["step"].tolist() == run.metrics["step"].tolist()
        for column in ("train_accuracy", "val_accuracy"):
            assert ours[column].tolist() == pytest.approx(run.metrics[column].tolist())
        assert results.milestones[seed].memorisation_step == run.milestones.memorisation_step is not None


def test_a_seed_is_followed_until_it_has_stayed_grokked_and_training_ends_with_the_last(config):
    # The first bit of four: generalised as soon as it is learnt.
    easy = {"task.name": "parity", "bits": 4, "parity_bits": 1, "train_fraction": 0.7, "batch_size": None}
    settings = config(
        lr=1e-2, eval_every=1, stop_evaluations=2, **easy, **{"optimizer.name": "adam", "training.steps": 60}
    )
    results = train_replicas(settings, range(4), progress=False)
    last = results.metrics.groupby("seed")["step"].max()
    for seed, reached in results.milestones.items():
        if reached.sustained_at is not None:
            assert last[seed] == reached.sustained_at + 2
        else:
            assert last[seed] == 60
    assert any(reached.sustained_at is not None for reached in results.milestones.values())
    assert "4 seeds" in repr(results)


def test_a_network_that_diverges_leaves_the_others_as_they_are(config):
    settings = config(eval_every=1, **{"optimizer.name": "sgd", "lr": 0.1, "training.steps": 6})
    undisturbed = train_replicas(settings, SEEDS, progress=False)
    replicas = Replicas(settings, SEEDS)
    with torch.no_grad():
        replicas.weights["embed.W_E"][1] = float("inf")
    for _ in range(6):
        replicas.update()
    for seed in (SEEDS[0], SEEDS[2]):
        for name, value in undisturbed.weights[seed].items():
            assert torch.equal(replicas.weights_of(seed)[name], value)
    evaluations = replicas.evaluate()
    assert [row["train_loss"] == row["train_loss"] for row in evaluations] == [True, False, True]


def test_a_seed_that_diverges_is_named_and_followed_no_further(config):
    settings = config(eval_every=1, **{"optimizer.name": "sgd", "lr": 1e15, "training.steps": 6})
    results = train_replicas(settings, SEEDS, progress=False)
    assert set(results.diverged) == set(SEEDS)
    assert all(step <= 3 for step in results.diverged.values())
    assert len(results.metrics) == sum(step + 1 for step in results.diverged.values())


@pytest.mark.parametrize("name", REFUSED)
def test_what_networks_cannot_share_is_refused_by_name(config, name):
    changes, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        train_replicas(config(**changes), SEEDS, progress=False)


def test_what_follows_a_trace_is_refused(config, tmp_path):
    trace = train(config(trace=True), tmp_path / "traced", progress=False).trace.save(tmp_path / "trace")
    with pytest.raises(ConfigError, match=r"loss\.follow = .* leave it out"):
        train_replicas(config(follow=trace), SEEDS, progress=False)


@pytest.mark.parametrize("seeds", [(), (1, 2, 1)])
def test_no_seed_and_one_seed_twice_are_refused(config, seeds):
    with pytest.raises(ConfigError, match=r"seeds = .* use at least one, each once"):
        train_replicas(config(), seeds, progress=False)
    with pytest.raises(ConfigError, match=r"seed = 5 is not accepted: use one of 3, 0, 11"):
        Replicas(config(), SEEDS).weights_of(5)


def test_more_networks_than_memory_are_refused_before_any_is_made(config, monkeypatch):
    monkeypatch.setattr("grokscope.capacity.free_memory", lambda: 2 * 10**8)
    with pytest.raises(CapacityError, match=r"training 4000 seeds side by side"):
        train_replicas(config(), range(4000), progress=False)


def test_a_task_made_in_python_is_trained(config):
    task = run_task(config(**{"task.name": "add"}))
    results = train_replicas(config(), SEEDS, progress=False, task=task, steps=4)
    assert results.config.task.name == "given"
    assert sorted(set(results.metrics["seed"])) == sorted(SEEDS)


def test_a_step_is_recorded_once_for_each_size_and_rate_and_replayed_with_the_examples_of_each_step():
    """As on a GPU, with a recorder of ours: what is recorded reads the examples where they lie."""
    moved: list[tuple[list[int], float]] = []
    recordings: list[int] = []

    def record(call):
        recordings.append(len(moved))
        return call

    take = ReplayedStep(lambda examples, lr: moved.append((examples[0].tolist(), lr)), record)
    batches = [torch.tensor([[number, number + 1]]) for number in range(4)] + [torch.tensor([[7]])] * 4
    for number, batch in enumerate(batches):
        take(batch, 0.1, steady=number != 1)
    assert [examples for examples, _ in moved] == [batch[0].tolist() for batch in batches]
    assert recordings == [3, 6]  # the third steady step of each size
    take(batches[0], 0.2, steady=True)
    assert recordings == [3, 6, 8]
    assert moved[-1] == ([0, 1], 0.2)


@pytest.mark.parametrize(
    ("changes", "steady"),
    [
        ({}, [True] * 5),
        ({"warmup_steps": 3}, [False, False, True, True, True]),
        ({"optimizer.schedule": "linear"}, [False] * 5),
        ({"max_norm": 0.5}, [True] * 5),
        ({"max_norm": 0.5, "until_step": 3}, [False] * 5),
        ({"shrink_step": 2, "shrink_factor": 0.5}, [False] * 5),
        ({"gradient.name": "grokfast_ma", "window": 2}, [False] * 5),
    ],
)
def test_a_step_that_does_something_else_than_the_last_one_is_not_replayed(config, monkeypatch, changes, steady):
    replicas = Replicas(config(**{"warmup_steps": 0, **changes}), SEEDS)
    said = []
    taken = ReplayedStep.__call__

    def call(self, examples, lr, *, steady):
        said.append(steady)
        taken(self, examples, lr, steady=steady)

    monkeypatch.setattr(ReplayedStep, "__call__", call)
    for _ in range(5):
        replicas.update()
    assert said == steady
