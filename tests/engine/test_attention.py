"""Attention over shared prefixes: its formula with dense tensors, and its hand-written gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grokscope.engine import attention
from grokscope.engine.attention import attend
from grokscope.engine.prefixes import PrefixTable

TOKENS = torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(4))
TOKENS = torch.cat([TOKENS, torch.full((len(TOKENS), 1), 5)], dim=1)  # 24 examples of 4 tokens
D_MODEL, N_HEADS = 6, 3


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


Prefix = tuple[int, ...]


def _prefixes_of_rows(table: PrefixTable, examples: Tensor) -> list[Prefix]:
    """The prefix in each row of a batch, by brute force: the distinct ones where there are fewer than examples."""
    rows: list[Prefix] = []
    for position in range(TOKENS.shape[1]):
        shared = table.n_prefixes(position) < len(examples)
        chosen = table.examples[position] if shared else examples
        rows += [tuple(TOKENS[e][: position + 1].tolist()) for e in chosen.tolist()]
    return rows


BATCHES = {
    "fewer than prefixes": torch.tensor([3, 7]),
    "with repeats": torch.tensor([0, 5, 5, 5, 23, 1, 9]),
    "all": torch.arange(24),
    "more than all": torch.arange(60) % 24,
}


def _dense(q: Tensor, k: Tensor, v: Tensor, rows: list[Prefix], queries: list[Prefix]) -> Tensor:
    """Attention of every query to all rows, masked to the rows of its prefixes; rows that repeat one count once."""
    first = {prefix: rows.index(prefix) for prefix in rows}
    mask = torch.full((len(queries), len(rows)), -torch.inf, dtype=q.dtype)
    for i, query in enumerate(queries):
        for length in range(1, len(query) + 1):
            mask[i, first[query[:length]]] = 0.0
    heads = [x.unflatten(1, (N_HEADS, -1)).transpose(0, 1) for x in (q, k, v)]
    return torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(0, 1).flatten(1)


def _case(batch: str) -> tuple[list, list[Prefix], list[Tensor]]:
    table, examples = PrefixTable(TOKENS), BATCHES[batch]
    rows = _prefixes_of_rows(table, examples)
    sequences = [group.prefixes for group in table.batch(examples).queries]
    # Rows that hold the same prefix hold the same numbers, as in a network.
    distinct = sorted(set(rows))
    same = torch.tensor([distinct.index(prefix) for prefix in rows])
    return sequences, rows, [_draw(len(distinct), D_MODEL, seed=seed)[same] for seed in range(3)]


@pytest.mark.parametrize("batch", BATCHES)
def test_each_query_sees_the_rows_of_its_own_prefix(batch):
    sequences, rows, _ = _case(batch)
    queries = iter(rows)
    for some in sequences:
        n_keys, n_sequences = some.keys.shape
        for position in range(n_keys - some.n_positions, n_keys):
            for column in range(n_sequences):
                prefix = next(queries)
                seen = [rows[row] for row in some.keys[: position + 1, column].tolist()]
                assert seen == [prefix[: length + 1] for length in range(len(prefix))]
    assert next(queries, None) is None


@pytest.mark.parametrize("loops", ["_InPlace", "_Gathered"])
@pytest.mark.parametrize("batch", BATCHES)
def test_attention_equals_torch_s_own_with_a_mask(batch, loops, monkeypatch):
    monkeypatch.setattr(attention, "_InPlace", getattr(attention, loops))
    sequences, rows, (q, k, v) = _case(batch)
    z, scores, pattern, _ = attend(q, k, v, sequences, N_HEADS)
    torch.testing.assert_close(z, _dense(q, k, v, rows, rows))
    assert pattern.shape == scores.shape == (*sequences[-1].keys.shape, N_HEADS)
    torch.testing.assert_close(pattern, scores.softmax(0))
    torch.testing.assert_close(pattern.sum(0), torch.ones_like(pattern[0]))


@pytest.mark.parametrize("loops", ["_InPlace", "_Gathered"])
@pytest.mark.parametrize("batch", BATCHES)
def test_the_gradient_of_attention_equals_that_of_autograd(batch, loops, monkeypatch):
    monkeypatch.setattr(attention, "_InPlace", getattr(attention, loops))
    sequences, _, inputs = _case(batch)
    q, k, v = (x.clone().requires_grad_() for x in inputs)
    # The rows of the keys that each query reads, gathered one by one.
    outputs, start = [], 0
    for some in sequences:
        n_keys, n_sequences = some.keys.shape
        for position in range(n_keys - some.n_positions, n_keys):
            seen, own = some.keys[: position + 1], q[start : start + n_sequences]
            split = (N_HEADS, D_MODEL // N_HEADS)
            scores = (own.unflatten(1, split) * k[seen].unflatten(-1, split)).sum(-1) / split[1] ** 0.5
            outputs.append((scores.softmax(0)[..., None] * v[seen].unflatten(-1, split)).sum(0).flatten(1))
            start += n_sequences
    expected = torch.cat(outputs)
    probe = _draw(*expected.shape, seed=9)
    z, _, _, backward = attend(*inputs, sequences, N_HEADS)
    torch.testing.assert_close(z, expected.detach())
    for mine, exact in zip(backward(probe), torch.autograd.grad((expected * probe).sum(), (q, k, v)), strict=True):
        torch.testing.assert_close(mine, exact)


def test_the_compiled_loops_stay_in_float32():
    """A constant of float64 would turn every sum in a loop into float64, which is slower and gives other bits."""
    sequences, _, inputs = _case("all")
    single = [x.float() for x in inputs]
    z, scores, pattern, backward = attend(*single, sequences, N_HEADS)
    assert {x.dtype for x in (z, scores, pattern, *backward(z))} == {torch.float32}
