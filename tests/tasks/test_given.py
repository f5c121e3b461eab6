"""Tasks made in Python and tasks of labels: stored whole, checked, trained on by every kind of run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, TaskConfig, from_dict, override, preset, to_dict
from grokscope.config.stored import Stored
from grokscope.tasks import Task, build_task, run_task, stored_task, with_task

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))
SUMS = (PAIRS.sum(1) + 2) % 5


def made(**changes):
    values = {
        "name": "a sum",
        "tokens": torch.cat([PAIRS, torch.full((25, 1), 5)], dim=1),
        "labels": SUMS,
        "token_names": tuple("abcde="),
        "n_answers": 5,
        "operand_positions": (0, 1),
    }
    return Task(**{**values, **changes})


def same(one, other):
    assert torch.equal(one.tokens, other.tokens)
    assert torch.equal(one.labels, other.labels)
    assert (one.name, one.token_names, one.n_answers, one.operand_positions) == (
        other.name, other.token_names, other.n_answers, other.operand_positions,
    )  # fmt: skip


def test_a_task_comes_back_as_it_was_and_goes_through_json():
    config = with_task(preset("mul-lion-clip", label_noise=0.25), made(train_indices=(3, 1, 4)))
    again = from_dict(to_dict(config))
    assert again == config
    same(build_task(again.task), made())
    assert (again.task.train_indices, again.task.label_noise) == ((3, 1, 4), 0.25)
    assert len(repr(again.task.given)) < 100
    assert stored_task(made()) == stored_task(made())


def test_a_task_without_operations_is_recognised_and_one_of_a_group_keeps_them():
    (operation,) = build_task(with_task(preset("mul-lion-clip"), made()).task).operations
    assert (operation.group.name, operation.is_one_to_one) == ("Z5", True)
    mixed = build_task(TaskConfig(name="mixed", modulus=5))
    back = build_task(with_task(preset("mul-lion-clip"), mixed).task)
    same(back, mixed)
    for one, other in zip(back.operations, mixed.operations, strict=True):
        assert one.name == other.name
        assert np.array_equal(one.group.table, other.group.table)
        for part in ("left", "right", "answer", "examples"):
            assert np.array_equal(getattr(one, part), getattr(other, part))


def test_three_operands_and_a_pair_with_two_labels_have_no_group():
    triples = torch.cartesian_prod(*[torch.arange(3)] * 3)
    task = made(tokens=triples, labels=triples.sum(1) % 3, operand_positions=(0, 1, 2), n_answers=3)
    assert build_task(with_task(preset("mul-lion-clip"), task).task).operations == ()
    twice = made(tokens=made().tokens.repeat(2, 1), labels=SUMS.repeat(2))
    assert build_task(with_task(preset("mul-lion-clip"), twice).task).operations == ()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"labels": SUMS.float()}, "labels .* has type float32: use integers"),
        ({"labels": SUMS[:-1]}, r"labels has shape \(24,\); use \[example\], 25"),
        ({"labels": SUMS + 1}, r"labels holds 1 to 5; the answers are 0 \.\. 4"),
        ({"tokens": SUMS}, r"tokens has shape \(25,\)"),
        ({"tokens": made().tokens + 1}, "tokens holds 1 to 6; token_names has 6 tokens"),
        ({"tokens": made().tokens[:1], "labels": SUMS[:1]}, "with 2 to"),
        ({"n_answers": 7}, "n_answers = 7; use 2 to 6"),
        ({"operand_positions": (0, 3)}, r"operand_positions = \[0, 3\]; use different positions below 3"),
        ({"token_names": ("a",) * 7201}, "at most 7200"),
    ],
)
def test_what_is_no_task_is_refused_by_name(changes, what):
    task = made()
    for name, value in changes.items():  # past jaxtyping, which these tests have switched on and users have not
        object.__setattr__(task, name, value)
    with pytest.raises(ConfigError, match=what):
        with_task(preset("mul-lion-clip"), task)


def test_contents_that_grokscope_did_not_store_are_refused():
    nonsense = Stored.from_bytes(b"no safetensors at all")
    for name, setting in (("given", "given"), ("table", "labels")):
        with pytest.raises(ConfigError, match=rf"task\.{setting} is damaged"):
            build_task(TaskConfig(name=name, **{setting: nonsense}))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"damaged|not accepted"):
            build_task(TaskConfig(name=name, **{setting: Stored.of({}, {})}))  # type: ignore[arg-type]
    far = {"labels": np.array([[0, 9]]), "left": np.array([0]), "right": np.array([0, 1])}
    with pytest.raises(ConfigError, match="not among its tokens"):
        build_task(TaskConfig(name="table", labels=Stored.of(far, {"token_names": ["a", "b"], "n_answers": 2})))


@pytest.mark.parametrize("rows", [[[0, 1], [1, None]], ((0, 1), (1, float("nan"))), np.array([[0, 1], [1, np.nan]])])
def test_labels_are_given_as_rows_in_python(rows):
    config = override(preset("mul-lion-clip"), {"task.name": "table", "task.labels": rows, "task.form": "x_y_eq"})
    task = build_task(config.task)
    assert task.tokens.tolist() == [[0, 0, 2], [0, 1, 2], [1, 0, 2]]
    assert task.labels.tolist() == [0, 1, 1]
    assert from_dict(to_dict(config)) == config


@pytest.mark.parametrize("rows", [[[0, 1], [1]], [[0.5, 1]], [[True, 0]], [[-1, 0]], [[0, 0]], [[]], []])
def test_rows_that_are_no_labels_are_refused(rows):
    with pytest.raises(ConfigError, match=r"task\.labels"):
        override(preset("mul-lion-clip"), {"task.name": "table", "task.labels": rows})


@pytest.mark.parametrize("name", ["expression", "table", "given"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_label_noise_redraws_that_share_of_the_training_labels_alone(name, share):
    larger = [[max(a, b) for b in range(11)] for a in range(11)]
    section = {
        "expression": TaskConfig(name="expression", expression="x^2 + x*y", modulus=11, label_noise=share),
        "table": TaskConfig(name="table", labels=larger, label_noise=share),  # type: ignore[arg-type]
        "given": with_task(preset("mul-lion-clip", label_noise=share), made()).task,
    }[name]
    config = override(preset("mul-lion-clip", seed=3), {"task": section})
    clean, noisy = build_task(config.task), run_task(config)
    train, val = clean.split(config.task.train_fraction, 3)
    assert torch.equal(noisy.labels[val], clean.labels[val])
    changed = int((noisy.labels[train] != clean.labels[train]).sum())
    redrawn = int(share * len(train))
    assert 0 < changed <= redrawn  # some are drawn as they were
    assert torch.equal(run_task(config).labels, noisy.labels)
    other = run_task(override(config, {"seed": 4})).labels
    assert not torch.equal(other, noisy.labels)
