"""The same network, several times faster: exact evaluation at the answer position.

engine      `Engine`: logits, loss, activations, evaluation
evaluation  loss and accuracy over a whole dataset, in bounded memory
losses      cross-entropy, StableMax, temperature
prefixes    which rows have to be computed at all
block       one block of the network, forward and backward
layers      products, layer norm, activation, each with its backward
attention   a few keys per query, found by index
kernels     attention's loops, compiled
gather      rows by index, and its transpose in a fixed order
linear      matrix products through the fastest exact kernel
memory      keeping freed memory in the process
"""

from grokscope.engine.engine import Engine
from grokscope.engine.evaluation import evaluate
from grokscope.engine.losses import Loss, loss_function
from grokscope.engine.memory import retain_freed_memory

__all__ = ["Engine", "Loss", "evaluate", "loss_function", "retain_freed_memory"]
