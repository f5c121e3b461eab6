"""One neuron's activation at all pairs (a, b), with the best cosets of either operand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.marginals import Marginal, marginals
from grokscope.analysis.cosets.cosets import cosets
from grokscope.analysis.cosets.partitions import CosetPartitions, coset_frames, coset_partitions, has_cosets
from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.select import numbers

if TYPE_CHECKING:
    from grokscope.runs import Run


@analysis(family="subgroups", version=1, needs=("cosets",), applies_to=has_cosets, on_request=True)
def neuron_grid(
    run: Run,
    layer: int | None = None,
    neuron: int | None = None,
    step: int | None = None,
    operation: str | None = None,
) -> pd.DataFrame:
    """The activation of one MLP neuron at all pairs of group elements, for the tasks that `cosets` is for.

    Arguments:
        layer, neuron: which; both left out: the most coset-like neuron of the last checkpoint (`most_coset_like`).
        step: of a checkpoint; the last one, if not given.
        operation: of a task that has several; the first whose group has cosets, if not given.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, neuron, left, right (labels of the elements),
        left_subgroup, left_side, left_coset, left_rank, right_subgroup, right_side, right_coset, right_rank (the best
        partition for either operand, as in `cosets`; cosets numbered, and elements ranked, by the neuron's mean
        activation, cosets first), activation. An operand that the neuron does not vary with has the subgroup <NA> and
        one coset.

    Raises ValueError for a layer, neuron, step or operation that does not exist, and for one of layer and neuron alone.
    """
    if layer is None or neuron is None:
        if (layer, neuron) != (None, None):
            raise ValueError(f"layer = {layer} and neuron = {neuron} belong together: give both, or neither")
        layer, neuron = most_coset_like(cosets(run))
    context = RunContext(run)
    available = coset_frames(context)
    frame = next((f for f in available if operation in (None, f.operation)), None)
    if frame is None:
        raise ValueError(
            f"operation = {operation!r} has no cosets; accepted: {', '.join(f.operation for f in available)}"
        )
    step = run.steps[-1] if step is None else step
    if step not in run.steps:
        near = min(run.steps, key=lambda known: abs(known - step))
        raise ValueError(f"step = {step} has no checkpoint in run {run.name!r} (nearest: {near})")
    for name, value, count in (("layer", layer, len(context.neuron_layers)), ("neuron", neuron, context.config.d_mlp)):
        if not 0 <= value < count:
            raise ValueError(f"{name} = {value} does not exist in run {run.name!r}; accepted: 0 to {count - 1}")
    checkpoint = Checkpoint(context, step)
    x = checkpoint.activations(frame.operation, f"blocks.{layer}.mlp.hook_post")[..., neuron]
    grid = context.bases[frame].on_grid(x)
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


def most_coset_like(table: pd.DataFrame) -> tuple[int, int]:
    """Layer and number of the neuron of largest score at the last checkpoint, of those that vary enough to matter.

    Where no neuron's best subgroup has more than two cosets, the first neuron.

    Arguments:
        table: of `cosets`, for one run.
    """
    last = table.loc[table["step"] == table["step"].max()]
    layers, variances = numbers(last, "layer"), numbers(last, "neuron_variance")
    largest = {layer: variances[layers == layer].max() for layer in np.unique(layers)}
    enough = variances >= 0.1 * np.array([largest[layer] for layer in layers])
    enough &= numbers(last, "index") > 2  # two cosets are a sign, which is an irrep too
    scores = np.where(enough, np.nan_to_num(numbers(last, "score"), nan=-np.inf), -np.inf)
    best = last.iloc[int(scores.argmax())]
    return int(best["layer"]), int(best["neuron"])


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
