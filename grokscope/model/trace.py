"""A trace: norms of weights and spread of logits of a run, step by step, for other runs to follow.

A run with `probes.trace` records one. Saved as a file it is named by path and digest, `PATH@SHA256`, so that a run
that follows a trace says which one it followed, and a file that has changed is noticed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from grokscope.config import ConfigError
from grokscope.config.references import path_and_digest
from grokscope.disk.files import digest, write_atomic


@dataclass(frozen=True, eq=False)
class Trace:
    """What every step of a run did to the norm of each trained parameter, and how far its logits were spread."""

    names: tuple[str, ...]
    """The parameters, in the order of the columns."""
    start: Float[np.ndarray, " parameter"]
    """Norms before the first step."""
    updated: Float[np.ndarray, "step parameter"]
    """Norms after the update rule of every step."""
    after: Float[np.ndarray, "step parameter"]
    """Norms after norm control."""
    logit_std: Float[np.ndarray, " step"]
    """Standard deviation of the logits of every step's batch, centred over the outputs, before the step."""

    def __len__(self) -> int:
        return len(self.logit_std)

    @property
    def before(self) -> Float[np.ndarray, "step parameter"]:
        """Norms before every step."""
        return np.concatenate([self.start[None], self.after[:-1]])

    @property
    def shrink(self) -> Float[np.ndarray, "step parameter"]:
        """What norm control left of every tensor's norm at each step: 1 where it did nothing."""
        return np.divide(self.after, self.updated, out=np.ones_like(self.after), where=self.updated > 0)

    @property
    def shrink_of_all(self) -> Float[np.ndarray, " step"]:
        """What norm control left of the joint norm of the tensors that it ever shrank."""
        chosen = (self.shrink < 1).any(0)
        if not chosen.any():
            return np.ones(len(self))
        joint = [np.sqrt(np.square(norms[:, chosen]).sum(1)) for norms in (self.after, self.updated)]
        return joint[0] / joint[1]

    def column(self, name: str) -> int:
        """The column of a parameter. Raises `ConfigError` for one that the traced run had not."""
        if name not in self.names:
            raise ConfigError(f"the trace has no parameter {name!r}: use one of a network of the same architecture")
        return self.names.index(name)

    def save(self, path: str | Path) -> str:
        """Write the trace to a file; returns the reference `PATH@SHA256` by which settings name it."""
        from safetensors.numpy import save

        arrays = {name: getattr(self, name) for name in ("start", "updated", "after", "logit_std")}
        data = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"names": json.dumps(self.names)})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(Path(path), data)
        return f"{path}@{digest(data)}"


def read_trace(setting: str, reference: str) -> Trace:
    """The trace that a setting names.

    Raises `ConfigError`, naming the setting, where the file is missing, is no trace, or is another one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path, expected = path_and_digest(reference)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror or error}; `Trace.save` makes it") from None
    actual = digest(data)
    if actual != expected:
        raise ConfigError(f"{setting}: {path} has changed or is another trace: its sha256 is {actual}, not {expected}")
    try:
        arrays = load(data)
        size = int.from_bytes(data[:8], "little")
        names = tuple(json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["names"]))
        return Trace(names, arrays["start"], arrays["updated"], arrays["after"], arrays["logit_std"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ConfigError(f"{setting}: {path} is no trace ({error}); `Trace.save` makes one") from None
