"""A device that this machine does not have is named, with why."""

from __future__ import annotations

import pytest
import torch

from grokscope.config import ConfigError
from grokscope.training.device import usable


@pytest.mark.parametrize(
    ("device", "built", "count", "why"),
    [
        ("cuda", False, 0, "this torch is built without CUDA"),
        ("cuda:1", True, 0, "torch finds no CUDA device"),
        ("cuda:2", True, 2, "the last CUDA device is cuda:1"),
        ("mps", False, 0, "torch finds no MPS device"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_what_is_missing(monkeypatch, device, built, count, why):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError) as caught:
        usable(device)
    assert str(caught.value).startswith(f"training.device = {device!r} cannot be used here: {why}")
    assert str(caught.value).endswith("; cpu always can")


def test_the_processor_is_always_there():
    assert usable("cpu") == "cpu"


def test_a_driver_that_fails_is_told_in_one_line(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("CUDA error: all devices are busy\nCUDA kernel errors might be asynchronously reported")

    monkeypatch.setattr(torch, "empty", fails)
    with pytest.raises(ConfigError, match=r"'cpu' cannot be used here: CUDA error: all devices are busy; cpu .*can$"):
        usable("cpu")
