"""An optimizer, a gradient transform and a norm control from outside the package, each one file, used as the rest are.

They lie in a folder outside; every use is a process of its own, which imports the one file or does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import grokscope
from tests import forked

ROOT = Path(grokscope.__file__).parent

OPTIMIZER = '''
"""Gradient descent that pulls the weights towards where they were at the first step."""

from grokscope.config import OptimizerConfig, declare_optimizer
from grokscope.config.checks import number
from grokscope.optimizers import Rule


@declare_optimizer("homing", "homing_twice")
class Homing(OptimizerConfig):
    """Gradient descent with a pull back."""

    pull: float = 0.1
    """How much of the way back each step goes."""

    def check(self):
        number("optimizer.pull", self.pull, 0.0, 1.0, open_low=False, open_high=False)

    def build(self, parameters):
        return HomingRule(self, parameters)


class HomingRule(Rule):
    def __init__(self, config, parameters):
        super().__init__(config)
        self._parameters = parameters
        self._mean = parameters.vector.detach().clone()

    def step(self, lr):
        times = 2 if self.config.name == "homing_twice" else 1
        vector = self._parameters.vector.detach()
        vector.sub_(self._parameters.gradient, alpha=lr)
        vector.lerp_(self._mean, times * lr * self.config.pull)
        self._mean.lerp_(vector, 0.25)

    def tensors(self):
        return {"mean": self._mean}
'''

TRANSFORM = '''
"""The gradient divided by a running mean of its norm, and zero where it is small."""

from grokscope.config import GradientConfig, declare_transform
from grokscope.config.checks import integer
from grokscope.optimizers import GradientTransform


@declare_transform("steady")
class Steady(GradientConfig):
    """Gradients of a steady size."""

    memory: int = 4
    """Steps that the running mean looks back on."""

    def check(self):
        integer("gradient.memory", self.memory, 1)

    def build(self, parameters, seed):
        return SteadyTransform(self.memory, parameters.vector.detach().new_zeros(()))


class SteadyTransform(GradientTransform):
    def __init__(self, memory, size):
        self._memory, self._size = memory, size

    def apply_(self, gradient):
        self._size.lerp_(gradient.norm(), 1 / self._memory)
        gradient.div_(self._size)

    def tensors(self):
        return {"size": self._size}

    def restore(self, tensors):
        self._size.copy_(tensors["size"])
'''

CONTROL = '''
"""A bound on the largest entry of the unembedding, which is loosened a little at every step."""

import torch

from grokscope.config import NormConfig, declare_control
from grokscope.config.checks import positive
from grokscope.norms import Control


@declare_control("ceiling", switches=("ceiling",))
class Ceiling(NormConfig):
    """Entries of the unembedding under a ceiling."""

    ceiling: float | None = None
    """The largest entry at the start; left out: no ceiling."""
    ceiling_growth: float = 1.01
    """By how much it rises a step."""

    def check(self):
        if self.ceiling is not None:
            positive("norms.ceiling", self.ceiling)
        positive("norms.ceiling_growth", self.ceiling_growth)

    def build(self, names, start):
        return CeilingControl(self)


class CeilingControl(Control):
    def __init__(self, config):
        self._growth, self._height = config.ceiling_growth, torch.tensor(config.ceiling, dtype=torch.float64)

    def apply_(self, weights, step):
        height = float(self._height)
        weights["unembed.W_U"].detach().clamp_(-height, height)
        self._height.mul_(self._growth)

    def tensors(self):
        return {"height": self._height}
'''

TOYS = {
    "homing": (OPTIMIZER, {"optimizer.name": "homing_twice", "pull": 0.5, "optimizer.lr": 0.1},
               "optimizer.name = 'homing_twice' is not accepted"),
    "steady": (TRANSFORM, {"gradient.name": "steady", "memory": 3}, "gradient.name = 'steady' is not accepted"),
    "ceiling": (CONTROL, {"ceiling": 0.05, "ceiling_growth": 1.002, "max_norm": 2.0},
                "norms.ceiling is a setting of no norm control that is known here"),
}  # fmt: skip
TINY = {
    "modulus": 7, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, "batch_size": 6, "training.steps": 12,
    "checkpoints.every": 4, "eval_every": 3, "train_fraction": 0.36, "record_every": 5,
}  # fmt: skip

TRAIN = """
import importlib, json, sys
module, jobs, stop = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
if module: importlib.import_module(module)
import grokscope as gs
from grokscope.training import loop
from grokscope.training.trainer import Trainer
loop.STATE_EVERY_SECONDS = -1.0
step = Trainer._step
def until(self, *, record):
    if self.step == stop: raise KeyboardInterrupt
    return step(self, record=record)
Trainer._step = until
try: runs = [gs.train(gs.preset("mul-lion", **settings), out, progress=False) for out, settings in jobs.items()]
except KeyboardInterrupt: sys.exit(3)
print(json.dumps([run.digests for run in runs]))
"""
CONTINUE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
import grokscope as gs
resumed = gs.resume(sys.argv[2], progress=False)
same = gs.branch(sys.argv[3], 4, sys.argv[4], progress=False)
print(json.dumps([resumed.digests, same.digests]))
"""
OPEN = """
import json, sys
import grokscope as gs
for path in sys.argv[1:]:
    try: gs.open_run(path)
    except gs.RunError as error: print(error)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the toys, outside the package."""
    place = tmp_path / "outside"
    place.mkdir()
    for name, (source, _, _) in TOYS.items():
        (place / f"toy_{name}.py").write_text(source)
    return place


def python(folder: Path, code: str, *words: str, code_expected: int = 0) -> str:
    paths = os.pathsep.join([str(folder), str(ROOT.parent)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = forked.run([sys.executable, "-c", code, *words], env=environment)
    assert done.returncode == code_expected, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, str]:
    """Digests of the checkpoints of a run in a process that has never seen a toy."""
    folder = tmp_path_factory.mktemp("plain")
    (digests,) = json.loads(python(folder, TRAIN, "", json.dumps({str(folder / "plain"): TINY}), "null"))
    return digests


def files_of_the_package() -> dict[str, str]:
    """The digest of every file but compiled ones."""
    files = sorted(path for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", TOYS)
def test_a_method_is_one_file_outside_the_package(folder, tmp_path, plain, name):
    before = files_of_the_package()
    assert len(before) > 200
    module, (_, own, unknown) = f"toy_{name}", TOYS[name]
    # Two runs of the toy, and one without it that is trained where it has been imported.
    changed = {**own, **{key: value * 0.5 for key, value in own.items() if key in ("pull", "ceiling")}, "seed": 0}
    paths = {name: str(tmp_path / name) for name in ("whole", "other", "beside", "cut", "same")}
    jobs = {paths["whole"]: TINY | own, paths["other"]: TINY | changed, paths["beside"]: TINY}
    whole, other, beside = json.loads(python(folder, TRAIN, module, json.dumps(jobs), "null"))
    assert beside == plain
    assert whole.keys() == plain.keys()
    assert whole["12"] != plain["12"]
    assert (other["12"] != whole["12"]) == (name != "steady")

    # Killed after step 7, and resumed in another process: what the method remembers comes from the saved state.
    cut = {paths["cut"]: TINY | own}
    python(folder, TRAIN, module, json.dumps(cut), "7", code_expected=3)
    state = (tmp_path / "cut").glob("state*.safetensors")
    assert any(
        b"mean" in path.read_bytes() or b"size" in path.read_bytes() or b"height" in path.read_bytes() for path in state
    )
    shutil.copytree(paths["cut"], tmp_path / "unopened")
    # A branch with nothing changed goes on with what the method remembers.
    resumed, same = json.loads(python(folder, CONTINUE, module, paths["cut"], paths["whole"], paths["same"]))
    assert resumed == whole
    assert same == {step: digest for step, digest in whole.items() if int(step) >= 4}

    # Without the module: one sentence, and nothing executed. A run that does not use the toy opens without it.
    unopened = str(tmp_path / "unopened")
    told, modules = python(folder, OPEN, unopened, paths["beside"]).splitlines()
    assert told.startswith(f"{unopened}/config.json needs a method that no imported module declares (")
    assert unknown in told
    assert told.endswith(
        "): import the module that declares it, then open the run again; for a command, name it: --plugin MODULE"
    )
    assert module not in json.loads(modules)
    assert files_of_the_package() == before


def test_toys_are_told_apart_from_what_is_there(folder):
    def refused(code: str) -> str:
        paths = os.pathsep.join([str(folder), str(ROOT.parent)])
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = forked.run([sys.executable, "-c", code], env=environment)
        assert done.returncode == 1
        return done.stderr.splitlines()[-1]

    head = "import toy_homing, toy_ceiling, grokscope as gs\nfrom grokscope.config import *\n"
    assert "optimizer.pull = 1 is not accepted: homing and homing_twice read it, lion does not" in refused(
        f"{head}gs.OptimizerConfig(pull=1)"
    )
    assert "optimizer.pull = 7 is not accepted: use a finite number in [0, 1]" in refused(
        f"{head}gs.preset('mul-lion', **{{'optimizer.name': 'homing', 'pull': 7}})"
    )
    assert "norms.ceiling_growth = 2.0 is not accepted: only the ceiling reads it, which is off" in refused(
        f"{head}gs.NormConfig(ceiling_growth=2.0)"
    )
    # A name or a setting that is taken.
    assert "TypeError: optimizer 'lion' is declared by grokscope.optimizers.rules.lion and by __main__" in refused(
        f"{head}gs.presets()\n@declare_optimizer('lion')\nclass Mine(OptimizerConfig): pass"
    )
    assert (
        "declares optimizer.rho as <class 'str'>, and grokscope.optimizers.rules.scion as <class 'float'>"
        in refused(f"{head}gs.presets()\n@declare_optimizer('mine')\nclass Mine(OptimizerConfig):\n  rho: str = 'a'")
    )
    assert "norms.max_norm is declared by the controls clip and mine" in refused(
        f"{head}gs.presets()\n@declare_control('mine', switches=('max_norm',))\nclass Mine(NormConfig):\n"
        "  max_norm: float | None = None"
    )
