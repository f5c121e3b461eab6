"""Why does clipping weight norms make networks grok sooner? The clip replaced by each thing that it does.

pipeline    `why_clipping`: from sweep to page

tasks       the six tasks: bound, budget, and the config that every arm differs from
setting     what an arm may ask for: the bound, traces of other seeds, what was measured on them
declared    an arm, and the families that there are: `declare_family`, for one of one's own
families    the arms, a module each of what they ask together
trained     traces, tuning and arms in the order in which they are trained
watched     the two ends, looked at closely

summary     ratios to the clip, and what each says
hypotheses  what each explanation predicts for which arm, and what was seen
abstract    the answer in some sentences
by_site     how the speed-up is spread over the network
lacking     which runs do not grok though norms are held
literature  what others found
earlier     ten claims of an earlier experiment, put right
effects     how the numbers of that are written
wording     how tasks and ratios are written
tables      arms, hypotheses and tasks as the page shows them
methods     how runs were made and compared, in words
page        the page and its ladders
"""

from grokscope.experiments.why_clipping.declared import Arm, Family, declare_family
from grokscope.experiments.why_clipping.pipeline import why_clipping

__all__ = ["Arm", "Family", "declare_family", "why_clipping"]
