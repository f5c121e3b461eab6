"""When a network memorised, grokked, and grokked for good: one implementation, for training and for analysis.

memorisation step    first evaluation with train accuracy >= 0.99
grok step            first evaluation with validation accuracy >= 0.95
sustained grok step  first such evaluation whose next 5 evaluations are all >= 0.95 too; a run that ends
                     before those 5 has not shown it, and has none
delay                grok step minus memorisation step
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

MEMORISED = 0.99
GROKKED = 0.95
SUSTAINED_EVALUATIONS = 5


@dataclass
class Milestones:
    """The milestones of the evaluations seen so far; each is None until it is known."""

    memorisation_step: int | None = None
    grok_step: int | None = None
    sustained_grok_step: int | None = None
    sustained_at: int | None = None
    """The evaluation that showed the grok to be sustained: the fifth after `sustained_grok_step`."""
    evaluations_since_sustained: int | None = None
    """Number of evaluations after the one at `sustained_at`."""
    _last_step: int | None = field(default=None, repr=False)
    _above_since: int | None = field(default=None, repr=False)
    _stayed: int = field(default=0, repr=False)

    @property
    def delay(self) -> int | None:
        """Grok step minus memorisation step."""
        if self.grok_step is None or self.memorisation_step is None:
            return None
        return self.grok_step - self.memorisation_step

    def update(self, step: int, train_accuracy: float, val_accuracy: float) -> None:
        """Take in one evaluation. Raises ValueError unless `step` is later than that of the last one."""
        if self._last_step is not None and step <= self._last_step:
            raise ValueError(
                f"evaluation at step {step} comes after one at step {self._last_step}: use increasing steps"
            )
        self._last_step = step
        if self.evaluations_since_sustained is not None:
            self.evaluations_since_sustained += 1
        if self.memorisation_step is None and train_accuracy >= MEMORISED:
            self.memorisation_step = step
        if not val_accuracy >= GROKKED:
            self._above_since = None
            return
        if self.grok_step is None:
            self.grok_step = step
        if self._above_since is None:
            self._above_since, self._stayed = step, 0
        else:
            self._stayed += 1
        if self.sustained_grok_step is None and self._stayed == SUSTAINED_EVALUATIONS:
            self.sustained_grok_step, self.sustained_at = self._above_since, step
            self.evaluations_since_sustained = 0


def milestones(metrics: DataFrame | Iterable[Mapping[str, Any]]) -> Milestones:
    """The milestones of a run's metrics: a table, or rows, with `step`, `train_accuracy` and `val_accuracy`.

    Rows without both accuracies (missing or NaN) are not evaluations and are passed over.
    """
    rows: Iterable[Mapping[str, Any]] = metrics.to_dict("records") if hasattr(metrics, "to_dict") else metrics  # type: ignore[union-attr,assignment]
    reached = Milestones()
    for row in rows:
        train, val = row.get("train_accuracy"), row.get("val_accuracy")
        if train is not None and val is not None and not isnan(train) and not isnan(val):
            reached.update(int(row["step"]), train, val)
    return reached
