"""From a config to a run.

loop      `train` and `resume`
trainer   the state of a run in training, and one step of it
batches   the order of examples
progress  the progress bar
"""

from grokscope.training.batches import BatchStream
from grokscope.training.loop import resume, train
from grokscope.training.trainer import Diverged, Trainer

__all__ = ["BatchStream", "Diverged", "Trainer", "resume", "train"]
