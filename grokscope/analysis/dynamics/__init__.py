"""How the weights moved, whatever the task.

curves                learning curves, and the steps of memorisation and of the grok
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
learning_coefficient  by SGLD, at a few checkpoints; made when asked for by name only
parameter_groups      parameters by role, and all together
"""
