"""Files of weights made elsewhere: tensors are found wherever they are, and nothing in a file is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from hashlib import sha256

import numpy as np
import pytest
import safetensors.torch
import torch

from grokscope.importing import WeightsError, read_foreign

STATE = {"embed.W_E": torch.arange(6.0).view(3, 2), "blocks.0.attn.IGNORE": torch.tensor(-torch.inf)}


def same(found, expected=STATE):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth", "w", "w.bin"])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_state_dict_is_read_by_its_content_whatever_its_name(tmp_path, name, kind):
    file = tmp_path / name
    if kind == "safetensors":
        safetensors.torch.save_file(STATE, file)
    else:
        torch.save(OrderedDict(STATE), file, _use_new_zipfile_serialization=kind == "zip")
    foreign = read_foreign(file)
    assert same(foreign.tensors)
    assert (foreign.entry, foreign.prefix, foreign.skipped) == ("", "", {})
    assert (foreign.bytes, foreign.sha256) == (file.stat().st_size, sha256(file.read_bytes()).hexdigest())


def test_parameters_with_gradients_come_without(tmp_path):
    torch.save({"embed.W_E": torch.nn.Parameter(torch.ones(2, 2))}, tmp_path / "w.pt")
    (value,) = read_foreign(tmp_path / "w.pt").tensors.values()
    assert not value.requires_grad


@pytest.mark.parametrize(
    ("wrap", "entry"),
    [
        (lambda state: {"model": state, "config": {"d": 3}, "epoch": 7}, "model"),
        (lambda state: {"a": {"state_dict": state}, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}, "a.state_dict"),
        (lambda state: [0.5, state], "1"),
    ],
)
def test_a_state_dict_inside_is_found_and_what_lies_beside_it_is_listed(tmp_path, wrap, entry):
    content = wrap(STATE)
    torch.save(content, tmp_path / "w.pt")
    foreign = read_foreign(tmp_path / "w.pt")
    assert same(foreign.tensors)
    assert foreign.entry == entry
    if isinstance(content, dict):
        assert set(foreign.skipped) == set(content) - {entry.partition(".")[0]}
    assert same(read_foreign(tmp_path / "w.pt", entry).tensors)


def test_of_several_state_dicts_one_must_be_named(tmp_path):
    torch.save({"model": STATE, "ema": STATE, "state_dicts": [STATE, STATE]}, tmp_path / "w.pt")
    with pytest.raises(
        WeightsError, match=r"several state dicts: model, ema, state_dicts\.0, state_dicts\.1; name one"
    ):
        read_foreign(tmp_path / "w.pt")
    assert read_foreign(tmp_path / "w.pt", "state_dicts.1").entry == "state_dicts.1"
    for wrong, told in (("modl", "there is: model, ema, state_dicts"), ("state_dicts.2", "there is: 0, 1"),
                        ("state_dicts", "no state dict, but list of 2")):  # fmt: skip
        with pytest.raises(WeightsError, match=told):
            read_foreign(tmp_path / "w.pt", wrong)


def test_entries_that_are_no_tensors_are_listed(tmp_path):
    torch.save({**STATE, "step": 12, "name": "s5", "losses": [1.0, 0.5]}, tmp_path / "w.pt")
    foreign = read_foreign(tmp_path / "w.pt")
    assert same(foreign.tensors)
    assert foreign.skipped == {
        "step": "no tensor but int",
        "name": "no tensor but str",
        "losses": "no tensor but list of 2",
    }


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net."])
def test_what_wrappers_put_before_names_is_taken_off(tmp_path, prefix):
    torch.save({prefix + name: value for name, value in STATE.items()}, tmp_path / "w.pt")
    foreign = read_foreign(tmp_path / "w.pt")
    assert foreign.prefix == prefix
    assert same(foreign.tensors)


class Malicious:
    """Writes a file where it is unpickled."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return (_write, (self.file,))


def _write(file):
    with open(file, "w") as stream:
        stream.write("executed")


class ThroughBuiltins(Malicious):
    """The same with nothing but what every Python has."""

    def __reduce__(self):
        return (os.system, (f"echo executed > {self.file}",))


@pytest.mark.parametrize("kind", [Malicious, ThroughBuiltins])
@pytest.mark.parametrize("save", ["zip", "legacy", "pickle", "protocol 0", "inside"])
def test_a_pickle_is_refused_and_not_executed(tmp_path, kind, save):
    target, file = tmp_path / "executed", tmp_path / "w.pt"
    bad = kind(target)
    content = [1, bad] if save == "inside" else bad
    if save == "pickle":
        file.write_bytes(pickle.dumps(bad))
    elif save == "protocol 0":
        file.write_bytes(pickle.dumps(bad, protocol=0))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=save != "legacy")
    with pytest.raises(WeightsError) as caught:
        read_foreign(file)
    assert not target.exists()
    message = str(caught.value)
    assert str(file) in message
    assert "safetensors" in message
    if save != "protocol 0":  # of which it cannot be told what it is
        assert "needs unpickling" in message
        assert "nothing in it was executed" in message
    # The trap works: read in earnest, it goes off.
    pickle.loads(file.read_bytes()) if save.startswith("p") else torch.load(file, weights_only=False)
    assert target.exists()


def test_the_environment_cannot_switch_the_refusal_off(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save(Malicious(tmp_path / "executed"), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="needs unpickling"):
        read_foreign(tmp_path / "w.pt")
    assert not (tmp_path / "executed").exists()


def test_a_whole_module_is_refused_with_what_to_save_instead(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"it holds torch\.nn\.modules\.linear\.Linear.*model\.state_dict\(\)"):
        read_foreign(tmp_path / "w.pt")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_file_cut_anywhere_is_refused(tmp_path, kind):
    whole, file = io.BytesIO(), tmp_path / "w.pt"
    if kind == "safetensors":
        whole.write(safetensors.torch.save(STATE))
    else:
        torch.save(STATE, whole, _use_new_zipfile_serialization=kind == "zip")
    data = whole.getvalue()
    for end in [0, 1, 4, 8, 9, 20, *range(30, len(data), max(1, len(data) // 40)), len(data) - 1]:
        file.write_bytes(data[:end])
        with pytest.raises(WeightsError) as caught:
            read_foreign(file)
        assert str(file) in str(caught.value)


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"hello", b"\x80\x02hello", b"PK\x03\x04hello", _zip(b"1"), json.dumps({"a": 1}).encode(), bytes(range(256)),
     b"\xff" * 8 + b"{}", pickle.dumps({"a": 1}), pickle.dumps(np.arange(3))],
)  # fmt: skip
def test_what_is_no_file_of_weights_is_refused(tmp_path, data):
    (tmp_path / "w.pt").write_bytes(data)
    with pytest.raises(WeightsError, match=r"w\.pt"):
        read_foreign(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [3, "text", {}, [], {"a": 1}, torch.ones(2), [torch.ones(2)]])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        read_foreign(tmp_path / "w.pt")


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "nothing.pt", tmp_path):
        with pytest.raises(WeightsError, match=f"cannot read {path}"):
            read_foreign(path)
