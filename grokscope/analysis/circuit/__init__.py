"""Which irreps (frequencies) a network computes with, in the basis of the task's own group.

spectra            power by irrep at every site
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
onset              when it all appeared, against the grok
"""
