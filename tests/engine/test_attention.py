"""Attention over shared prefixes: its formula with dense tensors, and its hand-written gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grokscope.engine.attention import attend
from grokscope.engine.linear import linear
from grokscope.engine.prefixes import PrefixTable

TOKENS = torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(4))
TOKENS = torch.cat([TOKENS, torch.full((len(TOKENS), 1), 5)], dim=1)  # 24 examples of 4 tokens
D_MODEL, N_HEADS = 6, 3


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


Prefix = tuple[int, ...]


def _rows_of_prefixes(table: PrefixTable, examples: Tensor) -> tuple[list[Prefix], list[list[Prefix]]]:
    """The prefix in each row of a batch, and for every position the prefixes of its rows, by brute force."""
    per_position = []
    for position, query in enumerate(table.batch(examples).queries):
        n_rows = query.rows.stop - query.rows.start
        shared = table.n_prefixes(position) < len(examples)
        chosen = table.examples[position] if shared else examples
        assert n_rows == len(chosen)
        per_position.append([tuple(table.tokens[e][: position + 1].tolist()) for e in chosen.tolist()])
    return [prefix for rows in per_position for prefix in rows], per_position


BATCHES = {
    "fewer than prefixes": torch.tensor([3, 7]),
    "with repeats": torch.tensor([0, 5, 5, 5, 23, 1, 9]),
    "all": torch.arange(24),
    "more than all": torch.arange(60) % 24,
}


@pytest.mark.parametrize("batch", BATCHES)
def test_each_query_sees_the_rows_of_its_own_prefix(batch):
    table = PrefixTable(TOKENS)
    rows, per_position = _rows_of_prefixes(table, BATCHES[batch])
    # A table that holds its own row number tells what is looked up.
    numbered = torch.arange(len(rows), dtype=torch.float64)[:, None]
    for position, query in enumerate(table.batch(BATCHES[batch]).queries):
        seen = query.prefix.gather(numbered)[..., 0].long()
        assert seen.shape == (position + 1, len(per_position[position]))
        for column, prefix in enumerate(per_position[position]):
            for key in range(position + 1):
                assert rows[int(seen[key, column])] == prefix[: key + 1]
        assert seen[-1].tolist() == list(range(query.rows.start, query.rows.stop))


@pytest.mark.parametrize("batch", BATCHES)
def test_attention_equals_the_dense_formula(batch):
    table = PrefixTable(TOKENS)
    rows, _ = _rows_of_prefixes(table, BATCHES[batch])
    k, v = _draw(len(rows), D_MODEL, seed=0), _draw(len(rows), D_MODEL, seed=1)
    for position, query in enumerate(table.batch(BATCHES[batch]).queries):
        n_queries = query.rows.stop - query.rows.start
        q = _draw(n_queries, D_MODEL, seed=2)
        z, scores, pattern = attend(q, k, v, query.prefix, N_HEADS)
        assert pattern.shape == scores.shape == (position + 1, n_queries, N_HEADS)
        numbered = torch.arange(len(rows), dtype=torch.float64)[:, None]
        seen = query.prefix.gather(numbered)[..., 0].long()
        for head in range(N_HEADS):
            columns = slice(head * 2, head * 2 + 2)
            expected = torch.stack(
                [(q[:, columns] * k[seen[key]][:, columns]).sum(1) / 2**0.5 for key in range(position + 1)]
            )
            torch.testing.assert_close(scores[..., head], expected.detach())
            torch.testing.assert_close(pattern[..., head], expected.detach().softmax(0))
            weighted = sum(expected.softmax(0)[key, :, None] * v[seen[key]][:, columns] for key in range(position + 1))
            torch.testing.assert_close(z[:, columns], weighted)


@pytest.mark.parametrize("batch", ["with repeats", "all"])
@pytest.mark.parametrize("position", [0, 1, 3])
def test_the_gradient_of_attention_is_that_of_finite_differences(batch, position):
    table = PrefixTable(TOKENS)
    rows, _ = _rows_of_prefixes(table, BATCHES[batch])
    queries = table.batch(BATCHES[batch]).queries[position]
    n_queries = queries.rows.stop - queries.rows.start
    inputs = (_draw(n_queries, D_MODEL, seed=0), _draw(len(rows), D_MODEL, seed=1), _draw(len(rows), D_MODEL, seed=2))
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, queries.prefix, N_HEADS)[0], inputs)


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 5, 3), (1, 2, 2)])
@pytest.mark.parametrize("biased", [True, False])
def test_the_gradient_of_a_matrix_product_is_that_of_finite_differences(shape, biased):
    rows, d_in, d_out = shape
    inputs = [_draw(rows, d_in, seed=0), _draw(d_in, d_out, seed=1)] + ([_draw(d_out, seed=2)] if biased else [])
    assert torch.autograd.gradcheck(lambda x, w, b=None: linear(x, w, b), inputs)
