"""Networks trained elsewhere, as runs.

importing   `import_run`: files of weights in, a finished run out
files       reading a file of weights without running anything that is in it
fitting     which architecture a state dict has, and what in it does not fit
settings    the step of every file, and the config of the network
evaluation  how well imported weights solve their task, and whether read in another way they would solve it better
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
