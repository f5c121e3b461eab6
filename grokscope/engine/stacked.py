"""Several networks of one architecture at once, for one task: weights have an axis for the networks before all others.

The function is that of `Engine`, to rounding, with the same rows: one for each distinct prefix of the task, and of a
batch's own examples those that are not shared. A product of several networks is one batched product, so a step of 64
networks is as many calls as a step of one. That is what a GPU needs, where a small network leaves most of it idle.
Gradients are autograd's; rows are taken by `torch.nn.functional.embedding`, whose backward adds in a fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.config.model import Activation
from grokscope.engine.layers import EPS
from grokscope.engine.prefixes import prefix_table
from grokscope.model import Weights
from grokscope.tasks import Task


@dataclass(frozen=True, eq=False)
class _Attending:
    """Rows of one position of every network, and the rows that each of them attends to."""

    rows: slice
    unigrams: Int[Tensor, "network key query"]
    prefixes: Int[Tensor, "network key query"]
    own: int
    """Which of the keys is the query's own position."""


class StackedEngine:
    """Evaluates some networks of one architecture on the examples of one task, each network on examples of its own.

    Arguments:
        config: the architecture.
        task: whose token table the prefixes are read off.
        networks: how many.
        device: where the weights are.
    """

    def __init__(self, config: ModelConfig, task: Task, networks: int, device: str | torch.device = "cpu") -> None:
        self.config, self.networks = config, networks
        self.prefixes = prefix_table(config, task.tokens.to(device))
        self._shared: dict[int, list[_Attending]] = {}

    def answer_logits(
        self, weights: Weights, examples: Int[Tensor, "network example"]
    ) -> Float[Tensor, "network example d_vocab_out"]:
        """Logits at the answer position of the given examples of the task; differentiable."""
        table, last = self.prefixes, self.config.n_layers - 1
        groups, answer = self._groups(examples)
        stream = _same_rows(weights["embed.W_E"], table.unigram_tokens)
        stream = stream + _same_rows(weights["pos_embed.W_pos"], table.unigram_positions)
        for layer in range(self.config.n_layers):
            stream = self._block(weights, layer, stream, groups[-1:] if layer == last else groups)
        if self.config.normalization == "LN":
            stream = _layer_norm(weights, "ln_final", stream)
        logits = stream @ weights["unembed.W_U"] + weights["unembed.b_U"][:, None]
        return logits if answer is None else _take(logits, answer)

    def _groups(
        self, examples: Int[Tensor, "network example"]
    ) -> tuple[list[_Attending], Int[Tensor, "network example"] | None]:
        """The positions of a batch, and, where the last is shared, which of its rows holds each example's answer."""
        table = self.prefixes
        n_positions, n_examples = table.tokens.shape[1], examples.shape[1]
        n_shared = table.n_shared(n_examples, n_positions)
        if n_shared not in self._shared:
            self._shared[n_shared] = [self._shared_position(position) for position in range(n_shared)]
        groups = list(self._shared[n_shared])
        # By position: the row of each example there, and its unigram.
        rows = [self._start(key) + table.ids[key][examples] for key in range(n_shared)]
        own = torch.arange(n_examples, device=examples.device).expand_as(examples) + self._start(n_shared)
        rows += [own + number * n_examples for number in range(n_positions - n_shared)]
        unigrams = [column[examples] for column in table.unigrams]
        for position in range(n_shared, n_positions):
            here = self._start(n_shared) + (position - n_shared) * n_examples
            seen = slice(None if table.sees_all else position + 1)
            keys = (torch.stack(index[seen], 1) for index in (unigrams, rows))
            groups.append(_Attending(slice(here, here + n_examples), *keys, own=position))
        return groups, table.ids[-1][examples] if n_shared == n_positions else None

    def _start(self, position: int) -> int:
        """Where the rows of a shared position begin."""
        return sum(map(self.prefixes.n_prefixes, range(position)))

    def _shared_position(self, position: int) -> _Attending:
        table = self.prefixes
        chosen = table.examples[position]
        unigrams = torch.stack([table.unigrams[key][chosen] for key in range(position + 1)])
        rows = torch.stack([self._start(key) + table.ids[key][chosen] for key in range(position + 1)])
        here = slice(self._start(position), self._start(position + 1))
        both = (index.expand(self.networks, *index.shape) for index in (unigrams, rows))
        return _Attending(here, *both, own=position)

    def _block(
        self,
        weights: Weights,
        layer: int,
        stream: Float[Tensor, "network row d_model"],
        groups: list[_Attending],
    ) -> Float[Tensor, "network needed_row d_model"]:
        """The stream after a layer at the rows of `groups` (see `grokscope.engine.block`)."""
        config, name = self.config, f"blocks.{layer}."
        normed = _layer_norm(weights, name + "ln1", stream) if config.normalization == "LN" else stream
        residual = normed if config.residual == "normed" else stream
        k, v = (_heads(weights, f"{name}attn.", which, normed) for which in "KV")
        if layer == 0:
            own = torch.cat([group.unigrams[:, group.own] for group in groups], 1)
            q = _take(_heads(weights, f"{name}attn.", "Q", normed), own)
            residual = _take(residual, own)
        else:
            here = slice(groups[0].rows.start, groups[-1].rows.stop)
            q, residual = _heads(weights, f"{name}attn.", "Q", normed[:, here]), residual[:, here]
        parts, start = [], 0
        for group in groups:
            index = group.unigrams if layer == 0 else group.prefixes
            stop = start + index.shape[2]
            parts.append(_attend(q[:, start:stop], k, v, index, config.n_heads))
            start = stop
        z = torch.cat(parts, 1)
        mid = residual + z @ weights[name + "attn.W_O"].flatten(1, 2) + weights[name + "attn.b_O"][:, None]
        if config.attention_only:
            return mid
        x = _layer_norm(weights, name + "ln2", mid) if config.normalization == "LN" else mid
        pre = torch.baddbmm(weights[name + "mlp.b_in"][:, None], x, weights[name + "mlp.W_in"])
        post = _activation(config.activation, pre)
        return mid + torch.baddbmm(weights[name + "mlp.b_out"][:, None], post, weights[name + "mlp.W_out"])


def _heads(weights: Weights, attention: str, which: str, x: Tensor) -> Float[Tensor, "network row heads"]:
    """Queries, keys or values, heads joined."""
    matrix = weights[f"{attention}W_{which}"].transpose(1, 2).flatten(2)
    return torch.baddbmm(weights[f"{attention}b_{which}"].flatten(1)[:, None], x, matrix)


def _attend(
    q: Float[Tensor, "network query heads"],
    k: Float[Tensor, "network row heads"],
    v: Float[Tensor, "network row heads"],
    keys: Int[Tensor, "network key query"],
    n_heads: int,
) -> Float[Tensor, "network query heads"]:
    """softmax(q . k_j / sqrt(d_head)) over the keys j of each query, times their values."""
    q = q.unflatten(-1, (n_heads, -1))
    k, v = (_take(x, keys).unflatten(-1, (n_heads, -1)) for x in (k, v))
    scores = (q[:, None] * k).sum(-1) * q.shape[-1] ** -0.5
    return (scores.softmax(1)[..., None] * v).sum(1).flatten(-2)


def _take(table: Float[Tensor, "network row d"], which: Int[Tensor, "network *chosen"]) -> Tensor:
    """table[network, which[network]] of every network."""
    first = torch.arange(len(table), device=table.device).view(-1, *[1] * (which.ndim - 1)) * table.shape[1]
    return F.embedding(which + first, table.flatten(0, 1))


def _same_rows(table: Float[Tensor, "network row d"], which: Int[Tensor, "chosen"]) -> Tensor:
    """The same rows of every network."""
    return _take(table, which.expand(len(table), -1))


def _layer_norm(weights: Weights, name: str, x: Float[Tensor, "network row d"]) -> Float[Tensor, "network row d"]:
    """(x - mean) / sqrt(variance + EPS) * w + b over each row, with the gain and bias of its network."""
    return F.layer_norm(x, x.shape[-1:], eps=EPS) * weights[name + ".w"][:, None] + weights[name + ".b"][:, None]


def _activation(kind: Activation, pre: Tensor) -> Tensor:
    """The activation that `model.activation` names."""
    if kind == "quadratic":
        return pre.square()
    if kind == "gelu_new":
        return F.gelu(pre, approximate="tanh")
    return {"relu": F.relu, "silu": F.silu, "gelu": F.gelu}[kind](pre)
