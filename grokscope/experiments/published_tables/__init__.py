"""Do the tables of the method's authors reproduce? The bound task by task, reliability, depth, less data, baselines.

trained       what is trained: tables, arms, settings
summary       medians, spreads and failures of every arm
against_clip  how many times as soon as the method each arm is, on shared seeds
page          the page, its figures and files
pipeline      from sweep to page
"""

from grokscope.experiments.published_tables.pipeline import published_tables

__all__ = ["published_tables"]
