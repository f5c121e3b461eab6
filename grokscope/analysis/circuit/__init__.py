"""Which irreps (frequencies) a network computes with, in the basis of the task's own group.

Tables come in the order of this list (`grokscope.analysis.tables.declared.analyses`).

spectra            power by irrep at every site
neurons            what each neuron computes, and the clusters
logit_characters   how much of the logits is a character of a * b * c^-1
keys               key irreps: those that exceed the relabelling null, and weak ones that are used
key_use            which irreps of the embedding the network uses
irrep_blocks       through which pairs of irreps neurons depend on both operands
restricted         restricted and excluded loss
ablation           what is lost without an irrep, and without the strongest of the wrong basis
clock_pizza        which of two algorithms
circles            the embedding on the plane of each key irrep, at the end and at every checkpoint
outside_group      operands that stand for no group element (0)
embedding_overlap  do addition and multiplication share directions
onset              when it all appeared, against the grok
"""
