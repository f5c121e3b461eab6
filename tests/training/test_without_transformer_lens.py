"""Training, checkpoints, analyses, reports and imports do without TransformerLens; what needs it says so."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import grokscope
from grokscope.config import ConfigError, override, preset
from grokscope.model import build, require_hooked_transformer
from grokscope.training import train
from tests import forked

BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "transformer_lens":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
"""
WITHOUT = (
    BLOCKED
    + """
import json
from pathlib import Path
import grokscope as gs
from grokscope.report import draw
import grokscope.training.loop as loop
from grokscope.training import Trainer
from safetensors.torch import save_file

loop.STATE_EVERY_SECONDS = -1.0
config = gs.override(gs.RunConfig(), json.loads(sys.argv[1]))
whole = gs.train(config, Path("whole"), progress=False)

step_of_trainer = Trainer._step
def until(self, *, record):
    if self.step == 9:
        raise KeyboardInterrupt
    return step_of_trainer(self, record=record)
Trainer._step = until
try:
    gs.train(config, Path("cut"), progress=False)
except KeyboardInterrupt:
    pass
Trainer._step = step_of_trainer
cut = gs.resume("cut", progress=False)
branched = gs.branch(whole, 10, out=Path("branched"), lr=1e-4, progress=False)

save_file(whole.weights(-1), "last.safetensors")
imported = gs.import_run("last.safetensors", task="mul", modulus=7, activation="gelu", out=Path("imported"), steps=[20])
tables = gs.run_all(whole)
every = draw.plates()
draw.plates = lambda: dict(list(every.items())[:1])  # drawing all of them takes half a minute
page = gs.build_report("mine", [whole], Path("report"))
try:
    whole.model(-1)
except ImportError as error:
    refused = str(error)
print(json.dumps({
    "same": whole.digests == cut.digests, "status": [run.status for run in (whole, cut, branched, imported)],
    "tables": len(tables), "page": page.exists(), "refused": refused,
    "loaded": [name for name in sys.modules if name.partition(".")[0] == "transformer_lens"],
}))
"""
)
SETTINGS = {
    "task.name": "mul", "modulus": 7, "train_fraction": 0.36, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 8,
    "batch_size": 6, "training.steps": 20, "checkpoints.every": 10, "eval_every": 5, "init": "hooked", "arm": "tiny",
}  # fmt: skip


def test_everything_but_the_model_itself_works_where_transformer_lens_cannot_be_imported(tmp_path):
    done = forked.run([sys.executable, "-c", WITHOUT, json.dumps(SETTINGS)], env=os.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("tables") > 5
    assert found == {
        "same": True, "status": ["finished"] * 4, "page": True, "loaded": [],
        "refused": "run.model gives a network of TransformerLens, which cannot be imported (transformer_lens is "
        "blocked): pip install 'grokscope[lens]'. Weights, trajectories, analyses and reports do without it",
    }  # fmt: skip


@pytest.mark.parametrize(("release", "found"), [("4.3.0", "installed is 4.3.0"), (None, "none is installed")])
def test_training_through_the_hooked_transformer_is_refused_where_there_is_none(monkeypatch, tmp_path, release, found):
    monkeypatch.setattr(build, "_release", lambda: release)
    config = override(preset("mul-lion-clip"), {**SETTINGS, "forward": "hooked"})
    with pytest.raises(
        ConfigError,
        match=rf"forward = 'hooked' needs .* 3\.9, and {found}: pip install 'grokscope\[lens\]' .*>=3\.9,<4",
    ):
        train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.lens
def test_training_through_the_hooked_transformer_goes_with_the_version_that_is_installed(tmp_path):
    config = override(preset("mul-lion-clip"), {**SETTINGS, "forward": "hooked", "training.steps": 5})
    if version("transformer-lens").startswith("3."):
        require_hooked_transformer("forward = 'hooked'")
        assert train(config, tmp_path / "run", progress=False).final_step == 5
    else:
        with pytest.raises(ConfigError, match=r"forward = 'hooked' needs .* TransformerLens 3\.9, and installed"):
            train(config, tmp_path / "run", progress=False)
        assert not (tmp_path / "run").exists()


def test_two_modules_import_transformer_lens_and_one_more_does_when_a_model_is_asked_for():
    package = Path(grokscope.__file__).parent
    naming = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s+(from|import) transformer_lens|^(from|import) transformer_lens", path.read_text(), re.M)
    }
    # The reader names its types for type checkers alone.
    assert naming == {"model/blocks.py", "model/bridge.py", "model/build.py", "runs/reader.py"}
