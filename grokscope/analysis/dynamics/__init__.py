"""How the weights moved, whatever the task.

Tables come in the order of this list (`grokscope.analysis.tables.declared.analyses`).

collapse              the scale of the logits, and softmax collapse
gradient_entropy      how a gradient is spread over the weights
ranks                 effective rank of matrices and circuits
norm_trajectories     norms of parameter groups, of parameters and of their rows
phase                 weight norm against loss
probes                what was recorded while training: steps part by part, gradients, logits
activation_regime     where inputs of the non-linearity lie, and what is linear or a square; by name only
clip_effect           what the optimizer and the clip do to signal, memory and noise
curves                learning curves, and the steps of memorisation and of the grok
branches              a run and the futures that were branched off it
delay_table           how long clamped runs took to grok, at which norm
delay_law             ln T = alpha rho + c over clamped runs, some of which never grok
learning_coefficient  by SGLD, at a few checkpoints; made when asked for by name only

What they are made of:

parameter_groups      parameters by role, and all together
censored_line         lines through points some of which are known only to lie above
delay_published       what was published about delays under a held norm, and for which setting
"""
