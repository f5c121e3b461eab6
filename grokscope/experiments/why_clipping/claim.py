"""A claim about why clipping works: what is declared of it, what its runs show, and both as the page takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from grokscope.experiments.why_clipping.evidence import COLUMNS, written
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, WholeRuns
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate, Table


@dataclass(frozen=True)
class Answer:
    """What the runs show about a claim."""

    verdict: Verdict
    sentences: tuple[str, ...]
    """The answer in words; the numbers are those of the effects."""
    effects: pd.DataFrame
    """The columns `evidence.COLUMNS`, a row for each measured effect."""
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim as its module declares it; called with a study, it is answered."""

    number: int
    """Its place on the page."""
    name: str
    """Its anchor on the page, and what `--only` takes."""
    question: str
    prediction: str
    """What has to be seen if the answer is yes, and what if it is no."""
    arms: Mapping[str, str]
    """The arms that separate it from other claims, and what each switches, in words."""
    answer: Callable[[Study], Answer] = field(repr=False)
    trains: tuple[Arms | WholeRuns, ...] = ()
    """What is trained for it, beside the arms that claims share."""
    limits: tuple[str, ...] = ()
    on_main_alone: bool | str = False
    """Whether it is made on the main task alone, or which part of it is, with `{number}` for the claim's number."""

    @property
    def module(self) -> str:
        """Where it is declared."""
        return self.answer.__module__

    def __call__(self, study: Study) -> AnsweredClaim:
        answer = self.answer(study)
        return AnsweredClaim(
            number=self.number,
            name=self.name,
            question=self.question,
            prediction=self.prediction,
            arms=self.arms,
            verdict=answer.verdict,
            answer=answer.sentences,
            effects=answer.effects,
            plates=answer.plates,
            tables=answer.tables,
            limits=self.limits,
        )


@dataclass(frozen=True)
class AnsweredClaim:
    """One section of the report."""

    number: int
    name: str
    question: str
    prediction: str
    arms: Mapping[str, str]
    verdict: Verdict
    answer: tuple[str, ...]
    effects: pd.DataFrame
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()
    limits: tuple[str, ...] = ()

    def rows(self) -> pd.DataFrame:
        """Its part of `claims.csv`: a row for each effect, or one without any."""
        declared = {
            "claim": self.number,
            "question": self.question,
            "prediction": self.prediction,
            "verdict": self.verdict,
        }
        measured = self.effects if len(self.effects) else pd.DataFrame([dict.fromkeys(COLUMNS)])
        return measured.assign(**declared).reindex(columns=[*declared, *COLUMNS])

    def effect_table(self) -> Table:
        """Its effects as they stand on the page."""
        columns = ("task", "arm", "against", "quantity", "measured", "95% interval", "seeds", "note")
        rows = []
        for row in self.effects.to_dict("records"):
            cells = (row["task"], row["arm"], row["against"], row["quantity"], *written(row), row["seeds"])
            rows.append((*map(str, cells), str(row["statement"])))
        return Table(columns, tuple(rows), frozenset({"measured", "95% interval", "seeds"}), "Measured effects")
