"""Planted networks of S5 have 14,403 neurons in float64: 1.7 GB of activations, kept between the analyses here."""

import pytest


@pytest.fixture(autouse=True, scope="package")
def activations_of_planted_networks_are_kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grokscope.analysis.checkpoint.checkpoint.KEPT_BYTES", 2**31)
        yield
