"""A claim about why clipping works: what it predicts, what was measured, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from grokscope.experiments.why_clipping.evidence import COLUMNS, written
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate, Table


@dataclass(frozen=True)
class Claim:
    """One section of the report."""

    number: int
    name: str
    """Its anchor on the page."""
    question: str
    prediction: str
    """What has to be seen if the answer is yes, and what if it is no."""
    arms: Mapping[str, str]
    """The arms that separate it from other claims, and what each switches."""
    verdict: Verdict
    answer: tuple[str, ...]
    """Sentences, whose numbers are those of the effects."""
    effects: pd.DataFrame
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()
    limits: tuple[str, ...] = ()

    def rows(self) -> pd.DataFrame:
        """Its part of `claims.csv`: a row for each effect, or one without any."""
        told = {"claim": self.number, "question": self.question, "prediction": self.prediction, "verdict": self.verdict}
        measured = self.effects if len(self.effects) else pd.DataFrame([dict.fromkeys(COLUMNS)])
        return measured.assign(**told).reindex(columns=[*told, *COLUMNS])

    def effect_table(self) -> Table:
        """Its effects as they stand on the page."""
        columns = ("task", "arm", "against", "quantity", "measured", "95% interval", "seeds", "note")
        rows = []
        for row in self.effects.to_dict("records"):
            cells = (row["task"], row["arm"], row["against"], row["quantity"], *written(row), row["seeds"])
            rows.append((*map(str, cells), str(row["statement"])))
        return Table(columns, tuple(rows), frozenset({"measured", "95% interval", "seeds"}), "Measured effects")
