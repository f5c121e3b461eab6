"""`grokscope analyze` keeps the tables that the library computes, and says what it cannot do."""

import pandas as pd

from grokscope.analysis import analyses, run_all
from grokscope.runs import open_run


def test_analyze_writes_the_tables_that_the_library_gives(grokscope, tiny, tmp_path):
    assert grokscope("train", "mul-lion-clip", *tiny, "--checkpoints.every", "10", "--out", "run").code == 0
    done = grokscope("analyze", "run", "--only", "keys", "spectra", "--out", "tables")
    assert done.code == 0
    assert "keys" in done.out
    expected = run_all(open_run(tmp_path / "run"), ["keys", "spectra"])
    for name, table in expected.items():
        written = pd.read_csv(tmp_path / "tables" / f"run-{name}.csv")
        assert list(written.columns) == list(table.columns)
        assert len(written) == len(table)
        assert sorted(written["step"].unique()) == [0, 10, 20]


def test_an_unknown_analysis_and_a_task_without_a_group_are_told_in_one_line(grokscope, tiny):
    assert grokscope("train", "mul-lion-clip", *tiny, "--out", "run").code == 0
    unknown = grokscope("analyze", "run", "--only", "spectre")
    assert unknown.code == 2
    assert "nearest: spectra" in unknown.err
    words = ["--task.name=parity", "--bits=4", "--parity-bits=2", "--out", "parity"]
    assert grokscope("train", "mul-lion-clip", *tiny, *words).code == 0
    refused = grokscope("analyze", "parity", "--only", "fourier")
    assert refused.code == 2
    assert "group" in refused.err
    assert len(refused.err.splitlines()) < 4
    assert grokscope("analyze", "parity", "--only", "ranks").code == 0
    assert grokscope("analyze").code == 2


def test_list_prints_every_analysis_with_its_family_and_one_line(grokscope):
    done = grokscope("analyze", "--list")
    assert done.code == 0
    header, *lines = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["analysis", "family", "what it says"]
    known = analyses()
    assert [name for name, *_ in lines] == list(known)
    for name, family, summary in lines:
        assert family == known[name].family
        assert summary.startswith(known[name].summary)
        assert summary.endswith("On request only.") == known[name].on_request
