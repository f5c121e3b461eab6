"""A run (or several) in, a tidy table out; one question per module.

curves        learning curves, and the steps of memorisation and of the grok

How the weights moved, whatever the task:
norm_trajectories     norms of parameter groups, of parameters and of their rows
phase                 weight norm against loss
collapse              the scale of the logits, and softmax collapse
gradient_entropy      how a gradient is spread over the weights
ranks                 effective rank of matrices and circuits
probes                what was recorded while training: steps part by part, gradients, logits
branches              a run and the futures that were branched off it
delay_law             ln T = alpha rho + c over clamped runs, some of which never grok
censored_line         lines through points some of which are known only to lie above
delay_table           how long clamped runs took, and the norm that clamps are relative to
delay_published       what was published about it, and for which setting
timing                arms compared: survival, medians, speed-ups, tuned baselines, with censored runs (a subpackage)
learning_coefficient  by SGLD, at a few checkpoints; made when asked for by name only

A circuit, in the basis of the task's own group:
spectra            power by irrep (frequency) at every site
keys               key irreps: those that exceed the relabelling null
key_use            which of them the network uses
neurons            what each neuron computes, and the clusters
irrep_blocks       through which pairs of irreps neurons depend on both operands
logit_characters   how much of the logits is a character of a * b * c^-1
restricted         restricted and excluded loss
ablation           what is lost without an irrep, and without the strongest of the wrong basis
clock_pizza        which of two algorithms
circles            the embedding on the plane of each key irrep
embedding_planes   every checkpoint's embedding on the planes of the last one's key frequencies
outside_group      operands that stand for no group element (0)
embedding_overlap  do addition and multiplication share directions
cosets             the subgroup on whose cosets each neuron is constant, and its null
coset_summary      how many neurons each class of subgroups explains
coset_matrix       every neuron against every class of subgroups
neuron_grid        one neuron at all pairs, by its cosets
readings           which fits a neuron: a representation, or cosets
coset_ablation     what is lost without the neurons that cosets explain
onset              when it all appeared, against the grok
registry           all of them by name, made in one pass

What they are made of:
frames             the task's group and the wrong one
grid               every pair of operands through the network
basis              transforms on G x G, functions of a, of b, of a * b
null               the relabelling null
step_down          weak irreps beside strong ones
removal            what the network loses without an irrep of its embedding
marginals          neurons as functions of one operand
partitions         a group by the cosets of its subgroups
coset_null         the coset null
irrep_null         the coset null of functions of one irrep
irrep_reading      functions on pairs fitted by one irrep
coset_reading      functions on pairs fitted by a table over cosets
checkpoint         one checkpoint, its activations and transforms
over_checkpoints   from one checkpoint to a kept table of a run
final_layers       from the last MLP to the loss
columns            the columns of irreps
parameter_groups   parameters by role, and all together

cache         tables kept in the run's folder, under a key of all that they depend on
select        parts of a table
identity      one run or several; the columns that say which
"""

from grokscope.analysis.circuit.ablation import ablation
from grokscope.analysis.circuit.circles import circles
from grokscope.analysis.circuit.clock_pizza import clock_pizza
from grokscope.analysis.circuit.embedding_overlap import embedding_overlap
from grokscope.analysis.circuit.irrep_blocks import irrep_blocks
from grokscope.analysis.circuit.key_use import key_use
from grokscope.analysis.circuit.keys import keys
from grokscope.analysis.circuit.logit_characters import logit_characters
from grokscope.analysis.circuit.neurons import neurons
from grokscope.analysis.circuit.onset import onset
from grokscope.analysis.circuit.outside_group import outside_group
from grokscope.analysis.circuit.restricted import restricted_loss
from grokscope.analysis.circuit.spectra import spectra
from grokscope.analysis.cosets.coset_ablation import coset_ablation
from grokscope.analysis.cosets.coset_matrix import coset_matrix
from grokscope.analysis.cosets.coset_summary import coset_summary
from grokscope.analysis.cosets.cosets import cosets
from grokscope.analysis.cosets.neuron_grid import neuron_grid
from grokscope.analysis.cosets.readings import readings
from grokscope.analysis.dynamics.branches import branches
from grokscope.analysis.dynamics.collapse import collapse
from grokscope.analysis.dynamics.curves import learning_curves, milestones
from grokscope.analysis.dynamics.delay_law import DelayLaw, delay_law
from grokscope.analysis.dynamics.delay_table import delay_table, reference_norm
from grokscope.analysis.dynamics.gradient_entropy import gradient_entropy
from grokscope.analysis.dynamics.learning_coefficient import learning_coefficient
from grokscope.analysis.dynamics.norm_trajectories import norm_trajectories
from grokscope.analysis.dynamics.parameter_groups import ALL, GROUPS
from grokscope.analysis.dynamics.phase import phase
from grokscope.analysis.dynamics.probes import PARTS, probes, update_parts
from grokscope.analysis.dynamics.ranks import ranks
from grokscope.analysis.tables.cache import cached
from grokscope.analysis.tables.identity import IDENTITY, check_names, each_run
from grokscope.analysis.tables.registry import applicable, run_all
from grokscope.analysis.tables.select import names, numbers, reached, rows
from grokscope.analysis.timing import timing_table

__all__ = [
    "ALL",
    "GROUPS",
    "IDENTITY",
    "PARTS",
    "DelayLaw",
    "ablation",
    "applicable",
    "branches",
    "cached",
    "check_names",
    "circles",
    "clock_pizza",
    "collapse",
    "coset_ablation",
    "coset_matrix",
    "coset_summary",
    "cosets",
    "delay_law",
    "delay_table",
    "each_run",
    "embedding_overlap",
    "gradient_entropy",
    "irrep_blocks",
    "key_use",
    "keys",
    "learning_coefficient",
    "learning_curves",
    "logit_characters",
    "milestones",
    "names",
    "neuron_grid",
    "neurons",
    "norm_trajectories",
    "numbers",
    "onset",
    "outside_group",
    "phase",
    "probes",
    "ranks",
    "reached",
    "readings",
    "reference_norm",
    "restricted_loss",
    "rows",
    "run_all",
    "spectra",
    "timing_table",
    "update_parts",
]
