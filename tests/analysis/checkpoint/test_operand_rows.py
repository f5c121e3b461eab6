"""What is taken from an operand is what its tokens stand for in its place, as hooks of a HookedTransformer show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.removal import Removal
from grokscope.analysis.circuit.ablation import Removed, Sample, without_in_embedding
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.config.labels import labels_of
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import run_task
from tests.planted import write_run

OWN_NAMES = labels_of(
    [[(a + b) % 7 for b in range(7)] for a in range(7)],
    [f"a{number}" for number in range(7)],
    [f"b{number}" for number in range(7)],
)
"""Addition modulo 7, whose right operands are tokens of their own."""

TASKS: dict[str, Callable[[RunConfig], RunConfig]] = {
    "add": lambda config: replace(config, task=TaskConfig(name="add", modulus=11)),
    "sub": lambda config: replace(config, task=TaskConfig(name="sub", modulus=11)),
    "x + 2 * y": lambda config: replace(config, task=TaskConfig(name="expression", expression="x + 2*y", modulus=11)),
    "names of its own": lambda config: replace(config, task=TaskConfig(name="table", labels=OWN_NAMES)),
}


@pytest.fixture(params=TASKS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    small = {"d_model": 16, "n_heads": 2, "d_mlp": 32, "n_layers": 1, "dtype": "float64"}
    config = override(TASKS[request.param](RunConfig()), small)
    # Large enough weights that every irrep matters.
    weights = {n: 6 * w if "W_" in n else w for n, w in initial_weights(config.model, run_task(config), 0).items()}
    return write_run(tmp_path / "run", config, {0: weights})


def _hooked_losses(run: Run, taken: Callable[[np.ndarray], Tensor], examples: Tensor) -> Tensor:
    """Losses of a HookedTransformer from whose embedding, at each place, a part is taken: `taken` of its tokens."""
    (operation,) = run.task.operations

    def hook(value: Tensor, hook: object) -> Tensor:
        for position, elements in zip(run.task.operand_positions, (operation.left, operation.right), strict=True):
            tokens = np.argsort(np.where(elements < 0, 10**6, elements))[: operation.group.order]
            rows = run.weights(0)["embed.W_E"].clone()
            rows[torch.from_numpy(tokens)] -= taken(tokens)
            value[:, position] = rows[run.task.tokens[examples, position]]
        return value

    with torch.no_grad():
        logits = run.model(0).run_with_hooks(run.task.tokens[examples], fwd_hooks=[("hook_embed", hook)])[:, -1]
    return cross_entropy(logits, run.task.labels[examples], reduction="none")


def test_a_removal_is_a_hooked_network_without_the_irrep_at_both_places(run: Run) -> None:
    context = RunContext(run)
    frame, checkpoint = context.own[0], Checkpoint(context, 0)
    examples = torch.arange(run.task.n_examples)
    removal = Removal(context, frame, pairs=10**6)
    embedding = run.weights(0)["embed.W_E"]
    for irrep in (1, 2):
        basis = torch.tensor(frame.group.irreps[irrep].basis())

        def without(tokens: np.ndarray, basis: Tensor = basis) -> Tensor:
            return basis @ (basis.T @ embedding[torch.from_numpy(tokens)])

        losses = removal.losses(checkpoint.weights, irrep)
        assert losses.without == pytest.approx(float(_hooked_losses(run, without, examples).mean()), rel=1e-9)
        nothing = float(_hooked_losses(run, lambda tokens: torch.zeros(()), examples).mean())
        assert losses.full == pytest.approx(nothing, rel=1e-9)
        for draw, control in enumerate(losses.controls):
            generator = torch.Generator().manual_seed(draw)
            random = torch.randn((len(basis), 16), generator=generator, dtype=torch.float64)
            random -= random.mean(0)

            def as_much(tokens: np.ndarray, random: Tensor = random, part: Callable = without) -> Tensor:
                return random * part(tokens).norm() / random.norm()

            assert control == pytest.approx(float(_hooked_losses(run, as_much, examples).mean()), rel=1e-9)


def test_an_ablation_of_the_embedding_is_too(run: Run) -> None:
    checkpoint = Checkpoint(RunContext(run), 0)
    frame = checkpoint.context.own[0]
    sample = Sample.of(checkpoint, frame)
    chosen = np.array([1, 3])
    logits = without_in_embedding(checkpoint, frame, sample, {}, chosen, Removed())
    basis = torch.cat([torch.tensor(frame.group.irreps[irrep].basis()) for irrep in chosen], dim=1)
    embedding = run.weights(0)["embed.W_E"]
    examples = torch.arange(run.task.n_examples)
    losses = _hooked_losses(run, lambda tokens: basis @ (basis.T @ embedding[torch.from_numpy(tokens)]), examples)
    grid = checkpoint.context.grids[frame.operation]
    place = {pair: number for number, pair in enumerate(grid.pair_of.tolist())}
    expected = losses[[place[pair] for pair in sample.pairs.tolist()]]
    torch.testing.assert_close(cross_entropy(logits, sample.labels, reduction="none"), expected, rtol=1e-9, atol=1e-12)


def test_controls_of_an_ablation_are_drawn_anew() -> None:
    """For every irrep that stands in, every part and every draw; in each unit of the norm of what was taken."""
    taken = torch.rand((2, 500), dtype=torch.float64)
    drawn = {
        (draw, place, part): Removed(np.array([3, 4]), draw).other(place, part, taken, 2)
        for draw in (0, 1)
        for place in (0, 1)
        for part in (0, 1)
    }
    for one, values in drawn.items():
        torch.testing.assert_close(values.norm(dim=0), taken.norm(dim=0))
        for other, values_there in drawn.items():
            cosine = float((values * values_there).sum() / (values.norm() * values_there.norm()))
            # Independent draws of 1,000 numbers: a cosine of standard deviation 0.03 to 0.04.
            assert cosine == pytest.approx(1.0) if one == other else abs(cosine) < 0.2
    again = Removed(np.array([3, 4]), 0).other(0, 0, taken, 2)
    assert torch.equal(again, drawn[0, 0, 0])
