"""When a network memorised, grokked, and grokked for good: one implementation, for training and for analysis.

memorisation step    first evaluation with train accuracy >= 0.99
grok step            first evaluation with validation accuracy >= 0.95
sustained grok step  first such evaluation whose next 5 evaluations are all >= 0.95 too; a run that ends
                     before those 5 has not shown it, and has none
delay                grok step minus memorisation step

Where the first evaluation is past a threshold already, and what was before it is not known (a network trained
elsewhere, a branch), the milestone has no step: it lies at or before that evaluation.
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
    """The milestones of the evaluations seen so far; each is None until it is known.

    `history_known` says whether nothing came before the first evaluation. If something did, and the network was past a
    threshold there, then the step is None for good, and `memorisation_by`, `grok_by` and `sustained_grok_by` say at
    which step, or before, it was.
    """

    memorisation_step: int | None = None
    grok_step: int | None = None
    sustained_grok_step: int | None = None
    sustained_at: int | None = None
    """The evaluation that showed the grok to be sustained: the fifth after `sustained_grok_step`."""
    evaluations_since_sustained: int | None = None
    """Number of evaluations after the one at `sustained_at`."""
    history_known: bool = True
    memorisation_by: int | None = None
    grok_by: int | None = None
    sustained_grok_by: int | None = None
    _last_step: int | None = field(default=None, repr=False)
    _above_since: int | None = field(default=None, repr=False)
    _stayed: int = field(default=0, repr=False)

    @property
    def delay(self) -> int | None:
        """Grok step minus memorisation step."""
        if self.grok_step is None or self.memorisation_step is None:
            return None
        return self.grok_step - self.memorisation_step

    @property
    def has_grokked(self) -> bool:
        """Whether a grok was seen, or lies before what was seen."""
        return self.grok_step is not None or self.grok_by is not None

    @property
    def grok_words(self) -> str:
        """ "grok step 60", "grokked at or before step 60", or "no grok"."""
        if self.grok_by is not None:
            return f"grokked at or before step {self.grok_by}"
        return "no grok" if self.grok_step is None else f"grok step {self.grok_step}"

    @property
    def unseen(self) -> dict[str, int]:
        """The steps at or before which milestones lie that were not seen, by column: `grok_by` and the like."""
        steps = {name: getattr(self, name) for name in ("memorisation_by", "grok_by", "sustained_grok_by")}
        return {name: step for name, step in steps.items() if step is not None}

    def update(self, step: int, train_accuracy: float, val_accuracy: float) -> None:
        """Take in one evaluation. Raises ValueError unless `step` is later than that of the last one."""
        if self._last_step is not None and step <= self._last_step:
            raise ValueError(
                f"evaluation at step {step} comes after one at step {self._last_step}: use increasing steps"
            )
        unseen = self._last_step is None and not self.history_known
        self._last_step = step
        if self.evaluations_since_sustained is not None:
            self.evaluations_since_sustained += 1
        if self.memorisation_step is None and self.memorisation_by is None and train_accuracy >= MEMORISED:
            if unseen:
                self.memorisation_by = step
            else:
                self.memorisation_step = step
        if not val_accuracy >= GROKKED:
            self._above_since = None
            return
        if self.grok_step is None and self.grok_by is None:
            if unseen:
                self.grok_by = step
            else:
                self.grok_step = step
        if self._above_since is None:
            self._above_since, self._stayed = step, 0
        else:
            self._stayed += 1
        if self.sustained_at is None and self._stayed == SUSTAINED_EVALUATIONS:
            if self.grok_by is None:
                self.sustained_grok_step = self._above_since
            else:
                self.sustained_grok_by = self._above_since
            self.sustained_at, self.evaluations_since_sustained = step, 0


def milestones(metrics: DataFrame | Iterable[Mapping[str, Any]], *, history_known: bool = True) -> Milestones:
    """The milestones of a run's metrics: a table, or rows, with `step`, `train_accuracy` and `val_accuracy`.

    Rows without both accuracies (missing or NaN) are not evaluations and are passed over.
    """
    rows: Iterable[Mapping[str, Any]] = metrics.to_dict("records") if hasattr(metrics, "to_dict") else metrics  # type: ignore[union-attr,assignment]
    reached = Milestones(history_known=history_known)
    for row in rows:
        train, val = row.get("train_accuracy"), row.get("val_accuracy")
        if train is not None and val is not None and not isnan(train) and not isnan(val):
            reached.update(int(row["step"]), train, val)
    return reached
