"""What is told of an error that names no setting and no file: of memory that ran out, of torch, of calls too deep."""

from __future__ import annotations

from collections.abc import Sequence

from grokscope.cli.output import one_line

_LONGEST = 120
"""Characters of the command, and of the message of another library, that are shown."""
_NO_MEMORY = ("can't allocate memory", "not enough memory")
"""In the RuntimeError of torch's allocator on the processor."""


def unforeseen(error: Exception, words: Sequence[str]) -> str:
    """What went wrong, in which command, and how to see more, in one line.

    Arguments:
        error: a MemoryError, RecursionError or RuntimeError; torch's errors of memory on a device are one of these.
        words: the command, as it was typed.
    """
    said = str(error)
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_memory or any(part in said for part in _NO_MEMORY):
        what = f"memory ran out{': ' * bool(said)}{_cut(said)}"
    elif isinstance(error, RecursionError):
        what = "something nests too deep"
    else:
        what = f"{type(error).__name__}: {_cut(said)}"
    return f"{what}, in: {_cut(' '.join(['grokscope', *words]))}; GROKSCOPE_DEBUG=1 shows where"


def _cut(text: str) -> str:
    """The first line of a text, on one line and not longer than that."""
    first = one_line(text.strip().partition("\n")[0])
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST]}..."
