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

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from grokscope.config import ModelConfig
from grokscope.config.nearest import hint
from grokscope.engine.block import Tap, block, normalised
from grokscope.engine.evaluation import CHUNK, evaluate
from grokscope.engine.gather import add_rows_, rows
from grokscope.engine.layers import Backward, Gradients, linear
from grokscope.engine.losses.cross_entropy import cross_entropy
from grokscope.engine.prefixes import Batch, prefix_table
from grokscope.model import Weights, d_vocab_out
from grokscope.tasks import Task


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
        self.prefixes = prefix_table(config, task.tokens.to(device))
        self.labels: Int[Tensor, "example"] = task.labels.to(device)

    # --- what users call ---------------------------------------------------------------------------

    def answer_logits(self, weights: Weights, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
        """Logits at the answer position of the given examples of the task; differentiable."""
        batch = self.prefixes.batch(examples)
        if torch.is_grad_enabled() and any(value.requires_grad for value in weights.values()):
            return _AnswerLogits.apply(self, batch, tuple(weights), *weights.values())  # type: ignore[no-any-return]
        with torch.no_grad():
            return self._forward(weights, batch, _no_tap)[0]

    def loss(self, weights: Weights, examples: Int[Tensor, "example"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of the answers, in nats; differentiable."""
        return cross_entropy(self.answer_logits(weights, examples), self.labels[examples])

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
                raise ValueError(f"activation {name!r} does not exist in this model; {hint(name, known, 'there are')}")
        parts_by_name: dict[str, list[Tensor]] = {name: [] for name in wanted}
        with torch.no_grad():
            for chunk in examples.split(CHUNK):
                batch = self.prefixes.batch(chunk)

                def tap(name: str, compute: Callable[[], Tensor], batch: Batch = batch) -> None:
                    if name in wanted:
                        value = compute()
                        parts_by_name[name].append(value if batch.answer is None else value[batch.answer])

                logits, _ = self._forward(weights, batch, tap)
                if "logits" in wanted:
                    parts_by_name["logits"].append(logits)
        return {name: torch.cat(parts) for name, parts in parts_by_name.items()}

    def activation_names(self) -> tuple[str, ...]:
        """What `answer_activations` can be asked for."""
        block = ["hook_resid_pre"]
        norm = ["hook_scale", "hook_normalized"] if self.config.normalization == "LN" else []
        block += [f"ln1.{name}" for name in norm]
        block += [f"attn.hook_{name}" for name in ("q", "k", "v", "attn_scores", "pattern", "z")]
        block += ["hook_attn_out"]
        if not self.config.attention_only:
            block += ["hook_resid_mid", *(f"ln2.{name}" for name in norm)]
            block += ["mlp.hook_pre", "mlp.hook_post", "hook_mlp_out"]
        block += ["hook_resid_post"]
        names = ["hook_embed", "hook_pos_embed"]
        names += [f"blocks.{layer}.{name}" for layer in range(self.config.n_layers) for name in block]
        return (*names, *(f"ln_final.{name}" for name in norm), "unembed.hook_in", "unembed.hook_out", "logits")

    def evaluate(self, weights: Weights, examples: Int[Tensor, "example"]) -> tuple[float, float]:
        """Mean cross-entropy (nats) and accuracy over any number of examples, in bounded memory."""
        return evaluate(lambda chunk: self.answer_logits(weights, chunk), self.labels, examples)

    def flops(self, n_examples: int) -> int:
        """Floating-point operations that the matrix products of one forward pass need (2 per multiply-add).

        A training step needs three times as many.
        """
        c, table = self.config, self.prefixes
        rows = table.n_rows(n_examples)
        n_positions, unigrams = table.tokens.shape[1], len(table.unigram_tokens)
        shares_answers = table.n_shared(n_examples, n_positions) == n_positions
        answers = table.n_prefixes(n_positions - 1) if shares_answers else n_examples
        total = 0
        for layer in range(c.n_layers):
            queries = answers if layer == c.n_layers - 1 else rows
            inputs = unigrams if layer == 0 else rows
            total += (2 * inputs + (unigrams if layer == 0 else queries)) * c.d_model * c.all_heads
            total += queries * c.d_model * (c.all_heads + (0 if c.attention_only else 2 * c.d_mlp))
        return 2 * (total + answers * c.d_model * self.d_vocab_out)

    # --- the forward pass --------------------------------------------------------------------------

    def _forward(
        self, weights: Weights, batch: Batch, tap: Tap
    ) -> tuple[Float[Tensor, "example d_vocab_out"], Callable[[Tensor], Gradients]]:
        """The answers' logits, and the function from their gradient to those of all parameters."""
        config, answer = self.config, batch.answer
        stream, embedding_backward = self._unigrams(weights, batch, tap)
        backwards: list[Backward] = []
        for layer in range(config.n_layers):
            stream, backward = block(config, weights, layer, stream, batch, tap)
            backwards.append(backward)
        stream, backward = normalised(config, weights, "ln_final", stream, tap)
        backwards.append(backward)
        bias = "unembed.b_U" if config.unembed_bias else None
        logits, backward = linear(weights, "unembed.W_U", bias, stream)
        backwards.append(backward)
        tap("unembed.hook_in", lambda: stream)
        tap("unembed.hook_out", lambda: logits)

        n_rows = len(logits)

        # It must not hold the logits: they will hold it, and a circle would keep a step's memory until collected.
        def gradients(d_logits: Tensor) -> Gradients:
            d, grads = d_logits, Gradients()
            if answer is not None:
                d = d_logits.new_zeros((n_rows, d_logits.shape[1]))
                add_rows_(d, answer, d_logits)
            for backward in reversed(backwards):
                d = backward(d, grads)
            embedding_backward(d, grads)
            return grads

        return (logits if answer is None else rows(logits, answer)), gradients

    def _unigrams(
        self, weights: Weights, batch: Batch, tap: Tap
    ) -> tuple[Float[Tensor, "unigram d_model"], Callable[[Tensor, Gradients], None]]:
        """embed + pos_embed of every (token, position) pair."""
        tables = {"embed.W_E": self.prefixes.unigram_tokens, "pos_embed.W_pos": self.prefixes.unigram_positions}
        embed, position = (rows(weights[name], index) for name, index in tables.items())
        own = batch.last.unigrams.keys[-1]
        tap("hook_embed", lambda: rows(embed, own))
        tap("hook_pos_embed", lambda: rows(position, own))

        def backward(d_stream: Tensor, grads: Gradients) -> None:
            for name, index in tables.items():
                grads[name] = torch.zeros_like(weights[name])
                add_rows_(grads[name], index, d_stream)

        return embed + position, backward


class _AnswerLogits(torch.autograd.Function):
    """The whole network as one node of autograd, so that any loss can be put on top of the logits."""

    @staticmethod
    def forward(ctx, engine: Engine, batch: Batch, names: tuple[str, ...], *tensors: Tensor) -> Tensor:
        weights = dict(zip(names, tensors, strict=True))
        logits, ctx.gradients = engine._forward(weights, batch, _no_tap)
        ctx.names = names
        ctx.save_for_backward(*tensors)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx, d_logits: Tensor):  # type: ignore[override]
        # Asking for them raises an error if a weight was written to since the forward pass.
        _ = ctx.saved_tensors
        grads = ctx.gradients(d_logits)
        return None, None, None, *(grads.get(name) for name in ctx.names)
