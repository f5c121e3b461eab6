"""From a config to a run, and from a network trained elsewhere to one.

loop      `train` and `resume`
importing `import_run`; import_settings and import_evaluation are parts of it
branching `branch`: from a checkpoint under another config
recorder  probes of a run while it trains
trainer   the state of a run in training, and one step of it
batches   the order of examples
progress  the progress bar
"""

from grokscope.training.batches import BatchStream
from grokscope.training.branching import branch, replayed
from grokscope.training.importing import import_run
from grokscope.training.loop import resume, train
from grokscope.training.recorder import Recorder
from grokscope.training.trainer import Diverged, StepRecord, Trainer

__all__ = [
    "BatchStream",
    "Diverged",
    "Recorder",
    "StepRecord",
    "Trainer",
    "branch",
    "import_run",
    "replayed",
    "resume",
    "train",
]
