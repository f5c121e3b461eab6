"""Runs written by hand, as for the analyses, and one full report on two of them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from grokscope.report import build_report

# Fixtures and helpers of another folder's tests can be had from its file alone.
_spec = spec_from_file_location("written_runs", Path(__file__).parent.parent / "analysis" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
write_run = _module.write_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A clipped run that groks and an unclipped one that does not."""
    write = _module.run_writer(tmp_path_factory.mktemp("runs"))
    clipped = write("mul-lion-clip-seed0", arm="lion-clip", max_norm=2.0, groks=100)
    return [clipped, write("mul-lion-seed0", arm="lion", groks=None, growth=4.0)]


@pytest.fixture(scope="session")
def page(runs, tmp_path_factory):
    """The page of a report on `runs`, not to be changed."""
    return build_report("demo", runs, tmp_path_factory.mktemp("reports") / "report")
