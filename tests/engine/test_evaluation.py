"""Evaluating whole datasets, asking for activations by name, and keeping freed memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from grokscope.config import ModelConfig, TaskConfig
from grokscope.engine import Engine, evaluate, retain_freed_memory
from grokscope.engine.evaluation import CHUNK
from grokscope.model import load_model
from grokscope.tasks import build_task
from tests.engine.networks import batches, examples_of
from tests.model.strategies import networks, random_weights

TASK = build_task(TaskConfig(name="add", modulus=61))  # 3721 examples: more than three chunks
CONFIG = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=8, dtype="float64")


@settings(max_examples=25)
@given(networks(dtype="float64"), batches)
def test_evaluation_is_mean_cross_entropy_and_share_of_right_answers(network, batch):
    examples = examples_of(network, batch)
    model = load_model(network.config, network.task, network.weights)
    log_probs = model(network.task.tokens[examples])[:, -1].log_softmax(-1).tolist()
    labels = network.task.labels[examples].tolist()
    loss = -sum(row[label] for row, label in zip(log_probs, labels, strict=True)) / len(labels)
    accuracy = sum(row[label] == max(row) for row, label in zip(log_probs, labels, strict=True)) / len(labels)
    ours = Engine(network.config, network.task).evaluate(network.weights, examples)
    assert ours == pytest.approx((loss, accuracy), rel=1e-11)


def test_evaluation_of_more_than_a_chunk_is_the_same_and_never_computes_more_at_once():
    engine, weights = Engine(CONFIG, TASK), random_weights(CONFIG, TASK, 0)
    examples = torch.arange(TASK.n_examples)
    sizes = []

    def logits(chunk: torch.Tensor) -> torch.Tensor:
        sizes.append(len(chunk))
        assert not torch.is_grad_enabled()
        return engine.answer_logits(weights, chunk)

    loss, accuracy = evaluate(logits, TASK.labels, examples)
    assert sum(sizes) == TASK.n_examples
    assert max(sizes) <= CHUNK
    whole = engine.answer_logits(weights, examples)
    assert loss == pytest.approx(float(F.cross_entropy(whole, TASK.labels)), rel=1e-11)
    assert accuracy == float((whole.argmax(-1) == TASK.labels).double().mean())
    assert engine.evaluate(weights, examples) == (loss, accuracy)


@pytest.mark.lens
def test_activations_of_more_than_a_chunk_are_in_the_order_of_the_examples():
    engine, weights = Engine(CONFIG, TASK), random_weights(CONFIG, TASK, 0)
    examples = torch.randperm(TASK.n_examples, generator=torch.Generator().manual_seed(0))
    found = engine.answer_activations(weights, examples, ["blocks.0.mlp.hook_post", "logits", "hook_embed"])
    assert list(found) == ["blocks.0.mlp.hook_post", "logits", "hook_embed"]
    _, cache = load_model(CONFIG, TASK, weights).run_with_cache(TASK.tokens[examples])
    torch.testing.assert_close(found["blocks.0.mlp.hook_post"], cache["blocks.0.mlp.hook_post"][:, -1])
    torch.testing.assert_close(found["hook_embed"], cache["hook_embed"][:, -1])
    assert not any(value.requires_grad for value in found.values())


def test_loss_is_the_mean_cross_entropy_and_can_be_differentiated():
    engine = Engine(CONFIG, TASK)
    weights = {n: v.requires_grad_(v.is_floating_point()) for n, v in random_weights(CONFIG, TASK, 0).items()}
    examples = torch.arange(100)
    loss = engine.loss(weights, examples)
    assert loss.requires_grad
    assert float(loss.detach()) == pytest.approx(engine.evaluate(weights, examples)[0], rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("blocks.0.mlp.hook_pots", "blocks.0.mlp.hook_post"), ("blocks.1.hook_resid_post", "blocks.0.hook_resid_post"),
     ("logit", "logits"), ("W_E", "")],
)  # fmt: skip
def test_an_unknown_activation_is_refused_with_near_matches(wrong, near):
    engine = Engine(CONFIG, TASK)
    with pytest.raises(ValueError) as caught:
        engine.answer_activations(random_weights(CONFIG, TASK, 0), torch.arange(3), ["logits", wrong])
    assert repr(wrong) in str(caught.value)
    assert near in str(caught.value)
    assert any(name in str(caught.value) for name in engine.activation_names())


@settings(max_examples=10)
@given(networks())
def test_activation_names_are_those_that_run_with_cache_keeps(network):
    names = Engine(network.config, network.task).activation_names()
    assert len(set(names)) == len(names)
    _, cache = load_model(network.config, network.task, network.weights).run_with_cache(network.task.tokens[:2])
    assert set(names) == {*cache, "logits"}


def test_keeping_freed_memory_can_be_asked_for_again_and_changes_no_result():
    engine, weights = Engine(CONFIG, TASK), random_weights(CONFIG, TASK, 0)
    before = engine.answer_logits(weights, torch.arange(500))
    first = retain_freed_memory()
    assert isinstance(first, bool)
    assert retain_freed_memory() == first
    assert torch.equal(engine.answer_logits(weights, torch.arange(500)), before)
