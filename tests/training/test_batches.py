"""The order of examples: every one once per epoch, a new order each, a function of the seed alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from grokscope.training import BatchStream

TRAIN = torch.arange(100, 117)  # 17 examples


@given(st.integers(1, 40), st.integers(0, 1000))
def test_an_epoch_holds_every_example_once_and_ends_in_a_ragged_batch(batch_size, seed):
    stream = BatchStream(TRAIN, batch_size, seed)
    epochs = []
    for _ in range(3):
        batches = [stream.next() for _ in range(stream.steps_per_epoch)]
        assert sorted(torch.cat(batches).tolist()) == TRAIN.tolist()
        assert all(len(batch) == min(batch_size, 17) for batch in batches[:-1])
        assert len(batches[-1]) == (17 % batch_size or batch_size) if batch_size < 17 else len(batches) == 1
        epochs.append(tuple(torch.cat(batches).tolist()))
    assert len(set(epochs)) == 3


def test_a_full_batch_is_the_train_set_at_every_step():
    stream = BatchStream(TRAIN, None, 0)
    assert stream.steps_per_epoch == 1
    assert all(torch.equal(stream.next(), TRAIN) for _ in range(5))


def test_the_order_is_a_function_of_the_seed():
    def order(seed: int) -> list[int]:
        stream = BatchStream(TRAIN, 5, seed)
        return torch.cat([stream.next() for _ in range(8)]).tolist()

    torch.manual_seed(0)
    first = order(3)
    torch.rand(10)
    assert order(3) == first
    assert order(4) != first


@given(st.integers(0, 20), st.sampled_from([1, 4, 6, 17, None]))
def test_a_stream_goes_on_where_its_state_was_read(taken, batch_size):
    stream = BatchStream(TRAIN, batch_size, 5)
    for _ in range(taken):
        stream.next()
    epoch_state, position = stream.state()
    epoch_state = epoch_state.clone()
    expected = [stream.next() for _ in range(12)]
    other = BatchStream(TRAIN, batch_size, 99)  # its own generator does not matter
    other.next()
    other.restore(epoch_state, position)
    assert all(torch.equal(other.next(), batch) for batch in expected)
    assert torch.equal(other.state()[0], stream.state()[0])


def test_a_state_is_not_changed_by_what_follows():
    stream = BatchStream(TRAIN, 6, 0)
    state, _ = stream.state()
    before = state.clone()
    for _ in range(10):
        stream.next()
    assert torch.equal(state, before)
