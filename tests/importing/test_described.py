"""Objects of unknown classes beside the tensors are not made: tensors are read, and nothing in a file is executed."""

from __future__ import annotations

import copyreg
import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch

from grokscope.importing import WeightsError, read_foreign
from grokscope.importing.described import Refused, tensors_beside

STATE = {
    "embed.W_E": torch.arange(6.0).view(3, 2),
    "embed.turned": torch.arange(6.0).view(3, 2).T,
    "half": torch.arange(3).half(),
    "brain": torch.arange(3).bfloat16(),
    "numbers": torch.arange(4)[1:3],
    "flag": torch.tensor(True),
    "none": torch.empty(0, 4),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


class Config:
    """A config object as a network's author leaves it in the file."""

    def __init__(self, **settings):
        self.__dict__.update(settings)


class Hostile:
    """Writes a file where it is unpickled: by what it is made with, and by what is done to it."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return _write, (self.target,), {"lr": 1}, iter([1]), iter([("a", 2)])


class SetsState:
    """Does so where its state is set."""

    def __init__(self, target):
        self.target = str(target)

    def __setstate__(self, state):
        _write(state["target"])


def _write(target):
    with open(target, "w") as stream:
        stream.write("executed")


def saved(content, kind):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=kind == "zip")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_tensors_come_out_as_torch_reads_them(kind):
    found = tensors_beside(saved(OrderedDict(STATE), kind))
    expected = torch.load(io.BytesIO(saved(STATE, kind)), weights_only=True)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value.detach())


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.parametrize("wrap", [dict, lambda content: defaultdict(list, content), OrderedDict])
def test_tensors_beside_a_config_object_are_read_and_it_is_refused_by_name(tmp_path, kind, wrap):
    content = wrap({"model": STATE, "config": Config(d_model=2, inner=Config(a=1)), "epochs": [1, 2], "cls": Config})
    (tmp_path / "w.pt").write_bytes(saved(content, kind))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "w.pt", weights_only=True)  # which refuses all of it
    foreign = read_foreign(tmp_path / "w.pt")
    assert set(foreign.tensors) == set(STATE)
    assert torch.equal(foreign.tensors["embed.turned"], STATE["embed.turned"])
    refused = f"beside the state dict: {__name__}.Config, which needs unpickling and was refused"
    assert foreign.skipped["config"] == foreign.skipped["cls"] == refused
    assert foreign.skipped["epochs"] == "beside the state dict: list of 2"


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.parametrize("hostile", [Hostile, SetsState])
@pytest.mark.parametrize("place", ["beside", "among", "as a key", "alone"])
def test_nothing_in_a_hostile_file_is_executed(tmp_path, kind, hostile, place):
    target = tmp_path / "executed"
    bad = hostile(target)
    contents = {
        "beside": {"model": STATE, "config": [bad]},
        "among": {**STATE, "extra": bad},
        "as a key": {"model": STATE, bad: 1},
        "alone": bad,
    }
    (tmp_path / "w.pt").write_bytes(saved(contents[place], kind))
    if place == "alone":
        with pytest.raises(WeightsError, match=r"needs unpickling .* nothing in it was executed"):
            read_foreign(tmp_path / "w.pt")
    else:
        assert set(read_foreign(tmp_path / "w.pt").tensors) == set(STATE)
    assert not target.exists()
    # The trap works: read in earnest, it goes off.
    with pytest.raises(BaseException) if hostile is Hostile else _nothing():
        torch.load(tmp_path / "w.pt", weights_only=False)
    assert target.exists()


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_no_module_that_a_file_names_is_imported(tmp_path):
    (tmp_path / "trap_module.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nclass Config: pass\n")
    program = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ctrap_module\nConfig\nq\x02)\x81q\x03}X\x01\x00\x00\x00bK\x01sbu."
    content = archive(program)
    sys.path.insert(0, str(tmp_path))
    try:
        assert tensors_beside(content) == {"a": Refused("trap_module.Config")}
    finally:
        sys.path.remove(str(tmp_path))
    assert "trap_module" not in sys.modules
    assert not (tmp_path / "executed").exists()


def archive(program: bytes, **entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", program)
        for name, data in entries.items():
            file.writestr(f"archive/data/{name}", data)
    return buffer.getvalue()


def test_classes_and_functions_in_use_cannot_be_changed_by_a_file():
    # BUILD with a state of attributes, on the name of a class itself and of a function of torch.
    for name in (b"collections\nOrderedDict\n", b"torch._utils\n_rebuild_tensor_v2\n", b"builtins\ndict\n"):
        program = b"\x80\x02c" + name + b"}X\x08\x00\x00\x00__call__K\x01s\x86b."
        before = vars(torch._utils).copy()
        with pytest.raises((TypeError, pickle.UnpicklingError)):
            tensors_beside(archive(program))
        assert vars(torch._utils) == before


def test_an_extension_code_is_refused_before_it_is_looked_up():
    copyreg.add_extension("builtins", "print", 77)
    try:
        with pytest.raises(pickle.UnpicklingError, match="extension code"):
            tensors_beside(archive(b"\x80\x02\x82\x4d."))
    finally:
        copyreg.remove_extension("builtins", "print", 77)


@pytest.mark.parametrize(
    ("numel", "offset", "size", "stride", "data"),
    [(4, 0, (5,), (1,), b"\0" * 16), (4, 3, (2,), (1,), b"\0" * 16), (4, 0, (2,), (9,), b"\0" * 16),
     (4, 0, (4,), (1,), b"\0" * 15), (4, 0, (4,), (-1,), b"\0" * 16), (4, -1, (2,), (1,), b"\0" * 16)],
)  # fmt: skip
def test_tensors_that_reach_out_of_their_bytes_are_refused(numel, offset, size, stride, data):
    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if isinstance(obj, Storage) else None

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), offset, size, stride, False, OrderedDict())

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"embed.W_E": Tensor(), "odd": Config()})
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        tensors_beside(archive(buffer.getvalue(), **{"0": data}))


def test_what_is_numbered_too_high_does_not_take_the_memory():
    program = b"\x80\x02]r" + struct.pack("<I", 2**31) + b"."
    with pytest.raises(pickle.UnpicklingError, match="numbers more objects"):
        tensors_beside(archive(program))


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_file_with_an_object_that_is_cut_anywhere_is_refused(tmp_path, kind):
    data = saved({"model": STATE, "config": Config(lr=1)}, kind)
    for end in range(5, len(data) - 1, max(1, len(data) // 25)):
        (tmp_path / "w.pt").write_bytes(data[:end])
        with pytest.raises(WeightsError, match=r"w\.pt"):
            read_foreign(tmp_path / "w.pt")
