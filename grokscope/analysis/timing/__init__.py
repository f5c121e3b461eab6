"""When arms memorise and grok, and how many times sooner: with censored runs, intervals, shared seeds, equal tuning.

records          a row per run, from runs: the table that the rest takes
kaplan_meier     survival curves
medians          medians with intervals, and words for what has no number
restricted_mean  mean times up to a horizon, where a median is not reached
log_rank         whether arms differ: log-rank tests with Holm's correction
speed_up         ratios of medians over shared seeds; bounds where one is not reached
non_inferiority  whether an arm is as soon as a reference, up to a margin
shares           how much of one arm's speed-up another arm has
tuned            the best of a grid of equal size, chosen and reported on different seeds
decomposition    what each of several switches contributes, in every order

What they are made of:
outcomes         what is known of every run: an event, or how long it was watched without one
resampling       seeds drawn together for all arms
ratios           ratios of resampled medians, with their bounds

A statistic takes `event` (memorisation, grok, sustained_grok, delay) and `unit` (steps, gradient_evaluations, seconds).
An event at step t happened after the evaluation before it, up to `cadence` steps earlier; all times are those of the
evaluation that showed it.
"""

from grokscope.analysis.timing.decomposition import decomposition
from grokscope.analysis.timing.kaplan_meier import survival
from grokscope.analysis.timing.log_rank import holm, log_rank
from grokscope.analysis.timing.medians import medians, quantile_times
from grokscope.analysis.timing.non_inferiority import non_inferiority, seeds_needed
from grokscope.analysis.timing.outcomes import Event, Outcomes, Unit, outcomes
from grokscope.analysis.timing.records import timing_table
from grokscope.analysis.timing.shares import shares
from grokscope.analysis.timing.speed_up import speed_up
from grokscope.analysis.timing.tuned import best_settings, grid_medians, tuned

__all__ = [
    "Event",
    "Outcomes",
    "Unit",
    "best_settings",
    "decomposition",
    "grid_medians",
    "holm",
    "log_rank",
    "medians",
    "non_inferiority",
    "outcomes",
    "quantile_times",
    "seeds_needed",
    "shares",
    "speed_up",
    "survival",
    "timing_table",
    "tuned",
]
