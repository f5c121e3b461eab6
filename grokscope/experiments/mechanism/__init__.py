"""What does the clip do that makes a network grok sooner? Runs without a clip that are given one thing it does.

tasks      the six tasks: bound, budget, and the config that every arm differs from
setting    what an arm may ask for: the bound, traces of other seeds, what was measured on them
declared   an arm, and the families that there are
families   the arms, a module each of what they ask together
trained    traces, tuning and arms in the order in which they are trained
summary    ratios to the clip, and what each says
page       the page, its ladders and tables
pipeline   from sweep to page
"""

from grokscope.experiments.mechanism.pipeline import mechanism

__all__ = ["mechanism"]
