"""Label noise: which labels are redrawn, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from grokscope.config import RunConfig, TaskConfig, override
from grokscope.runs import open_run
from grokscope.tasks import build_task, run_task, with_label_noise
from grokscope.training import train

TASK = build_task(TaskConfig(name="mul", modulus=23))


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_so_many_training_labels_are_drawn_anew_and_no_other(share):
    train_set, val_set = TASK.split(0.5, 3)
    noisy = with_label_noise(TASK, share, 0.5, 3)
    assert torch.equal(noisy.labels[val_set], TASK.labels[val_set])
    changed = int((noisy.labels != TASK.labels).sum())
    # Of m drawn evenly over 23 answers, m / 23 are drawn as they were: 4 standard deviations.
    drawn = int(share * len(train_set))
    expected, deviation = drawn * 22 / 23, np.sqrt(drawn * 22) / 23
    assert abs(changed - expected) < 4 * deviation + 1e-9
    assert changed <= drawn
    assert torch.equal(noisy.tokens, TASK.tokens)


def test_labels_are_drawn_evenly_and_independently_of_the_right_ones():
    train_set, _ = TASK.split(0.5, 0)
    counts = np.zeros((23, 23))
    for seed in range(40):
        train_set, _ = TASK.split(0.5, seed)
        noisy = with_label_noise(TASK, 1.0, 0.5, seed)
        np.add.at(counts, (TASK.labels[train_set].numpy(), noisy.labels[train_set].numpy()), 1)
    assert stats.chisquare(counts.sum(0)).pvalue > 1e-3
    assert stats.chi2_contingency(counts + 1e-9).pvalue > 1e-3


def test_a_larger_share_holds_the_labels_of_a_smaller_one():
    small, large = (with_label_noise(TASK, share, 0.5, 3).labels for share in (0.2, 0.6))
    changed = small != TASK.labels
    assert bool(changed.any())
    assert torch.equal(small[changed], large[changed])


def test_seeds_differ_and_one_seed_repeats():
    first, again, other = (with_label_noise(TASK, 0.5, 0.5, seed).labels for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_run_without_rule_memorises_and_its_task_is_that_of_its_config(tmp_path):
    settings = {"task.name": "add", "modulus": 7, "n_layers": 1, "d_model": 64, "n_heads": 2, "d_mlp": 256, "lr": 1e-3}
    settings |= {"training.steps": 400, "eval_every": 400, "record_every": None, "checkpoints.schedule": "ends"}
    config = override(RunConfig(), {**settings, "label_noise": 1.0, "optimizer.name": "adam"})
    run = train(config, tmp_path / "run", progress=False)
    opened = open_run(run.path)
    assert torch.equal(opened.task.labels, run_task(config).labels)
    assert not torch.equal(opened.task.labels, build_task(config.task).labels)
    last = opened.metrics.iloc[-1]
    assert last["train_accuracy"] == 1.0
    # 25 of 49 pairs are unseen; chance is 1 / 7: at most 10 of 25 right has probability 0.999.
    assert last["val_accuracy"] <= 10 / 25
