"""The demo from end to end on tiny networks, and what a second one does."""

import os
import signal
import threading
import time

import pytest

import grokscope as gs
from grokscope.cli.demo import Arm, run_demo
from grokscope.sweeps.process import WorkerProcess

SMALL = {"steps": 20, "modulus": 13, "d_model": 16, "d_mlp": 16, "n_heads": 2, "batch_size": 32, "every": 20}
ARMS = (Arm("clipped", "mul-lion-clip", SMALL), Arm("unclipped", "mul-lion", SMALL | {"steps": 40}))


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "checkpoints", tmp_path / "report"


@pytest.mark.usefixtures("light_workers")
def test_a_demo_trains_both_arms_writes_the_report_and_is_not_repeated(folders, capsys, monkeypatch, request):
    checkpoints, report = folders
    page, found = run_demo(ARMS, checkpoints, report)
    assert page == report / "index.html"
    assert page.exists()
    assert len(found) == 3
    runs = [gs.open_run(checkpoints / gs.run_name(arm.config)) for arm in ARMS]
    assert [run.final_step for run in runs] == [20, 40]
    assert "clipped: training 20 steps" in capsys.readouterr().out

    def no_more(*_, **__):
        raise AssertionError("a worker was started")

    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", no_more)
    request.getfixturevalue("light_report")  # the figures have been drawn once
    again = run_demo(ARMS, checkpoints, report)
    assert again == (page, found)
    assert "clipped: already there" in capsys.readouterr().out


@pytest.mark.usefixtures("light_report", "light_workers")
def test_a_half_done_demo_is_continued(folders, capsys):
    checkpoints, report = folders
    clipped = ARMS[0]
    path = checkpoints / gs.run_name(clipped.config)
    gs.train(clipped.config, out=path, progress=False)
    whole = gs.open_run(path).digests
    # As a kill leaves it: no end was recorded, or sealed.
    status, seals = path / "status.json", path / "seals.jsonl"
    status.write_text(status.read_text().replace('"finished"', '"interrupted"'))
    seals.write_text("".join(seals.read_text().splitlines(keepends=True)[:-1]))
    run_demo(ARMS, checkpoints, report)
    assert "clipped: continuing from step 20" in capsys.readouterr().out
    assert gs.open_run(path).digests == whole
    assert gs.open_run(path).status == "finished"


def test_a_run_of_other_settings_is_left_alone_and_named(folders):
    checkpoints, report = folders
    path = checkpoints / gs.run_name(ARMS[0].config)
    gs.train(ARMS[0].config, out=path, progress=False, lr=5e-4)
    with pytest.raises(
        gs.RunError, match=r"other settings \(optimizer.lr = 0.0005 there, 0.001 in the sweep\): move it"
    ):
        run_demo(ARMS, checkpoints, report)
    assert not report.exists()


def test_a_run_that_cannot_be_read_is_named_before_anything_is_trained(folders, monkeypatch):
    checkpoints, report = folders
    path = checkpoints / gs.run_name(ARMS[0].config)
    gs.train(ARMS[0].config, out=path, progress=False)
    (path / "status.json").write_text("{")
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(ChildProcessError, match=r"clipped: .*status\.json"):
        run_demo(ARMS, checkpoints, report)
    assert not report.exists()


@pytest.mark.usefixtures("light_workers")
def test_an_interrupt_stops_both_cleanly_and_says_how_to_go_on(folders, capsys):
    checkpoints, report = folders
    arms = [Arm(arm.label, arm.preset, SMALL | {"steps": 100_000, "every": 10_000}) for arm in ARMS]
    paths = [checkpoints / gs.run_name(arm.config) for arm in arms]

    def interrupt() -> None:
        while not all((path / "checkpoints" / "step_00000000.safetensors").exists() for path in paths):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt, match="start the demo again to continue"):
        run_demo(arms, checkpoints, report)
    thread.join()
    assert [gs.open_run(path).status for path in paths] == ["interrupted", "interrupted"]
    assert not report.exists()


@pytest.mark.usefixtures("light_workers")
def test_a_worker_that_fails_says_why_and_stops_the_other(folders, monkeypatch):
    checkpoints, report = folders
    bad = Arm("bad", "mul-lion-clip", SMALL | {"device": "cuda:99"})
    endless = Arm("endless", "mul-lion", SMALL | {"steps": 10**6})
    started = []

    class Recorded(WorkerProcess):
        def __init__(self, *order):
            super().__init__(*order)
            started.append(self)

    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", Recorded)
    with pytest.raises(ChildProcessError, match=r"bad: .*cuda:99"):
        run_demo((bad, endless), checkpoints, report)
    assert len(started) == 3  # one is tried a second time
    assert all(process.exit_code() is not None for process in started)
    assert not report.exists()


def test_the_arms_of_the_demo_share_task_model_and_seed_and_only_one_is_clipped():
    from grokscope.cli.demo import ARMS
    from grokscope.config import differences

    clipped, unclipped = (arm.config for arm in ARMS)
    changed = {name.partition(".")[0] for name in differences(clipped, unclipped)}
    assert not changed & {"task", "model", "seed", "forward"}
    assert (clipped.norms.max_norm, unclipped.norms.max_norm) == (2.0, None)
    assert clipped.seed == unclipped.seed
