"""An import is refused before the examples of its task are made, where the machine cannot hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from grokscope import capacity
from grokscope.capacity import CapacityError
from grokscope.config import RunConfig, override
from grokscope.importing import import_run
from grokscope.importing.room import check_room
from grokscope.model import initial_weights, parameter_bytes
from grokscope.tasks import build_task, task_size

MODULUS = 23
SETTINGS = {"task": "add", "modulus": MODULUS, "activation": "relu"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of a network that adds modulo 23."""
    config = override(RunConfig(), {**SETTINGS, "d_model": 8, "n_heads": 2, "d_mlp": 8, "n_layers": 1})
    save_file(initial_weights(config.model, build_task(config.task), 0), tmp_path / "7.safetensors")
    return tmp_path / "7.safetensors"


@pytest.mark.parametrize(("what", "words"), [("memory", "of memory, and 1 kB are available"), ("disk", "of disk")])
def test_nothing_is_built_or_written_where_there_is_no_room(file, tmp_path, monkeypatch, what, words):
    monkeypatch.setattr(capacity, f"free_{what}", lambda *_: 1000)
    monkeypatch.setattr("grokscope.importing.importing.build_task", lambda config: pytest.fail("a task is built"))
    with pytest.raises(CapacityError, match=rf"^importing a network and looking at the 529 examples .*{words}"):
        import_run(file, **SETTINGS, out=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_logits_of_all_examples_and_every_checkpoint_count(tmp_path, monkeypatch):
    config = override(RunConfig(), SETTINGS)
    size = task_size(config.task)
    told: dict[str, list[int]] = {"memory": [], "disk": []}
    monkeypatch.setattr("grokscope.importing.room.check_memory", lambda needed, work: told["memory"].append(needed))
    monkeypatch.setattr("grokscope.importing.room.check_disk", lambda needed, path, work: told["disk"].append(needed))
    check_room(config, 1, tmp_path, all_logits=False)
    check_room(config, 9, tmp_path, all_logits=True)
    assert told["memory"][1] - told["memory"][0] == 4 * MODULUS**2 * (MODULUS + 2)  # `=` and the operation are tokens
    assert told["disk"] == [parameter_bytes(config.model, size), 9 * parameter_bytes(config.model, size)]
