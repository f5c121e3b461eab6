"""The network of a run laid out for batches of one size: forward pass, and backward pass if asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.engine.compiled import folded, heads, tabled
from grokscope.engine.compiled.folded import FoldedLayer
from grokscope.engine.compiled.layers import Normed, Sum, add_bias, mlp, norm, sum_bias
from grokscope.engine.compiled.norms import BRANCH_AFTER, BRANCH_BEFORE, BRANCH_NONE
from grokscope.engine.compiled.plan import Plan
from grokscope.engine.compiled.program import Call, Parameters, Program
from grokscope.engine.prefixes import PrefixTable


@dataclass(frozen=True, eq=False)
class _Block:
    """What the backward pass of a block needs of its forward pass."""

    ln1: Normed
    attention_backward: Callable[..., None]
    n_out: int
    """Rows that come out."""
    mlp: tuple[Normed, Callable[[Tensor, Tensor], None]] | None
    """LN2, and the backward pass of the MLP; None in a network of attention only."""


class Network:
    """Logits of the answers, and gradients from the gradient of the logits, for any n examples of a task.

    Arguments:
        config: the architecture.
        prefixes: the token table.
        plan: which rows n examples need.
        parameters: weights, and where their gradients go.
        dtype: of the weights.
        backward: whether gradients will be asked for.
    """

    def __init__(
        self,
        config: ModelConfig,
        prefixes: PrefixTable,
        plan: Plan,
        parameters: Parameters,
        dtype: torch.dtype,
        *,
        backward: bool,
    ) -> None:
        self.config, self.plan = config, plan
        self._tables = {"embed.W_E": prefixes.unigram_tokens, "pos_embed.W_pos": prefixes.unigram_positions}
        self._has_norms = config.normalization == "LN"
        program = Program(parameters, dtype, backward=backward)
        self._lay_out_forward(program)
        self._of_unigrams = program.calls[: program.n_shared_calls]
        self._of_rows = program.calls[program.n_shared_calls :]
        program.calls = []
        if backward:
            self.d_logits = program.empty(*self.logits.shape)
            """To be written between `forward` and `backward`."""
            self._lay_out_backward(program)
        self._backward = program.calls
        self.flops = program.flops
        """Floating-point operations of its products, forward and backward."""

    def prepare(self) -> None:
        """Compute what depends on the weights alone, and not on the examples."""
        _make(self._of_unigrams)

    def forward(self, examples: np.ndarray) -> None:
        """Write the examples' `logits`, after `prepare`."""
        self.plan.fill(examples)
        _make(self._of_rows)

    def backward(self) -> None:
        """Write the gradients of all parameters, from `d_logits`."""
        _make(self._backward)

    def _lay_out_forward(self, program: Program) -> None:
        config, plan = self.config, self.plan
        n_unigrams, w_u = len(self._tables["embed.W_E"]), program.parameters.matrix("unembed.W_U")
        self.logits = program.empty(plan.n, w_u.shape[1])
        """[example, d_vocab_out]; the next `forward` overwrites them."""
        self._folded: FoldedLayer | None = None
        if folded.applies(config, n_unigrams, plan.n):
            table = program.empty(n_unigrams * (config.n_heads + 1), config.d_model)
            self._embedding(program, table[n_unigrams * config.n_heads :])
            self._folded = FoldedLayer(program, config, table, plan.of_unigrams.last(plan.n), self.logits)
            return
        stream: Sum | Tensor = program.empty(n_unigrams, config.d_model)
        self._embedding(program, stream)
        rows = np.arange(plan.n_rows)
        self._blocks: list[_Block] = []
        for layer in range(config.n_layers):
            name, is_last = f"blocks.{layer}", layer == config.n_layers - 1
            ln1 = norm(program, f"{name}.ln1", stream, exists=self._has_norms)
            attention: Any = heads.first if layer == 0 else heads.last if is_last else heads.between
            queries = plan.of_unigrams if layer == 0 else plan.of_rows
            if is_last:
                queries = queries.last(plan.n)
            if layer == 0 and not program.has_backward and tabled.applies(config, n_unigrams, len(queries.own)):
                stream = tabled.first_block(program, config, ln1, queries, rows)
                continue
            update, attention_backward = attention(program, config, f"{name}.attn", ln1.normed, queries)
            residual = ln1.normed if config.residual == "normed" else ln1.total
            stream = middle = Sum(residual, queries.own, update, f"{name}.attn.b_O")
            if config.attention_only:
                self._blocks.append(_Block(ln1, attention_backward, len(update), None))
                continue
            ln2 = norm(program, f"{name}.ln2", middle, exists=self._has_norms)
            mlp_out, mlp_backward = mlp(program, f"{name}.mlp", config.activation, ln2.normed)
            stream = Sum(ln2.total, rows[: len(mlp_out)], mlp_out, f"{name}.mlp.b_out")
            self._blocks.append(_Block(ln1, attention_backward, len(update), (ln2, mlp_backward)))
        self._final = norm(program, "ln_final", stream, exists=self._has_norms)
        program.multiply(self._final.normed, w_u, self.logits)
        add_bias(program, "unembed.b_U", self.logits)

    def _embedding(self, program: Program, out: Tensor) -> None:
        """out = embed + pos_embed of every (token, position) pair."""
        positions = torch.empty_like(out)
        for (name, index), part in zip(self._tables.items(), (out, positions), strict=True):
            program.add(torch.index_select, program.parameters.matrix(name), 0, index, out=part)
        program.add(out.add_, positions)

    def _lay_out_backward(self, program: Program) -> None:
        d = self._backward_of_blocks(program) if self._folded is None else self._folded.backward(self.d_logits)
        for name, index in self._tables.items():
            gradient = program.parameters.d_matrix(name)
            program.add(gradient.zero_)
            program.add(gradient.index_add_, 0, index, d)
        if self.config.tied:
            d_w_u = program.parameters.d_matrix("unembed.W_U")
            program.add(program.parameters.d_matrix("embed.W_E")[: d_w_u.shape[1]].add_, d_w_u.T)

    def _backward_of_blocks(self, program: Program) -> Tensor:
        """From `d_logits` to the gradient of the unigrams' embedding."""
        config, parameters = self.config, program.parameters
        normed = self._final.normed
        d = program.empty(*normed.shape)
        program.multiply(normed.T, self.d_logits, parameters.d_matrix("unembed.W_U"))
        program.multiply(self.d_logits, parameters.matrix("unembed.W_U").T, d)
        sum_bias(program, "unembed.b_U", self.d_logits)
        self._final.backward(d, None, BRANCH_NONE, d)
        where = BRANCH_AFTER if config.residual == "normed" else BRANCH_BEFORE
        for layer in reversed(range(config.n_layers)):
            block = self._blocks[layer]
            n_in, n_out = len(block.ln1.total), block.n_out
            d_in = program.empty(n_in, config.d_model)
            # Rows that do not ask have no residual; the part of its gradient that is theirs stays zero.
            d_residual = program.zeros(n_in, config.d_model)
            d_middle = program.empty(n_out, config.d_model) if layer == 0 else d_residual[n_in - n_out :]
            if block.mlp is None:
                program.add(d_middle.copy_, d)
            else:
                ln2, mlp_backward = block.mlp
                d_mlp_in = program.empty(n_out, config.d_model)
                mlp_backward(d, d_mlp_in)
                ln2.backward(d_mlp_in, d, BRANCH_BEFORE, d_middle)
            # In the first layer many rows start from one unigram, whose gradient is summed there.
            block.attention_backward(d_middle, d_in, *([d_residual] if layer == 0 else []))
            block.ln1.backward(d_in, d_residual, where, d_in)
            d = d_in
        return d


def _make(calls: list[Call]) -> None:
    for call in calls:
        call()
