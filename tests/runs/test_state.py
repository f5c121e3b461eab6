"""The resume state: complete, in order, and never half of one and half of another."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch

from grokscope.runs import RunError, create_run, reopen_run


def test_tensors_and_information_round_trip_in_order(tmp_path, config):
    generator = torch.Generator().manual_seed(5)
    tensors = {
        "z": torch.randn(3, 4, dtype=torch.float64),
        "a": generator.get_state(),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "view": torch.arange(6.0).view(2, 3).T,
    }
    info = {"step": 12, "epoch": {"position": 3}, "seconds": 0.1, "names": ["x"], "none": None}
    with create_run(tmp_path / "run", config) as writer:
        assert writer.load_state() is None
        writer.save_state(tensors, info)
        writer.finish("interrupted")
    with reopen_run(tmp_path / "run") as writer:
        loaded = writer.load_state()
        assert loaded is not None
        assert list(loaded[0]) == list(tensors)
        assert all(
            loaded[0][name].equal(value) and loaded[0][name].dtype == value.dtype for name, value in tensors.items()
        )
        assert loaded[1] == info
        writer.finish("finished")


def test_state_is_a_copy_of_the_moment(tmp_path, config):
    momentum, info = torch.zeros(1000), {"step": 1}
    with create_run(tmp_path / "run", config) as writer:
        writer.save_state({"momentum": momentum}, info)
        momentum += 1
        info["step"] = 2
        loaded = writer.load_state()
        writer.finish("interrupted")
    assert loaded is not None
    assert loaded[0]["momentum"].eq(0).all()
    assert loaded[1] == {"step": 1}


def test_there_are_the_last_state_and_the_one_before_and_state_json_describes_both(tmp_path, config):
    run = tmp_path / "run"
    with create_run(run, config) as writer:
        for step in range(5):
            writer.save_state({"w": torch.full((3,), float(step))}, {"step": step})
            writer.flush()
            record = json.loads((run / "state.json").read_text())
            there = {file.name: safetensors.torch.load_file(file)["w"][0] for file in run.glob("state.*.safetensors")}
            expected = {record["file"]: step} | ({record["previous"]["file"]: step - 1} if step else {})
            assert there == expected
            assert record["info"] == {"step": step}
            assert (record["previous"] or {"info": {"step": -1}})["info"] == {"step": step - 1}
        writer.finish("interrupted")


def test_information_that_json_cannot_hold_is_refused(tmp_path, config):
    with create_run(tmp_path / "run", config) as writer:
        with pytest.raises(RunError, match="info must be JSON"):
            writer.save_state({}, {"w": torch.zeros(1)})
        writer.finish("interrupted")


def test_a_state_that_was_not_sealed_is_refused(trained, killed):
    (trained / "state.json").write_bytes((killed / "state.json").read_bytes())
    with pytest.raises(RunError, match=r"state\.json has changed since it was written"):
        reopen_run(trained)


def test_a_state_file_that_is_gone_is_named(trained):
    (file,) = trained.glob("state.*.safetensors")
    file.unlink()
    with pytest.raises(RunError, match=rf"{file.name} is missing"), reopen_run(trained) as writer:
        writer.load_state()
