"""`grokscope analyze` keeps the tables that the library computes, and says what it cannot do."""

import re
import shutil
from pathlib import Path

import pandas as pd
import psutil
import pytest

from grokscope.analysis import analyses, run_all
from grokscope.cli.analyze import places_of
from grokscope.config import preset
from grokscope.runs import open_run
from grokscope.sweeps import work_through
from grokscope.training import train

THREE = ["a/run", "b/run", "c"]
SMALLEST = {"modulus": 13, "d_model": 16, "d_mlp": 16, "n_heads": 2, "batch_size": 32}


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


def test_one_run_takes_as_many_cores_as_this_process_may_use(grokscope, tiny, monkeypatch):
    assert grokscope("train", "mul-lion-clip", *tiny, "--out", "run").code == 0
    taken = []
    monkeypatch.setattr("grokscope.cli.analyze._analyze_here", lambda *words: taken.append(words[-1]) or 0)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("grokscope.capacity.usable_cores", lambda: 3)
    assert grokscope("analyze", "run").code == 0
    assert grokscope("analyze", "run", "--workers", "5").code == 0
    assert taken == [3, 5]


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with three runs, two of them in folders of their own and of one name."""
    folder = tmp_path_factory.mktemp("trained")
    for seed, path in enumerate(THREE):
        train(preset("mul-lion-clip", seed=seed, steps=20, every=10, **SMALLEST), folder / path, progress=False)
    return folder


@pytest.fixture
def three_runs(grokscope, trained, tmp_path):
    """Directories of the three runs, to do with what one likes."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return THREE


def kept_tables(paths):
    """The content of every kept table by its path below the run."""
    return [
        {file.relative_to(path): file.read_bytes() for file in Path(path, "analysis").rglob("*.parquet")}
        for path in paths
    ]


def corrupt(path):
    """Make a run one that cannot be read."""
    (Path(path) / "manifest.jsonl").write_text("?\n")


@pytest.mark.usefixtures("light_workers")
def test_runs_side_by_side_have_the_tables_of_runs_one_after_the_other(grokscope, three_runs):
    for path in three_runs:
        assert grokscope("analyze", path, "--only", "keys", "dynamics").code == 0
    alone = kept_tables(three_runs)
    assert all(len(tables) > 3 for tables in alone)
    for path in three_runs:
        shutil.rmtree(Path(path, "analysis"))
    done = grokscope("analyze", *three_runs, "--only", "keys", "dynamics", "--workers", "2")
    assert done.code == 0, done.err
    assert kept_tables(three_runs) == alone
    assert "finished b/run at checkpoint 3 (" in done.out
    assert "c\tkeys\t" in done.out
    assert "3 of 3 runs analysed" in done.out


@pytest.mark.usefixtures("light_workers")
def test_a_broken_run_is_named_at_the_end_and_the_others_are_analysed(grokscope, three_runs):
    corrupt("b/run")
    done = grokscope("analyze", *three_runs, "absent", "--only", "keys", "--workers", "2")
    assert done.code == 2
    assert "2 of 4 runs analysed" in done.out
    broken, absent = done.err.splitlines()
    assert re.search(r"b/run failed: .*manifest\.jsonl", broken)
    assert "absent failed: " in absent
    assert [len(tables) for tables in kept_tables(three_runs)] == [1, 0, 1]


def test_a_killed_worker_is_replaced_and_its_run_analysed(three_runs):
    places, killed = places_of([Path(path) for path in three_runs], ("keys",), None, 1), []

    def kill_the_first(board):
        if not killed and any(place.standing == "running" for place in board.places):
            (worker,) = [
                child for child in psutil.Process().children() if "grokscope.cli.analysis_worker" in child.cmdline()
            ]
            killed.append(worker.pid)
            worker.kill()

    ended = work_through(places, 1, Path("logs"), watch=kill_the_first)
    assert [outcome.standing for outcome in ended] == ["finished"] * 3
    assert [outcome.attempts for outcome in ended] == [2, 1, 1]
    assert [failure.reason for failure in ended[0].failures] == ["its process was killed by signal 9 (SIGKILL)"]
    assert all(kept_tables(three_runs))


def test_runs_are_analysed_as_tasks_of_a_ray_cluster(grokscope, three_runs, ray_here):
    assert grokscope("analyze", "c", "--only", "keys").code == 0
    (alone,) = kept_tables(["c"])
    shutil.rmtree("c/analysis")
    corrupt("b/run")
    done = grokscope("analyze", *three_runs[1:], "--only", "keys", "--ray", "auto")
    assert done.code == 2
    assert "1 of 2 runs analysed" in done.out
    assert re.search(r"b/run failed: .*manifest\.jsonl", done.err)
    assert kept_tables(["c"]) == [alone]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["c", "c", "a/run", "--only", "spectre"], "nearest: spectra"),
        (["a/run", "b/run", "--out", "tables"], "runs have the same name run"),
        (["c", "--workers", "0"], "workers = 0 is not accepted"),
        (["a/run", "c", "--ray", "auto", "--workers", "2"], "--workers is for this machine"),
        (["a/run", "c", "--hang-seconds", "0"], "hang_seconds = 0"),
    ],
)
def test_bad_words_about_several_runs_are_told_in_one_line(grokscope, three_runs, words, message):
    done = grokscope("analyze", *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not any(kept_tables(three_runs))
