"""The same network, several times faster: exact evaluation at the answer position.

engine      `Engine`: logits, loss, activations, evaluation
evaluation  loss and accuracy over a whole dataset, in bounded memory
prefixes    which rows have to be computed at all
attention   a few keys per query, found by index
gather      rows by index, with a deterministic backward
linear      matrix products through the fastest exact kernel
memory      keeping freed memory in the process
"""

from grokscope.engine.engine import Engine
from grokscope.engine.evaluation import evaluate
from grokscope.engine.memory import retain_freed_memory

__all__ = ["Engine", "evaluate", "retain_freed_memory"]
