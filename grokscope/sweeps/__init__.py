"""Work on many runs: on this machine, or on a Ray cluster. The run directories are the state of a sweep.

file       `load_sweep`: a TOML file with a base, arms, a grid and seeds
job        what is done with a run; what a sweep is: a list of runs that are trained
local      `run_sweep`, `work_through`: so many worker processes, each with one run at a time
cluster    `run_on_ray`, `work_through_on_ray`: the same list, a Ray task per run
fetching   a task on a node that shares no path with the sweep: the run is sent back
hub        what tasks tell the process that started them
estimate   what a sweep will take, from a short calibration
room       whether this machine has the memory and disk for it

board      where every run stands, for whoever watches
directory  what is in a run directory already
process    one worker process, seen from its parent
worker     the program of a worker process
transfer   the files of a run, as they are sent
"""

from grokscope.sweeps.board import Board, Failure, Outcome, Place
from grokscope.sweeps.file import load_sweep
from grokscope.sweeps.job import Job, Resources, Sweep, Work
from grokscope.sweeps.local import run_sweep, work_through

__all__ = [
    "Board",
    "Failure",
    "Job",
    "Outcome",
    "Place",
    "Resources",
    "Sweep",
    "Work",
    "load_sweep",
    "run_sweep",
    "work_through",
]
