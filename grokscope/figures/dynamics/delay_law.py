"""The delay law: steps to the grok, from the clamp or from the start, against the norm that the weights are held at."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from grokscope.analysis import DelayLaw, numbers
from grokscope.analysis.dynamics.delay_law import delay_law as fitted_law
from grokscope.analysis.dynamics.delay_published import published_delays
from grokscope.figures import style
from grokscope.figures.plates import plate

FIT, PUBLISHED = "#0072B2", "#D55E00"
LABELS = {"delay_from_clamp": "steps from the clamp to the grok", "delay_from_start": "steps to the grok"}
"""What an axis of delays is called, by the column that is drawn; another column is called by its name."""


@plate(
    section="dynamics",
    table="delay_table",
    runs="all",
    caption="Steps from the clamp to the grok against the norm that the clamp holds. Triangles: runs that did not grok "
    "in the steps that they had, which the fit takes as such. Band: interval over resampled seeds.",
    place=9,
)
def delay_law(
    table: pd.DataFrame, law: DelayLaw | None = None, delay: str = "delay_from_clamp", budget: str = "budget_from_clamp"
) -> Figure:
    """Steps to the grok, on a logarithmic axis, against rho, with the fitted line, its interval and the published line.

    Dots are runs that grokked. Upward triangles are runs that did not, at the steps that they had. Crosses are runs
    that are left out of the fit. Each group of the fit has a line, named at its end. Where all runs are of the setting
    that the law was published for, squares are the published delays, counted as those of the runs, with a line of their
    slope through their middle.

    Args:
        table: of `grokscope.analysis.delay_table`.
        law: of `grokscope.analysis.delay_law`, a fit to that table. Left out: it is fitted here.
        delay, budget: the columns that were fitted; the axis says which.
    """
    law = fitted_law(table, delay, budget) if law is None else law
    figure, [[ax]] = style.blank(1, 1, panel=(4.6, 3.1))
    left_out = table["run"].isin([name for name, _ in law.excluded])
    censored = table["censored"].to_numpy(dtype=bool)
    steps = np.where(censored, numbers(table, budget), numbers(table, delay))
    looks = {
        "grokked": (~censored & ~left_out, {"marker": "o", "color": FIT, "alpha": 0.8}),
        "not grokked in these steps": (censored & ~left_out, {"marker": "^", "color": "white", "markeredgecolor": FIT}),
        "left out of the fit": (left_out & (steps > 0), {"marker": "x", "color": style.FAINT}),
    }
    rho = numbers(table, "rho")
    for label, (chosen, look) in looks.items():
        if chosen.any():
            ax.plot(rho[chosen], steps[chosen], linestyle="none", markersize=5.5, zorder=3, label=label, **look)
    if len(law.band):
        label = f"fit: alpha {law.alpha:.2f}"
        if not np.isnan(law.alpha_low):
            label += f" ({law.alpha_low:.2f} to {law.alpha_high:.2f})"
        for group, line in law.band.groupby("group"):
            low, high = numbers(line, "low"), numbers(line, "high")
            ax.fill_between(line["rho"], low, high, color=FIT, alpha=0.18, linewidth=0, label="_band")
            ax.plot(line["rho"], line["delay"], color=FIT, linewidth=style.WIDTH["line"], label=label)
            label = "_fit"  # one entry for the lines of all groups
            end = (float(line["rho"].iloc[-1]), float(line["delay"].iloc[-1]))
            ax.annotate(str(group), end, xytext=(3, 0), textcoords="offset points", va="center", size=style.TICK)
    if not np.isnan(law.published_alpha):
        _draw_published(ax, law, delay, rho)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    style.log_ticks(ax.yaxis, low, high, wide=1000.0)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.2f}")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_xlabel("rho (norm held / reference norm)", size=style.LABEL)
    ax.set_ylabel(LABELS.get(delay, delay.replace("_", " ")), size=style.LABEL)
    if not np.isnan(law.alpha):
        r_squared = "" if np.isnan(law.r_squared) else f", R² {law.r_squared:.2f}"
        nothing = ": alpha means nothing" if law.warning else ""
        style.title(ax, f"{law.runs} runs, {law.censored} censored{r_squared}{nothing}")
    else:
        style.title(ax, law.statement)
    style.legend(figure, [line for line in ax.lines if not str(line.get_label()).startswith("_")], columns=2)
    return figure


def _draw_published(ax: Axes, law: DelayLaw, delay: str, rho: Float[np.ndarray, " run"]) -> None:
    delays = published_delays(delay)
    x, y = np.array(list(delays)), np.log(list(delays.values()))
    ax.plot(x, np.exp(y), "s", color=PUBLISHED, markersize=4.5, zorder=2, label="published delays")
    ends = np.array([min(x.min(), np.nanmin(rho, initial=1.0)), max(x.max(), np.nanmax(rho, initial=0.0))])
    ax.plot(
        ends,
        np.exp(y.mean() + law.published_alpha * (ends - x.mean())),
        color=PUBLISHED,
        linestyle=style.SPLIT_STYLE["train"],
        linewidth=style.WIDTH["line"],
        label=f"published: alpha {law.published_alpha:.2f}",
    )
