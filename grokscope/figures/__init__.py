"""A table in, a matplotlib `Figure` out; nothing is computed here that a table should hold.

learning_curves  loss and accuracy over training
weight_norms     norms of parameter groups and of their rows over training
update_parts     what steps were made of, what the clip took away, how far rows turned
gradient_entropy absolute and normalised gradient entropy
logit_scale      the scale of the logits, and softmax collapse
effective_ranks  effective rank of matrices and circuits
phase_portrait   weight norm against validation loss
branches         a run and its branches
delay_law        steps to the grok against the norm that is held
over_steps       what figures over the steps share
spectrum         the embedding's irreps over training, and in the right and the wrong basis
circles          the embedding on the plane of each key irrep
neuron_clusters  how much of each neuron one irrep explains
ablation         what is lost without the key irreps, beside the controls
circuit_losses   restricted and excluded loss beside the network's own
logit_characters how much of the logits each character explains
circuit_panels   what these share
files            a figure as PNG and PDF, with its table as CSV
style            the look they share
"""

from grokscope.figures.ablation import ablation
from grokscope.figures.branches import branches
from grokscope.figures.circles import embedding_circles
from grokscope.figures.circuit_losses import circuit_losses
from grokscope.figures.delay_law import delay_law
from grokscope.figures.effective_ranks import effective_ranks
from grokscope.figures.files import save
from grokscope.figures.gradient_entropy import gradient_entropy
from grokscope.figures.learning_curves import learning_curves
from grokscope.figures.logit_characters import logit_characters
from grokscope.figures.logit_scale import logit_scale
from grokscope.figures.neuron_clusters import neuron_clusters
from grokscope.figures.phase_portrait import phase_portrait
from grokscope.figures.spectrum import right_and_wrong_basis, spectrum_over_training
from grokscope.figures.update_parts import angular_steps, clip_accounting, update_anatomy
from grokscope.figures.weight_norms import row_norms, weight_norms

__all__ = [
    "ablation",
    "angular_steps",
    "branches",
    "circuit_losses",
    "clip_accounting",
    "delay_law",
    "effective_ranks",
    "embedding_circles",
    "gradient_entropy",
    "learning_curves",
    "logit_characters",
    "logit_scale",
    "neuron_clusters",
    "phase_portrait",
    "right_and_wrong_basis",
    "row_norms",
    "save",
    "spectrum_over_training",
    "update_anatomy",
    "weight_norms",
]
