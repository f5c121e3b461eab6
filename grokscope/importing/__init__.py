"""Networks trained elsewhere, as runs.

importing    `import_run`: files of weights in, a finished run out
settings     the step of every checkpoint, and the config of the network
checkpoints  the checkpoints of an import one by one, in the form that weights have here
files        the state dicts in a file: one, or the checkpoints of a training run
contents     what a file holds, read without running anything that is in it
described    the tensors of a file beside objects of other classes, none of which is made
copies       entries that are copies of a parameter, or that the user leaves out
layout       matrices that lie the other way round
fitting      which architecture a state dict has, and what in it does not fit
evaluation   how well imported weights solve their task, and whether read in another way they would solve it better
room         whether the machine has the memory and disk for it
readings     the other ways in which the same weights can be read
"""

from grokscope.importing.files import ForeignFile, read_foreign
from grokscope.importing.fitting import Fitted, WeightsError, fitted, nonzero_biases, reordered, shape_settings
from grokscope.importing.importing import import_run

__all__ = [
    "Fitted",
    "ForeignFile",
    "WeightsError",
    "fitted",
    "import_run",
    "nonzero_biases",
    "read_foreign",
    "reordered",
    "shape_settings",
]
