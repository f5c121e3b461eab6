"""A network trained elsewhere becomes a run that every reader of runs takes, or nothing at all."""

from __future__ import annotations

import errno
import itertools
import os
import random
import re
from hashlib import sha256

import pytest
import safetensors.torch
import torch

from grokscope.analysis import run_all
from grokscope.config import ConfigError, TaskConfig, preset
from grokscope.importing import WeightsError, import_run
from grokscope.importing import importing as module
from grokscope.model import load_model
from grokscope.runs import Run, RunError, open_run, verify_run
from grokscope.tasks import build_task
from grokscope.training import Trainer, train

D3 = {"task": "group", "group": "D3", "activation": "gelu"}
SMALL = {"d_model": 16, "n_heads": 2, "d_mlp": 32, "batch_size": 18}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Run:
    """A short run on D3, checkpoints at 0, 20, 40, 60."""
    changes = {"task.name": "group", "group": "D3", "steps": 60, "checkpoints.every": 20, "seed": 5, "eval_every": 20}
    config = preset("s5-lion-clip", **SMALL, **changes)
    return train(config, tmp_path_factory.mktemp("trained") / "run", progress=False)


def export(run: Run, folder, kind="pt", steps=None, wrap=lambda state: state):
    """State dicts of a run's models as files, named by step."""
    folder.mkdir(exist_ok=True)
    files = []
    for step in steps or run.steps:
        state = run.model(step).state_dict()
        if kind == "safetensors":
            files.append(folder / f"step_{step:06d}.safetensors")
            safetensors.torch.save_file({name: value.contiguous() for name, value in state.items()}, files[-1])
        else:
            files.append(folder / f"{step}.{kind}")
            torch.save(wrap(state), files[-1])
    return files


ODD = {
    "sparse": (lambda value: value.to_sparse(), "is a sparse tensor of the layout torch.sparse_coo"),
    "compressed": (lambda value: value.to_sparse_csr(), "is a sparse tensor of the layout torch.sparse_csr"),
    "meta": (lambda value: value.to("meta"), "is a tensor of the device meta, which has no values"),
    "nested": (lambda value: torch.nested.nested_tensor([value, value[:1]]), "is a nested tensor"),
    "quantized": (
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
        "is a quantized tensor of torch.qint8",
    ),
}
"""Tensors that cannot be compared value by value, and what is said of each."""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("change", "part"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["embed.W_E", "extra"])
def test_an_entry_without_plain_values_is_named_and_can_be_ignored(trained, tmp_path, change, part, name):
    weights = trained.weights(-1)
    torch.save({**weights, name: change(weights["embed.W_E"])}, tmp_path / "60.pt")
    with pytest.raises(WeightsError, match=rf"60\.pt: {re.escape(name)} {re.escape(part)}: use dense floating-point"):
        import_run(tmp_path / "60.pt", **D3, residual="normed", out=tmp_path / "run")
    if name == "extra":
        run = import_run(tmp_path / "60.pt", **D3, residual="normed", out=tmp_path / "run", ignore="extra")
        assert torch.equal(run.weights(60)["embed.W_E"], weights["embed.W_E"])


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["pt", "pth", "safetensors"])
def test_what_is_exported_comes_back_with_the_same_logits(trained, tmp_path, kind):
    files = export(trained, tmp_path / "files", kind)
    random.Random(0).shuffle(files)
    run = import_run(files, **D3, residual="normed", out=tmp_path / "run")
    assert run.steps == trained.steps == [0, 20, 40, 60]
    assert run.status == "finished"
    assert all(finding.verdict == "ok" for finding in verify_run(run.path))
    tokens = trained.task.tokens
    for step in run.steps:
        assert torch.equal(run.model(step)(tokens), trained.model(step)(tokens))


def test_the_record_says_which_files_and_what_became_of_what_was_in_them(trained, tmp_path):
    files = export(
        trained, tmp_path / "files", steps=[20, 60], wrap=lambda state: {"model": state, "config": {"lr": 1}}
    )
    run = import_run(files, **D3, residual="normed", out=tmp_path / "run")
    assert run.imported["files"] == [
        {
            "step": int(file.stem),
            "file": file.name,
            "bytes": file.stat().st_size,
            "sha256": sha256(file.read_bytes()).hexdigest(),
            "entry": "model",
        }
        for file in files
    ]
    assert run.imported["skipped"]["config"] == "beside the state dict: dict of 1"
    assert run.imported["skipped"]["blocks.0.attn.mask"] == "the attention mask, [0, 0]"
    assert run.reason == "imported from 2 files"
    assert run.config.arm == "imported"
    assert run.config.training.steps == 60
    notes = " ".join(run.imported["notes"])
    told = ("d_model = 16", "n_heads = 2", "d_mlp = 32", "n_layers = 2", "output = vocab", "biases = True")
    for part in (*(f"model.{words}" for words in told), "task.form = x_op_y_eq", "the entry 'model'"):
        assert part in notes
    assert trained.imported is None


def test_metrics_are_those_of_training_on_the_split_that_is_given(trained, tmp_path):
    files = export(trained, tmp_path / "files")
    config, task = trained.config, trained.task
    expected = trained.metrics[["step", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]]
    drawn = import_run(files, trained.config, own_split=True, out=tmp_path / "drawn")
    indices, _ = task.split(config.task.train_fraction, config.seed)
    given = import_run(files, **D3, residual="normed", train_indices=tuple(indices.tolist()), out=tmp_path / "given")
    for run, words in ((drawn, "drawn here: train_fraction 0.5, seed 5"), (given, "given: 18 train indices")):
        found = run.metrics[list(expected)]
        assert torch.allclose(torch.tensor(found.values), torch.tensor(expected.values), rtol=1e-5)
        assert run.imported["split"] == words
        train_side, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
        assert train_side.tolist() == indices.tolist()
    assert drawn.config == trained.config


def test_without_a_split_all_examples_are_validation(trained, tmp_path):
    run = import_run(export(trained, tmp_path / "files", steps=[60]), **D3, residual="normed", out=tmp_path / "run")
    (row,) = run.metrics.to_dict("records")
    logits = trained.model(60)(trained.task.tokens)[:, -1].detach()
    labels = trained.task.labels
    assert row["val_loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert row["val_accuracy"] == pytest.approx(float((logits.argmax(-1) == labels).float().mean()))
    assert row["train_loss"] != row["train_loss"]
    assert run.imported["split"] == "unknown: all examples count as validation"
    assert run.grok_step is None
    with pytest.raises(ConfigError, match="to train, use at least one"):
        Trainer(run.config, run.task)


def test_analyses_take_an_imported_run(trained, tmp_path):
    files = export(trained, tmp_path / "files", steps=[0, 60])
    run = import_run(files, **D3, residual="normed", out=tmp_path / "run")
    own = run_all(trained)["spectra"]
    tables = run_all(run)
    assert {"spectra", "neurons", "restricted_loss"} <= set(tables)
    keys = [name for name in own.columns if own[name].dtype == object and name not in ("run", "arm", "task")]
    ours = tables["spectra"][tables["spectra"]["step"] == 60].sort_values(keys)
    theirs = own[own["step"] == 60].sort_values(keys)
    assert ours["power"].tolist() == pytest.approx(theirs["power"].tolist(), abs=1e-6)


def relabelled(state, order, n):
    """The state dict of the same network with its elements numbered in another order: row i stands for order[i]."""
    rows = torch.tensor([*order, *range(n, len(state["embed.W_E"]))])
    return {
        **state,
        "embed.W_E": state["embed.W_E"][rows],
        "unembed.W_U": state["unembed.W_U"][:, rows],
        "unembed.b_U": state["unembed.b_U"][rows],
    }


@pytest.fixture(scope="module")
def solved():
    """Weights that know composition in S3 by heart."""
    changes = {"task.name": "group", "group": "S3", "train_indices": tuple(range(35)), "residual": "pre_ln"}
    config = preset("s5-adamw", **SMALL | {"batch_size": None}, lr=5e-3, **changes)
    trainer = Trainer(config, build_task(config.task))
    for _ in range(300):
        trainer.update()
    assert trainer.evaluate()["train_accuracy"] == 1.0
    return {name: value.detach().clone() for name, value in trainer.weights.items()}


@pytest.mark.parametrize("product", ["ab", "ba"])
def test_elements_in_another_order_under_either_product_give_the_same_loss(solved, tmp_path, product):
    """A network that knows b[a] on S3, stored with shuffled elements and, for ab, every one named by its inverse."""
    task = build_task(TaskConfig(name="group", group="S3"))
    rows = list(itertools.permutations(range(3)))
    inverse = [rows.index(tuple(row.index(i) for i in range(3))) for row in rows]
    order = random.Random(2).sample(range(6), 6)
    elements = [list(rows[i]) for i in order]
    # Naming every permutation by its inverse turns a[b] into b[a]: (a b)^-1 = b^-1 a^-1.
    row_of = order if product == "ba" else [inverse[i] for i in order]
    torch.save(relabelled(solved, row_of, 6), tmp_path / "300.pt")
    settings = {"task": "group", "activation": "gelu", "elements": elements}
    run = import_run(tmp_path / "300.pt", **settings, product=product, out=tmp_path / "run")
    model = load_model(run.config.model, task, solved)
    loss = float(torch.nn.functional.cross_entropy(model(task.tokens)[:, -1], task.labels).detach())
    assert run.metrics["val_loss"].item() == pytest.approx(loss, rel=1e-5)
    assert run.metrics["val_accuracy"].item() > 0.95
    assert run.task.group.irrep_names == ("trivial", "standard", "sign")
    # What the embedding knows of each irrep does not depend on how its elements are written down.
    ours, theirs = (
        group.power(weights["embed.W_E"][:6].double().numpy()).mean(axis=1)
        for group, weights in ((run.task.group, run.weights(300)), (task.group, solved))
    )
    assert ours == pytest.approx(theirs, abs=1e-6)
    # The other product is right where operands commute: for 18 pairs of 36.
    other = {"ab": "ba", "ba": "ab"}[product]
    wrong = import_run(tmp_path / "300.pt", **settings, product=other, out=tmp_path / "wrong")
    assert wrong.metrics["val_accuracy"].item() < 0.55
    assert f"with task.product = {product} it would be" in " ".join(wrong.imported["notes"])


def test_a_network_of_transformer_lens_needs_the_task_and_the_activation_alone(tmp_path):
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    cfg = HookedTransformerConfig(
        n_layers=1, d_model=12, d_head=4, n_heads=3, d_mlp=20, n_ctx=3, d_vocab=8, d_vocab_out=7, act_fn="relu",
        normalization_type=None, seed=0, default_prepend_bos=False,
    )  # fmt: skip
    foreign = HookedTransformer(cfg)
    torch.save(foreign.state_dict(), tmp_path / "final.pt")
    run = import_run(tmp_path / "final.pt", task="add", modulus=7, activation="relu", out=tmp_path / "run")
    config = run.config
    assert (config.model.n_layers, config.model.n_heads, config.model.normalization) == (1, 3, "none")
    assert (config.model.output, config.model.residual, config.task.form) == ("answers", "pre_ln", "x_y_eq")
    assert (config.model.biases, config.model.unembed_bias) == (False, False)
    assert torch.allclose(run.model(0)(run.task.tokens), foreign(run.task.tokens), atol=1e-6)
    assert "the step is not known and stands as 0" in " ".join(run.imported["notes"])


def test_float64_is_kept_unless_the_config_says_otherwise_and_conversions_are_noted(trained, tmp_path):
    state = {
        name: value.double() if value.is_floating_point() else value for name, value in trained.weights(60).items()
    }
    torch.save(state, tmp_path / "60.pt")
    kept = import_run(tmp_path / "60.pt", **D3, out=tmp_path / "kept")
    assert kept.config.model.dtype == "float64"
    assert kept.weights(60)["embed.W_E"].dtype == torch.float64
    converted = import_run(tmp_path / "60.pt", **D3, dtype="float32", out=tmp_path / "converted")
    assert converted.weights(60)["embed.W_E"].dtype == torch.float32
    assert "all parameters converted from float64 to float32" in converted.imported["notes"]


def test_another_reading_of_the_weights_that_solves_the_task_is_pointed_out(solved, tmp_path):
    given = {"task": "group", "group": "S3"}
    swapped = {**solved, "embed.W_E": solved["embed.W_E"][[*range(6), 7, 6]]}
    for number, weights in enumerate((solved, swapped)):
        torch.save(weights, tmp_path / f"{number}.pt")
    right = import_run(tmp_path / "0.pt", **given, activation="gelu", out=tmp_path / "right")
    assert "is that what is meant" not in " ".join(right.imported["notes"])
    wrong = import_run(tmp_path / "1.pt", **given, activation="gelu", out=tmp_path / "wrong")
    assert wrong.metrics["val_accuracy"].item() < 0.5
    assert "with equals = 7 it would be" in " ".join(wrong.imported["notes"])
    told = import_run(tmp_path / "1.pt", **given, activation="gelu", equals=7, out=tmp_path / "told")
    assert told.metrics["val_accuracy"].item() == right.metrics["val_accuracy"].item()
    assert torch.equal(told.weights(1)["embed.W_E"], solved["embed.W_E"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["12000.pt", "300.pt"], [300, 12000]),
        (["step_012000.safetensors", "step_000000.safetensors"], [0, 12000]),
        (["model-epoch-500.pth", "model-epoch-50.pth"], [50, 500]),
        (["ckpt7.pt", "ckpt10.pt"], [7, 10]),
        (["s5_checkpoint=3.pt", "s5_checkpoint=4.pt"], [3, 4]),
    ],
)
def test_steps_are_read_from_names(trained, tmp_path, names, expected):
    for name in names:
        torch.save(trained.weights(60), tmp_path / name)
    assert import_run([tmp_path / name for name in names], **D3, out=tmp_path / "run").steps == expected


def test_steps_may_be_given(trained, tmp_path):
    files = [tmp_path / "late.pt", tmp_path / "early.pt"]
    for file, step in zip(files, (60, 0), strict=True):
        torch.save(trained.weights(step), file)
    run = import_run(files, **D3, steps=[9, 4], out=tmp_path / "run")
    assert run.steps == [4, 9]
    assert torch.equal(run.weights(4)["embed.W_E"], trained.weights(0)["embed.W_E"])


@pytest.mark.parametrize(
    ("names", "steps", "part"),
    [
        (["a.pt", "1.pt"], None, "no step can be read from 'a.pt'"),
        (["s5.pt", "s6.pt"], None, "no step can be read from 's5.pt'"),
        (["1.pt", "step_01.pt"], None, "step 1 is that of 1.pt and of step_01.pt"),
        (["1.pt", "2.pt"], [1], "steps has 1 entries for 2 files"),
        (["1.pt", "2.pt"], [3, 3], "step 3 is that of 1.pt and of 2.pt"),
        (["1.pt"], [-1], "steps = -1"),
        (["1.pt", "1.pt"], [1, 2], "a file is named twice"),
        ([], None, "name the files to import"),
    ],
)
def test_steps_that_are_not_one_per_file_are_refused(trained, tmp_path, names, steps, part):
    for name in names:
        torch.save(trained.weights(0), tmp_path / name)
    with pytest.raises(ConfigError, match=part):
        import_run([tmp_path / name for name in names], **D3, steps=steps, out=tmp_path / "run")
    assert files_below(tmp_path) == sorted(set(names))


def drop(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


BAD = {
    "a missing parameter": (drop("blocks.1.attn.W_K"), D3, r"missing: blocks\.1\.attn\.W_K \[2, 16, 8\]"),
    "an extra one": (lambda s: {**s, "blocks.0.gate": torch.ones(3)}, D3, r"not expected: blocks\.0\.gate \[3\]"),
    "a wrong group": (lambda s: s, {**D3, "group": "D4"}, r"embed\.W_E is \[8, 16\], expected \[10, 16\]"),
    "a wrong width": (
        lambda s: s,
        {**D3, "d_model": 32},
        r"blocks\.0\.attn\.W_Q is \[2, 16, 8\], expected \[2, 32, 16\]",
    ),
    "a wrong depth": (lambda s: s, {**D3, "n_layers": 1}, r"not expected: blocks\.1\."),
    "no numbers": (lambda s: {**s, "embed.W_E": s["embed.W_E"] * torch.nan}, D3, "not finite"),
    "biases that are off": (lambda s: s, {**D3, "biases": False}, "biases are switched off: use model.biases = true"),
}


@pytest.mark.parametrize(("change", "settings", "part"), BAD.values(), ids=BAD)
def test_nothing_is_left_of_files_that_do_not_fit_whichever_it_is(trained, tmp_path, change, settings, part):
    (tmp_path / "files").mkdir()
    torch.save(trained.weights(0), tmp_path / "files/0.pt")
    torch.save(change(trained.weights(60)), tmp_path / "files/60.pt")
    with pytest.raises(WeightsError, match=part) as caught:
        import_run([tmp_path / "files/0.pt", tmp_path / "files/60.pt"], **settings, out=tmp_path / "runs/run")
    assert re.search(r"files/(0|60)\.pt", str(caught.value))
    assert files_below(tmp_path) == ["files", "files/0.pt", "files/60.pt"]


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"activation": "gelu"}, "task.name is not told by a state dict"),
        ({"task": "group", "group": "D3"}, "model.activation is not told by a state dict"),
        ({**D3, "group": "Q8"}, "task.group = 'Q8' is not accepted"),
        ({**D3, "stepz": 3}, "there is no setting 'stepz'"),
        ({**D3, "task.name": "group"}, "task.name is given twice"),
        ({**D3, "train_indices": (40,)}, r"task\.train_indices = 40 is not accepted"),
        ({"elements": [[0, 1, 2], [1, 0, 2], [0, 2, 1]], "activation": "gelu"}, "not closed"),
        ({**D3, "n_heads": 3}, "model.d_model = 16 is not divisible by model.n_heads = 3"),
    ],
)
def test_nothing_is_left_where_settings_are_refused(trained, tmp_path, settings, part):
    (file,) = export(trained, tmp_path / "files", steps=[60])
    with pytest.raises(ConfigError, match=part):
        import_run(file, **settings, out=tmp_path / "run")
    assert files_below(tmp_path) == ["files", "files/60.pt"]


def test_a_run_that_is_there_is_left_alone(trained, tmp_path):
    (file,) = export(trained, tmp_path / "files", steps=[60])
    run = import_run(file, **D3, out=tmp_path / "run")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="is a run already"):
        import_run(file, **D3, out=tmp_path / "run")
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    for name in ("../run", "-run", "a\0b"):
        with pytest.raises(RunError, match="not accepted"):
            import_run(file, **D3, out=name)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_nothing_is_left_where_writing_fails_or_is_interrupted(trained, tmp_path, monkeypatch, failure):
    files = export(trained, tmp_path / "files")
    kept = files_below(tmp_path)
    count = 0

    def metrics(self, weights):
        nonlocal count
        count += 1
        if count == 3:
            raise failure
        return {"val_loss": 0.0}

    monkeypatch.setattr(module.Evaluation, "metrics", metrics)
    with pytest.raises(type(failure)):
        import_run(files, **D3, out=tmp_path / "new/folder/run")
    assert files_below(tmp_path) == kept


def test_a_file_that_changes_meanwhile_is_noticed(trained, tmp_path, monkeypatch):
    (file,) = export(trained, tmp_path / "files", steps=[60])
    doubts = module.Evaluation.doubts

    def change(self, weights):
        torch.save(trained.weights(0), file)
        return doubts(self, weights)

    monkeypatch.setattr(module.Evaluation, "doubts", change)
    with pytest.raises(WeightsError, match="has changed while it was imported"):
        import_run(file, **D3, out=tmp_path / "run")
    assert files_below(tmp_path) == ["files", "files/60.pt"]


def test_the_run_is_named_after_its_task(trained, tmp_path, monkeypatch):
    (file,) = export(trained, tmp_path / "files", steps=[60])
    monkeypatch.chdir(tmp_path)
    assert import_run(file, **D3).path == open_run("checkpoints/group-d3-imported-seed0").path
