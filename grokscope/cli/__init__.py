"""The `grokscope` command. Torch and everything that needs it are imported inside commands only.

app            the table of commands, and what becomes of errors
settings       `--lr 1e-4` on the command line to changes of a config
unforeseen     errors of memory, of torch and of depth, in one line
output         lines, tables, errors
screen         what they are printed on
following      where to begin, and which command comes after which
opening        the runs that a command reads, without damaged checkpoints

training       train, resume, branch
sweeping       sweep, and the display of a sweep
importing      import
browsing       presets, runs, verify, repair, report, scrub
analyze        analyze
analysis_worker  runs that are analysed side by side, as a kind of a sweep's work
experimenting  experiment
demo           demo
doctor         doctor
"""

from grokscope.cli.app import main

__all__ = ["main"]
