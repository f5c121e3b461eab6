"""Whether this machine has the device that a run is to be trained on."""

from __future__ import annotations

import torch

from grokscope.config import ConfigError


def usable(device: str) -> str:
    """The device. Raises `ConfigError` saying why it cannot be used here; nothing is allocated on it."""
    why = _missing(device)
    if why is None:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # a driver that does not answer, a device that others have
            why = str(error).partition("\n")[0]
    if why is not None:
        raise ConfigError(f"training.device = {device!r} cannot be used here: {why}; cpu always can")
    return device


def _missing(device: str) -> str | None:
    """Why there is no such device; None: there is."""
    kind, _, number = device.partition(":")
    if kind == "mps":
        return None if torch.backends.mps.is_available() else "torch finds no MPS device, which Apple's processors have"
    if kind != "cuda":
        return None
    if not torch.cuda.is_available():
        return "torch finds no CUDA device" if torch.backends.cuda.is_built() else "this torch is built without CUDA"
    count = torch.cuda.device_count()
    return f"the last CUDA device is cuda:{count - 1}" if number and int(number) >= count else None
