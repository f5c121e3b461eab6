"""All analyses of a run by name, and several of them made together.

tables = run_all(run)                       # every analysis that the run has
tables = run_all(run, only=["fourier"])     # a family, or names
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.checkpoint.frames import frames
from grokscope.analysis.checkpoint.over_checkpoints import CheckpointAnalysis, in_one_pass
from grokscope.analysis.circuit.ablation import ablation
from grokscope.analysis.circuit.circles import circles
from grokscope.analysis.circuit.clock_pizza import clock_pizza
from grokscope.analysis.circuit.embedding_overlap import embedding_overlap
from grokscope.analysis.circuit.irrep_blocks import irrep_blocks
from grokscope.analysis.circuit.key_use import key_use
from grokscope.analysis.circuit.keys import keys
from grokscope.analysis.circuit.logit_characters import logit_characters
from grokscope.analysis.circuit.neurons import neurons
from grokscope.analysis.circuit.onset import onset
from grokscope.analysis.circuit.outside_group import outside_group
from grokscope.analysis.circuit.restricted import restricted_loss
from grokscope.analysis.circuit.spectra import spectra
from grokscope.analysis.cosets.coset_ablation import coset_ablation
from grokscope.analysis.cosets.coset_matrix import coset_matrix
from grokscope.analysis.cosets.coset_summary import coset_summary
from grokscope.analysis.cosets.cosets import cosets
from grokscope.analysis.cosets.partitions import has_cosets
from grokscope.analysis.cosets.readings import readings
from grokscope.analysis.dynamics.collapse import collapse
from grokscope.analysis.dynamics.gradient_entropy import gradient_entropy
from grokscope.analysis.dynamics.learning_coefficient import learning_coefficient
from grokscope.analysis.dynamics.norm_trajectories import norm_trajectories
from grokscope.analysis.dynamics.phase import phase
from grokscope.analysis.dynamics.probes import probes
from grokscope.analysis.dynamics.ranks import ranks

if TYPE_CHECKING:
    from grokscope.runs import Run

CHECKPOINT_ANALYSES: dict[str, CheckpointAnalysis] = {
    "spectra": spectra,
    "neurons": neurons,
    "logit_characters": logit_characters,
    "keys": keys,
    "key_use": key_use,
    "irrep_blocks": irrep_blocks,
    "restricted_loss": restricted_loss,
    "ablation": ablation,
    "clock_pizza": clock_pizza,
    "circles": circles,
    "outside_group": outside_group,
    "embedding_overlap": embedding_overlap,
}
"""Made of one checkpoint at a time."""
DERIVED: dict[str, Callable[[Run], pd.DataFrame]] = {"onset": onset}
"""Made of the tables of others."""
SUBGROUPS_OF_CHECKPOINTS: dict[str, CheckpointAnalysis] = {
    "cosets": cosets,
    "coset_matrix": coset_matrix,
    "readings": readings,
    "coset_ablation": coset_ablation,
}
SUBGROUPS: dict[str, Callable[[Run], pd.DataFrame]] = {**SUBGROUPS_OF_CHECKPOINTS, "coset_summary": coset_summary}
"""Of circuits in groups with subgroups."""
DYNAMICS_OF_CHECKPOINTS: dict[str, CheckpointAnalysis] = {
    "collapse": collapse,
    "gradient_entropy": gradient_entropy,
    "ranks": ranks,
}
DYNAMICS: dict[str, Callable[[Run], pd.DataFrame]] = {
    **DYNAMICS_OF_CHECKPOINTS,
    "norm_trajectories": norm_trajectories,
    "phase": phase,
    "probes": probes,
}
"""Of weights, gradients and logits, whatever the task."""
ON_REQUEST: dict[str, Callable[[Run], pd.DataFrame]] = {"learning_coefficient": learning_coefficient}
"""Made when asked for by name only: they take minutes."""
FAMILIES: dict[str, tuple[str, ...]] = {
    "fourier": (*CHECKPOINT_ANALYSES, *DERIVED),
    "subgroups": tuple(SUBGROUPS),
    "dynamics": tuple(DYNAMICS),
}


def applicable(run: Run) -> tuple[str, ...]:
    """The analyses that a run has: those of circuits where its task has a group, and those of dynamics."""
    return (*_of_circuits(run), *_of_dynamics(run))


def _of_circuits(run: Run) -> tuple[str, ...]:
    if not any(operation.is_one_to_one and operation.group.order > 1 for operation in run.task.operations):
        return ()
    groups = {frame.group.name: frame.group for frame in frames(run.task) if frame.basis == "own"}
    subgroups = SUBGROUPS if any(has_cosets(group) for group in groups.values()) else ()
    names = (*CHECKPOINT_ANALYSES, *DERIVED, *subgroups)
    return tuple(name for name in names if name != "embedding_overlap" or len(groups) > 1)


def _of_dynamics(run: Run) -> tuple[str, ...]:
    train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
    missing = set() if len(train) else {"collapse", "gradient_entropy"}
    if run.probes.empty:
        missing.add("probes")
    return tuple(name for name in DYNAMICS if name not in missing)


def run_all(
    run: Run, only: Iterable[str] | None = None, workers: int = 1, *, progress: bool = False
) -> dict[str, pd.DataFrame]:
    """Tables of a run by name of the analysis; what is kept is read, and the rest is made in one pass.

    Arguments:
        only: names of analyses or of families (`fourier`, `subgroups`, `dynamics`); all that the run has (but for those
            of `ON_REQUEST`), if not given. Of a family, those that the run has.
        workers: how many checkpoints to look at at a time (see `in_one_pass`).
        progress: show a progress bar over the checkpoints.

    Raises ValueError for a name that does not exist, for an analysis that the run does not have when it is asked
    for by name, and for a family of circuits on a task without a group.
    """
    available = applicable(run)
    wanted = list(available) if only is None else _resolve(only, available)
    if set(wanted) - set(DYNAMICS) - set(ON_REQUEST) or not wanted:
        frames(run.task)  # says why there are none
    by_checkpoint = CHECKPOINT_ANALYSES | SUBGROUPS_OF_CHECKPOINTS | DYNAMICS_OF_CHECKPOINTS
    checkpointed = {name: by_checkpoint[name] for name in _needed(wanted) if name in by_checkpoint}
    tables = in_one_pass(run, checkpointed, workers, progress=progress)
    others = DERIVED | SUBGROUPS | DYNAMICS | ON_REQUEST
    tables |= {name: others[name](run) for name in wanted if name not in tables}
    return {name: tables[name] for name in wanted}


def _needed(wanted: Iterable[str]) -> tuple[str, ...]:
    """With the tables that derived ones are made of."""
    names = list(wanted)
    made_of = {"onset": ("keys", "restricted_loss"), "coset_summary": ("cosets",)}
    parts = [part for name in names for part in made_of.get(name, ())]
    return tuple(dict.fromkeys([*names, *parts]))


def _resolve(only: Iterable[str], available: Iterable[str]) -> list[str]:
    names: list[str] = []
    known: Mapping[str, object] = {
        **CHECKPOINT_ANALYSES, **DERIVED, **SUBGROUPS, **DYNAMICS, **ON_REQUEST, **FAMILIES,
    }  # fmt: skip
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.4)
            hint = f"nearest: {', '.join(near)}; " if near else ""
            raise ValueError(f"there is no analysis {name!r}; {hint}there are: {', '.join(known)}")
        names += [part for part in FAMILIES[name] if part in available] if name in FAMILIES else [name]
    return list(dict.fromkeys(names))
