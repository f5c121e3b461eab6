"""The section of a report about dynamics: logits, gradients, ranks, parts of steps, branches, the delay law."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

import pandas as pd

from grokscope import figures
from grokscope.analysis import (
    applicable,
    branches,
    delay_law,
    delay_table,
    milestones,
    numbers,
    rows,
    run_all,
    update_parts,
)
from grokscope.analysis.dynamics.delay_published import published_delays
from grokscope.report.choosing import one_of_each_arm
from grokscope.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grokscope.runs import Run

ONE = "Of each arm one run is shown, the first that grokked. "
Drawn = tuple[str, "Figure", pd.DataFrame, str]
"""Name, figure, table, caption."""


def tables_of(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """The tables of the section over several runs, by name. Gradient entropy is computed from checkpoints only where a
    run did not record it."""
    workers = min(4, os.cpu_count() or 1)
    recorded = all("probes" in applicable(run) for run in runs)
    wanted = ("phase", "collapse", "ranks", "probes" if recorded else "gradient_entropy")
    parts = [
        run_all(run, [name for name in wanted if name in applicable(run)], workers, progress=sys.stderr.isatty())
        for run in runs
    ]
    made = {name: [part[name] for part in parts if name in part] for name in wanted}
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items() if tables}


def drawn(runs: Sequence[Run]) -> list[Drawn]:
    """The figures of the section that the runs have something for."""
    shown = one_of_each_arm(runs)
    found = _of_runs(shown) if shown else []
    fan = branches(runs)
    if len(fan):
        found.append(
            (
                "branches",
                figures.branches(fan),
                fan,
                "Validation accuracy and loss of a run (broad line) and of the runs branched off it, which continue "
                "from one of its checkpoints with the same batches under another setting, at the grey line.",
            )
        )
    clamped = _clamped(runs)
    if len(clamped):
        found.append(
            (
                "delay_law",
                figures.delay_law(clamped, delay_law(clamped)),
                clamped,
                "Steps from the clamp to the grok against the norm that the clamp holds. Triangles: runs that did not "
                "grok in the steps that they had, which the fit takes as such. Band: interval over resampled seeds.",
            )
        )
    return found


def _of_runs(shown: Sequence[Run]) -> list[Drawn]:
    tables, reached = tables_of(shown), milestones(shown)
    found: list[Drawn] = [
        (
            "phase_portrait",
            figures.phase_portrait(tables["phase"], reached),
            tables["phase"],
            ONE + "Norm of all weights against validation loss, coloured by step; ring: the start, star: the grok.",
        )
    ]
    if "collapse" in tables:
        found.append(
            (
                "logit_scale",
                figures.logit_scale(tables["collapse"], reached),
                tables["collapse"],
                "Scale of the logits that the loss sees, on the train set, and the share of examples with softmax "
                "collapse (sum of exp(z - max z) is 1 in that precision, so that no gradient is left) in the run's "
                "dtype and in float64 of the same weights, and with a loss of exactly 0.",
            )
        )
    recorded = "probes" in tables
    gradients = rows(tables["probes"], group="all", parameter="") if recorded else tables.get("gradient_entropy")
    if gradients is not None:
        of = "of each recorded step's batch" if recorded else "on the whole train set, at every checkpoint"
        found.append(
            (
                "gradient_entropy",
                figures.gradient_entropy(gradients, reached),
                gradients,
                f"Entropy of the gradient {of}: absolute gradient entropy -sum |g| ln |g| as published, which falls "
                "with the gradient's size whatever its shape; entropy of |g| / sum |g|, which does not; and that size.",
            )
        )
    found.append(
        (
            "effective_ranks",
            figures.effective_ranks(tables["ranks"], reached),
            tables["ranks"],
            "Effective rank (exponential of the entropy of normalised singular values) of each weight matrix, of QK "
            "and OV of each head, and of W_out W_U.",
        )
    )
    if recorded:
        found += _of_steps(tables["probes"], reached)
    return found


def _of_steps(probes: pd.DataFrame, reached: pd.DataFrame) -> list[Drawn]:
    parts, whole = update_parts(probes), rows(probes, parameter="")
    if parts.empty:
        return []
    found: list[Drawn] = [
        (
            "update_anatomy",
            figures.update_anatomy(parts, reached),
            parts,
            "Every step split into what the optimizer does with the gradient, decoupled weight decay and the clip, "
            "each along the rows (radial) and across them (tangential). Norms over all parameters.",
        ),
        (
            "angular_steps",
            figures.angular_steps(whole, reached),
            whole,
            "Mean angle that the rows of a parameter group turn in a step.",
        ),
    ]
    if numbers(rows(parts, part="clip"), "size").max(initial=0.0) > 0:
        found.insert(
            0,
            (
                "clip_accounting",
                figures.clip_accounting(parts, reached),
                rows(parts, part="clip"),
                "Norm that the clip removes in a step, by parameter group, and its share of the way that the step goes "
                "to and fro: gradient, decay and clip, end to end.",
            ),
        )
    return found


def _clamped(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs whose clamp says what its norm is relative to."""
    known = [run for run in runs if run.config.norms.clamp_rho is not None]
    return delay_table(known) if known else pd.DataFrame()


def delay_table_of(runs: Sequence[Run]) -> Table | None:
    """The fit of the delay law beside the published one; None without clamped runs."""
    clamped = _clamped(runs)
    if clamped.empty:
        return None
    law = delay_law(clamped)
    left_out = "; ".join(f"{name}: {why}" for name, why in law.excluded) or "none"
    cells = (law.statement, f"{law.r_squared:.3f}", f"{law.sigma:.3f}", left_out)
    caption = (
        "ln T = alpha rho + c by maximum likelihood, T from the clamp to the grok; runs that did not grok are censored."
    )
    if not isnan(law.published_alpha):
        delays = published_delays("delay_from_clamp").items()
        told = ", ".join(f"{steps:,.0f} steps at rho {rho:.2f}" for rho, steps in delays)
        caption += f" Published, from the clamp too: {told}, which give alpha = {law.published_alpha:.2f}."
    return Table(("fit", "R²", "sigma", "left out"), (cells,), frozenset(("R²", "sigma")), caption)
