"""The compiled path computes what a `HookedTransformer` and the engine compute, and repeats bit for bit."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import LossConfig, ModelConfig, RunConfig, TaskConfig, override, presets, why_not_compiled
from grokscope.config.model import Activation
from grokscope.config.task import Form
from grokscope.engine import CompiledEngine, Engine, loss_function
from grokscope.engine.compiled import folded, tabled
from grokscope.engine.compiled.plan import ExampleTable, Plan
from grokscope.engine.prefixes import PrefixTable
from grokscope.model import dtype_of, load_model, trained_names
from grokscope.optimizers import FlatParameters
from grokscope.tasks import build_task
from grokscope.training import Trainer
from tests.engine.networks import (
    TOLERANCE,
    batches,
    examples_of,
    gradients_of_engine,
    gradients_of_hooked,
    relative_difference,
)
from tests.engine.test_exactness import EIGHT_LAYERS, PUBLISHED
from tests.model.strategies import Network, networks, random_weights


class Compiled:
    """The compiled path on a network's weights."""

    def __init__(self, network: Network, loss: LossConfig | None = None) -> None:
        self.parameters = FlatParameters(network.weights, trained_names(network.weights, network.config))
        self.parameters.gradient.fill_(torch.nan)  # an entry that nobody writes is seen
        self.gradients = self.parameters.views(self.parameters.gradient)
        self.engine = CompiledEngine(
            network.config, network.task, loss or LossConfig(), self.parameters.weights, self.gradients
        )


def _assert_gradients_agree(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], tolerance: float) -> None:
    assert set(ours) == set(theirs)
    largest = max(float(grad.abs().max()) for grad in theirs.values())
    for name, grad in theirs.items():
        assert ours[name].shape == grad.shape
        difference = float((ours[name] - grad).abs().max())
        # As for the engine: relative to the parameter's own largest entry, where that is no rounding error itself.
        assert difference <= tolerance * max(float(grad.abs().max()), 0.01 * largest), name


def _assert_exact(network: Network, batch) -> None:
    examples, tolerance = examples_of(network, batch), TOLERANCE[dtype_of(network.config)]
    labels = network.task.labels[examples]
    compiled = Compiled(network)
    loss, logits = compiled.engine.loss_and_gradient(examples)
    with torch.no_grad():
        hooked = load_model(network.config, network.task, network.weights)(network.task.tokens[examples])[:, -1]
    assert relative_difference(logits, hooked) <= tolerance
    assert loss == pytest.approx(float(F.cross_entropy(hooked, labels)), rel=tolerance, abs=tolerance)
    _assert_gradients_agree(compiled.gradients, gradients_of_hooked(network, examples, labels), tolerance)
    _assert_gradients_agree(compiled.gradients, gradients_of_engine(network, examples, labels), tolerance)
    ((loss, accuracy),) = compiled.engine.evaluate(examples)
    assert loss == pytest.approx(float(F.cross_entropy(hooked, labels)), rel=tolerance, abs=tolerance)
    if network.config.dtype == "float64":
        assert accuracy == float((hooked.argmax(-1) == labels).double().mean())


@settings(max_examples=60)
@given(networks(), batches)
def test_logits_and_every_gradient_equal_those_of_the_hooked_transformer(network, batch):
    _assert_exact(network, batch)


@pytest.mark.parametrize("batch", ["one", "all", (7, 0), (40, 1)])
@pytest.mark.parametrize("network", EIGHT_LAYERS, ids=lambda n: f"{n.config.residual}-{n.config.dtype}")
def test_eight_layers_are_computed_exactly(network, batch):
    _assert_exact(network, batch)


@pytest.mark.parametrize("batch", ["all", (64, 1), (400, 2)])
@pytest.mark.parametrize("network", PUBLISHED, ids=lambda n: n.task_config.name)
def test_networks_of_the_published_width_are_computed_exactly(network, batch):
    _assert_exact(network, batch)


LINEAR = {"n_layers": 1, "activation": "relu", "normalization": "none", "biases": False}


@settings(max_examples=15)
@given(
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["vocab", "answers"]),
    st.sampled_from(["normed", "pre_ln"]),
    st.sampled_from(get_args(Form)),
    st.integers(0, 2**20),
)
def test_a_network_that_is_folded_is_computed_exactly(dtype, output, residual, form, seed):
    task = TaskConfig(name="add", modulus=11, form=form)
    config = ModelConfig(d_model=12, n_heads=3, d_mlp=20, dtype=dtype, output=output, residual=residual, **LINEAR)
    network = Network(task, config, seed)
    assert folded.applies(config, len(PrefixTable(network.task.tokens).unigram_tokens), network.task.n_examples)
    _assert_exact(network, "all")
    _assert_exact(network, (150, seed))


SMALL = {"d_model": 12, "n_heads": 3, "d_mlp": 20, "dtype": "float64"}


def _tasks_of_presets() -> list[tuple[TaskConfig, ModelConfig]]:
    """Every task, form and architecture that a preset has, at a size that takes no time."""
    found: dict[tuple[object, ...], tuple[TaskConfig, ModelConfig]] = {}
    for one in presets().values():
        small = override(one.config, {**SMALL, "modulus": 7, "degree": 3})
        found[(small.task, small.model)] = (small.task, small.model)
    return list(found.values())


@pytest.mark.parametrize(("task", "model"), _tasks_of_presets(), ids=lambda c: getattr(c, "name", ""))
def test_every_task_and_form_that_a_preset_trains_is_computed_exactly(task, model):
    _assert_exact(Network(task, model, 1), "all")
    _assert_exact(Network(task, model, 2), (20, 3))


@pytest.mark.parametrize(
    "loss",
    [
        LossConfig(temperature=3.0),
        LossConfig(smoothing=0.2, temperature=0.5),
        LossConfig(name="stablemax"),
        LossConfig(name="stablemax", temperature=0.5),
        LossConfig(name="mse", temperature=2.0),
    ],
    ids=lambda loss: f"{loss.name}-{loss.temperature}",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_is_minimised_as_the_engine_does(loss, dtype):
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**{**SMALL, "dtype": dtype}), 5)
    examples, compiled = examples_of(network, "all"), Compiled(network, loss)
    weights = {name: value.clone() for name, value in network.weights.items()}
    leaves = {name: weights[name].requires_grad_() for name in compiled.parameters.names}
    engine, labels = Engine(network.config, network.task), network.task.labels[examples]
    expected = loss_function(loss)(engine.answer_logits(weights, examples), labels, "mean")
    value, _ = compiled.engine.loss_and_gradient(examples)
    tolerance = TOLERANCE[dtype_of(network.config)]
    assert value == pytest.approx(float(expected.detach()), rel=tolerance)
    assert compiled.engine.evaluate(examples)[0][0] == pytest.approx(float(expected.detach()), rel=tolerance)
    theirs = torch.autograd.grad(expected, list(leaves.values()))
    _assert_gradients_agree(compiled.gradients, dict(zip(leaves, theirs, strict=True)), tolerance)


def test_another_loss_counts_from_the_next_call():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**SMALL), 5)
    examples, compiled = examples_of(network, "all"), Compiled(network)
    before, _ = compiled.engine.loss_and_gradient(examples)
    compiled.engine.set_loss(LossConfig(temperature=2.0))
    after, _ = compiled.engine.loss_and_gradient(examples)
    assert after == Compiled(network, LossConfig(temperature=2.0)).engine.loss_and_gradient(examples)[0] != before


def test_the_gradient_of_b_k_is_exactly_zero():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**{**SMALL, "n_layers": 3}), 5)
    compiled = Compiled(network)
    compiled.engine.loss_and_gradient(examples_of(network, "all"))
    gradients = {name: grad for name, grad in compiled.gradients.items() if name.endswith("b_K")}
    assert len(gradients) == 3
    assert all(bool((grad == 0).all()) for grad in gradients.values())


def test_many_batch_sizes_in_turn_give_what_each_gives_alone():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**SMALL), 5)
    compiled = Compiled(network)
    for size in (3, 40, 7, 20, 49, 3, 11, 40):
        examples = examples_of(network, (size, size))
        loss, logits = compiled.engine.loss_and_gradient(examples)
        alone = Compiled(network)
        assert alone.engine.loss_and_gradient(examples)[0] == loss
        assert torch.equal(alone.parameters.gradient, compiled.parameters.gradient)
        assert compiled.engine.evaluate(examples)[0][0] == pytest.approx(loss, rel=1e-12)
        assert not logits.isnan().any()


def test_weights_that_change_in_place_are_read_anew():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**SMALL), 5)
    compiled, examples = Compiled(network), torch.arange(42)
    compiled.engine.loss_and_gradient(examples)
    other = random_weights(network.config, network.task, 6)
    with torch.no_grad():
        for name, value in compiled.parameters.weights.items():
            value.copy_(other[name])
    fresh = Compiled(Network(network.task_config, network.config, 6))
    assert compiled.engine.loss_and_gradient(examples)[0] == fresh.engine.loss_and_gradient(examples)[0]
    assert torch.equal(compiled.parameters.gradient, fresh.parameters.gradient)
    assert compiled.engine.evaluate(examples) == fresh.engine.evaluate(examples)


def test_evaluation_of_several_parts_is_that_of_the_whole(monkeypatch):
    network = Network(TaskConfig(name="add", modulus=23), ModelConfig(**SMALL), 0)
    examples = torch.randperm(network.task.n_examples, generator=torch.Generator().manual_seed(0))
    (whole,) = Compiled(network).engine.evaluate(examples)
    monkeypatch.setattr("grokscope.engine.compiled.engine.LARGEST_EVALUATION", 100)
    splits = examples.split([200, 300, network.task.n_examples - 500])
    parts = Compiled(network).engine.evaluate(*splits)
    engine = Engine(network.config, network.task)
    for split, part in zip(splits, parts, strict=True):
        assert engine.evaluate(network.weights, split) == pytest.approx(part, rel=1e-11)
    shares = [len(split) / len(examples) for split in splits]
    assert np.average(parts, axis=0, weights=shares) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("residual", ["normed", "pre_ln"])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_first_layer_that_is_evaluated_by_tables_is_exact(activation, residual, n_layers, dtype):
    changed = {"activation": activation, "residual": residual, "n_layers": n_layers, "dtype": dtype}
    network = Network(TaskConfig(name="mul", modulus=23), ModelConfig(**{**SMALL, **changed}), 3)
    examples = torch.arange(network.task.n_examples)
    n_unigrams = len(PrefixTable(network.task.tokens).unigram_tokens)
    assert tabled.applies(network.config, n_unigrams, len(examples))
    with torch.no_grad():
        hooked = load_model(network.config, network.task, network.weights)(network.task.tokens)[:, -1]
    tolerance = TOLERANCE[dtype_of(network.config)]
    ((loss, _),) = Compiled(network).engine.evaluate(examples)
    assert loss == pytest.approx(float(F.cross_entropy(hooked, network.task.labels)), rel=tolerance)


def test_a_loss_that_is_not_finite_is_reported_as_such():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**{**SMALL, "dtype": "float32"}), 5)
    compiled = Compiled(network)
    with torch.no_grad():
        compiled.parameters.weights["blocks.0.mlp.W_in"][0, 0] = torch.nan
    loss, _ = compiled.engine.loss_and_gradient(torch.arange(42))
    assert loss != loss


@pytest.mark.parametrize("n", [1, 7, 30, 41, 42])
@pytest.mark.parametrize("form", ["x_op_y_eq", "x_y_eq"])
def test_the_rows_and_keys_of_a_plan_are_those_of_the_prefix_table(n, form):
    task = build_task(TaskConfig(name="mul", modulus=7, form=form))
    table = PrefixTable(task.tokens)
    plan, examples = Plan(ExampleTable(table), n), torch.randperm(42, generator=torch.Generator().manual_seed(n))[:n]
    plan.fill(examples.numpy())
    batch = table.batch(examples)
    assert batch.answer is None
    assert plan.n_rows == batch.queries[-1].rows.stop
    row = 0
    for queries in batch.queries:
        n_keys = len(queries.unigrams.keys)
        for position in range(n_keys - queries.unigrams.n_positions, n_keys):
            for i in range(queries.unigrams.keys.shape[1]):
                keys = slice(plan.of_rows.starts[row], plan.of_rows.starts[row + 1])
                assert plan.of_rows.keys[keys].tolist() == queries.prefixes.keys[: position + 1, i].tolist()
                assert plan.of_unigrams.keys[keys].tolist() == queries.unigrams.keys[: position + 1, i].tolist()
                assert plan.of_unigrams.own[row] == queries.unigrams.keys[position, i]
                assert plan.of_rows.own[row] == row
                row += 1
    assert row == plan.n_rows


def test_another_device_than_a_cpu_is_refused_with_the_reason():
    assert why_not_compiled("cpu") is None
    reason = why_not_compiled("cuda:1")
    assert reason is not None
    assert "training.device is cuda:1" in reason


def test_weights_that_lie_in_memory_otherwise_are_refused():
    network = Network(TaskConfig(name="mul", modulus=7), ModelConfig(**SMALL), 5)
    weights = {name: value.clone() for name, value in network.weights.items()}
    gradients = {name: torch.empty_like(weights[name]) for name in trained_names(weights, network.config)}
    engine = CompiledEngine(network.config, network.task, LossConfig(), weights, gradients)
    with pytest.raises(ValueError, match=r"W_Q does not lie in memory .* use FlatParameters"):
        engine.loss_and_gradient(torch.arange(4))


def test_a_recorded_step_has_the_logits_of_its_examples():
    config = override(RunConfig(), {**SMALL, "modulus": 7, "batch_size": 20, "forward": "compiled"})
    trainer = Trainer(config, build_task(config.task))
    record = trainer.recorded_update()
    expected = trainer.engine.answer_logits({**trainer.weights, **record.before}, record.examples)
    torch.testing.assert_close(record.logits, expected.detach())
