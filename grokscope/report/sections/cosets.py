"""Whether the neurons compute with representations or with cosets, for tasks in a group that is not abelian.

In an abelian group the two readings are hardly rivals: a frequency of Z_n already is a function on cosets wherever it
shares a divisor with n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.analysis import applicable
from grokscope.report.plate import DeclaredSection

if TYPE_CHECKING:
    from grokscope.runs import Run


def has_rival_readings(run: Run) -> bool:
    """Whether a run's task is in a group that is not abelian and has proper subgroups."""
    return "cosets" in applicable(run) and any(not operation.group.is_abelian for operation in run.task.operations)


SECTION = DeclaredSection("cosets", "Representations or cosets", shows=has_rival_readings)
