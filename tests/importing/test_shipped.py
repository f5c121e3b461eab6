"""Files as others ship them come in as they lie: the imported run answers as the network that they were made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.config import ConfigError, ModelConfig, TaskConfig, preset
from grokscope.importing import WeightsError, import_run
from grokscope.model import initial_weights, load_model
from grokscope.tasks import build_task
from grokscope.training import Trainer
from tests.importing.shipped import ADD7, CONFIG, TASK, all_turned, left_facing, linear, logits, network


def answers(run, step=-1):
    return run.model(step)(run.task.tokens)[:, -1].detach()


LAYOUTS = {
    "as TransformerLens": (lambda w: w, {}, None),
    "left-facing": (left_facing, {}, "W_K, W_O (heads joined), W_Q, W_V, W_in, W_out, W_E"),
    "all turned": (all_turned, {}, "W_K, W_O, W_Q, W_V, W_in, W_out, W_E, W_pos, W_U"),
    "linear": (linear, {"n_heads": 3}, "W_K (heads joined), W_O (heads joined), W_Q (heads joined), "
               "W_V (heads joined), W_in, W_out, W_U"),
    "one matrix": (lambda w: {**w, "embed.W_E": w["embed.W_E"].T}, {}, "W_E"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "settings", "turned"), LAYOUTS.values(), ids=LAYOUTS)
def test_matrices_that_lie_the_other_way_are_turned_and_the_logits_are_the_same(tmp_path, change, settings, turned):
    weights = network()
    torch.save(change(weights), tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, **settings, out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights))
    notes = [note for note in run.imported["notes"] if note.startswith("turned to the way")]
    assert notes == ([] if turned is None else [f"turned to the way that TransformerLens has them: {turned}"])
    assert run.config.model.d_head == 5


@pytest.mark.parametrize("change", [left_facing, linear])
def test_settings_that_are_given_beside_a_config_say_which_way_matrices_lie(tmp_path, change):
    weights = network()
    torch.save(change(weights), tmp_path / "9.pt")
    assert preset("s5-adamw").model.d_model != CONFIG.d_model
    given = {name: value for name, value in vars(CONFIG).items() if value != getattr(preset("s5-adamw").model, name)}
    run = import_run(
        tmp_path / "9.pt", preset("s5-adamw"), **given, task="add", modulus=7, form="x_y_eq", out=tmp_path / "run"
    )
    assert torch.equal(answers(run), logits(weights))


def test_heads_that_are_joined_need_their_number(tmp_path):
    torch.save(linear(network()), tmp_path / "9.pt")
    with pytest.raises(WeightsError, match=r"nothing else tells how many there are: give model\.n_heads"):
        import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    with pytest.raises(WeightsError, match=r"15 is not divisible by model\.n_heads = 4"):
        import_run(tmp_path / "9.pt", **ADD7, n_heads=4, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


SQUARE = {"n_layers": 2, "d_model": 8, "n_heads": 1, "d_mlp": 8, "activation": "relu", "residual": "pre_ln"}


@pytest.fixture(scope="module")
def square():
    """Weights that know addition modulo 7 by heart, and whose matrices are square: vocabulary, width and neurons 8."""
    changes = {"task.name": "add", "modulus": 7, "form": "x_y_eq", "train_indices": tuple(range(48)), **SQUARE}
    config = preset("s5-adamw", **changes, batch_size=None, lr=1e-2, weight_decay=0.0)
    trainer = Trainer(config, build_task(config.task))
    for _ in range(150):
        trainer.update()
    assert trainer.evaluate()["train_accuracy"] == 1.0
    return {name: value.detach().clone() for name, value in trainer.weights.items()}


@pytest.mark.parametrize("kinds", [(), ("W_E", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"), ("W_U",)])
def test_what_square_shapes_leave_open_the_accuracy_on_the_table_decides(square, tmp_path, kinds):
    turned = {n: v.transpose(-1, -2).contiguous() if n.endswith(kinds) and kinds else v for n, v in square.items()}
    torch.save(turned, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    expected = load_model(ModelConfig(**SQUARE), TASK, square)(TASK.tokens)[:, -1].detach()
    assert torch.equal(answers(run), expected)
    assert run.imported["accuracy"] == pytest.approx(float((expected.argmax(-1) == TASK.labels).float().mean()))
    assert any("shapes leave it open" in note for note in run.imported["notes"]) == bool(kinds)


def test_where_accuracy_does_not_tell_either_the_user_is_asked(tmp_path):
    config = ModelConfig(**SQUARE, normalization="none", output="answers")
    weights = network(("b_in", "b_out"), config)
    turned = {n: v.transpose(-1, -2).contiguous() if n.endswith(("W_E", "W_in", "W_out")) or "attn.W" in n
              else v for n, v in weights.items()}  # fmt: skip
    torch.save(turned, tmp_path / "9.pt")
    as_is = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "as_is")
    (note,) = (note for note in as_is.imported["notes"] if "shapes leave it open" in note)
    assert "taken as they are (layout = as_is or turned says which)" in note
    told = import_run(tmp_path / "9.pt", **ADD7, layout="turned", out=tmp_path / "told")
    assert torch.equal(answers(told), logits(weights, config))
    assert not torch.equal(answers(as_is), answers(told))
    with pytest.raises(ConfigError, match="layout = 'left' is not accepted: use as_is or turned"):
        import_run(tmp_path / "9.pt", **ADD7, layout="left", out=tmp_path / "other")


def test_joined_heads_tell_the_way_of_square_matrices(tmp_path):
    """The layout of the first notebooks, where all but W_O could lie either way by its shape."""
    config = ModelConfig(**SQUARE, normalization="none", output="answers")
    weights = network(config=config)
    torch.save(left_facing(weights), tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights, config))


@pytest.mark.parametrize("kinds", [("b_in", "b_out"), ("b_U",), ("b_in",), ("b_Q", "b_O"), ()])
def test_biases_of_some_kinds_alone_come_with_zeros_for_the_others(tmp_path, kinds):
    weights = network(kinds)
    torch.save(weights, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights))
    assert run.config.model.biases == bool(set(kinds) - {"b_U"})
    assert run.config.model.unembed_bias == ("b_U" in kinds)
    (note,) = (note for note in run.imported["notes"] if note.startswith("biases that are not in the file are zero"))
    assert ("b_in" in note) == ("b_in" not in kinds)
    # Whatever is said of biases, there is a way in: neither answer leads to a demand for the other.
    said = import_run(tmp_path / "9.pt", **ADD7, biases=True, unembed_bias=True, out=tmp_path / "said")
    assert torch.equal(answers(said), logits(weights))


def test_a_numpy_archive_is_read_and_objects_in_it_are_refused_by_name(tmp_path):
    weights = network()
    arrays = {name: value.numpy() for name, value in weights.items()}
    np.savez_compressed(tmp_path / "9.npz", **arrays, config=np.array({"lr": 1}, dtype=object), name=np.array("mod 7"))
    run = import_run(tmp_path / "9.npz", **ADD7, out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights))
    assert "was refused" in run.imported["skipped"]["config"]
    assert "name" in run.imported["skipped"]
    (tmp_path / "9.npz").write_bytes((tmp_path / "9.npz").read_bytes()[:-200])
    with pytest.raises(WeightsError, match=r"9\.npz"):
        import_run(tmp_path / "9.npz", **ADD7, out=tmp_path / "cut")


COPIES = {
    "one": lambda w: {"x_embed": w["embed.W_E"]},
    "two": lambda w: {"x_embed": w["embed.W_E"], "y_embed": w["embed.W_E"].clone()},
    "elements alone": lambda w: {
        "lembed.W_E": w["embed.W_E"][:7] if len(w["embed.W_E"]) == 8 else w["embed.W_E"][:, :7]
    },
    "turned": lambda w: {"decoder.weight": w["unembed.W_U"].T},
    "a wrapper's": lambda w: {f"net.{name}": value for name, value in w.items()},
}


@pytest.mark.parametrize("extra", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("layout", [lambda w: w, left_facing], ids=["as TransformerLens", "left-facing"])
def test_copies_of_parameters_are_left_out_with_a_note(tmp_path, extra, layout):
    weights = network()
    lying = layout(weights)
    torch.save({**lying, **extra(lying)}, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights))
    (note,) = (note for note in run.imported["notes"] if note.startswith("left out: "))
    for name in extra(lying):
        assert f"{name} (a copy of " in note
        assert run.imported["skipped"][name].endswith("equal to the bit")


def test_a_copy_that_differs_is_an_error_that_shows_by_how_much(tmp_path):
    weights = network()
    other = weights["embed.W_E"].clone()
    other[3, 2] += 0.5
    other[4, 1] -= 0.25
    torch.save({**weights, "x_embed": other}, tmp_path / "9.pt")
    with pytest.raises(WeightsError) as caught:
        import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert "x_embed differs from embed.W_E in 2 of 96 values, by at most 0.5" in str(caught.value)
    assert "--ignore x_embed" in str(caught.value)
    assert not (tmp_path / "run").exists()
    run = import_run(tmp_path / "9.pt", **ADD7, ignore="x_*", out=tmp_path / "run")
    assert torch.equal(answers(run), logits(weights))
    assert run.imported["skipped"]["x_embed"] == "left out, as was asked"


def test_zeros_are_no_copy_of_a_bias_that_is_zero(tmp_path):
    weights = network() | {"gate": torch.zeros(12), "blocks.0.attn.b_O": torch.zeros(12)}
    torch.save(weights, tmp_path / "9.pt")
    with pytest.raises(WeightsError, match=r"not expected: gate \[12\]\. .*--ignore gate"):
        import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"ignore = 'gaet' is no entry of the file; there are: embed\.W_E"):
        import_run(tmp_path / "9.pt", **ADD7, ignore=["gate", "gaet"], out=tmp_path / "run")


def test_attention_alone_and_a_tied_unembedding_are_read_off_the_file(tmp_path):
    config = ModelConfig(n_layers=2, d_model=12, n_heads=3, activation="relu", normalization="none",
                         attention_only=True, tied=True, residual="pre_ln")  # fmt: skip
    weights = initial_weights(config, TASK, 0)
    expected = load_model(config, TASK, weights)(TASK.tokens)[:, -1].detach()
    for name, tensors in (("both", weights), ("alone", {n: v for n, v in weights.items() if n != "unembed.W_U"})):
        torch.save(tensors, tmp_path / f"{name}.pt")
        run = import_run(tmp_path / f"{name}.pt", **ADD7, out=tmp_path / name)
        assert (run.config.model.attention_only, run.config.model.tied) == (True, True)
        assert "model.attention_only = True" in " ".join(run.imported["notes"])
        assert "model.tied = True" in " ".join(run.imported["notes"])
        assert torch.allclose(answers(run), expected, atol=1e-6)


def test_a_mask_that_hides_nothing_makes_attention_bidirectional(tmp_path):
    config = ModelConfig(n_layers=2, d_model=12, n_heads=3, d_mlp=20, activation="relu", normalization="none",
                         attention_dir="bidirectional", residual="pre_ln", output="answers")  # fmt: skip
    weights = initial_weights(config, TASK, 0)
    masks = {f"blocks.{layer}.attn.mask": torch.ones(3, 3) for layer in (0, 1)}
    torch.save({**weights, **masks}, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert run.config.model.attention_dir == "bidirectional"
    assert torch.equal(answers(run), load_model(config, TASK, weights)(TASK.tokens)[:, -1].detach())


def test_two_positions_are_the_form_that_is_answered_at_y(tmp_path):
    task = build_task(TaskConfig(name="add", modulus=7, form="x_y"))
    config = ModelConfig(n_layers=1, d_model=12, n_heads=3, d_mlp=20, activation="relu", residual="pre_ln")
    weights = initial_weights(config, task, 0)
    torch.save(weights, tmp_path / "9.pt")
    run = import_run(tmp_path / "9.pt", **ADD7, out=tmp_path / "run")
    assert run.config.task.form == "x_y"
    assert torch.equal(answers(run), load_model(config, task, weights)(task.tokens)[:, -1].detach())
