"""An optimizer of torch.optim's kind, declared by a user, as an update rule."""

from __future__ import annotations

import torch

from grokscope.config import OptimizerConfig, methods
from grokscope.config.optimizer import declare_optimizer
from grokscope.optimizers import LibraryRule, build_optimizer
from tests.optimizers.parameters import flat_parameters, gradients


def test_an_optimizer_of_torch_is_a_rule_whose_memory_is_named_tensors(monkeypatch):
    kept_for_others = dict(methods.declared_methods("optimizer"))
    monkeypatch.setitem(methods._declared, "optimizer", kept_for_others)

    @declare_optimizer("toy_rmsprop")
    class ToyRMSprop(OptimizerConfig):
        alpha: float = 0.9

        def library_settings(self):
            return {"alpha": self.alpha}

        def build(self, parameters):
            return LibraryRule(self, torch.optim.RMSprop([parameters.vector], lr=self.lr, **self.library_settings()))

    config = OptimizerConfig(name="toy_rmsprop", alpha=0.8)
    flat, start = flat_parameters(), flat_parameters()
    rule = build_optimizer(config, flat)
    theirs = torch.optim.RMSprop([start.vector], lr=0.02, alpha=0.8)
    for step in range(6):
        if step == 3:  # stopped and resumed
            kept = {name: value.clone() for name, value in rule.tensors().items()}
            assert "0.square_avg" in kept
            rule = build_optimizer(config, flat)
            rule.restore(kept)
        for parameters in (flat, start):
            parameters.set_gradient(gradients(parameters, step))
        rule.step(0.02)
        theirs.step()
    assert torch.equal(flat.vector, start.vector)
    rule.use(OptimizerConfig(name="toy_rmsprop", alpha=0.7))
    assert rule.optimizer.param_groups[0]["alpha"] == 0.7
