from .compiled import CompiledEngine as CompiledEngine
from .compiled import why_not_compiled as why_not_compiled
from .engine import Engine as Engine
from .evaluation import evaluate as evaluate
from .losses import Loss as Loss
from .losses import loss_function as loss_function
from .memory import retain_freed_memory as retain_freed_memory
