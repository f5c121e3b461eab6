"""Where the inputs of the non-linearity lie on its curve, and how much of its output is linear, quadratic, or neither.

A gelu whose inputs are small is x / 2 + x^2 / sqrt(2 pi) and little else; one whose inputs are large is a relu. Of each
neuron, at the answer position over all examples, with x what the non-linearity sees and y what it returns,

    u_1 = x - mean x,        u_2 = x^2 less its projection on 1 and x,        energy_k = <u_k, y>^2 / <u_k, u_k>

are the parts of the variance of y that are linear and quadratic in x; both, and the rest, add up to it. Shares are of
the sum over all neurons of a layer, so that a neuron counts by how much it varies.
"""

from __future__ import annotations

from math import nan

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.frames import has_mlp
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.engine.evaluation import CHUNK

SMALL = 1.0
"""An input whose absolute value is below this is small."""


@over_checkpoints(family="dynamics", applies_to=has_mlp, prepare=RunContext.prepare_dynamics, on_request=True)
def activation_regime(checkpoint: Checkpoint) -> pd.DataFrame:
    """How large the inputs of the non-linearity are, and what it makes of them. Made when asked for by name.

    Returns:
        run, task, arm, seed, step, layer, small (share of inputs, over examples and neurons, of absolute value below
        1), input_std (root of the mean over neurons of the variance over examples), input_rms, linear, quadratic, rest
        (shares of the variance of the outputs; they sum to 1, and are NaN where no output varies).
    """
    context = checkpoint.context
    layers = context.neuron_layers
    moments = {layer: _Moments() for layer in layers}
    names = {layer: [f"blocks.{layer}.mlp.hook_{which}" for which in ("pre", "post")] for layer in layers}
    every = [name for of_layer in names.values() for name in of_layer]
    for examples in torch.arange(context.task.n_examples).split(CHUNK):
        found = context.engine.answer_activations(checkpoint.weights, examples, every)
        for layer, of_layer in names.items():
            moments[layer].add(*(found[name].double() for name in of_layer))
    return pd.DataFrame([{"layer": layer, **of_layer.row()} for layer, of_layer in moments.items()])


class _Moments:
    """Sums over examples of the products of inputs and outputs of each neuron, in float64."""

    def __init__(self) -> None:
        self._n, self._small = 0, 0.0
        self._sums: dict[str, Float[Tensor, "neuron"]] = {}

    def add(self, x: Float[Tensor, "example neuron"], y: Float[Tensor, "example neuron"]) -> None:
        """Some more examples: x before the non-linearity, y after it."""
        self._n += len(x)
        self._small += float((x.abs() < SMALL).double().mean(1).sum())
        squares = x * x
        products = {
            "x": x,
            "xx": squares,
            "xxx": squares * x,
            "xxxx": squares * squares,
            "y": y,
            "xy": x * y,
            "xxy": squares * y,
            "yy": y * y,
        }
        for name, product in products.items():
            self._sums[name] = self._sums.get(name, 0.0) + product.sum(0)

    def row(self) -> dict[str, float]:
        """The columns of `activation_regime` of one layer."""
        m = {name: total / self._n for name, total in self._sums.items()}
        var_x = (m["xx"] - m["x"] ** 2).clamp(min=0)
        var_y = (m["yy"] - m["y"] ** 2).clamp(min=0)
        with_x = m["xy"] - m["x"] * m["y"]
        # x^2 less its projection on 1 and x: its own size, and its product with y.
        slope = _ratio(m["xxx"] - m["xx"] * m["x"], var_x)
        square = (m["xxxx"] - m["xx"] ** 2) - slope * (m["xxx"] - m["xx"] * m["x"])
        with_square = (m["xxy"] - m["xx"] * m["y"]) - slope * with_x
        linear, quadratic = _ratio(with_x**2, var_x), _ratio(with_square**2, square)
        total = float(var_y.sum())
        parts = [float(part.sum()) / total if total > 0 else nan for part in (linear, quadratic)]
        return {
            "small": self._small / self._n,
            "input_std": float(var_x.mean()) ** 0.5,
            "input_rms": float(m["xx"].mean()) ** 0.5,
            "linear": parts[0],
            "quadratic": parts[1],
            "rest": 1 - parts[0] - parts[1],
        }


ROUNDING = 1e-12
"""What is smaller than this, beside inputs of order one, is rounding of a difference of moments."""


def _ratio(one: Float[Tensor, "neuron"], other: Float[Tensor, "neuron"]) -> Float[Tensor, "neuron"]:
    """one / other; 0 where `other` is nothing but rounding."""
    return torch.where(other > ROUNDING, one / other.clamp(min=ROUNDING), 0.0)
