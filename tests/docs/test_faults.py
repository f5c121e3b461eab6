"""Every promise of docs/faults.md names a test that there is."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not re.match(r"\| fault |\|-", line)]


def names_in(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_row_has_a_fault_a_promise_and_a_test_that_there_is():
    assert len(ROWS) >= 41
    for row in ROWS:
        fault, promise, tests = (cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|")))
        assert fault, row
        assert promise, row
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
        assert named, row
        for file, name in named:  # a whole file of them where no name stands
            assert not name or name in names_in(ROOT / file), f"{file} has no {name}"
            assert any(one.startswith("test_") for one in names_in(ROOT / file)), f"{file} has no tests"


def test_no_fault_stands_twice():
    faults = Counter(row.strip("|").split("|")[0].strip() for row in ROWS)
    assert [fault for fault, count in faults.items() if count > 1] == []
