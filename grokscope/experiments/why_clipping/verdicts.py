"""From an interval to a word.

A share says how much of the clip's speed-up a suspected cause has (`grokscope.analysis.timing.shares`); its interval
decides, and never its best estimate:

    yes          at least 3/4 of it:  low >= 0.75
    no           at most 1/4 of it:   high <= 0.25
    partly       some of it:          low > 0
    cannot tell  anything else
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Verdict = Literal["yes", "partly", "no", "cannot tell"]

MOST, LITTLE = 0.75, 0.25


def of_share(low: float, high: float) -> Verdict:
    """Whether a cause explains a speed-up, by the interval of the share that it has."""
    if low >= MOST:
        return "yes"
    if high <= LITTLE:
        return "no"
    return "partly" if low > 0 else "cannot tell"


def of_cause(with_it: Verdict, without_it: Verdict) -> Verdict:
    """From two experiments: the cause alone, without the clip, has the speed-up (`with_it`); and the clip with the
    cause undone has lost it (`without_it`).

    Both yes: yes. Both no: no. One that cannot tell leaves at most "partly", if the other saw some of it.
    """
    both = {with_it, without_it}
    if both == {"yes"}:
        return "yes"
    if both == {"no"}:
        return "no"
    return "partly" if both & {"yes", "partly"} else "cannot tell"


def over_tasks(verdicts: Sequence[Verdict]) -> Verdict:
    """One word for several tasks, those that cannot tell aside: the same as all of them, or partly."""
    known_verdicts: list[Verdict] = [verdict for verdict in verdicts if verdict != "cannot tell"]
    if not known_verdicts:
        return "cannot tell"
    return known_verdicts[0] if len(set(known_verdicts)) == 1 else "partly"
