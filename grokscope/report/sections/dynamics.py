"""What the training steps were made of, and what they did to the loss."""

from __future__ import annotations

import pandas as pd

from grokscope.analysis import delay_law
from grokscope.report.plate import DeclaredSection, DeclaredTable, Table


def delay_fit(delays: pd.DataFrame) -> Table:
    """The fit of the delay law to clamped runs, beside the published one."""
    law = delay_law(delays)
    left_out = "; ".join(f"{name}: {why}" for name, why in law.excluded) or "none"
    cells = (law.statement, f"{law.r_squared:.3f}", f"{law.sigma:.3f}", left_out)
    caption = (
        "ln T = alpha rho + c by maximum likelihood, T from the clamp to the grok; runs that did not grok are "
        "censored. The published delays (718 steps at rho 0.85, 6,608 at 1.00) alone give alpha = 14.80."
    )
    return Table(("fit", "R²", "sigma", "left out"), (cells,), frozenset(("R²", "sigma")), caption)


SECTION = DeclaredSection("dynamics", "Dynamics", (DeclaredTable("delay_table", delay_fit, runs="all"),))
