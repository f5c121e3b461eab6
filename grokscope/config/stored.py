"""Datasets that are given by what is in them: content of a safetensors file, as a value of a setting.

`task.labels` (the labels of all pairs of operands) and `task.given` (a `Task` that was made in Python) hold one each. A
run keeps it as the file `task.safetensors`, whose digest stands in config.json; elsewhere, as in the orders of a sweep,
it goes along as text.

The content of `task.labels`, where example (a, b) is row a, column b:

    labels    int64 [row, column]   the answer's token; -1 where the pair is left out
    left      int64 [row]           the token of each left operand
    right     int64 [column]        the token of each right operand
    words     uint8                 JSON: `token_names`, of all numbers and answers, and `n_answers`
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from grokscope.config.checks import ConfigError

if TYPE_CHECKING:
    import numpy as np

DIGEST = "sha256:"
"""How a digest begins that stands for a content."""


class Stored(str):
    """The content of a safetensors file, as base64: a text for JSON, and shown by its digest."""

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray], words: Mapping[str, Any]) -> Stored:
        """The content of a file with these tensors and, as `words`, values that JSON can hold."""
        import numpy as np
        from safetensors.numpy import save

        text = json.dumps(words, sort_keys=True, ensure_ascii=False).encode()
        arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        return cls.from_bytes(save({**arrays, "words": np.frombuffer(text, dtype=np.uint8)}))

    @classmethod
    def from_bytes(cls, content: bytes) -> Stored:
        """The same, of a file's content."""
        return cls(base64.b64encode(content).decode("ascii"))

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file."""
        return base64.b64decode(self, validate=True)

    @cached_property
    def sha256(self) -> str:
        """The digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def read(self, field: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The tensors, and the words. Raises `ConfigError` naming the field for a content that is no such file."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(self.content)
            words = json.loads(tensors.pop("words").tobytes())
        except (SafetensorError, KeyError, ValueError, RecursionError) as error:
            raise ConfigError(f"{field} is damaged: it is no task that grokscope stored ({error})") from None
        if not isinstance(words, dict):
            raise ConfigError(f"{field} is damaged: its words are no JSON object")
        return tensors, words

    def __repr__(self) -> str:
        return f"<{len(self.content)} bytes, sha256 {self.sha256[:12]}>"


def checked_stored(field: str, value: object) -> Stored:
    """A value that `Stored` wrote. Raises `ConfigError`."""
    if isinstance(value, Stored):
        return value
    if isinstance(value, str) and value.startswith(DIGEST):
        raise ConfigError(f"{field} = {value[:20]}... stands for the file of a run: open the run that it is from")
    stored = Stored(value) if isinstance(value, str) else None
    try:
        if stored is not None and stored.content:
            return stored
    except (binascii.Error, ValueError):
        pass
    raise ConfigError(f"{field} = {value!r:.60} is not accepted: use the labels of a file, or rows of integers")
