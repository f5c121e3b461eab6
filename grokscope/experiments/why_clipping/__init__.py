"""Why does clipping weight norms make networks grok sooner? Ten claims, each with arms that could prove it wrong.

pipeline  `why_clipping`: from sweep to report

scale     how large: tasks, seeds, budget, networks
arms      what each arm switches
plan      what is trained, stage by stage
training  training it
study     the runs that have ended
evidence  effects: speed-ups and shares, and how numbers are written
verdicts  from an interval to a word
claim     what a claim is
claims    one module each
page      the report
"""

from grokscope.experiments.why_clipping.pipeline import CLAIMS, why_clipping

__all__ = ["CLAIMS", "why_clipping"]
