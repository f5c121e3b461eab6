"""What a network computes with: which irreps (frequencies) in the basis of the task's own group, and how much it knows.

Tables come in the order of this list (`grokscope.analysis.tables.declared.analyses`).

spectra            power by irrep at every site
neurons            what each neuron computes, and the clusters
logit_characters   how much of the logits is a character of a * b * c^-1
keys               key irreps: those that exceed the relabelling null, and weak ones that are used
key_use            which irreps of the embedding the network uses
irrep_blocks       through which pairs of irreps neurons depend on both operands
answer_share       how much of every site is about the answer
answer_spectrum    what the logits make of the answer, by irrep
neuron_tuning      which irrep or answer each neuron answers to
restricted         restricted and excluded loss
ablation           what is lost without an irrep, and without the strongest of the wrong basis
clock_pizza        which of two algorithms
circles            the embedding on the plane of each key irrep, at the end and at every checkpoint
outside_group      operands that stand for no group element (0)
embedding_overlap  do addition and multiplication share directions
margins            signal, memory and noise, and when each came; needs no group
onset              when it all appeared, against the grok

What restricted loss is made of:

split_pairs           the pairs of a group with logits, labels and splits
restricted_to_answer  the network restricted to every function of the answer, and to all characters

What tables of signal and noise are made into:

accuracy_rule  rules from them to accuracy, fitted on some checkpoints and judged on others
"""
