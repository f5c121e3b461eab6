"""The report: claims in, one self-contained page out; its figures, `claims.csv`, `runs.csv`, `summary.md` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grokscope.analysis import names, reached, where
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import AnsweredClaim
from grokscope.experiments.why_clipping.declared import declared_claims
from grokscope.experiments.why_clipping.plan import stages
from grokscope.experiments.why_clipping.scale import Scale
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.wording import by_arm, in_words, joined
from grokscope.report import Table, scrubber, scrubber_script_sources
from grokscope.report.page import write_page

TITLE = "Why does clipping weight norms make networks grok sooner?"
SCRUBBED = ("mul", "s5")
"""Tasks of which the page lets one drag through a clipped and an unclipped network."""


def write_report(study: Study, claims: Sequence[AnsweredClaim], out: Path, missing: Sequence[str] = ()) -> Path:
    """Write the report and return the path of its page, with `claims.csv`, `runs.csv` and `summary.md` beside it.

    Raises as `grokscope.report.page.write_page` does.
    """
    runs = runs_table(study)
    effects = pd.concat([claim.rows() for claim in claims], ignore_index=True)
    beside = {
        "claims.csv": effects.to_csv(index=False).encode(),
        "runs.csv": runs.to_csv(index=False).encode(),
        "summary.md": summary(claims).encode(),
    }
    plates = [plate for claim in claims for plate in claim.plates]
    return write_page(out, "claims.html.j2", plates, page_values(study, claims, runs, missing), beside)


def summary(claims: Sequence[AnsweredClaim]) -> str:
    """A row for each claim, in Markdown."""
    lines = ["| | question | verdict | what was measured (95% interval, n seeds) |", "|---|---|---|---|"]
    for claim in claims:
        told = claim.answer[0] if claim.answer else "nothing yet"
        lines.append(f"| {claim.number} | {claim.question} | **{claim.verdict}** | {told} |")
    return "\n".join(lines) + "\n"


def page_values(
    study: Study, claims: Sequence[AnsweredClaim], runs: pd.DataFrame, missing: Sequence[str]
) -> dict[str, object]:
    """What the page's template needs; `runs` of `runs_table`."""
    fragments = []
    for task in study.scale.seeds:
        if task in SCRUBBED:
            pair = [study.traced(task, arm)[0] for arm in (arms.HEADLINE, arms.BASELINE)]
            fragments.append(scrubber(pair, library=not fragments))
    return {
        "title": TITLE,
        "opening": _opening(study.scale, runs),
        "method": _method(study.scale),
        "claims": claims,
        "command": command(study.scale),
        "runs": _runs(runs),
        "missing": by_arm(missing),
        "scrubbers": fragments,
        "script_sources": scrubber_script_sources() if fragments else "",
        "limits": _limits(study.scale),
    }


def command(scale: Scale) -> str:
    """The one that makes all of it again."""
    return f"grokscope experiment why-clipping --scale {scale.name}"


def runs_table(study: Study) -> pd.DataFrame:
    """Every run: where it is, and when it memorised and grokked."""
    parts = []
    for stage in stages():
        for task in dict.fromkeys([*study.scale.seeds, *study.scale.method_tasks]):
            table = study.timing(task, stages=(stage,))
            if len(table):
                parts.append(table.assign(stage=stage, task=task))
    if not parts:
        return pd.DataFrame({"stage": []})
    table = pd.concat(parts, ignore_index=True)
    return table.reindex(columns=["stage", *(name for name in table if name != "stage")])


def _runs(table: pd.DataFrame) -> Table:
    """How many runs of each task and stage there are, and how many of them grokked."""
    written = []
    for stage in names(table, "stage"):
        of_stage = where(table, stage=stage)
        for task in names(of_stage, "task"):
            part = where(of_stage, task=task)
            grokked, diverged = len(reached(part, "grok_step")), len(where(part, status="diverged"))
            arms_, seeds = (len(set(part[name])) for name in ("arm", "seed"))
            counts = (len(part), arms_, seeds, grokked, len(part) - grokked, diverged)
            written.append((stage, task, *map(str, counts)))
    columns = ("stage", "task", "runs", "arms", "seeds", "grokked", "censored", "diverged")
    return Table(columns, tuple(written), frozenset(columns[2:]), "Runs that this page is made of.")


def _opening(scale: Scale, runs: pd.DataFrame) -> tuple[str, ...]:
    trained = {task: set(where(runs, stage="arms", task=task)["seed"]) for task in scale.seeds} if len(runs) else {}
    seeds = ", ".join(f"{task} {len(of)}" for task, of in trained.items())
    told = (
        "Clipping the norm of every weight row after each optimizer step makes small transformers generalise sooner on "
        "modular arithmetic and on composition of permutations. "
        f"{in_words(len(declared_claims())).capitalize()} possible reasons are switched on and off one at a "
        "time, with arms that share initial weights, split and batch order. Seeds of the main arms: "
        f"{seeds or 'none yet'}; every number says how many it is of. Verdicts follow from intervals by fixed rules, "
        "and may be: yes, partly, no, cannot tell.",
    )
    small = (
        "This is the small scale: networks and runs that show that every part works, too small for its answers to mean "
        "anything.",
    )
    return told + (small if scale.name == "small" else ())


def _method(scale: Scale) -> tuple[str, ...]:
    return (
        f"A network groks at the first evaluation with validation accuracy of at least 0.95, every {scale.cadence} "
        f"steps; runs end when that has been sustained, or after {scale.budget:,} steps, where they are censored and "
        "not dropped. Times are Kaplan-Meier medians; a speed-up is a ratio of medians over the seeds that both arms "
        "have, with a 95% bootstrap interval over seeds. A share says how much of the logarithm of a speed-up a "
        "suspected cause has: 100% if it does what the clip does, 0% if nothing.",
        "The verdict on a cause goes by the interval of its share: yes from 75% up, no up to 25%, partly if it is "
        "above 0, and otherwise cannot tell. Where a cause is also undone in clipped networks, both experiments have "
        "to agree for a yes or a no. Over several tasks one word is given if they agree, and partly if they do not.",
        "The published method is the arm lion-init-clip: Lion with every row projected to the bound before training "
        "and decoder rows clipped to it after every step. lion is the same without norm control.",
    )


def _limits(scale: Scale) -> tuple[str, ...]:
    asked = in_words(len(declared_claims())).capitalize()
    return (
        "Modular arithmetic mod 97 and S5, two-layer transformers of width 128, half of all pairs for training: "
        f"nothing here says what clipping does elsewhere. {_on_main_alone()}",
        f"Runs that do not grok in {scale.budget:,} steps bound a ratio and do not give it. With five seeds or fewer "
        f"intervals are wide, and with three they are indications. {asked} questions are asked of the same runs, and "
        "no correction is made for that: an interval that ends near a threshold is not a finding.",
    )


def _on_main_alone() -> str:
    """Which claims, and which parts of others, are made on the main task alone, as a sentence."""
    claims = declared_claims().values()
    whole = [str(claim.number) for claim in claims if claim.on_main_alone is True]
    parts = [
        claim.on_main_alone.format(number=claim.number) for claim in claims if isinstance(claim.on_main_alone, str)
    ]
    told = f"Claims {joined(whole)} are made on multiplication alone"
    return f"{told}, and so are {joined(parts)}." if parts else f"{told}."
