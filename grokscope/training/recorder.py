"""Probes of a run while it trains: rows of numbers about one step, by parameter group and by parameter.

What is recorded is defined in `grokscope.probes` and `grokscope.norms`; here it is put together for one step.
Recording changes nothing that is trained.
"""

from __future__ import annotations

from typing import Any

import torch

from grokscope.engine import scaled_to
from grokscope.model import ROLES, Weights, in_scope, role
from grokscope.norms import row_table
from grokscope.probes import (
    Displacement,
    absolute_entropy,
    displacement_table,
    entropy_of_sums,
    entropy_sums,
    output_statistics,
)
from grokscope.training.trainer import StepRecord, Trainer

WHOLE = "all"
"""The group of all trained parameters."""


EXAMPLES = 128
"""How many of a batch's examples the hidden state's norm is a mean over: a forward pass of its own."""


class Recorder:
    """Makes the rows that `Run.probes` shows.

    Arguments:
        trainer: whose steps are recorded.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        names = trainer.parameters.names
        # Group and parameter (none for a whole group), with a slash between.
        self._groups: dict[str, tuple[str, ...]] = {f"{WHOLE}/": names}
        for group in ROLES:
            if chosen := in_scope(names, (group,)):
                self._groups[f"{group}/"] = chosen
        self._groups |= {f"{role(name)}/{name}": (name,) for name in names}

    def due(self, step: int) -> bool:
        """Whether the step that leads to this number of updates is recorded."""
        every = self.trainer.config.probes.record_every
        # Steps 1, 1 + every, ...: the last batch of an epoch is smaller, and epochs often have a round number of steps.
        return every is not None and (step == 0 or (step - 1) % every == 0)

    def start(self) -> list[dict[str, Any]]:
        """Rows for step 0: norms alone, for no step has been taken."""
        return self._rows(row_table(self.trainer.parameters.weights, self._groups, self.trainer.norms.bounds))

    def rows(self, record: StepRecord) -> list[dict[str, Any]]:
        """Rows for the step that the trainer has just taken."""
        tables = [
            row_table(record.after, self._groups, self.trainer.norms.bounds),
            displacement_table(
                Displacement(record.before, record.updated, record.after, record.shrinkage), self._groups
            ),
            self._entropies(record.gradient, "gradient_"),
            self._weight_entropies(record.after),
        ]
        rows = self._rows(*tables)
        # What the loss sees.
        logits = scaled_to(record.logits, record.spread) / self.trainer.config.loss.temperature
        rows[0] |= output_statistics(logits, self.trainer.engine.labels[record.examples])
        rows[0] |= self._outputs(record)
        return rows

    def _rows(self, *tables: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
        rows = []
        for key in self._groups:
            group, _, parameter = key.partition("/")
            row: dict[str, Any] = {"group": group, "parameter": parameter}
            for table in tables:
                row |= table[key]
            rows.append(row)
        return rows

    def _entropies(self, values: Weights, prefix: str) -> dict[str, dict[str, float]]:
        sums = {name: entropy_sums(values[name]) for name in self.trainer.parameters.names}
        return {
            key: {prefix + column: value for column, value in entropy_of_sums(sums[name] for name in names).items()}
            for key, names in self._groups.items()
        }

    def _weight_entropies(self, weights: Weights) -> dict[str, dict[str, float]]:
        entropies = {name: absolute_entropy(weights[name]) for name in self.trainer.parameters.names}
        return {
            key: {"weight_absolute_entropy": sum(entropies[name] for name in names)}
            for key, names in self._groups.items()
        }

    def _outputs(self, record: StepRecord) -> dict[str, float]:
        """With the weights before the step: the norm of the final gain, and of the final hidden state."""
        name = f"blocks.{self.trainer.config.model.n_layers - 1}.hook_resid_post"
        weights = self.trainer.complete(record.before)
        hidden = self.trainer.engine.answer_activations(weights, record.examples[:EXAMPLES], [name])[name]
        norms = {"hidden_norm": float(torch.linalg.vector_norm(hidden, dim=1).double().mean())}
        if "ln_final.w" in record.before:
            norms["final_gain_norm"] = float(torch.linalg.vector_norm(record.before["ln_final.w"], dtype=torch.float64))
        return norms
