"""What the training steps were made of, and what they did to the loss."""

from __future__ import annotations

from math import isnan

import pandas as pd

from grokscope.analysis import delay_law
from grokscope.analysis.dynamics.delay_published import published_delays
from grokscope.report.plate import DeclaredSection, DeclaredTable, Table

FROM = "delay_from_clamp"


def delay_fit(delays: pd.DataFrame) -> Table:
    """The fit of the delay law to clamped runs, beside the published one."""
    law = delay_law(delays, FROM)
    left_out = "; ".join(f"{name}: {why}" for name, why in law.excluded) or "none"
    cells = (law.statement, f"{law.r_squared:.3f}", f"{law.sigma:.3f}", left_out)
    caption = (
        "ln T = alpha rho + c by maximum likelihood, T from the clamp to the grok; runs that did not grok are censored."
    )
    if not isnan(law.published_alpha):
        published = ", ".join(f"{steps:,.0f} steps at rho {rho:.2f}" for rho, steps in published_delays(FROM).items())
        caption += f" Published, from the clamp as here: {published}, of which alpha = {law.published_alpha:.2f}."
    return Table(("fit", "R²", "sigma", "left out"), (cells,), frozenset(("R²", "sigma")), caption)


SECTION = DeclaredSection("dynamics", "Dynamics", (DeclaredTable("delay_table", delay_fit, runs="all"),))
