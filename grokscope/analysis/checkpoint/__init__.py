"""One checkpoint as its analyses see it: groups, grids, bases, nulls.

checkpoint        one checkpoint, its activations and transforms; what all checkpoints of a run share
over_checkpoints  from a function of one checkpoint to an analysis of runs, and several of them in one pass
frames            the task's group and the wrong one
grid              every pair of operands through the network
basis             transforms on G x G, functions of a, of b, of a * b
transform         what is read of a transform
blocks            large groups, some units or products at a time
memory            what memory analyses need, and a refusal where there is less
parts             functions on pairs in orthogonal parts: about the answer, one operand, the rest
null              the relabelling null
step_down         weak irreps beside strong ones
operand_rows      networks whose operands have embedding rows of their own
removal           what the network loses without an irrep of its embedding
marginals         neurons as functions of one operand
columns           the columns of irreps
"""
