"""`make` installs once, from pinned versions, with any Python that is new enough."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make(tmp_path):
    """`make -n` in a copy of the files that it reads."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "constraints-lens4.txt"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1000, 1000))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        # Not as a part of the make that runs the tests.
        # `make test WORKERS=4` hands what it was given down to these tests; they ask what stands in the file.
        own = set(re.findall(r"^(\w+) \?=", (tmp_path / "Makefile").read_text(), re.M))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name not in own
        }
        return subprocess.run(["make", *words], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def installed(tmp_path: Path, environment: str = ".venv") -> Path:
    """The stamp of an environment, with that of what it stands on."""
    stamp = tmp_path / environment / ".installed"
    stamp.parent.mkdir()
    (stamp.parent / ".base").touch()
    stamp.touch()
    return stamp


TARGETS = (
    "demo", "browser", "test", "test-slow", "wheel-test", "lint", "types", "bench", "docs", "gallery"
)  # fmt: skip


def test_make_alone_lists_the_targets(make):
    done = make()
    assert done.returncode == 0
    assert all(f"make {target} " in done.stdout for target in (*TARGETS, "test-lens4"))


@pytest.mark.parametrize("target", TARGETS)
def test_the_first_call_installs_torch_first_and_the_second_nothing(make, tmp_path, target):
    first = make("-n", target).stdout
    assert first.index("pip install torch==2.13.0") < first.index("pip install -c constraints.txt")
    installed(tmp_path)
    assert "pip install" not in make("-n", target).stdout
    assert make("-q", ".venv/.installed").returncode == 0


def test_the_demo_installs_what_a_run_needs_and_no_tools(make, tmp_path):
    lines = [line for line in make("-n", "demo").stdout.splitlines() if "pip install" in line]
    assert lines[1:] == [".venv/bin/python -m pip install -c constraints.txt -e . --no-compile"]
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.base").touch()
    assert "pip install" not in make("-n", "demo").stdout
    lines = [line for line in make("-n", "test").stdout.splitlines() if "pip install" in line]
    assert lines == [".venv/bin/python -m pip install -c constraints.txt -e '.[dev]' --no-compile"]


@pytest.mark.parametrize(("target", "command"), [("docs", "build"), ("gallery", "gallery")])
def test_the_documentation_is_made_by_the_commands_that_its_tests_run(make, target, command):
    assert make("-n", target).stdout.splitlines()[-1] == f".venv/bin/python -m docs_site {command}"


@pytest.mark.parametrize("target", ["test", "test-slow"])
def test_a_browser_is_found_before_the_first_test(make, target):
    lines = make("-n", target).stdout.splitlines()
    assert lines.index(".venv/bin/python tests/find_browser.py") < next(
        number for number, line in enumerate(lines) if line.startswith(".venv/bin/python -m pytest")
    )


def test_the_benchmarks_are_measured_one_after_the_other_and_the_first_failure_ends_them(make, tmp_path):
    installed(tmp_path)
    parts = ("speed", "runs", "accelerators")
    lines = make("-n", "bench").stdout.splitlines()
    assert lines == [f".venv/bin/python -m benchmarks.{name} --rounds 5" for name in parts]
    assert all((ROOT / "benchmarks" / f"{name}.py").exists() for name in parts)
    lines = make("-n", "bench", "ROUNDS=2").stdout.splitlines()
    assert lines == [f".venv/bin/python -m benchmarks.{name} --rounds 2" for name in parts]


def test_what_must_pass_is_four_targets_of_make():
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make")]
    assert commands == ["make test", "make test-lens4", "make lint", "make types"]


def test_the_second_environment_is_the_first_and_other_versions_of_some_packages(make, tmp_path):
    first = make("-n", "test-lens4").stdout
    assert first.index("pip install -c constraints.txt") < first.index("venv --clear --without-pip .venv-lens4")
    installed(tmp_path)
    second = make("-n", "test-lens4").stdout
    assert [line for line in second.splitlines() if "pip" in line and " install " in line] == [
        ".venv/bin/python -m pip --python .venv-lens4/bin/python install "
        "-c .venv-lens4/constraints.txt -r constraints-lens4.txt"
    ]
    installed(tmp_path, ".venv-lens4")
    assert make("-n", "test-lens4").stdout.splitlines() == [
        ".venv-lens4/bin/python -m pytest -n 2 -m lens --durations 10 "
        "$(grep -rl --include='test_*.py' 'mark\\.lens' tests)"
    ]


@pytest.mark.parametrize("name", ["constraints-lens4.txt", ".venv/.installed"])
def test_the_second_environment_is_made_anew_when_what_it_is_made_of_changes(make, tmp_path, name):
    installed(tmp_path)
    os.utime(installed(tmp_path, ".venv-lens4"), (2000, 2000))
    for stamp in (".base", ".installed"):
        os.utime(tmp_path / ".venv" / stamp, (1500, 1500))
    assert make("-q", ".venv-lens4/.installed").returncode == 0
    (tmp_path / name).touch()
    assert "venv --clear" in make("-n", "test-lens4").stdout


def test_what_differs_in_the_second_environment_is_pinned_within_what_the_package_accepts():
    import tomllib

    from packaging.requirements import Requirement

    lines = [line for line in (ROOT / "constraints-lens4.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert pins["transformer-lens"].startswith("4.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (accepted,) = map(Requirement, project["optional-dependencies"]["lens"])
    assert all(accepted.specifier.contains(found) for found in (pins["transformer-lens"], "3.9.0"))


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again(make, tmp_path, name):
    os.utime(installed(tmp_path), (2000, 2000))
    os.utime(tmp_path / ".venv/.base", (2000, 2000))
    (tmp_path / name).touch()
    assert "pip install" in make("-n", "test").stdout


def test_another_index_is_for_torch_alone(make):
    lines = make("-n", "test", "TORCH_INDEX=https://index.invalid/cpu").stdout.splitlines()
    assert [line.removesuffix(" || { \\") for line in lines if "index.invalid" in line] == [
        ".venv/bin/python -m pip install torch==2.13.0 --no-compile --index-url https://index.invalid/cpu"
    ]


@pytest.mark.parametrize("python", ["./old", "./missing"])
def test_a_python_that_will_not_do_is_named(make, tmp_path, python):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("test", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"grokscope needs Python >= 3.11; '{python}' is not" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_disk_without_room_is_told_before_anything_is_installed(make, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import collections, shutil\nshutil.disk_usage = lambda path: collections.namedtuple('Usage', 'free')(3.9e9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = make("demo", f"PYTHON={sys.executable}", "VENV=not-yet/there")
    assert done.returncode == 2
    assert "an installation takes up to 4 GB, and this disk has less" in done.stderr
    assert not (tmp_path / "not-yet").exists()


def test_a_torch_that_no_index_has_is_followed_by_what_can_be_done(make, tmp_path):
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\n[ "$3" = --version ] && exit 0\necho "No matching distribution found for $4" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    done = make("demo", f"PYTHON={sys.executable}")
    assert done.returncode == 2
    assert done.stderr.index("No matching distribution found for torch==2.13.0") < done.stderr.index(
        "torch==2.13.0 has not been installed; the line above says why. Another index may have it"
    )
    assert "make TORCH_INDEX=URL" in done.stderr
    assert not (tmp_path / ".venv/.base").exists()


def test_every_dependency_is_pinned_exactly():
    import tomllib

    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "+" not in line for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(one for extra in extras.values() for one in extra)]
    names = {"".join(c if c.isalnum() or c == "-" else " " for c in one).split()[0].lower() for one in needed}
    assert names - {"grokscope"} <= pinned
