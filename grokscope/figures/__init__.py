"""A table in, a matplotlib `Figure` out; nothing is computed here that a table should hold.

learning_curves  loss and accuracy over training
weight_norms     norms of parameter groups over training
spectrum         the embedding's irreps over training, and in the right and the wrong basis
circles          the embedding on the plane of each key irrep
neuron_clusters  how much of each neuron one irrep explains
circuit_losses   restricted and excluded loss beside the network's own
logit_characters how much of the logits each character explains
circuit_panels   what these share
files            a figure as PNG and PDF, with its table as CSV
style            the look they share
"""

from grokscope.figures.circles import embedding_circles
from grokscope.figures.circuit_losses import circuit_losses
from grokscope.figures.files import save
from grokscope.figures.learning_curves import learning_curves
from grokscope.figures.logit_characters import logit_characters
from grokscope.figures.neuron_clusters import neuron_clusters
from grokscope.figures.spectrum import right_and_wrong_basis, spectrum_over_training
from grokscope.figures.weight_norms import weight_norms

__all__ = [
    "circuit_losses",
    "embedding_circles",
    "learning_curves",
    "logit_characters",
    "neuron_clusters",
    "right_and_wrong_basis",
    "save",
    "spectrum_over_training",
    "weight_norms",
]
