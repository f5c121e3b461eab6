"""State dicts made elsewhere: the architecture is read off, and all that does not fit is named at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from grokscope.config import ModelConfig, TaskConfig
from grokscope.importing import WeightsError, fitted, nonzero_biases, reordered, shape_settings
from grokscope.model import initial_weights, load_model, parameter_shapes
from grokscope.tasks import build_task

CONFIG = ModelConfig(n_layers=2, d_model=12, n_heads=3, d_mlp=20, residual="pre_ln")
TASK = build_task(TaskConfig(name="group", group="D3"))


def state(config=CONFIG, task=TASK, seed=0):
    return initial_weights(config, task, seed)


def complaint(tensors, config=CONFIG, task=TASK) -> str:
    with pytest.raises(WeightsError) as caught:
        fitted(tensors, config, task)
    return str(caught.value)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("norm", ["LN", "none"])
@pytest.mark.parametrize("form", ["x_op_y_eq", "x_y_eq"])
def test_shapes_tell_the_architecture(layers, norm, form):
    config = ModelConfig(n_layers=layers, d_model=12, n_heads=2, d_mlp=20, normalization=norm, dtype="float64")
    task = build_task(TaskConfig(name="group", group="D3", form=form))
    assert shape_settings(initial_weights(config, task, 0)) == {
        "model.n_layers": layers, "model.d_model": 12, "model.n_heads": 2, "model.d_mlp": 20,
        "model.normalization": norm, "model.dtype": "float64", "task.form": form,
    }  # fmt: skip


def test_a_hooked_transformer_of_transformer_lens_fits_and_computes_the_same():
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    cfg = HookedTransformerConfig(
        n_layers=2, d_model=12, d_head=4, n_heads=3, d_mlp=20, n_ctx=4, d_vocab=8, act_fn="gelu",
        normalization_type="LN", seed=0, default_prepend_bos=False,
    )  # fmt: skip
    foreign = HookedTransformer(cfg)
    for parameter in foreign.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    config = replace(CONFIG, unembed_bias=True)
    fit = fitted(foreign.state_dict(), config, TASK)
    assert all("mask" in name or "IGNORE" in name for name in fit.skipped)
    ours = load_model(config, TASK, fit.weights)
    assert torch.allclose(ours(TASK.tokens), foreign(TASK.tokens), atol=1e-5)
    assert nonzero_biases(fit.weights) == {"model.biases": True, "model.unembed_bias": True}


def test_everything_that_does_not_fit_is_named_at_once_with_its_shapes():
    tensors = state()
    del tensors["blocks.0.attn.W_Q"], tensors["ln_final.w"]
    tensors["blocks.1.mlp.W_in"] = torch.zeros(12, 21)
    tensors["blocks.1.mlp.gate"] = torch.zeros(5)
    tensors["blocks.0.attn.mask"] = torch.ones(2, 4, 4)
    said = complaint(tensors)
    for part in ("missing: blocks.0.attn.W_Q [3, 12, 4], ln_final.w [12]",
                 "misshaped: blocks.1.mlp.W_in is [12, 21], expected [12, 20]",
                 "not expected: blocks.1.mlp.gate [5]",
                 "blocks.0.attn.mask [2, 4, 4] is not the causal mask"):  # fmt: skip
        assert part in said


def causal(size, *leading):
    return torch.ones(*leading, size, size, dtype=torch.bool).tril()


@pytest.mark.parametrize(
    "mask",
    [torch.empty(0, 0), causal(4), ~causal(4), causal(4).float(), causal(4, 3), causal(4, 1, 1), causal(9),
     torch.zeros(4, 4).masked_fill(~causal(4), -torch.inf), torch.zeros(4, 4).masked_fill(~causal(4), -1e5)],
)  # fmt: skip
def test_causal_masks_of_any_convention_are_skipped_and_listed(mask):
    tensors = state()
    tensors["blocks.0.attn.mask"] = tensors["blocks.1.attn.mask"] = mask
    assert f"the attention mask, {list(mask.shape)}" in fitted(tensors, CONFIG, TASK).skipped.values()


def test_a_mask_that_is_not_causal_is_refused_but_for_the_last_layer():
    everything = torch.ones(3, 4, 4, dtype=torch.bool)
    assert "blocks.0.attn.mask [3, 4, 4] is not the causal mask" in complaint(
        {**state(), "blocks.0.attn.mask": everything}
    )
    assert "blocks.1.attn.mask" in fitted({**state(), "blocks.1.attn.mask": everything}, CONFIG, TASK).skipped
    blind = causal(4)
    blind[-1, 0] = False
    assert "blocks.1.attn.mask" in complaint({**state(), "blocks.1.attn.mask": blind})
    assert "blocks.1.attn.mask" in complaint({**state(), "blocks.1.attn.mask": torch.ones(4)})


def test_constants_are_skipped_and_listed():
    extra = {"blocks.0.attn.rotary_sin": torch.ones(4, 4), "blocks.0.attn.rotary_cos": torch.ones(4, 4)}
    skipped = fitted(state() | extra, CONFIG, TASK).skipped
    assert set(extra) < set(skipped)
    assert skipped["blocks.0.attn.IGNORE"] == "the score of masked positions, []"


@pytest.mark.parametrize("found", [torch.float64, torch.bfloat16, torch.float16])
def test_conversions_are_stated(found):
    tensors = {name: value.to(found) for name, value in state().items()}
    fit = fitted(tensors, CONFIG, TASK)
    assert fit.notes == [f"all parameters converted from {str(found)[6:]} to float32"]
    assert fit.weights["embed.W_E"].dtype == torch.float32
    assert torch.equal(fit.weights["embed.W_E"], tensors["embed.W_E"].float())
    mixed = {**state(), "embed.W_E": tensors["embed.W_E"]}
    assert fitted(mixed, CONFIG, TASK).notes == [f"embed.W_E converted from {str(found)[6:]} to float32"]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (torch.zeros(8, 12, dtype=torch.int64), "torch.int64"),
        (torch.zeros(8, 12, dtype=torch.complex64), "torch.complex64"),
        (torch.full((8, 12), torch.nan), "embed.W_E has 96 values that are not finite"),
        (torch.full((8, 12), 1e300, dtype=torch.float64), "not finite after conversion from torch.float64"),
        (torch.zeros(8, 12).to_sparse(), "sparse"),
    ],
)
def test_values_that_are_no_weights_are_refused(value, part):
    assert part in complaint({**state(), "embed.W_E": value})


def test_biases_that_are_off_may_be_left_out_and_must_be_zero():
    config = ModelConfig(n_layers=2, d_model=12, n_heads=3, d_mlp=20, biases=False, residual="pre_ln")
    tensors = {name: value for name, value in state(config).items() if ".b" not in name}
    fit = fitted(tensors, config, TASK)
    assert fit.notes[0].startswith("biases that are not in the file are zero: blocks.*.ln1.b, blocks.*.ln2.b, ")
    assert set(parameter_shapes(config, TASK)) < set(fit.weights)
    said = complaint({**state(config), "ln_final.b": torch.ones(12)}, config)
    assert "ln_final.b is not zero, but biases are switched off: use model.biases = true" in said
    said = complaint({**state(), "unembed.b_U": torch.ones(8)})
    assert "use model.unembed_bias = true" in said


@pytest.mark.parametrize("biases", [True, False])
def test_biases_that_are_not_in_the_file_are_zero_tensor_by_tensor(biases):
    config = ModelConfig(n_layers=2, d_model=12, n_heads=3, d_mlp=20, residual="pre_ln", unembed_bias=biases)
    whole = {name: value + 0.5 if ".b" in name else value for name, value in state(config).items()}
    kept = ("mlp.b_in", "mlp.b_out") if biases else ("unembed.b_U",)
    config = replace(config, unembed_bias=True)
    tensors = {name: value for name, value in whole.items() if ".b" not in name or name.endswith(kept)}
    fit = fitted(tensors, config, TASK)
    for name, value in fit.weights.items():
        if name.rpartition(".")[2][0] == "b":
            assert torch.equal(value, whole[name] if name.endswith(kept) else torch.zeros_like(value))
    (note,) = fit.notes
    assert ("mlp.b_in" in note, "attn.b_Q" in note, "unembed.b_U" in note) == (not biases, True, biases)


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (6, "no row is left for `=`, where answers are read here"),
        (7, "one row is left, for `=`: use task.form = x_y_eq"),
        (9, "is this the network's group"),
    ],
)
def test_token_rows_that_are_too_few_or_too_many_are_explained(rows, part):
    said = complaint({**state(), "embed.W_E": torch.zeros(rows, 12), "unembed.W_U": torch.zeros(12, rows)})
    assert f"embed.W_E is [{rows}, 12], expected [8, 12]" in said
    assert f"embed.W_E has {rows} rows, and the task's tokens are 6 elements, then `=` and `o`" in said
    assert part in said


def test_an_operation_token_that_the_task_has_not_is_explained():
    task = build_task(TaskConfig(name="group", group="D3", form="x_y_eq"))
    said = complaint(state(), task=task)
    assert "two rows are left, for `=` and an operation: use task.form = x_op_y_eq" in said
    assert "pos_embed.W_pos has 4 positions, and examples have 3: use task.form = x_op_y_eq" in said


@pytest.mark.parametrize(
    "names",
    [("embed_x.W_E", "embed_y.W_E"), ("embed.W_E_x", "embed.W_E_y"), ("lembed", "rembed"), ("x_embed", "y_embed"),
     ("W_E_a", "W_E_b"), ("embed_left.weight", "embed_right.weight"), ("embedding_1.W_E", "embedding_2.W_E")],
)  # fmt: skip
@pytest.mark.parametrize("equal", [True, False])
def test_embeddings_of_one_operand_are_explained(names, equal):
    tensors = state()
    del tensors["embed.W_E"]
    tensors |= {names[0]: torch.zeros(6, 12), names[1]: torch.zeros(6, 12) + (not equal)}
    said = complaint(tensors)
    assert f"Operands have embeddings of their own ({names[0]}, {names[1]})" in said
    assert ("save one of them as embed.W_E" if equal else "train the network with one table") in said


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda s: {n: v for n, v in s.items() if ".ln" not in f".{n}"}, "use model.normalization = none"),
        (lambda s: {n: v for n, v in s.items() if ".mlp." not in n}, "attention only"),
        (
            lambda s: {f"layer.{i}": v for i, v in enumerate(s.values())},
            "no HookedTransformer state dict: names are like",
        ),
        (
            lambda s: {n: v for n, v in s.items() if "pos" not in n} | {"blocks.0.attn.rotary_sin": torch.ones(2)},
            "rotary",
        ),
        (lambda s: {**s, "blocks.0.attn.W_Q": torch.zeros(3, 12, 2)}, "Heads have 2 dimensions"),
    ],
)
def test_known_causes_are_hinted_at(change, part):
    assert part in complaint(change(state()))


def test_a_layer_norm_that_is_not_expected_is_hinted_at():
    config = ModelConfig(n_layers=2, d_model=12, n_heads=3, d_mlp=20, normalization="none")
    assert "use model.normalization = LN" in complaint(state(), config)


@pytest.mark.parametrize("equals", range(8))
def test_tokens_in_another_order_are_put_in_that_of_the_task(equals):
    ours = state()
    others = [row for row in range(8) if row != equals]
    token_of_row = [0] * 8
    for token, row in enumerate([*others[:6], equals, *others[6:]]):
        token_of_row[row] = token
    order = torch.tensor(token_of_row)
    theirs = {**ours, "embed.W_E": ours["embed.W_E"][order], "unembed.W_U": ours["unembed.W_U"][:, order],
              "unembed.b_U": ours["unembed.b_U"][order]}  # fmt: skip
    back = reordered(theirs, TASK, equals)
    assert all(torch.equal(back[name], ours[name]) for name in ours)


@pytest.mark.parametrize("equals", [-1, 8])
def test_a_row_that_is_not_there_cannot_stand_for_equals(equals):
    with pytest.raises(WeightsError, match=rf"equals = {equals} is not a row of embed\.W_E, which has 8"):
        reordered(state(), TASK, equals)
