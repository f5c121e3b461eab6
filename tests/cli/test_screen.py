"""What commands print on can be narrow, closed, or unable to write a character: that is no reason to stop."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

from grokscope.cli import main
from grokscope.cli.output import say
from grokscope.cli.screen import fit_screen


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["resume"]], ids=" ".join)
def test_a_page_for_a_screen_of_one_column_is_the_page_for_forty(grokscope, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "40")
    forty = grokscope(*words)
    monkeypatch.setenv("COLUMNS", "1")
    assert grokscope(*words) == forty
    assert os.environ["COLUMNS"] == "1"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_character_is_written_and_the_bytes_of_a_file_name_are_the_name(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    name = b"gr\xc3\xbcn\xff"  # in UTF-8, but for the last byte
    with fit_screen():
        say("a \N{LESS-THAN OR EQUAL TO} b " + name.decode("ascii", "surrogateescape"))
    shown = "\N{LESS-THAN OR EQUAL TO}".encode() if encoding == "utf-8" else rb"\u2264"
    assert written.getvalue() == b"a " + shown + b" b " + name + b"\n"
    assert sys.stdout.errors == "strict"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_terminal_that_is_closed_ends_no_command(monkeypatch, capfd, stream):
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, stream, terminal)
        os.close(ours)
        with pytest.raises(OSError, match="Input/output"):
            terminal.write("x" * 100_000)  # the kernel refuses what comes after the terminal has gone
        assert main(["runs", "absent"]) == 2
        assert main(["presets"]) == 0
    shown = capfd.readouterr()
    assert ("mul-lion-clip" in shown.out, "absent" in shown.err) == (stream == "stderr", stream == "stdout")


def test_streams_that_were_closed_from_the_start_end_no_command(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["presets"]) == 0
    assert main(["runs", "absent"]) == 2
    assert sys.stdout is None


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_output_that_a_full_disk_does_not_take_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["presets"]) == 2
    assert capsys.readouterr().err == "grokscope: error: No space left on device\n"
