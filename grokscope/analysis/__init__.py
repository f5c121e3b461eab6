"""A run (or several) in, a tidy table out.

checkpoint  one checkpoint as its analyses see it: groups, grids, bases, nulls
circuit     which irreps (frequencies) a network computes with, in the basis of the task's own group
cosets      whether neurons compute with the cosets of subgroups, or with representations
dynamics    how the weights moved, whatever the task
tables      what declares, keeps, collects and selects tables, whatever they are about
timing      arms compared: survival, medians, speed-ups, with censored runs

Every analysis is a name of this package, `grokscope.analysis.keys` for one, and is declared in its own module
(`tables.declared`). `analyses()` has them all, and `grokscope analyze --list` says what each is. `run_all` makes the
tables of several.
"""

import lazy_loader as lazy

# The room of this name would otherwise stand in the analysis's place once any module of it is imported.
from grokscope.analysis.cosets.cosets import cosets as cosets
from grokscope.analysis.tables.declared import analyses as analyses

_name_in_stub, _, _names_in_stub = lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """A name of `__init__.pyi`, or an analysis; either is imported when it is first asked for."""
    if name in _names_in_stub or name.startswith("_") or name not in analyses():
        return _name_in_stub(name)
    return analyses()[name]


def __dir__() -> list[str]:
    return sorted({*_names_in_stub, *analyses()})
