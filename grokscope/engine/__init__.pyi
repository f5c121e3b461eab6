from .engine import Engine as Engine
from .evaluation import evaluate as evaluate
from .head import cross_entropies as cross_entropies
from .head import unembedded as unembedded
from .layers import EPS as EPS
from .loss import Loss as Loss
from .loss import loss_function as loss_function
from .memory import retain_freed_memory as retain_freed_memory
