"""Many runs: on this machine, or on a Ray cluster. The run directories are the state of a sweep.

file       `load_sweep`: a TOML file with a base, arms, a grid and seeds
job        what a sweep is: a list of runs
local      `run_sweep`: so many worker processes, each with one run at a time
cluster    `run_on_ray`: the same list, a Ray task per run
estimate   what a sweep will take, from a short calibration

board      where every run stands, for whoever watches
directory  what is in a run directory already
process    one worker process, seen from the sweep
worker     the program of a worker process
transfer   run directories to and from a node that shares no path with the sweep
"""

from grokscope.sweeps.board import Board, Failure, Outcome, Place
from grokscope.sweeps.file import load_sweep
from grokscope.sweeps.job import Job, Resources, Sweep
from grokscope.sweeps.local import run_sweep

__all__ = ["Board", "Failure", "Job", "Outcome", "Place", "Resources", "Sweep", "load_sweep", "run_sweep"]
