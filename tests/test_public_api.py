"""`import grokscope as gs` is instant, and everything it names is there."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import grokscope as gs

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", gs.__all__)
def test_every_public_name_resolves(name):
    assert getattr(gs, name) is not None


def test_dir_lists_names_before_they_are_used():
    code = "import grokscope, json; print(json.dumps(dir(grokscope)))"
    listed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert all(f'"{name}"' in listed for name in [*gs.__all__, "analysis", "groups"])


def test_import_loads_no_other_package():
    code = "import sys; before = set(sys.modules); import grokscope; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    tops = {module.partition(".")[0] for module in loaded.split()}
    assert tops - set(sys.stdlib_module_names) == {"grokscope", "lazy_loader"}


def test_subpackages_are_attributes():
    assert gs.groups.__name__ == "grokscope.groups"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"attribute .*trian"):
        gs.trian  # noqa: B018


def test_the_data_folder_of_presets_does_not_hide_the_function():
    code = "import grokscope as gs; gs.presets(); from importlib.resources import files; print(len(gs.presets()))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_version_is_that_of_the_distribution():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in table["project"]["dynamic"]  # tests/packaging builds a wheel, and compares
    assert table["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "grokscope.__version__"}
