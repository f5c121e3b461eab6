"""The doctor finds what is wrong, and says what to do."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from grokscope.cli import doctor
from grokscope.cli.demo import SMALL
from grokscope.sweeps import estimate

ROOT = Path(__file__).parents[2]


def test_a_sound_machine_passes(grokscope, monkeypatch):
    monkeypatch.setattr("grokscope.cli.demo.ARMS", SMALL)  # measured in less time
    done = grokscope("doctor")
    failed = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    # Space and speed of the disk are the test machine's own affair.
    assert [line for line in failed if "disk space" not in line and "fsync" not in line] == []
    assert "determinism: 20 steps, twice: bit-identical weights" in done.out
    assert re.search(r"^ok +processor: .+ \(family .+\), \w+, \d+ cores to use$", done.out, re.M)
    assert re.search(
        r"^ok +matrix products: float32 by (torch|openblas), .*; the BLAS of torch is \w+$", done.out, re.M
    )
    assert re.search(
        r"^ok +demo: about \d+ (s|minutes): an estimate, from steps that were measured for \d+ s$", done.out, re.M
    )
    assert done.next == (None if failed else "grokscope demo")
    assert done.code == (1 if failed else 0)


def test_an_installation_without_transformer_lens_is_sound_and_says_what_to_install(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    found = doctor._transformer_lens()
    assert found.is_ok
    assert found.detail == "not installed; what needs it: pip install 'grokscope[lens]'"
    assert not doctor._torch().is_ok
    assert doctor._torch().advice == "install it: pip install 'torch>=2.10,<2.14'"


def test_the_estimate_of_the_demo_follows_what_is_measured(monkeypatch):
    costs = estimate.Estimate({"a": estimate.Cost(100.0, 0), "b": estimate.Cost(400.0, 0)}, 2)
    monkeypatch.setattr(estimate, "estimate", lambda jobs: costs)
    monkeypatch.setattr("grokscope.capacity.usable_cores", lambda: 1)
    monkeypatch.setattr(doctor, "_REPORT_SHARE", 0.4)
    assert doctor._demo().detail.startswith("about 12 minutes: an estimate")  # (1 + 0.4) * 500 s
    monkeypatch.setattr("grokscope.capacity.usable_cores", lambda: 8)
    assert doctor._demo().detail.startswith("about 10 minutes: an estimate")  # 400 s + 0.4 * 500 s
    assert [doctor._rounded(seconds) for seconds in (3.0, 88.0, 119.0, 150.0)] == ["10 s", "90 s", "120 s", "2 minutes"]


@pytest.mark.lens
def test_the_installed_transformer_lens_will_do():
    assert doctor._transformer_lens().is_ok


@pytest.mark.parametrize(("found", "is_ok"), [("3.8.1", False), ("3.9.0", True), ("4.3.0", True), ("5.0", False)])
def test_transformer_lens_before_and_after_hooked_transformer_will_do(monkeypatch, found, is_ok):
    monkeypatch.setattr(doctor, "version", lambda _: found)
    assert doctor._transformer_lens().is_ok == is_ok
    assert ">=3.9,<5" in doctor._transformer_lens().detail


def test_versions_are_those_of_the_distribution():
    def wanted(low, high):
        return f">={'.'.join(map(str, low))},<{'.'.join(map(str, high))}"

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"torch{wanted(*doctor.TORCH)}" in project["dependencies"]
    assert project["optional-dependencies"]["lens"] == [f"transformer-lens{wanted(*doctor.TRANSFORMER_LENS)}"]


@pytest.mark.parametrize(
    ("found", "is_ok"),
    [("2.9.1", False), ("2.10.0", True), ("2.13.0+cpu", True), ("2.14.0", False), ("3.0", False)],
)
def test_versions_are_compared_as_numbers(monkeypatch, found, is_ok):
    monkeypatch.setattr(doctor, "version", lambda _: found)
    assert doctor._torch().is_ok == is_ok


@pytest.mark.parametrize("kind", ["file", "link to nothing", "folder", "nothing"])
def test_write_access_is_that_of_the_folder_of_runs(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    place = Path("checkpoints")
    if kind == "file":
        place.touch()
    elif kind == "link to nothing":
        place.symlink_to("nowhere")
    elif kind == "folder":
        place.mkdir()
    try:  # what the first run would do
        (place / "run").mkdir(parents=True)
    except OSError:
        can_be_written = False
    else:
        can_be_written = True
        (place / "run").rmdir()
    found = doctor._write_access()
    assert found.is_ok == can_be_written == (kind in ("folder", "nothing"))
    assert found.is_ok or "cannot write to checkpoints: checkpoints is " in found.detail


def test_a_check_that_breaks_fails_and_the_others_go_on(grokscope, monkeypatch):
    def broken():
        raise ImportError("libgomp.so.1: no such file")

    monkeypatch.setattr(doctor, "CHECKS", (broken, doctor._python))
    done = grokscope("doctor")
    assert done.code == 1
    assert done.out.splitlines()[0] == "FAIL  broken: ImportError: libgomp.so.1: no such file"
    assert "ok    python" in done.out
    assert done.next is None
    monkeypatch.setattr(doctor, "CHECKS", (doctor._python,))
    assert grokscope("doctor").next == "grokscope demo"


def test_a_failed_check_says_what_to_do(grokscope, monkeypatch):
    monkeypatch.setattr(doctor, "_ENOUGH_BYTES", 10**30)
    monkeypatch.setattr(doctor, "CHECKS", (doctor._disk_space,))
    done = grokscope("doctor")
    assert done.code == 1
    assert "free some, or write elsewhere with --out" in done.out
