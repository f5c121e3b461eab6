"""What goes into a checkpoint comes out of it, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from grokscope.model import parameter_shapes
from grokscope.runs import RunError, create_run, open_run


def test_weights_round_trip_bit_for_bit_with_names_shapes_dtypes_and_order(trained, config, weights_at):
    run = open_run(trained)
    for step in run.steps:
        weights, expected = run.weights(step), weights_at(step)
        parameters = parameter_shapes(config.model, run.task)
        assert list(weights)[: len(parameters)] == list(parameters)
        assert weights.keys() == expected.keys()
        for name, value in expected.items():
            assert weights[name].dtype == value.dtype
            assert weights[name].shape == value.shape
            assert weights[name].numpy().tobytes() == value.numpy().tobytes()


def test_buffers_of_transformer_lens_round_trip(trained):
    weights = open_run(trained).weights(0)
    assert weights["blocks.0.attn.mask"].shape == (0, 0)
    assert weights["blocks.0.attn.mask"].dtype == torch.bool
    assert weights["blocks.0.attn.IGNORE"].shape == ()
    assert weights["blocks.0.attn.IGNORE"] == -torch.inf


def test_every_manifest_line_agrees_with_hashlib_and_the_safetensors_library(trained, weights_at):
    lines = [json.loads(line) for line in (trained / "manifest.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 10, 20, 30, 40, 50]
    for line in lines:
        assert list(line) == ["step", "file", "bytes", "sha256"]
        data = (trained / line["file"]).read_bytes()
        assert len(data) == line["bytes"]
        assert hashlib.sha256(data).hexdigest() == line["sha256"]
        stored = safetensors.torch.load_file(trained / line["file"])
        assert stored.keys() == weights_at(line["step"]).keys()
        assert all(stored[name].equal(value) for name, value in weights_at(line["step"]).items())
    assert open_run(trained).digests == {line["step"]: line["sha256"] for line in lines}


def test_model_is_a_hooked_transformer_that_takes_the_file_strictly(trained):
    from transformer_lens import HookedTransformer

    model = open_run(trained).model(50)
    assert isinstance(model, HookedTransformer)
    stored = safetensors.torch.load_file(trained / "checkpoints" / "step_00000050.safetensors")
    assert model.state_dict().keys() == stored.keys()
    assert all(value.equal(stored[name]) for name, value in model.state_dict().items())


@pytest.mark.lens
def test_model_runs_with_a_cache(trained):
    run = open_run(trained)
    model = run.model(50)
    logits, cache = model.run_with_cache(run.task.tokens, return_type="logits")
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (run.task.n_examples, 4, run.task.d_vocab)
    assert cache["blocks.0.mlp.hook_post"].shape[-1] == 16


def test_views_of_one_flat_buffer_and_transposed_tensors_are_saved_as_they_look(tmp_path, config):
    flat = torch.arange(24.0)
    views = {"a": flat[:6].view(2, 3), "b": flat[6:18].view(3, 4).T, "c": flat[::2], "d": flat[:6].view(3, 2)}
    with create_run(tmp_path / "run", config) as writer:
        writer.checkpoint(0, views)
        writer.finish("finished")
    stored = safetensors.torch.load_file(tmp_path / "run" / "checkpoints" / "step_00000000.safetensors")
    assert all(stored[name].equal(value) for name, value in views.items())


def test_weights_changed_in_place_after_the_call_are_saved_as_they_were(tmp_path, config, weights_at):
    weights = weights_at(0)
    weight = weights["embed.W_E"].fill_(0).requires_grad_()
    with create_run(tmp_path / "run", config) as writer:
        for step in range(50):
            writer.checkpoint(step, weights)
            with torch.no_grad():
                weight += 1
        writer.finish("finished")
    run = open_run(tmp_path / "run")
    assert run.steps == list(range(50))
    assert all(run.weights(step)["embed.W_E"].eq(step).all() for step in run.steps)


def test_trajectory_is_the_stack_of_that_parameter_over_the_checkpoints(trained, weights_at):
    run = open_run(trained)
    for name in ("embed.W_E", "blocks.0.attn.W_O", "blocks.0.attn.IGNORE", "blocks.0.attn.mask"):
        expected = torch.stack([weights_at(step)[name] for step in run.steps])
        assert run.trajectory(name).dtype == expected.dtype
        assert run.trajectory(name).equal(expected)


def test_trajectory_of_an_unknown_parameter_names_the_near_ones(trained):
    with pytest.raises(RunError, match=r"no parameter 'blocks\.0\.atn\.W_Q'; nearest: .*blocks\.0\.attn\.W_Q"):
        open_run(trained).trajectory("blocks.0.atn.W_Q")
    with pytest.raises(RunError, match=r"nearest: .*embed\.W_E"):
        open_run(trained).trajectory("W_E")
    with pytest.raises(RunError, match=r"parameters: .*embed\.W_E"):
        open_run(trained).trajectory("%%%")


def test_weights_by_a_name_that_is_not_there_name_the_nearest(trained):
    weights = open_run(trained).weights(-1)
    for name, near in (("W_E", r"embed\.W_E"), ("blocks.0.atn.W_Q", r"blocks\.0\.attn\.W_Q")):
        with pytest.raises(KeyError, match=rf"there is no parameter '.*'; nearest: .*{near}") as caught:
            weights[name]
        assert isinstance(caught.value, RunError)
        assert str(caught.value).startswith("there is no parameter")  # and not in quotes, as those of KeyError
    with pytest.raises(RunError, match=r"no parameter '%%%'; parameters: .*embed\.W_E"):
        weights["%%%"]
    assert weights.get("W_E") is None
    assert "W_E" not in weights


def test_weights_that_torch_saved_are_a_state_dict_and_nothing_of_ours(trained, tmp_path):
    weights = open_run(trained).weights(-1)
    torch.save(weights, tmp_path / "weights.pt")
    again = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert type(again) is OrderedDict
    assert list(again) == list(weights)
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_weights_take_a_step_and_say_how_a_parameter_is_had(trained):
    for name in ("embed.W_E", "embed.WE", "W_E"):
        with pytest.raises(RunError, match=r"takes a step, not '.*': use weights\(-1\)\['embed\.W_E'\] .*trajectory"):
            open_run(trained).weights(name)


def test_negative_steps_count_checkpoints_from_the_end(trained, weights_at):
    run = open_run(trained)
    assert run.weights(-1)["embed.W_E"].equal(weights_at(50)["embed.W_E"])
    assert run.weights(-6)["embed.W_E"].equal(weights_at(0)["embed.W_E"])
    with pytest.raises(RunError, match=r"checkpoint -7 from the end does not exist: .* has 6"):
        run.weights(-7)


def test_a_step_may_be_any_integer_type(trained, weights_at):
    assert open_run(trained).weights(np.int64(20))["embed.W_E"].equal(weights_at(20)["embed.W_E"])
    with pytest.raises(RunError, match=r"step = 20\.0 is not accepted: use an integer"):
        open_run(trained).weights(20.0)  # type: ignore[arg-type]


def test_a_step_without_a_checkpoint_names_the_nearest(trained):
    with pytest.raises(RunError, match="no checkpoint at step 24; nearest: 10, 20, 30, 40"):
        open_run(trained).weights(24)


def test_a_run_without_checkpoints_says_so(tmp_path, config):
    create_run(tmp_path / "run", config).finish("interrupted")
    run = open_run(tmp_path / "run")
    assert run.steps == []
    assert run.final_step is None
    for use in (lambda: run.weights(-1), lambda: run.weights(0), lambda: run.trajectory("embed.W_E")):
        with pytest.raises(RunError, match="no checkpoints yet"):
            use()


def test_a_run_is_a_snapshot_of_when_it_was_opened(tmp_path, config, weights_at):
    with create_run(tmp_path / "run", config) as writer:
        writer.checkpoint(0, weights_at(0))
        writer.flush()
        before = open_run(tmp_path / "run")
        writer.checkpoint(10, weights_at(10))
        writer.flush()
        assert before.steps == [0]
        assert open_run(tmp_path / "run").steps == [0, 10]
        writer.finish("finished")


def test_no_file_of_a_run_is_a_pickle(trained):
    for file in (p for p in Path(trained).rglob("*") if p.is_file()):
        data = file.read_bytes()
        assert data[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), file
        assert data[:2] != b"PK", file
