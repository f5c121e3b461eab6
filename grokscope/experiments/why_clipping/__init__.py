"""Why does clipping weight norms make networks grok sooner? Claims, each with arms that could prove it wrong.

pipeline    `why_clipping`: from sweep to report

claims      one module each; a new file there is trained, reported and accepted by `--only`
declared    `declare_claim`, for a claim of one's own; `declared_claims`, all of them
claim       what a claim declares, and what its answer is
trained     what a claim trains: arms, or whole configs
arms        the arms that several claims share
tuning      grids of equal size, and the best setting of each

scale       how large: tasks, seeds, budget, networks
configs     from the settings of an arm to the config of a run
plan        what is trained, round by round
training    training it
study       the runs that have ended
evidence    effects: speed-ups and shares, and how numbers are written
verdicts    from an interval to a word
page        the report
"""

from grokscope.experiments.why_clipping.claim import Answer, Claim
from grokscope.experiments.why_clipping.declared import declare_claim, declared_claims
from grokscope.experiments.why_clipping.pipeline import why_clipping
from grokscope.experiments.why_clipping.trained import Arms, WholeRuns

__all__ = ["Answer", "Arms", "Claim", "WholeRuns", "declare_claim", "declared_claims", "why_clipping"]
