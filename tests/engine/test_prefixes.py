"""Which rows are computed: against sets of prefixes found by brute force."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from grokscope.config import ModelConfig, TaskConfig, preset
from grokscope.engine import Engine
from grokscope.engine.prefixes import PrefixTable
from grokscope.tasks import build_task
from tests.model.strategies import task_configs


def _distinct_prefixes(tokens: torch.Tensor, position: int) -> set[tuple[int, ...]]:
    return {tuple(row[: position + 1]) for row in tokens.tolist()}


@settings(max_examples=40)
@given(task_configs())
def test_prefixes_and_unigrams_are_those_of_the_token_table(config):
    tokens = build_task(config).tokens
    table = PrefixTable(tokens)
    unigrams = list(zip(table.unigram_tokens.tolist(), table.unigram_positions.tolist(), strict=True))
    for position in range(tokens.shape[1]):
        expected = _distinct_prefixes(tokens, position)
        assert table.n_prefixes(position) == len(expected)
        # Same id, same prefix; and one example stands for each.
        ids = table.ids[position].tolist()
        pairs = {(i, tuple(row[: position + 1])) for i, row in zip(ids, tokens.tolist(), strict=True)}
        assert len(pairs) == len(expected) == len(set(ids))
        found = {tuple(tokens[example][: position + 1].tolist()) for example in table.examples[position].tolist()}
        assert found == expected
        assert [ids[example] for example in table.examples[position].tolist()] == list(range(len(expected)))
        column = [unigrams[i] for i in table.unigrams[position].tolist()]
        assert column == [(int(token), position) for token in tokens[:, position]]
    assert len(set(unigrams)) == len(unigrams)


def test_a_table_of_any_tokens_will_do():
    """Prefixes are told apart whatever the tokens are; a key that overflows or collides would not."""
    tokens = torch.randint(0, 9000, (300, 7), generator=torch.Generator().manual_seed(0))
    tokens[150:, :5] = tokens[:150, :5]
    table = PrefixTable(tokens)
    assert [table.n_prefixes(p) for p in range(7)] == [len(_distinct_prefixes(tokens, p)) for p in range(7)]


# Multiply-adds by hand, d = 128, d_mlp = 4 d: K and V take 2 d^2, Q and O d^2 each, the MLP 8 d^2.
D2 = 128 * 128
BY_HAND = {
    # 97 + 1 + 96 + 1 = 195 (token, position) pairs; 97 rows for [x], 97 for [x, *], one per example after that.
    ("mul-lion-clip", 512): (
        195 * 3 * D2 + (97 + 97 + 512 + 512) * 9 * D2  # layer 0
        + (97 + 97 + 512 + 512) * 2 * D2 + 512 * 10 * D2  # layer 1
        + 512 * 128 * 99  # unembedding: 97 numbers, = and *
    ),
    ("mul-lion-clip", 50): (
        195 * 3 * D2 + 4 * 50 * 9 * D2 + 4 * 50 * 2 * D2 + 50 * 10 * D2 + 50 * 128 * 99
    ),
    # 113 + 113 + 1 pairs; one layer, so only the answer attends.
    ("nanda-add-p113", 3830): 227 * 3 * D2 + 3830 * 9 * D2 + 3830 * 128 * 113,
}  # fmt: skip


@pytest.mark.parametrize(("name", "n_examples"), BY_HAND)
def test_flops_are_twice_the_multiply_adds_counted_by_hand(name, n_examples):
    config = preset(name)
    engine = Engine(config.model, build_task(config.task))
    assert engine.flops(n_examples) == 2 * BY_HAND[name, n_examples]


def test_a_published_step_needs_less_than_half_of_the_plain_arithmetic():
    config = preset("mul-lion-clip")
    plain = 512 * 4 * (2 * 12 * D2 + 128 * 99)
    assert Engine(config.model, build_task(config.task)).flops(512) < 0.4 * 2 * plain


def test_sharing_does_not_depend_on_which_examples_are_drawn():
    """Equal sizes give equal work: the same rows, so the same rounding."""
    task = build_task(TaskConfig(name="mul", modulus=13))
    engine = Engine(ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=8), task)
    batches = [torch.randperm(task.n_examples, generator=torch.Generator().manual_seed(s))[:40] for s in range(3)]
    shapes = [[(q.rows.start, q.rows.stop) for q in engine.prefixes.batch(examples).queries] for examples in batches]
    assert shapes[0] == shapes[1] == shapes[2]
    assert [stop - start for start, stop in shapes[0]] == [13, 13, 2 * 40]  # the last: two positions of 40
