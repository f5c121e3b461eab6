"""The recipes of CONTRIBUTING.md, each as it stands there, in a folder outside the package.

An analysis with its figure, an optimizer, a gradient transform, a norm control, arms and a table of a user's own are
used through the public interface, and no file of the package changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests import forked

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "grokscope"

RECIPE = re.compile(
    r"^File `(?P<name>my_\w+)\.py`; in the package: `(?P<folder>[a-z_/]+)`.*?\n```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RECIPES = {match["name"]: match for match in RECIPE.finditer((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))}
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
from grokscope.report import draw
from pathlib import Path

known = draw.plates()  # drawing all of them takes half a minute
draw.plates = lambda: {name: known[name] for name in ("weight_norms", "negative_weights_over_training")}

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


def test_every_recipe_is_used_and_names_a_folder_of_the_package():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert page.count("```python") == len(RECIPES) == 7
    assert all(name in USE for name in RECIPES)
    for recipe in RECIPES.values():
        assert (PACKAGE / recipe["folder"] / "__init__.py").exists()


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
    for name, recipe in RECIPES.items():
        (folder / f"{name}.py").write_text(recipe["code"])
    before = digest_of_package()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = forked.run([sys.executable, "-c", USE], cwd=folder, env=environment)
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
