"""From a config to a run.

loop             `train` and `resume`
existing         a run that is there already where one is to be trained
branching        `branch`: from a checkpoint under another config
recorder         probes of a run while it trains
margin_recorder  signal, memory and noise around a step
trace_recorder   norms and spread of logits at every step
estimate         what a run takes of memory and disk, before it begins
replicas         networks of one config and several seeds, a step of all at once
replayed         a step that a GPU replays
side_by_side     `train_replicas`
device           whether this machine has a run's device
trainer          the state of a run in training, and one step of it
batches          the order of examples
given            callables of a user's own, and what a run records of them
callbacks        calls for those who look on
loggers          callbacks for TensorBoard and Weights & Biases
progress         the progress bar
"""

from grokscope.training.batches import BatchStream
from grokscope.training.branching import branch, replayed
from grokscope.training.callbacks import Callback, CallbackError
from grokscope.training.estimate import check_room
from grokscope.training.loggers import TensorBoard, WandB
from grokscope.training.loop import resume, train
from grokscope.training.margin_recorder import MarginRecorder
from grokscope.training.recorder import Recorder
from grokscope.training.replicas import Replicas
from grokscope.training.side_by_side import ReplicaResults, train_replicas
from grokscope.training.trainer import Diverged, StepRecord, Trainer

__all__ = [
    "BatchStream",
    "Callback",
    "CallbackError",
    "Diverged",
    "MarginRecorder",
    "Recorder",
    "ReplicaResults",
    "Replicas",
    "StepRecord",
    "TensorBoard",
    "Trainer",
    "WandB",
    "branch",
    "check_room",
    "replayed",
    "resume",
    "train",
    "train_replicas",
]
