"""What commands print on: a terminal, a pipe or a file, none of which may stop the work by what it cannot do."""

from __future__ import annotations

import codecs
import errno
import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

MIN_WIDTH = 40
"""Columns that help pages and tables are laid out for at least: tyro never ends with a page of a few columns."""

_GONE = (errno.EPIPE, errno.EIO)
"""Errors of writing to a reader that has ended, and to a terminal that was closed."""


def ensure_utf8_mode() -> None:
    """Start this command once more in Python's UTF-8 mode, if file names would be decoded as ASCII.

    So they are in the locale C where the mode was switched off. A name with an umlaut is no text there, and cannot
    stand in a table or on a page.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii":
        environment = {**os.environ, "PYTHONUTF8": "1"}  # for the processes that it starts
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)


@contextmanager
def fit_screen() -> Iterator[None]:
    """Within the block standard output and error take every text for as long as the work lasts.

    Pages are laid out for a width that they fit in. A character that the encoding of a stream does not have is written
    as its escape (`\\xfc`), and what stands for bytes of a file name as these bytes. What is written once the reader or
    the terminal has gone is lost.
    """
    with _lasting("stdout"), _lasting("stderr"), _wide_enough():
        yield


@contextmanager
def _lasting(name: str) -> Iterator[None]:
    """Within the block `sys.stdout` or `sys.stderr` fails neither over a character nor because nobody reads it."""
    before = getattr(sys, name)
    encoding = before if isinstance(before, io.TextIOWrapper) else None
    errors = encoding and encoding.errors
    if encoding is not None:
        encoding.reconfigure(errors=_SHOWN)
    lasting = _Lasting(_Closed() if before is None else before)
    setattr(sys, name, lasting)
    try:
        yield
    finally:
        setattr(sys, name, before)
        with suppress(OSError):  # of a disk that is full: Python says so when it ends
            lasting.flush()
        if encoding is not None:
            encoding.reconfigure(errors=errors)


class _Closed(io.TextIOBase):
    """In the place of a stream that was closed when Python started."""

    def write(self, text: str) -> int:
        return len(text)


class _Lasting:
    """A text stream that becomes /dev/null once nobody reads it any more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._until_nobody_reads():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._until_nobody_reads():
            self._stream.flush()

    @contextmanager
    def _until_nobody_reads(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _GONE:
                raise
            # What the stream still holds goes there too, when Python ends.
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)


@contextmanager
def _wide_enough() -> Iterator[None]:
    """Within the block whoever asks how wide the screen is hears of `MIN_WIDTH` columns at least."""
    before = os.environ.get("COLUMNS")
    if shutil.get_terminal_size().columns >= MIN_WIDTH:
        yield
        return
    os.environ["COLUMNS"] = str(MIN_WIDTH)
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def _escaped(error: UnicodeError) -> tuple[bytes, int]:
    """What is written for characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return b"".join(
        character.encode("ascii", "surrogateescape" if "\udc80" <= character <= "\udcff" else "backslashreplace")
        for character in characters
    ), error.end


_SHOWN = "grokscope.shown"
codecs.register_error(_SHOWN, _escaped)
