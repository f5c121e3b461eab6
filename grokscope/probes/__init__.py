"""Quantities that explanations of grokking speak of, as pure functions of weights, gradients and logits.

entropy     absolute gradient entropy (NeuralGrok) and its scale-free counterpart
anatomy     a step's displacement in gradient, decay and clip parts, radial and tangential; angles of rows
margins     signal, memory and noise: how far the right answer leads, and why
outputs     logit scale, margin, predicted entropy, zero losses, softmax collapse
complexity  effective rank of matrices and of matrix-product circuits
sgld        the local learning coefficient of a loss at a point

Training records them (`grokscope.training.recorder`), analyses compute them from checkpoints; neither has a formula
of its own.
"""

from grokscope.probes.anatomy import Displacement, displacement_table
from grokscope.probes.complexity import circuits, effective_rank
from grokscope.probes.entropy import (
    absolute_entropy,
    entropies,
    entropy_of_sums,
    entropy_sums,
    normalised_entropy,
)
from grokscope.probes.margins import MARGINS, answer_margins, margin_rows
from grokscope.probes.outputs import output_statistics
from grokscope.probes.sgld import LearningCoefficient, Walk, learning_coefficient

__all__ = [
    "MARGINS",
    "Displacement",
    "LearningCoefficient",
    "Walk",
    "absolute_entropy",
    "answer_margins",
    "circuits",
    "displacement_table",
    "effective_rank",
    "entropies",
    "entropy_of_sums",
    "entropy_sums",
    "learning_coefficient",
    "margin_rows",
    "normalised_entropy",
    "output_statistics",
]
