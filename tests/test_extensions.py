"""An analysis with its figure, an optimizer, a gradient transform, a norm control, a claim and a table of a user's own,
in a folder outside the package: each is used through the public interface, and no file of the package changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "grokscope"

MODULES = {
    "my_analysis": '''
"""How many weights are negative."""

import pandas as pd

from grokscope.analysis import analysis


@analysis(family="mine", version=1)
def negative_weights(run):
    """The share of a run's weights that are negative, at every checkpoint."""
    shares = [float((run.weights(step)["embed.W_E"] < 0).double().mean()) for step in run.steps]
    return pd.DataFrame({"step": run.steps, "share": shares})
''',
    "my_figure": '''
"""The share of negative weights, drawn."""

from matplotlib.figure import Figure

from grokscope.figures import plate


@plate(section="norms", table="negative_weights", caption="How many weights of the embedding are negative.")
def negative_weights_over_training(table):
    figure = Figure()
    figure.subplots().plot(table["step"], table["share"])
    return figure
''',
    "my_optimizer": '''
"""Gradient descent with one momentum, that of Polyak."""

import torch

from grokscope.config import OptimizerConfig, declare_optimizer
from grokscope.optimizers import Rule


@declare_optimizer("heavy_ball")
class HeavyBall(OptimizerConfig):
    """b <- inertia b + g; w <- w - lr b."""

    inertia: float = 0.5
    """How much of the last step is kept."""

    def build(self, parameters):
        return HeavyBallRule(self, parameters)


class HeavyBallRule(Rule):
    def __init__(self, config, parameters):
        super().__init__(config)
        self.parameters = parameters
        self.average = torch.zeros_like(parameters.gradient)

    def step(self, lr):
        self.average.mul_(self.config.inertia).add_(self.parameters.gradient)
        self.parameters.vector.detach().sub_(self.average, alpha=lr)

    def tensors(self):
        return {"average": self.average}
''',
    "my_transform": '''
"""The gradient, halved."""

from grokscope.config import GradientConfig, declare_transform
from grokscope.optimizers import GradientTransform


@declare_transform("scaled")
class Scaled(GradientConfig):
    """g <- factor g."""

    factor: float = 0.5

    def build(self, parameters, seed):
        return ScaledTransform(self.factor)


class ScaledTransform(GradientTransform):
    def __init__(self, factor):
        self.factor = factor

    def apply_(self, gradient):
        gradient.mul_(self.factor)
''',
    "my_control": '''
"""Embeddings set to a joint norm after every step."""

import torch

from grokscope.config import NormConfig, declare_control
from grokscope.norms import Control


@declare_control("embedding_norm", switches=("embedding_norm",))
class EmbeddingNorm(NormConfig):
    """W_E <- W_E * embedding_norm / ||W_E||."""

    embedding_norm: float | None = None

    def build(self, names, start):
        return Held(self.embedding_norm)


class Held(Control):
    def __init__(self, norm):
        self.norm = norm

    def apply_(self, weights, step):
        value = weights["embed.W_E"].detach()
        value.mul_(self.norm / torch.linalg.vector_norm(value))
''',
    "my_family": '''
"""Is it a large learning rate?"""

from grokscope.experiments.why_clipping import Arm, declare_family


@declare_family(number=1000, name="mine", asks="Is it a large learning rate?")
def mine():
    """The clip at half of its learning rate."""
    return {
        "slow": Arm(
            "projection and clip, half of the learning rate",
            lambda setting: {"optimizer.lr": 5e-4, "norms.max_norm": setting.bound},
        )
    }
''',
    "my_table": '''
"""How long two tiny runs are."""

import pandas as pd

from grokscope.config import preset
from grokscope.experiments.table import Publication, Size, table_experiment
from grokscope.sweeps import Job

TINY = {"task.modulus": 5, "model.n_layers": 1, "model.d_model": 8, "model.n_heads": 1, "model.d_mlp": 8}


def rounds(plan):
    yield [Job(plan.sized(preset("mul-lion-clip", seed=seed, steps=4, eval_every=2))) for seed in plan.seeds]


@table_experiment(
    name="my-table",
    asks="How long are two tiny runs?",
    published=Size(seeds=(0, 1), parts=("all",), settings=TINY),
    small=Size(seeds=(0,), parts=("all",), settings=TINY),
    rounds=rounds,
)
def my_table(plan, runs):
    """A row for each run."""
    table = pd.DataFrame({"seed": [run.config.seed for run in runs], "steps": [run.final_step for run in runs]})
    return Publication({"my-table": table}, {}, table)
''',
}
USE = """
import json
import sys

import my_analysis, my_family, my_control, my_figure, my_optimizer, my_table, my_transform
import torch

import grokscope as gs
from grokscope.cli import main
from grokscope.experiments import experiments
from grokscope.experiments.why_clipping.declared import families
from grokscope.experiments.why_clipping.trained import PUBLISHED, Study
from pathlib import Path

config = gs.preset(
    "mul-lion-clip", steps=6, modulus=5, n_layers=1, d_model=8, n_heads=1, d_mlp=8, batch_size=4, init_rows="none",
    max_norm=None, inertia=0.25, embedding_norm=3.0, factor=0.5, every=2,
    **{"optimizer.name": "heavy_ball", "gradient.name": "scaled"},
)
run = gs.train(config, out="run", progress=False)
table = gs.run_all(run, only=["negative_weights"])["negative_weights"]
page = gs.build_report("mine", [run], Path("report"))
arms = Study(PUBLISHED, Path("none"), Path("none"), chosen=("mine",)).arms("mul")
code = main(["experiment", "my-table", "--scale", "small", "--runs", "runs", "--out", "tables"])
print(json.dumps({
    "norm": float(torch.linalg.vector_norm(run.weights(-1)["embed.W_E"])),
    "inertia": gs.open_run("run").config.optimizer.inertia,
    "factor": gs.open_run("run").config.gradient.factor,
    "shares": len(table),
    "steps": run.steps,
    "drawn": (page.parent / "figures" / "negative_weights_over_training.png").exists(),
    "caption": "How many weights of the embedding are negative." in page.read_text(),
    "asked": families()["mine"].asks,
    "rates": sorted({run.job.config.optimizer.lr for run in arms if run.arm == "slow"}),
    "seeds": [run.job.config.seed for run in arms if run.arm == "slow"],
    "listed": "my-table" in experiments(),
    "code": code,
    "table": Path("tables", "my-table.csv").read_text(),
}))
"""


def digest_of_package() -> str:
    """sha256 of every file of the package but what Python and compilers leave there."""
    whole = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            whole.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> dict[str, object]:
    """What came of using all of them, in a process of its own that knows the folder."""
    folder = tmp_path_factory.mktemp("mine")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    before = digest_of_package()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", USE], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digest_of_package() == before
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_optimizer_the_transform_and_the_norm_control_train_a_run(used):
    assert used["steps"] == [0, 2, 4, 6]
    assert used["norm"] == pytest.approx(3.0, rel=1e-6)  # float32
    assert (used["inertia"], used["factor"]) == (0.25, 0.5)


def test_the_analysis_is_made_by_name_and_its_figure_is_on_the_page(used):
    assert used["shares"] == 4
    assert used["drawn"]
    assert used["caption"]


def test_the_family_is_planned_and_the_table_is_published(used):
    assert used["asked"] == "Is it a large learning rate?"
    assert (used["rates"], used["seeds"]) == ([5e-4], [0, 1, 2, 3, 4])
    assert used["listed"]
    assert used["code"] == 0
    assert used["table"] == "seed,steps\n0,4\n"
