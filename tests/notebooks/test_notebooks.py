"""The notebooks are committed as they come out, and come out again from nothing."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [
    "01_train_and_checkpoint",
    "02_fourier",
    "03_s5_representations",
    "04_norms_and_gradient_entropy",
    "05_interventions",
    "06_sweep_and_statistics",
    "07_your_own_task",
]
MOST_BYTES, MOST_BYTES_TOGETHER = 600_000, 2_500_000
MACHINE_PATHS = re.compile(r"/(?:work|tmp|root|home|Users|var|mnt|opt|private)/|[A-Z]:\\\\|site-packages")
MINUTES = 15
"""For one notebook on a machine that is busy with other things; on two free cores each takes less than three."""


def _execute_module():
    spec = importlib.util.spec_from_file_location("notebooks_execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in _code(notebook) for output in cell.outputs]


def _figures(notebook: NotebookNode) -> list[int]:
    """How many figures each code cell shows."""
    return [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in _code(notebook)]


def _text(output: NotebookNode) -> str:
    """All that an output shows but its pictures."""
    shown = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
    return json.dumps([output.get("text", ""), shown])


def test_all_seven_notebooks_are_there():
    assert [path.stem for path in NOTEBOOKS] == NAMES


def test_notebooks_together_are_of_moderate_size():
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST_BYTES_TOGETHER


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def test_a_notebook_is_valid_and_of_moderate_size(path: Path):
    nbformat.validate(_read(path))
    assert path.stat().st_size < MOST_BYTES


def test_committed_code_was_executed_once_and_in_order(path: Path):
    cells = _code(_read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_committed_outputs_have_figures_and_neither_errors_nor_warnings(path: Path):
    notebook = _read(path)
    assert sum(_figures(notebook)) >= 1
    assert {output.output_type for output in _outputs(notebook)} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in _outputs(notebook) if output.get("name") == "stderr"]


def test_committed_notebooks_name_no_path_of_a_machine(path: Path):
    notebook = _read(path)
    told = [_text(output) for output in _outputs(notebook)] + [cell.source for cell in notebook.cells]
    assert not [text for text in told if MACHINE_PATHS.search(text)]


def test_committed_notebooks_hold_nothing_that_differs_by_machine(path: Path):
    execute, notebook = _execute_module(), _read(path)
    assert notebook == execute.cleaned(_read(path))


def test_every_code_cell_is_short_and_prose_comes_first(path: Path):
    notebook = _read(path)
    assert notebook.cells[0].cell_type == "markdown"
    assert max(len(cell.source.splitlines()) for cell in _code(notebook)) <= 30


# The longest are run with the slow tests: together they take five minutes of a core.
LONG = ("04_norms_and_gradient_entropy", "05_interventions", "06_sweep_and_statistics")


@pytest.mark.timeout(60 * MINUTES)
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG), id=path.stem) for path in NOTEBOOKS],
)
def test_a_notebook_runs_from_an_empty_folder_and_shows_as_many_figures(path: Path, tmp_path: Path, monkeypatch):
    execute, committed = _execute_module(), _read(path)
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("GROKSCOPE_NOTEBOOK_RUNS", str(runs))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    notebook = execute.execute(path, elsewhere)  # raises for a cell that fails

    assert _figures(notebook) == _figures(committed)
    said = [output.text for output in _outputs(notebook) if output.get("name") == "stderr"]
    assert not [text for text in said if "Warning" in text]
    assert any(runs.iterdir())
    assert not any(elsewhere.iterdir())  # all that a notebook writes is below its runs
