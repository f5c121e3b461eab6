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
survival         survival curves of arms
speedup          speed-ups as a forest plot
shares           how much of a speed-up each arm has
seed_strips      the time of every run, arm by arm
dose_response    time to the grok against the bound on row norms
grid_map         the median time at every setting of a grid
paired           what two arms of a seed measure, side by side
scatter          when runs grokked against what was measured on them
methods          grok steps of methods side by side, with and without the clip
times            what figures of times share
spectrum         the embedding's irreps over training, and in the right and the wrong basis
circles          the embedding on the plane of each key irrep
neuron_clusters  how much of each neuron one irrep explains
ablation         what is lost without the key irreps, beside the controls
irrep_blocks     the power of each pair of irreps in a layer
irrep_losses     loss with each irrep alone and without it
learning_order   when each irrep was learned
circuit_losses   restricted and excluded loss beside the network's own
logit_characters how much of the logits each character explains
coset_concentration  every neuron against every class of subgroups
coset_counts     how many neurons each class of subgroups explains, over training
neuron_on_grid   one neuron at all pairs, sorted by its cosets
readings         which fits the neurons, irreps or cosets
coset_ablation   what is lost without the neurons that cosets explain
circuit_panels   what these share
files            a figure as PNG and PDF, with its table as CSV
style            the look they share
"""

from grokscope.figures.circuit.ablation import ablation
from grokscope.figures.circuit.circles import embedding_circles
from grokscope.figures.circuit.circuit_losses import circuit_losses
from grokscope.figures.circuit.irrep_blocks import irrep_blocks
from grokscope.figures.circuit.irrep_losses import irrep_losses
from grokscope.figures.circuit.learning_order import learning_order
from grokscope.figures.circuit.logit_characters import logit_characters
from grokscope.figures.circuit.neuron_clusters import neuron_clusters
from grokscope.figures.circuit.spectrum import right_and_wrong_basis, spectrum_over_training
from grokscope.figures.cosets.coset_ablation import coset_ablation
from grokscope.figures.cosets.coset_concentration import coset_concentration
from grokscope.figures.cosets.coset_counts import coset_counts
from grokscope.figures.cosets.neuron_on_grid import neuron_on_grid
from grokscope.figures.cosets.readings import readings
from grokscope.figures.dynamics.branches import branches
from grokscope.figures.dynamics.delay_law import delay_law
from grokscope.figures.dynamics.effective_ranks import effective_ranks
from grokscope.figures.dynamics.gradient_entropy import gradient_entropy
from grokscope.figures.dynamics.learning_curves import learning_curves
from grokscope.figures.dynamics.logit_scale import logit_scale
from grokscope.figures.dynamics.phase_portrait import phase_portrait
from grokscope.figures.dynamics.update_parts import angular_steps, clip_accounting, update_anatomy
from grokscope.figures.dynamics.weight_norms import row_norms, weight_norms
from grokscope.figures.files import save
from grokscope.figures.timing.dose_response import dose_response
from grokscope.figures.timing.grid_map import grid_map
from grokscope.figures.timing.methods import methods
from grokscope.figures.timing.paired import paired
from grokscope.figures.timing.scatter import grok_against
from grokscope.figures.timing.seed_strips import seed_strips
from grokscope.figures.timing.shares import shares
from grokscope.figures.timing.speedup import forest
from grokscope.figures.timing.survival import survival_curves

__all__ = [
    "ablation",
    "angular_steps",
    "branches",
    "circuit_losses",
    "clip_accounting",
    "coset_ablation",
    "coset_concentration",
    "coset_counts",
    "delay_law",
    "dose_response",
    "effective_ranks",
    "embedding_circles",
    "forest",
    "gradient_entropy",
    "grid_map",
    "grok_against",
    "irrep_blocks",
    "irrep_losses",
    "learning_curves",
    "learning_order",
    "logit_characters",
    "logit_scale",
    "methods",
    "neuron_clusters",
    "neuron_on_grid",
    "paired",
    "phase_portrait",
    "readings",
    "right_and_wrong_basis",
    "row_norms",
    "save",
    "seed_strips",
    "shares",
    "spectrum_over_training",
    "survival_curves",
    "update_anatomy",
    "weight_norms",
]
