"""A network that was read in the wrong way is pointed to the way in which it solves its task."""

from __future__ import annotations

import pytest
import torch

from grokscope.config import RunConfig, TaskConfig, override, preset
from grokscope.importing import import_run
from grokscope.importing.readings import other_readings
from grokscope.runs import open_run
from grokscope.tasks import build_task
from grokscope.training import Trainer

SMALL = {"n_layers": 2, "d_model": 16, "n_heads": 2, "d_mlp": 32, "activation": "gelu", "residual": "pre_ln"}


def learned(**task):
    """Weights that know a task by heart, but for its last example."""
    n = build_task(TaskConfig(**task)).n_examples
    changes = {f"task.{name}": value for name, value in task.items()} | {"train_indices": tuple(range(n - 1))}
    config = preset("s5-adamw", **changes, **SMALL, batch_size=None, lr=5e-3, weight_decay=0.0)
    trainer = Trainer(config, build_task(config.task))
    for _ in range(300):
        trainer.update()
    assert trainer.evaluate()["train_accuracy"] > 0.95
    return {name: value.detach().clone() for name, value in trainer.weights.items()}


def notes(tmp_path, weights, **settings):
    torch.save(weights, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", activation="gelu", **settings, out=tmp_path / "run")
    return [note for note in run.imported["notes"] if note.startswith("accuracy is")]


def test_another_task_of_the_same_size_is_offered(tmp_path):
    weights = learned(name="sub", modulus=5)
    found = notes(tmp_path, weights, task="add", modulus=5)
    assert any("with task.name = sub it would be" in note for note in found)
    assert not any("task.name = mul " in note for note in found)


def test_an_operation_of_the_literature_without_a_name_is_offered(tmp_path):
    weights = learned(name="expression", expression="y - x", modulus=5)
    found = notes(tmp_path, weights, task="sub", modulus=5)
    assert any("with task.expression = 'y - x' it would be" in note for note in found)


def test_the_inverse_of_an_order_of_elements_is_offered(tmp_path):
    ordered = [list(row) for row in build_task(TaskConfig(name="group", group="S3")).group.permutations.tolist()]
    order = [1, 2, 3, 4, 5, 0]  # not its own inverse
    inverse = [order.index(place) for place in range(6)]
    weights = learned(name="group", elements=tuple(tuple(ordered[place]) for place in inverse))
    found = notes(tmp_path, weights, task="group", elements=[ordered[place] for place in order])
    assert any("with the elements in the inverse order" in note for note in found)


def test_near_chance_where_nothing_fits_it_is_said_what_may_differ(tmp_path):
    weights = learned(name="add", modulus=7)
    source = torch.Generator().manual_seed(0)
    order = torch.randperm(7, generator=source)
    weights["embed.W_E"][:7] = weights["embed.W_E"][:7][order]
    (note,) = notes(tmp_path, weights, task="add", modulus=7)
    assert "chance is 0.143" in note
    for part in ("order of the elements", "product", "task", "layout"):
        assert part in note


def test_the_networks_own_table_can_be_its_task(tmp_path):
    """A network that knows a relabelled sum, which is no task by name; its group is recognised in what it answers."""
    weights = learned(name="add", modulus=7)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4, 7, 8])
    weights["embed.W_E"], weights["unembed.W_U"] = weights["embed.W_E"][order], weights["unembed.W_U"][:, order]
    torch.save(weights, tmp_path / "9.pt")
    settings = {"task": "add", "modulus": 7, "activation": "gelu"}
    run = import_run(tmp_path / "9.pt", **settings, from_argmax=True, out=tmp_path / "run")
    assert run.imported["accuracy"] == 1.0
    logits = run.model(9)(run.task.tokens)[:, -1, :7]
    assert torch.equal(run.task.labels, logits.argmax(-1))
    base = build_task(TaskConfig(name="add", modulus=7))
    assert torch.equal(run.task.tokens, base.tokens)
    (note,) = (note for note in run.imported["notes"] if note.startswith("the task is what the network answers"))
    assert f"{int((run.task.labels != base.labels).sum())} of 49 labels are not those of add mod 7" in note
    assert open_run(run.path).task.labels.tolist() == run.task.labels.tolist()


@pytest.mark.parametrize(
    "task", [{"name": "add", "modulus": 7}, {"name": "group", "group": "S3"}, {"name": "group", "group": "Q8"},
             {"name": "permutation", "degree": 4}, {"name": "parity", "bits": 4}, {"name": "mixed", "modulus": 5}],
)  # fmt: skip
def test_no_reading_is_tried_twice_and_none_is_the_own_one(task):
    if task.get("group") == "Q8":
        table = build_task(TaskConfig(name="group", group="D4")).group.table.tolist()
        task = {"name": "group", "table": tuple(map(tuple, table))}
    config = override(RunConfig(), {f"task.{name}": value for name, value in task.items()})
    own = build_task(config.task)
    tasks = [build_task(r.config.task) for r in other_readings(config, own, {"embed.W_E": torch.zeros(own.d_vocab, 4)})
             if r.config.model == config.model and r.config.task != config.task]  # fmt: skip
    labels = [(task.tokens.tolist(), task.labels.tolist()) for task in tasks]
    assert all(labels.count(each) == 1 for each in labels)
    assert (own.tokens.tolist(), own.labels.tolist()) not in labels
