"""A run (or several) in, a tidy table out; one question per module.

curves        learning curves, and the steps of memorisation and of the grok
weight_norms  norms of parameter groups and of their rows

A circuit, in the basis of the task's own group:
spectra            power by irrep (frequency) at every site
keys               key irreps: those that exceed the relabelling null
neurons            what each neuron computes, and the clusters
logit_characters   how much of the logits is a character of a * b * c^-1
restricted         restricted and excluded loss
ablation           what is lost without an irrep
clock_pizza        which of two algorithms
circles            the embedding on the plane of each key irrep
outside_group      operands that stand for no group element (0)
embedding_overlap  do addition and multiplication share directions
onset              when it all appeared, against the grok
registry           all of them by name, made in one pass

What they are made of:
frames             the task's group and the wrong one
grid               every pair of operands through the network
basis              transforms on G x G, functions of a, of b, of a * b
null               the relabelling null
checkpoint         one checkpoint, its activations and transforms
over_checkpoints   from one checkpoint to a kept table of a run
final_layers       from the last MLP to the loss
columns            the columns of irreps

cache         tables kept in the run's folder, under a key of all that they depend on
select        parts of a table
identity      one run or several; the columns that say which
"""

from grokscope.analysis.ablation import ablation
from grokscope.analysis.cache import cached
from grokscope.analysis.circles import circles
from grokscope.analysis.clock_pizza import clock_pizza
from grokscope.analysis.curves import learning_curves, milestones
from grokscope.analysis.embedding_overlap import embedding_overlap
from grokscope.analysis.identity import IDENTITY, check_names, each_run
from grokscope.analysis.keys import keys
from grokscope.analysis.logit_characters import logit_characters
from grokscope.analysis.neurons import neurons
from grokscope.analysis.onset import onset
from grokscope.analysis.outside_group import outside_group
from grokscope.analysis.registry import applicable, run_all
from grokscope.analysis.restricted import restricted_loss
from grokscope.analysis.select import names, numbers, reached, rows
from grokscope.analysis.spectra import spectra
from grokscope.analysis.weight_norms import GROUPS, weight_norms

__all__ = [
    "GROUPS",
    "IDENTITY",
    "ablation",
    "applicable",
    "cached",
    "check_names",
    "circles",
    "clock_pizza",
    "each_run",
    "embedding_overlap",
    "keys",
    "learning_curves",
    "logit_characters",
    "milestones",
    "names",
    "neurons",
    "numbers",
    "onset",
    "outside_group",
    "reached",
    "restricted_loss",
    "rows",
    "run_all",
    "spectra",
    "weight_norms",
]
