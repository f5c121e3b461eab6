"""What was published about the delay under a held norm, and for which setting.

Medians over 16 seeds of the step at which the test accuracy first is 0.9, counted from step 0, of a one-layer
transformer without LayerNorm on x + y mod 59 whose weight norm is held from step 600 on:

    rho     0.85     1.00     1.15        ln T = alpha rho + c by least squares:  alpha = 15.45
    T        718    6,608   73,966

The clamp is what is varied, and it acts from step 600 on. Counted from there the same three medians are 118, 6,008 and
73,366, and their slope is 21.44: the steps before the clamp, which are the same for every rho, make the slope from
step 0 smaller. A slope is compared with one of the same count. The source also has rho 1.20 (99,920 steps), which it
leaves out of its fit: beyond 1.15 the delay grows less than exponentially.
Source: Khanh et al. 2026, "The Weight Norm Sets the Grokking Timescale: A Causal Delay Law", section 7, and its
released metrics (`tfnoln_long`).
"""

from __future__ import annotations

from math import nan
from typing import Literal, get_args

import numpy as np

from grokscope.config import RunConfig

DelayColumn = Literal["delay_from_clamp", "delay_from_start"]
PUBLISHED_STEPS = {0.85: 718.0, 1.00: 6608.0, 1.15: 73966.0}
"""From step 0, by rho."""
CLAMP_FROM_STEP = 600


def published_delays(delay: str) -> dict[float, float]:
    """The published delays in steps, by rho, counted as in a column of `delay_table`; empty for any other column."""
    if delay not in get_args(DelayColumn):
        return {}
    before = CLAMP_FROM_STEP if delay == "delay_from_clamp" else 0
    return {rho: steps - before for rho, steps in PUBLISHED_STEPS.items()}


def published_slope(delay: str) -> float:
    """alpha of the published delays, counted as in a column of `delay_table`; NaN for any other column."""
    delays = published_delays(delay)
    if not delays:
        return nan
    return float(np.polyfit(list(delays), np.log(list(delays.values())), 1)[0])


def is_published_setting(config: RunConfig) -> bool:
    """Whether a run is of the setting that the law was published for, so that its delay may stand beside it.

    x + y mod 59 on 0.4 of the pairs, one layer, no normalisation, full batch, AdamW of learning rate 5e-4 and weight
    decay 1, the norm held from step 600 on. (The source has GELU and beta_2 = 0.999; those are not asked for.)
    """
    task, model, optimizer = config.task, config.model, config.optimizer
    return (
        (task.name, task.modulus, task.train_fraction) == ("add", 59, 0.4)
        and (model.n_layers, model.normalization) == (1, "none")
        and (optimizer.name, optimizer.lr, optimizer.weight_decay) == ("adamw", 5e-4, 1.0)
        and config.training.batch_size is None
        and config.norms.clamp_from_step == CLAMP_FROM_STEP
    )
