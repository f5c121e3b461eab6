"""The engine's fast path: one training step as a fixed list of matrix products and compiled loops on fixed memory.

engine         `CompiledEngine`: loss and gradient, evaluation
network        a network laid out for batches of one size
folded         the same for one layer without LayerNorm, where everything linear is applied to tokens
tabled         evaluation of a first layer with more rows than token values
heads          attention in the first layer, in those between, in the last
layers         residual sums, norms, MLP
program        the list of calls, and the parameters as matrices
plan           rows and keys of a batch, from the token table
attention, norms, activations, columns, cross_entropy
               compiled loops
scalars        exp and GELU of one number
"""

from grokscope.engine.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
