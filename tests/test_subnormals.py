"""What counts as zero while a network trains, and that it is so only then."""

from __future__ import annotations

import pytest
import torch

import grokscope as gs
from grokscope import subnormals
from grokscope.blas.products import product
from grokscope.runs.environment import environment, other_rounding
from grokscope.training.loop import threads

# The least normal float32 is 2^-126.
LEAST = 2.0**-126


def _halves() -> torch.Tensor:
    return torch.full((3,), LEAST) * 0.5


@pytest.fixture(autouse=True)
def _kept():
    """Other tests' subnormal numbers are theirs."""
    assert not subnormals.are_zero()
    yield
    assert not subnormals.are_zero()


def test_numbers_below_the_least_normal_one_are_zero_within_the_block_alone():
    assert _halves().tolist() == [2.0**-127] * 3
    with threads(1):
        assert subnormals.are_zero()
        assert _halves().tolist() == [0.0] * 3
        assert (torch.full((3,), LEAST) * 1.0).tolist() == [LEAST] * 3
        with threads(2):  # whatever held outside: it is what a run records
            assert not subnormals.are_zero()
        assert subnormals.are_zero()
    assert _halves().tolist() == [2.0**-127] * 3
    with pytest.raises(ZeroDivisionError), threads(1):
        1 / 0  # noqa: B018


@pytest.mark.parametrize("using", ["torch", "openblas"])
def test_products_of_both_libraries_take_them_for_zero(using):
    left, right, out = torch.full((8, 8), 2.0**-70), torch.full((8, 8), 2.0**-70), torch.ones(8, 8)
    multiply = product(left, right, out, using)
    with threads(1):
        multiply()
    assert not out.any()
    multiply()
    assert out.eq(2.0**-137).all()  # eight terms of 2^-140


def test_more_threads_than_one_keep_them():
    with threads(2):
        assert not subnormals.are_zero()
        assert environment()["subnormals"] == subnormals.how(2) == "kept"


def test_a_run_says_so_and_one_of_before_may_round_otherwise(tmp_path):
    config = gs.preset("mul-lion-clip", modulus=11, steps=2, d_model=16, d_mlp=32)
    run = gs.train(config, out=tmp_path / "run", progress=False)
    ((at, then),) = run.environments
    assert (at, then["subnormals"]) == (0, "zero")
    older = {name: value for name, value in then.items() if name != "subnormals"}
    assert other_rounding(older, then) == ["subnormals was kept, is zero"]
    assert other_rounding(older, {**then, "subnormals": "kept"}) == []


@pytest.mark.parametrize("forward", ["compiled", "engine"])
def test_weights_that_decay_away_end_as_zero(tmp_path, forward):
    """Decay takes nine tenths of every weight in each of 42 steps: 10^-42 of what they were, which is subnormal."""
    decays = {"optimizer.name": "sgd", "lr": 1e-9, "weight_decay": 9e8, "warmup_steps": 0}
    config = gs.preset(
        "mul-lion", modulus=11, steps=42, d_model=16, d_mlp=32, forward=forward, schedule="ends", **decays
    )
    run = gs.train(config, out=tmp_path / "run", progress=False)
    assert run.weights(0)["blocks.0.mlp.W_in"].any()
    assert not run.weights(42)["blocks.0.mlp.W_in"].any()
