"""The numbers on how the package is built, on a small package whose numbers are known."""

from __future__ import annotations

import pytest

from benchmarks.structure import arrows, files_of, modules, rooms

FILES = {
    "grokscope/__init__.py": "",
    "grokscope/analysis/__init__.py": "from grokscope.analysis.circuit.keys import keys\n",
    "grokscope/analysis/curves.py": "import grokscope.analysis.tables.cache\nfrom . import circuit\n",
    "grokscope/analysis/circuit/__init__.py": "",
    "grokscope/analysis/circuit/keys.py": "def f():\n    from grokscope.analysis.tables import cache\n",
    "grokscope/analysis/circuit/other.py": "from grokscope.analysis.circuit.keys import keys  # keystone\n",
    "grokscope/analysis/tables/__init__.py": "",
    "grokscope/analysis/tables/cache.py": "from grokscope.figures import style\nimport os\n",
    "grokscope/analysis/data/table.csv": "keys",
    "grokscope/figures/style.py": "from ..analysis import curves\n",
    "docs/guide.md": "Call keys(run).\n",
    "docs/other.md": "keystone, keys_of\n",
    "tests/test_keys.py": "keys",
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_rooms_are_modules_and_packages_at_sight(checkout):
    assert rooms(checkout / "grokscope/analysis") == ["circuit", "curves", "tables"]
    assert len(modules(checkout / "grokscope")) == 9


def test_arrows_join_rooms_whatever_the_depth_and_the_form_of_the_import(checkout):
    found = arrows(checkout / "grokscope/analysis", checkout)
    assert found == {("curves", "tables"), ("curves", "circuit"), ("circuit", "tables")}
    assert arrows(checkout / "grokscope", checkout) == {("analysis", "figures"), ("figures", "analysis")}


def test_the_files_of_a_thing_are_its_own_and_those_that_name_it_as_a_word(checkout):
    own, others = files_of("keys", ("grokscope", "docs"), checkout)
    assert [path.as_posix() for path in own] == ["grokscope/analysis/circuit/keys.py"]
    assert [path.as_posix() for path in others] == [
        "grokscope/analysis/__init__.py",
        "grokscope/analysis/circuit/other.py",
        "docs/guide.md",
    ]
