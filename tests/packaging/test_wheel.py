"""A wheel has the whole package and nothing else, and works where there is no clone."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import grokscope
from tests.packaging.distributions import ROOT, Distributions, build, copied_tree


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Distributions:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def site(built, tmp_path_factory) -> Path:
    """A folder that holds what is in the wheel."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(built.wheel).extractall(folder)
    return folder


def files_of_the_package() -> set[str]:
    package = ROOT / "grokscope"
    return {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    info = f"grokscope-{grokscope.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == files_of_the_package()
    assert info + "licenses/LICENSE" in names
    # What the rules for data files are for.
    assert {"grokscope/py.typed", "grokscope/__init__.pyi", "grokscope/config/presets/published.toml"} <= names
    assert "grokscope/report/templates/report.html.j2" in names


def test_the_sdist_has_what_the_wheel_is_built_from_and_no_tests(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files_of_the_package() <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "reports"))]


def test_the_metadata_say_the_version_the_licence_and_the_extras(site):
    (info,) = site.glob("*.dist-info")
    told = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert told["Version"] == grokscope.__version__
    assert (told["License-Expression"], told["Author"]) == ("MIT", "the grokscope contributors")
    assert {"lens", "ray", "tensorboard", "wandb"} <= set(told.get_all("Provides-Extra"))


DEMO = """
import json
import sys

import grokscope
import grokscope.cli.demo as demo
from grokscope.cli import main
from grokscope.report import draw

# The compiled engine would be compiled once more, for this folder: the test in an empty environment does that.
demo.SMALL = [demo.Arm(arm.label, arm.preset, {**arm.settings, "forward": "engine"}) for arm in demo.SMALL]
every = draw.plates()
draw.plates = lambda: dict(list(every.items())[:1])  # drawing all of them takes half a minute
code = main(["demo", "--scale", "small"])
print(json.dumps({"from": grokscope.__file__, "code": code}))
"""


def test_the_demo_works_from_the_wheel_in_a_folder_of_ones_own(site, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", DEMO], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"from": str(site / "grokscope/__init__.py"), "code": 0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "reports"]
    assert "next: grokscope scrub checkpoints/demo-small/" in done.stderr
    assert "multiplication" in (tmp_path / "reports/demo-small/index.html").read_text(encoding="utf-8").lower()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_commands_of_the_page_install_from_a_clone_without_make(tmp_path):
    """A part of `make wheel-test` too."""
    tree = copied_tree(tmp_path / "clone")
    (block,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/install.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block.startswith("python3 ")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    commands = block.replace("python3 ", f"'{sys.executable}' ", 1)
    done = subprocess.run(["sh", "-ec", commands], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "To begin:" in done.stdout
    code = "import grokscope; print(grokscope.__version__)"
    told = subprocess.check_output(
        [tree / ".venv/bin/python", "-P", "-c", code], cwd=tmp_path, env=environment, text=True
    )
    assert told.strip() == grokscope.__version__


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_wheel_installs_into_an_empty_environment_and_its_commands_work_there(built, tmp_path):
    """What `make wheel-test` runs; it takes the packages from pip's index."""
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty/bin/python"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    constraints = ROOT / "constraints.txt"
    torch = next(line for line in constraints.read_text().splitlines() if line.startswith("torch=="))
    index = ("--index-url", os.environ["TORCH_INDEX"]) if os.environ.get("TORCH_INDEX") else ()
    run(str(python), "-m", "pip", "install", torch, *index)
    run(str(python), "-m", "pip", "install", "-c", str(constraints), str(built.wheel))
    listed = json.loads(run(str(python), "-m", "pip", "list", "--format", "json"))
    assert not {one["name"].lower() for one in listed} & {"transformer-lens", "wandb", "ray", "jupyter", "pytest"}

    command = str(tmp_path / "empty/bin/grokscope")
    assert "grokscope demo" in run(command)
    assert "mul-lion-clip" in run(command, "presets")
    run(command, "doctor")
    run(command, "demo", "--scale", "small")
    assert (tmp_path / "reports/demo-small/index.html").exists()
    told = run(
        str(python),
        "-c",
        "import grokscope as gs\n"
        "from pathlib import Path\n"
        "run = gs.open_run(next(Path('checkpoints/demo-small').glob('mul-*')))\n"
        "try: run.model(-1)\n"
        "except ImportError as error: print(error)",
    )
    assert "pip install 'grokscope[lens]'" in told
