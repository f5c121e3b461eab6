"""One neuron's activation at all pairs (a, b), with the best cosets of either operand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, Scope
from grokscope.analysis.checkpoint.marginals import Marginal, marginals
from grokscope.analysis.cosets.partitions import CosetPartitions, coset_frames, coset_partitions
from grokscope.analysis.tables.cache import cached

if TYPE_CHECKING:
    from grokscope.runs import Run


@cached(version=1)
def neuron_grid(
    run: Run, layer: int, neuron: int, step: int | None = None, operation: str | None = None
) -> pd.DataFrame:
    """The activation of one MLP neuron at all pairs of group elements, for the tasks that `cosets` is for.

    Arguments:
        layer, neuron: which.
        step: of a checkpoint; the last one, if not given.
        operation: of a task that has several; the first whose group has cosets, if not given.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, neuron, left, right (labels of the elements),
        left_subgroup, left_side, left_coset, left_rank, right_subgroup, right_side, right_coset, right_rank (the best
        partition for either operand, as in `cosets`; cosets numbered, and elements ranked, by the neuron's mean
        activation, cosets first), activation. An operand that the neuron does not vary with has the subgroup <NA> and
        one coset.

    Raises ValueError for a layer, neuron, step or operation that does not exist.
    """
    scope = Scope(run)
    available = coset_frames(scope)
    frame = next((f for f in available if operation in (None, f.operation)), None)
    if frame is None:
        raise ValueError(
            f"operation = {operation!r} has no cosets; accepted: {', '.join(f.operation for f in available)}"
        )
    step = run.steps[-1] if step is None else step
    if step not in run.steps:
        near = min(run.steps, key=lambda known: abs(known - step))
        raise ValueError(f"step = {step} has no checkpoint in run {run.name!r} (nearest: {near})")
    for name, value, count in (("layer", layer, len(scope.layers)), ("neuron", neuron, scope.config.d_mlp)):
        if not 0 <= value < count:
            raise ValueError(f"{name} = {value} does not exist in run {run.name!r}; accepted: 0 to {count - 1}")
    checkpoint = Checkpoint(scope, step)
    x = checkpoint.activations(frame.operation, f"blocks.{layer}.mlp.hook_post")[..., neuron]
    grid = scope.bases[frame].on_grid(x)
    partitions = coset_partitions(frame.group)
    n = frame.group.order
    columns: dict[str, object] = {"step": step, **frame.keys, "layer": layer, "neuron": neuron}
    places = {"left": np.repeat(np.arange(n), n), "right": np.tile(np.arange(n), n)}
    labels = np.array(frame.group.labels)
    columns |= {operand: pd.array(labels[place], dtype="string") for operand, place in places.items()}
    for operand, marginal in marginals(checkpoint, frame, layer).items():
        name, side, coset, rank = _order(partitions, marginal, neuron)
        columns[f"{operand}_subgroup"] = pd.array([name] * n**2, dtype="string")
        columns[f"{operand}_side"] = pd.array([side] * n**2, dtype="string")
        columns[f"{operand}_coset"] = coset[places[operand]]
        columns[f"{operand}_rank"] = rank[places[operand]]
    return pd.DataFrame({**columns, "activation": grid.flatten().double().numpy()})


def _order(
    partitions: CosetPartitions, marginal: Marginal, neuron: int
) -> tuple[str | None, str | None, Int[np.ndarray, " element"], Int[np.ndarray, " element"]]:
    """The best subgroup and side of a neuron, the number of each element's coset and the element's rank."""
    f = marginal.f[:, [neuron]]
    if not bool(marginal.varies[neuron]):
        return None, None, np.zeros(len(f), dtype=int), np.arange(len(f))
    between = partitions.between(f)
    best = int(partitions.best(between, partitions.scores(between))[0])
    chosen, values = partitions.partitions[best], f[:, 0].numpy()
    coset = _by_mean(partitions.labels[best], values)
    rank = np.empty(len(f), dtype=int)
    rank[np.lexsort((values, coset))] = np.arange(len(f))
    return chosen.subgroup.name, chosen.side, coset, rank


def _by_mean(labels: Int[np.ndarray, " element"], values: Float[np.ndarray, " element"]) -> Int[np.ndarray, " element"]:
    """The cosets numbered anew, by the mean of values on each."""
    means = np.bincount(labels, values) / np.bincount(labels)
    number = np.empty(len(means), dtype=int)
    number[np.argsort(means, kind="stable")] = np.arange(len(means))
    return number[labels]
