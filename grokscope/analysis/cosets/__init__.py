"""Whether neurons compute with the cosets of subgroups, or with representations.

Tables come in the order of this list (`grokscope.analysis.tables.declared.analyses`).

cosets          the subgroup on whose cosets each neuron is constant; every neuron against every class; their numbers
readings        which fits a neuron: a representation, or cosets
coset_ablation  what is lost without the neurons that cosets explain
neuron_grid     one neuron at all pairs, by its cosets

What they are made of:

partitions      a group by the cosets of its subgroups
coset_null      the coset null
irrep_null      the coset null of functions of one irrep
irrep_reading   functions on pairs fitted by one irrep
coset_reading   functions on pairs fitted by a table over cosets
"""
