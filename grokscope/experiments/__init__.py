"""Experiments from sweep to results: `grokscope experiment NAME`.

why_clipping  why does clipping weight norms make networks grok sooner? It is replaced by each thing that it does
published     small experiments, one a module, each of which publishes tables
published_tables  every table of the method's authors, again

ledger        a row for every run that has ended, here or on another machine
side_by_side  the runs of an experiment, trained side by side on a GPU
steps         how long runs go on once they have grokked
experiment    what an experiment is; `experiments` collects those that there are
table         what the published tables have in common
shown         a section of a page of results
accelerators  other methods, with and without the clip: what is trained, for both
wording       counts, lists, tasks and names of runs in a sentence
"""

from grokscope.experiments.experiment import Experiment, Outcome, Request, declare_experiment, experiments

__all__ = ["Experiment", "Outcome", "Request", "declare_experiment", "experiments"]
