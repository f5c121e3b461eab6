"""Exact, faster evaluation of a `HookedTransformer`'s parameters at the answer position.

The function computed is `HookedTransformer(tokens)[:, -1]`, to rounding. Two things make it cheap:

1. *Only what the answer needs.* The answer is read at the last position, so the last layer computes
   queries, MLP and unembedding there alone, and keys and values elsewhere. Earlier layers compute the
   positions that a later one attends to. Of a block's 12 d^2 multiplications per position (d_mlp = 4 d)
   the last layer does 12 d^2 at one position and 2 d^2 at the others: for 2 layers and 4 positions
   66 d^2 instead of 96 d^2.
2. *Shared prefixes* (see `prefixes`). A position computes one row per distinct prefix, and layer 0 its
   queries, keys and values once per (token, position) pair. For mul mod 97, batch 512, that leaves 1,218
   rows of 2,048 in layer 0. Together: 0.32 G multiply-adds forward instead of 0.84 G (`flops` counts
   them for any model), three times that with the backward pass.

There is no second set of weights: it reads the dictionary that a `HookedTransformer` loads.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.attention import attend
from grokscope.engine.evaluation import CHUNK, evaluate
from grokscope.engine.gather import rows
from grokscope.engine.linear import linear
from grokscope.engine.prefixes import Batch, PrefixTable
from grokscope.model import Weights, d_vocab_out
from grokscope.tasks import Task

EPS = 1e-5
"""Added to the variance by LayerNorm: the default of `HookedTransformerConfig.eps`."""

Tap = Callable[[str, Callable[[], Tensor]], None]
"""Receives the name of an activation and how to compute it at the answer rows."""


def _no_tap(name: str, compute: Callable[[], Tensor]) -> None:
    """Nobody looks."""


class Engine:
    """Evaluates weights of one architecture on the examples of one task.

    Arguments:
        config: the architecture; weights must have its names and shapes.
        task: whose token table the prefixes are read off.
        device: where the weights are.
    """

    def __init__(self, config: ModelConfig, task: Task, device: str | torch.device = "cpu") -> None:
        self.config = config
        self.d_vocab_out = d_vocab_out(config, task)
        self.prefixes = PrefixTable(task.tokens.to(device))
        self.labels: Int[Tensor, "example"] = task.labels.to(device)

    # --- what users call ---------------------------------------------------------------------------

    def answer_logits(self, weights: Weights, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
        """Logits at the answer position of the given examples of the task; differentiable."""
        return self._forward(weights, self.prefixes.batch(examples), _no_tap)

    def loss(self, weights: Weights, examples: Int[Tensor, "example"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of the answers, in nats; differentiable."""
        return F.cross_entropy(self.answer_logits(weights, examples), self.labels[examples])

    def answer_activations(
        self, weights: Weights, examples: Int[Tensor, "example"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """Activations at the answer position, `[example, ...]`, under `HookedTransformer` hook names.

        Equal to `run_with_cache` there: `[:, -1]` of position-wise activations; attention scores and
        patterns are `[example, head, key]`, those of the answer's query. `logits` is a name too.
        Raises ValueError for a name that the model has not, with the nearest that it has.
        """
        wanted = tuple(names)
        known = self.activation_names()
        for name in wanted:
            if name not in known:
                near = difflib.get_close_matches(name, known, 4, 0.4)
                hint = f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(known)}"
                raise ValueError(f"activation {name!r} does not exist in this model; {hint}")
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            for chunk in examples.split(CHUNK):
                batch = self.prefixes.batch(chunk)

                def tap(name: str, compute: Callable[[], Tensor], batch: Batch = batch) -> None:
                    if name in wanted:
                        value = compute()
                        value = value if batch.answer is None else value[batch.answer]
                        found[name] = torch.cat([found[name], value]) if name in found else value

                logits = self._forward(weights, batch, tap)
                if "logits" in wanted:
                    found["logits"] = torch.cat([found["logits"], logits]) if "logits" in found else logits
        return {name: found[name] for name in wanted}

    def activation_names(self) -> tuple[str, ...]:
        """What `answer_activations` can be asked for."""
        block = ["hook_resid_pre"]
        norm = ["hook_scale", "hook_normalized"] if self.config.normalization == "LN" else []
        block += [f"ln1.{name}" for name in norm]
        block += [f"attn.hook_{name}" for name in ("q", "k", "v", "attn_scores", "pattern", "z")]
        block += ["hook_attn_out", "hook_resid_mid"]
        block += [f"ln2.{name}" for name in norm]
        block += ["mlp.hook_pre", "mlp.hook_post", "hook_mlp_out", "hook_resid_post"]
        names = ["hook_embed", "hook_pos_embed"]
        names += [f"blocks.{layer}.{name}" for layer in range(self.config.n_layers) for name in block]
        return (*names, *(f"ln_final.{name}" for name in norm), "logits")

    def evaluate(self, weights: Weights, examples: Int[Tensor, "example"]) -> tuple[float, float]:
        """Mean cross-entropy (nats) and accuracy over any number of examples, in bounded memory."""
        return evaluate(lambda chunk: self.answer_logits(weights, chunk), self.labels, examples)

    def flops(self, n_examples: int) -> int:
        """Floating-point operations that the matrix products of one forward pass need (2 per multiply-add).

        A training step needs three times as many.
        """
        c, table = self.config, self.prefixes
        rows = sum(min(table.n_prefixes(p), n_examples) for p in range(table.tokens.shape[1]))
        answers, unigrams = min(table.n_prefixes(table.tokens.shape[1] - 1), n_examples), len(table.unigram_tokens)
        total = 0
        for layer in range(c.n_layers):
            queries = answers if layer == c.n_layers - 1 else rows
            inputs = unigrams if layer == 0 else rows
            total += inputs * 2 * c.d_model**2 + (unigrams if layer == 0 else queries) * c.d_model**2
            total += queries * (c.d_model**2 + 2 * c.d_model * c.d_mlp)
        return 2 * (total + answers * c.d_model * self.d_vocab_out)

    # --- the forward pass --------------------------------------------------------------------------

    def _forward(self, weights: Weights, batch: Batch, tap: Tap) -> Float[Tensor, "example d_vocab_out"]:
        stream = self._unigrams(weights, batch, tap)
        for layer in range(self.config.n_layers):
            stream = self._block(weights, layer, stream, batch, tap)
        if self.config.normalization == "LN":
            stream = self._layer_norm(weights, "ln_final", stream, tap)
        bias = weights["unembed.b_U"] if self.config.unembed_bias else None
        logits = linear(stream, weights["unembed.W_U"], bias)
        return logits if batch.answer is None else rows(logits, batch.answer)

    def _unigrams(self, weights: Weights, batch: Batch, tap: Tap) -> Float[Tensor, "unigram d_model"]:
        embed = rows(weights["embed.W_E"], self.prefixes.unigram_tokens)
        position = rows(weights["pos_embed.W_pos"], self.prefixes.unigram_positions)
        own = batch.queries[-1].own_unigrams
        tap("hook_embed", lambda: embed[own])
        tap("hook_pos_embed", lambda: position[own])
        return embed + position

    def _block(
        self, weights: Weights, layer: int, stream: Float[Tensor, "table d_model"], batch: Batch, tap: Tap
    ) -> Float[Tensor, "row d_model"]:
        """One block. `stream` has a row per unigram in layer 0 and a row per prefix later; the result has a
        row per prefix, of the last position only after the last layer."""
        config, name = self.config, f"blocks.{layer}."
        w = {key.removeprefix(name): value for key, value in weights.items() if key.startswith(name)}
        last = layer == config.n_layers - 1
        queries = batch.queries[-1:] if last else batch.queries
        # Where, in `stream`, the rows that attend find themselves.
        own: Tensor | slice = slice(queries[0].rows.start, queries[-1].rows.stop)
        if layer == 0:
            own = torch.cat([query.own_unigrams for query in queries])
        answer_own = batch.queries[-1].own_unigrams if layer == 0 else batch.queries[-1].rows

        tap(name + "hook_resid_pre", lambda: stream[answer_own])
        normed = stream
        if config.normalization == "LN":
            normed = self._layer_norm(weights, name + "ln1", stream, tap, answer_own)
        residual = normed if config.residual == "normed" else stream

        k, v = self._project(w, "K", normed), self._project(w, "V", normed)
        q = self._rows(self._project(w, "Q", normed), own) if layer == 0 else self._project(w, "Q", normed[own])
        attended = []
        sizes = [query.rows.stop - query.rows.start for query in queries]
        for query, own_q in zip(queries, q.split(sizes), strict=True):
            seen = query.unigrams if layer == 0 else query.prefix
            if query.rows.start == 0 and len(queries) > 1:
                z = seen.gather(v)[0]  # the first position sees itself alone: a softmax over one key is 1
            else:
                z, scores, pattern = attend(own_q, k, v, seen, config.n_heads)
            attended.append(z)
        z = attended[0] if len(attended) == 1 else torch.cat(attended)
        attn_out = linear(z, w["attn.W_O"].flatten(0, 1), w["attn.b_O"] if config.biases else None)
        mid = self._rows(residual, own) + attn_out

        answer = slice(-sizes[-1], None)
        heads = (config.n_heads, config.d_head)
        tap(name + "attn.hook_q", lambda: q[answer].unflatten(-1, heads))
        tap(name + "attn.hook_k", lambda: k[answer_own].unflatten(-1, heads))
        tap(name + "attn.hook_v", lambda: v[answer_own].unflatten(-1, heads))
        tap(name + "attn.hook_attn_scores", lambda: scores.permute(1, 2, 0))  # the answer's rows come last
        tap(name + "attn.hook_pattern", lambda: pattern.permute(1, 2, 0))
        tap(name + "attn.hook_z", lambda: z[answer].unflatten(-1, heads))
        tap(name + "hook_attn_out", lambda: attn_out[answer])
        tap(name + "hook_resid_mid", lambda: mid[answer])
        mlp_in = mid
        if config.normalization == "LN":
            mlp_in = self._layer_norm(weights, name + "ln2", mid, tap, answer)
        pre = linear(mlp_in, w["mlp.W_in"], w["mlp.b_in"] if config.biases else None)
        post = F.gelu(pre) if config.activation == "gelu" else F.relu(pre)
        mlp_out = linear(post, w["mlp.W_out"], w["mlp.b_out"] if config.biases else None)
        out = mid + mlp_out
        tap(name + "mlp.hook_pre", lambda: pre[answer])
        tap(name + "mlp.hook_post", lambda: post[answer])
        tap(name + "hook_mlp_out", lambda: mlp_out[answer])
        tap(name + "hook_resid_post", lambda: out[answer])
        return out

    def _project(self, w: Weights, which: str, x: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Queries, keys or values, heads joined."""
        weight = w[f"attn.W_{which}"].transpose(0, 1).flatten(1)  # [d_model, (head d_head)]
        return linear(x, weight, w[f"attn.b_{which}"].flatten() if self.config.biases else None)

    @staticmethod
    def _rows(x: Float[Tensor, "row d"], which: Int[Tensor, "chosen"] | slice) -> Float[Tensor, "chosen d"]:
        """Rows by index, with a deterministic backward, or by slice."""
        return x[which] if isinstance(which, slice) else rows(x, which)

    def _layer_norm(
        self,
        weights: Weights,
        name: str,
        x: Float[Tensor, "row d_model"],
        tap: Tap,
        answer: Tensor | slice = slice(None),
    ) -> Float[Tensor, "row d_model"]:
        def scale() -> Tensor:
            return (x[answer].var(-1, correction=0, keepdim=True) + EPS).sqrt()

        tap(name + ".hook_scale", scale)
        tap(name + ".hook_normalized", lambda: (x[answer] - x[answer].mean(-1, keepdim=True)) / scale())
        return F.layer_norm(x, x.shape[-1:], weights[name + ".w"], weights[name + ".b"], EPS)
