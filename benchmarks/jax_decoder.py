"""Contestant (j): the same decoder in JAX, one compiled function a step.

It takes the engine's largest saving too: in the last layer only the answer's position asks, so that the query, the MLP
and the unembedding are computed for one position of every example.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.start import start_weights
from benchmarks.unavailable import Unavailable
from grokscope.config import RunConfig
from grokscope.model import Weights, as_matrix, from_matrix, in_scope, is_matrix, parameter_shapes, trained_names
from grokscope.norms import bundles
from grokscope.optimizers import learning_rate
from grokscope.tasks import Task
from grokscope.training import BatchStream

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    raise Unavailable("JAX is not installed: pip install -c constraints.txt -e '.[bench]'") from None

CHUNK = 1024
"""Examples evaluated at a time."""
LN_EPSILON = 1e-5
ADAM_EPSILON = 1e-8

Arrays = dict[str, Any]
"""JAX arrays by the parameter's name in `HookedTransformer`; matrices are stored [in, out] with heads joined."""


def into_jax(name: str, value: Tensor) -> Any:
    """A `HookedTransformer` parameter as it is stored here."""
    stored = as_matrix(name, value).T if is_matrix(name) else value.flatten()
    return jnp.array(stored.detach().numpy())


def layer_norm(p: Arrays, name: str, x: Any) -> Any:
    """(x - mean) / sqrt(variance + epsilon), times the gain, plus the bias; x itself in a network without LayerNorm."""
    if f"{name}.w" not in p:
        return x
    centred = x - x.mean(-1, keepdims=True)
    normalised = centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + LN_EPSILON)
    return normalised * p[f"{name}.w"] + p.get(f"{name}.b", 0.0)


def linear(p: Arrays, module: str, parts: tuple[str, ...], x: Any) -> Any:
    """x W + b for the named matrices of a module, side by side."""
    y = x @ jnp.concatenate([p[f"{module}.W_{part}"] for part in parts], axis=1)
    biases = [p[f"{module}.b_{part}"] for part in parts if f"{module}.b_{part}" in p]
    return y + jnp.concatenate(biases) if biases else y


def attention(p: Arrays, module: str, x: Any, heads: int, *, last: bool) -> Any:
    """Causal self-attention of x [example, position, d_model]; `last`: of its last position alone."""
    batch, positions, width = x.shape
    split = lambda y: y.reshape(batch, -1, heads, width // heads)  # noqa: E731
    if last:
        query = split(linear(p, module, ("Q",), x[:, -1:]))
        key, value = map(split, jnp.split(linear(p, module, ("K", "V"), x), 2, axis=-1))
    else:
        query, key, value = map(split, jnp.split(linear(p, module, ("Q", "K", "V"), x), 3, axis=-1))
    scores = jnp.einsum("bqhe,bkhe->bhqk", query, key) / jnp.sqrt(width / heads).astype(x.dtype)
    if not last:
        scores = jnp.where(jnp.tril(jnp.ones((positions, positions), bool)), scores, -jnp.inf)
    mixed = jnp.einsum("bhqk,bkhe->bqhe", jax.nn.softmax(scores, axis=-1), value)
    return linear(p, module, ("O",), mixed.reshape(batch, -1, width))


def answer_logits(config: RunConfig, p: Arrays, tokens: Any) -> Any:
    """Logits [example, answer] at the last position of every example."""
    m = config.model
    activation = partial(jax.nn.gelu, approximate=False) if m.activation == "gelu" else jax.nn.relu
    x = p["embed.W_E"][tokens] + p["pos_embed.W_pos"]
    for layer in range(m.n_layers):
        block, last = f"blocks.{layer}", layer == m.n_layers - 1
        h = layer_norm(p, f"{block}.ln1", x)
        x = h if m.residual == "normed" else x
        x = (x[:, -1:] if last else x) + attention(p, f"{block}.attn", h, m.n_heads, last=last)
        h = activation(linear(p, f"{block}.mlp", ("in",), layer_norm(p, f"{block}.ln2", x)))
        x = x + linear(p, f"{block}.mlp", ("out",), h)
    return linear(p, "unembed", ("U",), layer_norm(p, "ln_final", x)[:, -1])


def summed_loss(logits: Any, labels: Any) -> Any:
    """Cross-entropy in nats, summed over examples."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).sum()


def lion(settings: Any, p: Arrays, gradient: Arrays, memory: Arrays, lr: Any) -> tuple[Arrays, Arrays]:
    """Lion: p <- (1 - lr decay) p - lr sign(b1 m + (1 - b1) g); then m <- b2 m + (1 - b2) g."""
    b1, b2 = settings.betas
    shrunk = 1 - lr * settings.weight_decay
    average = memory["average"]
    new = {
        name: shrunk * value - lr * jnp.sign(b1 * average[name] + (1 - b1) * gradient[name])
        for name, value in p.items()
    }
    return new, {"average": {name: b2 * average[name] + (1 - b2) * gradient[name] for name in p}}


def adamw(settings: Any, p: Arrays, gradient: Arrays, memory: Arrays, lr: Any) -> tuple[Arrays, Arrays]:
    """AdamW: p <- (1 - lr decay) p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)."""
    b1, b2 = settings.betas
    shrunk, step = 1 - lr * settings.weight_decay, memory["step"] + 1
    average = {name: b1 * memory["average"][name] + (1 - b1) * gradient[name] for name in p}
    square = {name: b2 * memory["square"][name] + (1 - b2) * gradient[name] ** 2 for name in p}
    new = {
        name: shrunk * value
        - lr * average[name] / (1 - b1**step) / (jnp.sqrt(square[name] / (1 - b2**step)) + ADAM_EPSILON)
        for name, value in p.items()
    }
    return new, {"step": step, "average": average, "square": square}


def clip_rows(p: Arrays, names: tuple[str, ...], max_norm: float) -> Arrays:
    """The rows of the named parameters brought into the ball: w_row * min(1, max_norm / ||w_row||)."""
    clipped = dict(p)
    for bundle in bundles(names):
        # Matrices are [in, out]: what is a row in nn.Linear is a column here. The vector of a position is a row.
        axis = (1 if bundle[0] == "pos_embed.W_pos" else 0) if is_matrix(bundle[0]) else None
        square = sum((p[name] ** 2).sum(axis, keepdims=True) for name in bundle)
        factor = max_norm / jnp.maximum(jnp.sqrt(square), max_norm)
        clipped |= {name: p[name] * factor for name in bundle}
    return clipped


class JaxContestant:
    """Training steps and evaluations of the decoder in JAX.

    Raises `Unavailable` where JAX is not installed.
    """

    def __init__(self, config: RunConfig, task: Task) -> None:
        self.config = config
        self.tokens, self.labels = (jnp.array(part.numpy(), dtype=jnp.int32) for part in (task.tokens, task.labels))
        self._shapes = parameter_shapes(config.model, task)
        start = start_weights(config, task)
        self._arrays = {name: into_jax(name, start[name]) for name in trained_names(start, config.model)}
        zeros = lambda: {name: jnp.zeros_like(value) for name, value in self._arrays.items()}  # noqa: E731
        self._memory: Arrays = {"average": zeros()}
        if config.optimizer.name != "lion":
            self._memory |= {"step": jnp.zeros(()), "square": zeros()}
        train, _ = task.split(config.task.train_fraction, config.seed)
        self.batches = BatchStream(train, config.training.batch_size, config.seed)
        self._steps = 0
        clipped, max_norm = in_scope(tuple(self._arrays), config.norms.scope), config.norms.max_norm
        rule = lion if config.optimizer.name == "lion" else adamw

        def step(p: Arrays, memory: Arrays, tokens: Any, labels: Any, examples: Any, lr: Any) -> tuple[Any, ...]:
            def loss_of(p: Arrays) -> Any:
                return summed_loss(answer_logits(config, p, tokens[examples]), labels[examples]) / len(examples)

            loss, gradient = jax.value_and_grad(loss_of)(p)
            p, memory = rule(config.optimizer, p, gradient, memory, lr)
            return clip_rows(p, clipped, max_norm) if max_norm is not None else p, memory, loss

        def evaluate(p: Arrays, tokens: Any, labels: Any) -> tuple[Any, Any]:
            logits = answer_logits(config, p, tokens)
            return summed_loss(logits, labels), (logits.argmax(-1) == labels).sum()

        # The weights and the optimizer's memory are overwritten by what they become.
        self._step, self._evaluate = jax.jit(step, donate_argnums=(0, 1)), jax.jit(evaluate)

    def step(self) -> float:
        """One training step; returns its loss in nats."""
        self._steps += 1
        lr = learning_rate(self.config.optimizer, self._steps, self.config.training.steps)
        examples = self.batches.next().numpy()
        self._arrays, self._memory, loss = self._step(
            self._arrays, self._memory, self.tokens, self.labels, examples, lr
        )
        return float(loss)

    def evaluate(self) -> tuple[float, float]:
        """Mean loss in nats and accuracy over all examples of the task."""
        loss, correct = 0.0, 0
        for first in range(0, len(self.tokens), CHUNK):
            chunk = slice(first, first + CHUNK)
            of_chunk = self._evaluate(self._arrays, self.tokens[chunk], self.labels[chunk])
            loss, correct = loss + float(of_chunk[0]), correct + int(of_chunk[1])
        return loss / len(self.tokens), correct / len(self.tokens)

    @property
    def weights(self) -> Weights:
        """The weights as they are now, with `HookedTransformer` names and shapes."""
        weights: Weights = {}
        for name, array in self._arrays.items():
            value = torch.tensor(jax.device_get(array))
            shape = self._shapes[name]
            weights[name] = from_matrix(name, value.T, shape) if is_matrix(name) else value.reshape(shape)
        return weights
