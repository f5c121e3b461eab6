"""grokscope: a microscope for grokking.

    import grokscope as gs

    run = gs.train(gs.preset("mul-lion-clip"), seed=3)
    run.model(run.steps[-1])  # a HookedTransformer, or a TransformerBridge

Everything that `__init__.pyi` names is imported when it is first used, so that `import grokscope` is instant.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
__version__ = "0.2.0"
