"""Other methods: which are compared, and which need not be run again."""

from __future__ import annotations

import pytest

from grokscope.config import preset
from grokscope.experiments.accelerators import ARMS, accelerator, settled


class Ended:
    def __init__(self, seed: int, grok: int | None) -> None:
        self.config = accelerator("mul", "adamw", False, seed)
        self.grok_step = grok


@pytest.mark.parametrize(("groks", "enough"), [((None, None), True), ((None, 500), False), ((400, 500), False)])
def test_methods_that_never_grok_on_most_seeds_are_not_run_again(groks, enough):
    # Of three seeds, two without a grok put the median beyond the budget, whatever the third does.
    assert settled([Ended(seed, grok) for seed, grok in enumerate(groks)], 3) == enough


def test_every_method_has_an_arm_with_and_without_the_clip_that_share_a_seed():
    for arm in ARMS:
        plain, clipped = (accelerator("sub", arm, clip, 1) for clip in (False, True))
        assert (plain.arm, clipped.arm) == (arm, f"{arm}-clip")
        assert plain.seed == clipped.seed == 1
        assert plain.norms.max_norm is None
        assert clipped.norms.max_norm == clipped.norms.row_norm_at_start == preset("sub-lion-clip").norms.max_norm
        assert (plain.task, plain.optimizer) == (clipped.task, clipped.optimizer)
