"""Planted networks with strong irreps, a weak one, noise, and an irrep that nothing reads.

The network of `tests.planted` on irreps of given powers, with further units in the residual stream that no weight
reads: they hold Gaussian noise, and, where it is asked for, an irrep of their own. Powers are shares of the embedding's
variance, and sum to 1 with the noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from grokscope.config import RunConfig, TaskConfig, override
from grokscope.engine import Engine
from grokscope.groups import FiniteGroup
from grokscope.model import Weights, initial_weights, is_buffer
from grokscope.runs import Run
from grokscope.tasks import Task, build_task
from tests.planted import planted_config, planted_weights

UNREAD = 32
"""Units of the residual stream that nothing reads."""
GAIN = 20.0


@dataclass(frozen=True)
class Held:
    """A run whose checkpoints are in memory, as far as analyses of checkpoints ask for it."""

    config: RunConfig
    task: Task
    checkpoints: Mapping[int, Weights]
    name: str = "held"
    basis: None = None

    @property
    def steps(self) -> list[int]:
        return sorted(self.checkpoints)

    def weights(self, step: int) -> Weights:
        return self.checkpoints[step]


def held(config: RunConfig, *checkpoints: Weights) -> Run:
    """A run in memory whose step i is the i-th network."""
    return Held(config, build_task(config.task), dict(enumerate(checkpoints)))  # type: ignore[return-value]


def weak_run(
    task: TaskConfig,
    powers: Mapping[str, float],
    rng: np.random.Generator,
    *,
    noise: float = 0.1,
    unread: Mapping[str, float] | None = None,
) -> Run:
    """A run of one planted network.

    Arguments:
        task: one whose answers are a product in a group.
        powers: of the irreps that the network answers by.
        rng: of the noise.
        noise: its power.
        unread: powers of irreps that are in the embedding and that nothing reads.
    """
    unread = unread or {}
    assert abs(sum(powers.values()) + sum(unread.values()) + noise - 1) < 1e-9
    group = build_task(task).operations[0].group
    amplitudes = {name: float(np.sqrt(power)) / group.irrep(name).dim for name, power in powers.items()}
    width = sum(group.irrep(name).dim ** 2 for name in amplitudes)
    config = planted_config(amplitudes, task, d_model=4 * width + 2 + UNREAD)
    weights = planted_weights(config, amplitudes, GAIN)
    operation = build_task(task).operations[0]
    inside = operation.left >= 0
    extra = noise_table(group, rng) * np.sqrt(group.order * noise)
    for name, power in unread.items():
        functions = group.irrep(name).basis()
        table = functions @ rng.normal(size=(functions.shape[1], UNREAD))
        extra += table * np.sqrt(group.order * power / np.square(table).sum())
    weights["embed.W_E"][inside, 4 * width + 2 :] = torch.from_numpy(extra[operation.left[inside]])
    return held(config, weights)


def noise_table(group: FiniteGroup, rng: np.random.Generator, units: int = UNREAD) -> np.ndarray:
    """Gaussian noise `[element, unit]` of mean 0 over the elements and norm 1."""
    table = rng.normal(size=(group.order, units))
    table -= table.mean(0)
    return table / np.linalg.norm(table)


def random_run(config: RunConfig, networks: int) -> Run:
    """A run whose step `seed` is the untrained network of that seed."""
    task = build_task(config.task)
    return held(config, *(initial_weights(config.model, task, seed) for seed in range(networks)))


@dataclass(frozen=True)
class WeakPlant:
    """A kind of planted network with one weak irrep, of which every seed draws another."""

    task: TaskConfig
    strong: tuple[str, ...] = ()
    """None: three frequencies, drawn with the weak one."""
    weak: str = ""

    def run(
        self, seed: int, power: float, noise: float = 0.1, *, unread: bool = False
    ) -> tuple[Run, tuple[str, ...], str]:
        """The network of a seed, its strong irreps, which share what the weak one and the noise leave, and the weak.

        The weak one is one that the network answers by, or, with `unread`, one that nothing reads.
        """
        rng = np.random.default_rng(seed)
        strong, weak = self.strong, self.weak
        if not strong:
            group = build_task(self.task).operations[0].group
            pairs = [irrep.name for irrep in group.irreps if irrep.dim == 2]
            *others, weak = (str(name) for name in rng.choice(pairs, 4, replace=False))
            strong = tuple(others)
        powers = {name: (1 - noise - power) / len(strong) for name in strong}
        if unread:
            return weak_run(self.task, powers, rng, noise=noise, unread={weak: power}), strong, weak
        return weak_run(self.task, powers | {weak: power}, rng, noise=noise), strong, weak

    def random_config(self) -> RunConfig:
        """Of an untrained network on the same task."""
        return override(RunConfig(task=self.task), {"d_model": 32, "d_mlp": 32, "n_layers": 1})


PLANTS = {
    "add mod 31": WeakPlant(TaskConfig(name="add", modulus=31)),
    "S4": WeakPlant(TaskConfig(name="permutation", degree=4), ("standard",), "(2,2)"),
    "A5": WeakPlant(TaskConfig(name="group", group="A5"), ("(3,2)",), "standard"),
}
HARD = {"S4, 9 of 14": WeakPlant(TaskConfig(name="permutation", degree=4), ("standard",), "sign-standard")}
"""The weak irrep spans 9 of the 14 dimensions that the strong one leaves, where noise alone has most of its power."""


def memorising_run(seed: int, steps: int = 150) -> tuple[Run, float]:
    """A network trained on shuffled labels of x + y mod 13, all of them, and its accuracy on those."""
    config = override(
        RunConfig(seed=seed, task=TaskConfig(name="add", modulus=13)),
        {"d_model": 32, "d_mlp": 128, "n_layers": 1, "n_heads": 2},
    )
    task = build_task(config.task)
    order = torch.randperm(task.n_examples, generator=torch.Generator().manual_seed(seed))
    shuffled = replace(task, labels=task.labels[order])
    engine = Engine(config.model, shuffled)
    weights = initial_weights(config.model, shuffled, seed)
    trained = {name: value.requires_grad_() for name, value in weights.items() if not is_buffer(name)}
    optimizer = torch.optim.AdamW(trained.values(), lr=5e-3, weight_decay=0.1)
    everything = torch.arange(task.n_examples)
    for _ in range(steps):
        optimizer.zero_grad()
        engine.loss({**weights, **trained}, everything).backward()
        optimizer.step()
    found = {name: value.detach() for name, value in {**weights, **trained}.items()}
    _, accuracy = engine.evaluate(found, everything)
    return held(config, found), accuracy
