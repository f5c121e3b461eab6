"""The same network, several times faster: exact evaluation at the answer position.

engine      `Engine`: logits, loss, activations, evaluation
evaluation  loss and accuracy over a whole dataset, in bounded memory
head        from the last residual stream to the logits, and their cross-entropies
loss        the loss of a config, at its temperature
losses      cross-entropy and StableMax, a module each
prefixes    which rows have to be computed at all
block       one block of the network, forward and backward
layers      products, layer norm, activation, each with its backward
attention   a few keys per query, found by index
kernels     attention's loops, compiled
gather      rows by index, and its transpose in a fixed order
linear      matrix products through the fastest exact kernel
memory      keeping freed memory in the process
estimate    how much memory the engine takes, before anything is made
stacked     several networks of one architecture at once
compiled    the fast path of training and evaluation
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
