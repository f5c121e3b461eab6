"""Whether neurons compute with the cosets of subgroups, or with representations.

cosets          the subgroup on whose cosets each neuron is constant, and its null
coset_summary   how many neurons each class of subgroups explains
coset_matrix    every neuron against every class of subgroups
neuron_grid     one neuron at all pairs, by its cosets
readings        which fits a neuron: a representation, or cosets
coset_ablation  what is lost without the neurons that cosets explain
partitions      a group by the cosets of its subgroups
coset_null      the coset null
irrep_null      the coset null of functions of one irrep
irrep_reading   functions on pairs fitted by one irrep
coset_reading   functions on pairs fitted by a table over cosets
"""
