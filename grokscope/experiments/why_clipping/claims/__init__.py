"""One claim a module: `claim(study)` reads the runs that there are and says what they show.

headline    1  how much is the clip, and how much the optimizer, the initialisation, the baseline
tensors     2  which tensors
scale       3  the scale of the logits
precision   4  float32
angles      5  the angular learning rate
dose        6  a best norm, and an exponential delay
circuit     7  the same circuit sooner, or another
entropy     8  gradient entropy
window      9  when the clip matters
methods    10  other methods
"""
