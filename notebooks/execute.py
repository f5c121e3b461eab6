"""Run notebooks from top to bottom and write them back with what they show, but nothing that differs by machine.

    python notebooks/execute.py                   # all, in order
    python notebooks/execute.py 02_fourier        # some, by name

Runs go to checkpoints/notebooks, or to the folder that GROKSCOPE_NOTEBOOK_RUNS names; those that are there are opened
and not trained again.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent
PROGRESS = "application/vnd.jupyter.widget-view+json"
"""A progress bar: it is gone once a notebook is closed, and would leave only its own name."""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path, folder: Path = NOTEBOOKS, timeout: float | None = None) -> NotebookNode:
    """The notebook with fresh outputs, run in `folder` on one thread; raises `CellExecutionError` for a failing cell.

    Arguments:
        timeout: seconds that a cell may take.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=resources, record_timing=False).execute()
    return notebook


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """The same without progress bars and without what says when and by which program it was run."""
    notebook.metadata = NotebookNode(METADATA)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
    return notebook


def _is_progress(output: NotebookNode) -> bool:
    return PROGRESS in output.get("data", {}) or output.get("name") == "stderr"


def main(names: list[str]) -> None:
    for path in [NOTEBOOKS / f"{name}.ipynb" for name in names] or sorted(NOTEBOOKS.glob("*.ipynb")):
        begin = time.perf_counter()
        notebook = execute(path)
        warnings = [output.text for cell in notebook.cells for output in cell.get("outputs", [])
                    if output.get("name") == "stderr" and "Warning" in output.text]  # fmt: skip
        if warnings:
            raise SystemExit(f"{path.name} warns; it is left as it was:\n" + "\n".join(warnings))
        nbformat.write(cleaned(notebook), path)
        print(f"{path.name}: {time.perf_counter() - begin:.0f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
