"""Signal, memory and noise of logits that are written down: closed forms, numpy, and nothing where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from grokscope.groups import CyclicGroup, FiniteGroup, SymmetricGroup
from grokscope.probes import margins as module
from grokscope.probes.margins import MARGINS, answer_margins

GROUPS = {"Z11": CyclicGroup(11), "S4": SymmetricGroup(4)}
IRREPS = {"Z11": "k=3", "S4": "standard"}
HEIGHT = 7.0


@pytest.fixture(params=GROUPS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def split(group: FiniteGroup, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all pairs, and which half of them is trained on."""
    labels = group.table.flatten()
    trained = np.zeros(len(labels), dtype=bool)
    trained[np.random.default_rng(seed).permutation(len(labels))[: len(labels) // 2]] = True
    return labels, trained


def exact(group: FiniteGroup, irrep: str, gain: float = 1.0) -> tuple[np.ndarray, float]:
    """gain chi(a b c^-1) at all pairs, and the lead of the right answer."""
    chi = group.irrep(irrep).character
    logits = gain * chi[group.table[group.table.flatten()][:, group.inverse]]
    return logits, gain * float(chi[group.identity] - np.delete(chi, group.identity).max())


def look_up(labels: np.ndarray, trained: np.ndarray, answers: int, height: float = HEIGHT) -> np.ndarray:
    logits = np.zeros((len(labels), answers))
    logits[trained, labels[trained]] = height
    return logits


def measure(logits: np.ndarray, labels: np.ndarray, trained: np.ndarray) -> dict[str, float]:
    return answer_margins(torch.from_numpy(logits), torch.from_numpy(labels).long(), torch.from_numpy(trained))


def test_an_exact_group_network_has_its_lead_as_signal_and_nothing_to_remember(name: str) -> None:
    group = GROUPS[name]
    labels, trained = split(group)
    logits, lead = exact(group, IRREPS[name], 3.0)
    found = measure(logits, labels, trained)
    expected = dict.fromkeys(MARGINS, 0.0)
    expected |= dict.fromkeys(("signal", "pooled_signal", "train_margin", "val_margin"), lead)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_look_up_table_of_trained_pairs_has_its_height_as_memory_and_no_signal(name: str) -> None:
    group = GROUPS[name]
    labels, trained = split(group)
    n = group.order
    found = measure(look_up(labels, trained, n), labels, trained)
    assert found["signal"] == pytest.approx(0.0, abs=1e-12)
    assert found["memory"] == pytest.approx(HEIGHT * (1 - 1 / n))  # centred over the answers
    assert found["memory_share"] == pytest.approx(1.0)
    # One answer of n is higher, at every trained pair.
    assert found["noise_train"] == pytest.approx(HEIGHT * math.sqrt(n - 1) / n)
    assert found["noise_val"] == pytest.approx(0.0, abs=1e-12)
    assert (found["train_margin"], found["val_margin"]) == pytest.approx((HEIGHT, 0.0), abs=1e-12)
    assert found["offset"] == pytest.approx(0.0, abs=1e-12)


def test_the_sum_of_the_two_has_the_signal_of_the_one_and_the_memory_of_the_other(name: str) -> None:
    group = GROUPS[name]
    labels, trained = split(group)
    n = group.order
    logits, lead = exact(group, IRREPS[name], 2.0)
    found = measure(logits + look_up(labels, trained, n), labels, trained)
    assert found["signal"] == pytest.approx(lead)
    assert found["memory"] == pytest.approx(HEIGHT * (1 - 1 / n))
    assert found["memory_share"] == pytest.approx(HEIGHT / (HEIGHT + lead))
    assert found["noise_train"] == pytest.approx(HEIGHT * math.sqrt(n - 1) / n)
    assert found["noise_val"] == pytest.approx(0.0, abs=1e-9)
    assert (found["train_margin"], found["val_margin"]) == pytest.approx((lead + HEIGHT, lead))


def test_over_all_pairs_what_is_remembered_is_held_against_unseen_ones(name: str) -> None:
    """N at the right answer sums to zero over the pairs of an answer if S is their mean; so a look-up table seems to
    have a signal."""
    group = GROUPS[name]
    labels, trained = split(group)
    rng = np.random.default_rng(3)
    logits = exact(group, IRREPS[name])[0] + look_up(labels, trained, group.order) + rng.normal(size=(len(labels), 1))
    logits = logits + rng.normal(size=logits.shape)
    found = measure(logits, labels, trained)
    total = trained.sum() * found["pooled_memory_train"] + (~trained).sum() * found["pooled_memory_val"]
    assert total == pytest.approx(0.0, abs=1e-9)
    # Half of each answer's pairs: half of the memory is in the signal, and half of it is lost to unseen pairs.
    even = np.zeros(len(labels), dtype=bool)
    for g in range(group.order):
        where = np.flatnonzero(labels == g)
        even[where[: len(where) // 2]] = True
    share = even.mean()
    alone = measure(look_up(labels, even, group.order), labels, even)
    assert alone["pooled_memory_train"] == pytest.approx((1 - share) * alone["memory"])
    assert alone["pooled_memory_val"] == pytest.approx(-share * alone["memory"])
    assert alone["pooled_signal"] == pytest.approx(share * HEIGHT)
    assert alone["signal"] == pytest.approx(0.0, abs=1e-12)


def by_hand(logits: np.ndarray, labels: np.ndarray, trained: np.ndarray) -> dict[str, float]:
    """The definitions, an example at a time; every answer has two unseen examples or more."""
    x = logits - logits.mean(1, keepdims=True)
    answers = range(x.shape[1])
    signal, rest, train_leads = [], {True: [], False: []}, []
    of_answer = {g: [] for g in answers}

    def means(without: int | None) -> np.ndarray:
        return np.stack(
            [
                np.mean([x[e] for e in range(len(x)) if labels[e] == g and not trained[e] and e != without], axis=0)
                for g in answers
            ]
        )

    for e in range(len(x)):
        s = means(e)
        offset = s.mean(0)
        g = labels[e]
        rivals = s[g] - offset
        rivals[g] = -np.inf
        r = int(rivals.argmax())
        lead = (x[e, g] - offset[g]) - (x[e, r] - offset[r])
        rest[bool(trained[e])].append(x[e] - s[g])
        if trained[e]:
            train_leads.append((g, lead))
        else:
            signal.append(lead)
            of_answer[g].append(lead)
    whole = sum(lead for _, lead in train_leads)
    expected = sum(np.mean(of_answer[g]) for g, _ in train_leads)
    return {
        "signal": float(np.mean(signal)),
        "memory": float(np.mean([n[g] for n, g in zip(rest[True], labels[trained], strict=True)])),
        "noise_train": float(np.sqrt(np.mean(np.square(rest[True])))),
        "noise_val": float(np.std(rest[False])),
        "memory_share": float(1 - expected / whole) if whole > 0 else math.nan,
        "offset": float(np.std(means(None).mean(0))),
    }


@pytest.mark.parametrize("chunk", [4096, 7])
def test_margins_agree_with_numpy_an_example_at_a_time(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    group = CyclicGroup(7)
    labels, trained = split(group, seed=2)
    rng = np.random.default_rng(1)
    logits = exact(group, "k=1")[0] + look_up(labels, trained, 7, 2.0) + rng.normal(size=(49, 7)) + rng.normal(size=7)
    found = measure(logits, labels, trained)
    for column, value in by_hand(logits, labels, trained).items():
        assert found[column] == pytest.approx(value, abs=1e-12), column
    right = logits[np.arange(49), labels]
    others = np.where(np.eye(7, dtype=bool)[labels], -np.inf, logits).max(1)
    assert found["train_margin"] == pytest.approx((right - others)[trained].mean())
    assert found["val_margin"] == pytest.approx((right - others)[~trained].mean())


def test_random_logits_have_no_signal_and_no_memory_in_expectation() -> None:
    group = CyclicGroup(11)
    labels, trained = split(group)
    rng = np.random.default_rng(0)
    offset = 5 * rng.normal(size=11)  # every example's alike
    draws = [measure(rng.normal(size=(121, 11)) + offset, labels, trained) for _ in range(300)]
    for column in ("signal", "memory", "pooled_signal", "pooled_memory_train", "pooled_memory_val"):
        values = np.array([found[column] for found in draws])
        error = values.std(ddof=1) / math.sqrt(len(values))
        assert abs(values.mean()) < 3.5 * error, column
        assert error < 0.02, column
    # The spread of the logits, centred over 11 answers, and of the mean of the 4 to 6 others of an answer.
    assert np.mean([found["noise_val"] for found in draws]) == pytest.approx(math.sqrt(10 / 11 * (1 + 1 / 4.5)), 0.05)


def test_the_largest_rival_of_the_same_examples_would_be_a_biased_measure() -> None:
    """What leave-one-out is for: the mean's own largest rival leads by chance."""
    group = CyclicGroup(11)
    labels, trained = split(group)
    rng = np.random.default_rng(0)
    naive = []
    for _ in range(100):
        x = rng.normal(size=(121, 11))
        s = np.stack([x[(labels == g) & ~trained].mean(0) for g in range(11)])
        rivals = np.where(np.eye(11, dtype=bool), -np.inf, s)
        naive.append((np.diagonal(s) - rivals.max(1)).mean())
    assert np.mean(naive) < -0.5


def test_adding_the_same_to_all_logits_of_an_example_or_to_one_answer_everywhere_changes_no_number_but_the_offset() -> (
    None
):
    group = CyclicGroup(11)
    labels, trained = split(group)
    rng = np.random.default_rng(0)
    logits = exact(group, "k=2")[0] + rng.normal(size=(121, 11))
    plain = measure(logits, labels, trained)
    assert measure(logits + rng.normal(size=(121, 1)), labels, trained) == pytest.approx(plain)
    shifted = measure(logits + 3 * rng.normal(size=11), labels, trained)
    assert shifted["offset"] > 1 > plain["offset"]
    for column in set(MARGINS) - {"offset", "train_margin", "val_margin"}:
        assert shifted[column] == pytest.approx(plain[column]), column


def test_a_network_whose_trained_examples_are_not_known_has_signal_and_no_memory() -> None:
    group = CyclicGroup(11)
    labels, _ = split(group)
    logits, lead = exact(group, "k=2")
    found = measure(logits, labels, np.zeros(121, dtype=bool))
    assert found["signal"] == pytest.approx(lead)
    for column in ("memory", "noise_train", "memory_share", "train_margin", "pooled_memory_train"):
        assert math.isnan(found[column]), column


def test_answers_without_two_unseen_examples_are_left_out_and_counted() -> None:
    labels = np.repeat(np.arange(3), 4)
    trained = np.array([0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1], dtype=bool)  # answer 1 has one unseen example
    logits = np.eye(3)[labels] * 2.0
    found = measure(logits, labels, trained)
    assert found["left_out"] == 4
    assert found["signal"] == pytest.approx(2.0)
    assert found["memory"] == pytest.approx(0.0, abs=1e-12)
    everything = measure(logits, labels, np.ones(12, dtype=bool))
    assert everything["left_out"] == 12
    assert math.isnan(everything["signal"])
    assert everything["train_margin"] == pytest.approx(2.0)


def test_one_answer_has_no_margin() -> None:
    with pytest.raises(ValueError, match="logits of 1 answer have no margin"):
        measure(np.zeros((3, 1)), np.zeros(3, dtype=np.int64), np.array([True, False, False]))
