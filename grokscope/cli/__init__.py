"""The `grokscope` command. Torch and everything that needs it are imported inside commands only.

app        the table of commands, and what becomes of errors
settings   `--lr 1e-4` on the command line to changes of a config
training   train, resume
importing  import
experimenting  experiment
browsing   presets, runs, verify, report
analyze    analyses of runs, kept in them
demo       two runs and their report
doctor     is this machine fit for it?
output     lines, tables, errors
"""

from grokscope.cli.app import main

__all__ = ["main"]
