"""The claims that there are: those of the folder `claims`, and those that a user's own module has declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from grokscope.collecting import import_modules
from grokscope.config import ConfigError
from grokscope.experiments.why_clipping.claim import Answer, Claim
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, WholeRuns

_declared: list[Claim] = []


def declare_claim(
    *,
    number: int,
    name: str,
    question: str,
    prediction: str,
    arms: Mapping[str, str],
    trains: Sequence[Arms | WholeRuns] = (),
    limits: Sequence[str] = (),
    on_main_alone: bool | str = False,
) -> Callable[[Callable[[Study], Answer]], Claim]:
    """Declare a claim: the decorator of the function that answers it from the runs that there are.

        @declare_claim(number=11, name="decay", question="Is it weight decay?", prediction="If it is, ...",
                       arms={"lion-decay": "no clip, weight decay 1"}, trains=(Arms(decayed),))
        def claim(study: Study) -> Answer: ...

    `why_clipping` then trains its arms and reports on it; nothing else names it. A module that is run again, as a
    cell of a notebook is, replaces what it declared before. The arguments are the fields of `Claim`.
    """

    def declare(answer: Callable[[Study], Answer]) -> Claim:
        claim = Claim(number, name, question, prediction, arms, answer, tuple(trains), tuple(limits), on_main_alone)
        before = [one for one in _declared if (one.name, one.module) == (claim.name, claim.module)]
        for one in before:
            _declared.remove(one)
        _declared.append(claim)
        return claim

    return declare


def declared_claims() -> dict[str, Claim]:
    """All claims by name, in the order of their numbers. Raises `ConfigError` where two share a number or a name."""
    import_modules("grokscope.experiments.why_clipping.claims")
    ordered = sorted(_declared, key=lambda claim: claim.number)
    for what in ("number", "name"):
        known: dict[object, Claim] = {}
        for claim in ordered:
            other = known.setdefault(getattr(claim, what), claim)
            if other is not claim:
                raise ConfigError(
                    f"two claims have the {what} {getattr(claim, what)!r}: {other.name!r} of {other.module} and "
                    f"{claim.name!r} of {claim.module}; give one of them another"
                )
    return {claim.name: claim for claim in ordered}
