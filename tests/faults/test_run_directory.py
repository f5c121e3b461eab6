"""What survives in a run directory when processes are killed, disks fill up, and system calls fail."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

from grokscope.disk import files
from grokscope.runs import RunError, create_run, open_run, reopen_run, verify_run

DRIVER = Path(__file__).with_name("run_driver.py")


def load_driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


driver = load_driver()


class Processes:
    """The driver, from outside."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors.open("w+")
        # The package may not be installed: the child finds it where this process did.
        places = os.pathsep.join([str(DRIVER.parents[2]), os.environ.get("PYTHONPATH", "")])
        self._driver = subprocess.Popen(
            [sys.executable, str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONPATH": places},
        )

    def start(self, action: str, path: Path) -> int:
        assert self._driver.stdin is not None
        self._driver.stdin.write(f"{action} {path}\n")
        self._driver.stdin.flush()
        return int(self.read())

    def read(self) -> str:
        out: IO[str] | None = self._driver.stdout
        assert out is not None
        return out.readline().strip()

    def error(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def close(self) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        self._driver.wait(timeout=60)
        self._errors.close()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("driver") / "stderr")
    yield started
    started.close()


def check_what_is_left(path: Path) -> None:
    """Every listed checkpoint is whole and right, in step order without gaps; one file at most is not listed."""
    assert [finding for finding in verify_run(path) if finding.is_bad] == []
    run = open_run(path)
    assert run.steps == list(range(len(run.steps)))
    for step in run.steps:
        data = (path / f"checkpoints/step_{step:08d}.safetensors").read_bytes()
        assert hashlib.sha256(data).hexdigest() == run.digests[step]
        assert all(run.weights(step)[name].equal(value) for name, value in driver.weights_at(step).items())
    unlisted = [f for f in (path / "checkpoints").glob("step_*") if f.suffix == ".safetensors"]
    assert len(unlisted) - len(run.steps) in (0, 1)
    if (path / "state.json").exists():
        # A state is on disk only after the checkpoints and metrics up to its step.
        step = json.loads((path / "state.json").read_text())["info"]["step"]
        assert run.steps[-1] >= step
        assert list(run.metrics.step)[: step + 1] == list(range(step + 1))


def check_finished(path: Path) -> None:
    check_what_is_left(path)
    run = open_run(path)
    assert run.status == "finished"
    assert run.steps == list(run.metrics.step) == list(range(driver.STEPS))
    assert {f.verdict for f in verify_run(path)} == {"ok"}
    assert not list(path.rglob("*.tmp"))


def test_twenty_kills_at_random_moments_leave_every_listed_checkpoint_whole_and_the_run_can_be_finished(
    processes, tmp_path
):
    chance = random.Random(0)
    path = tmp_path / "run"
    killed = 0
    while killed < 20:
        child = processes.start("train", path)
        time.sleep(chance.uniform(0.0, 0.12))
        os.kill(child, signal.SIGKILL)
        if processes.read() == "0":  # it was done before
            check_finished(path)
            path = tmp_path / f"run{killed}"
            continue
        killed += 1
        if (path / "config.json").exists():
            check_what_is_left(path)
            assert open_run(path).status == "interrupted"
    processes.start("train", path)
    assert processes.read() == "0", processes.error()
    check_finished(path)


def test_kills_while_a_run_is_being_made_leave_a_run_or_a_directory_that_can_become_one(processes, tmp_path):
    chance = random.Random(1)
    for i in range(20):
        path = tmp_path / str(i)
        child = processes.start("train", path)
        time.sleep(chance.uniform(0.0, 0.012))
        os.kill(child, signal.SIGKILL)
        processes.read()
        if (path / "config.json").exists():
            check_what_is_left(path)
        else:
            with create_run(path, driver.CONFIG) as writer:
                writer.finish("finished")
            check_what_is_left(path)


def test_another_process_is_kept_out_and_named_until_it_dies(processes, tmp_path):
    path = tmp_path / "run"
    with create_run(path, driver.CONFIG) as writer:
        writer.checkpoint(0, driver.weights_at(0))
        writer.finish("interrupted")
    child = processes.start("hold", path)
    assert processes.read() == "held"
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with pytest.raises(RunError, match=rf"{path} is being trained by another process \(process {child} on "):
        reopen_run(path)
    with pytest.raises(RunError, match="is a run already"):
        create_run(path, driver.CONFIG)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
    assert open_run(path).status == "running"  # reading is free
    os.kill(child, signal.SIGKILL)
    assert processes.read() == "-9"
    assert open_run(path).status == "interrupted"
    reopen_run(path).finish("finished")


def test_a_file_that_may_not_grow_is_a_clear_error_and_everything_before_it_stays(processes, tmp_path):
    path = tmp_path / "run"
    processes.start("starve", path)
    assert processes.read() == "2"
    message = processes.error().splitlines()[-1]
    assert message.startswith("cannot write")
    assert "File too large" in message
    check_what_is_left(path)
    assert open_run(path).status == "failed"
    assert open_run(path).reason == message
    processes.start("train", path)
    assert processes.read() == "0", processes.error()
    check_finished(path)


def test_a_full_disk_is_a_clear_error_and_everything_before_it_stays(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        with pytest.raises(RunError, match=r"cannot write .*: No space left on device"):
            train(disk / "run")
        check_what_is_left(disk / "run")
        assert 5 < len(open_run(disk / "run").steps) < driver.STEPS
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        train(disk / "run")
        check_finished(disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def train(path: Path) -> None:
    with reopen_run(path) if (path / "config.json").exists() else create_run(path, driver.CONFIG) as writer:
        driver.train(writer)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make run directory .*file/run: Not a directory"):
        create_run(tmp_path / "file" / "run", driver.CONFIG)
    with pytest.raises(RunError, match=r"cannot make run directory .*file: File exists"):
        create_run(tmp_path / "file", driver.CONFIG)


def test_a_directory_without_write_permission_is_a_clear_error(processes, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    processes.start("nobody", tmp_path / "locked" / "run")
    assert processes.read() == "2"
    assert "Permission denied" in processes.error().splitlines()[-1]
    assert not (tmp_path / "locked" / "run").exists()


class FailingSystem:
    """`os`, whose calls to write, sync or rename fail from the `first`-th on: once, or for ever like a crash."""

    CALLS = ("open", "write", "fsync", "replace", "ftruncate")

    def __init__(self, first: int, error: type[BaseException], *, for_ever: bool) -> None:
        self.count = 0
        self._first, self._error, self._for_ever = first, error, for_ever

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self._first or (self._for_ever and self.count > self._first):
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])  # half of it gets through
                raise self._error(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return None if name == "fsync" else real(*args, **kwargs)  # no power fails here: skip the wait

        return call


class Crash(BaseException):
    """The end of the process: no handler of ours takes it."""


@pytest.mark.parametrize(("error", "for_ever"), [(OSError, False), (Crash, True)])
def test_whichever_system_call_fails_what_is_listed_is_whole_and_the_run_can_be_finished(
    tmp_path, monkeypatch, error, for_ever
):
    monkeypatch.setattr(driver, "STEPS", 2)
    first, failed = 1, True
    while failed:
        path = tmp_path / f"{error.__name__}-{for_ever}-{first}"
        system = FailingSystem(first, error, for_ever=for_ever)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", system)
            with suppress(RunError, Crash):
                train(path)
            failed = system.count >= first
        if (path / "config.json").exists():
            check_what_is_left(path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", FailingSystem(0, error, for_ever=False))
            train(path)
        check_finished(path)
        first += 1
    assert first > 40  # every call was reached


class NoSync:
    """`os` on a file system that has no fsync of directories (`of_files`: nor of files)."""

    def __init__(self, number: int, *, of_files: bool) -> None:
        self._number, self._of_files = number, of_files

    def __getattr__(self, name: str) -> Any:
        return self._sync if name == "fsync" else getattr(os, name)

    def _sync(self, descriptor: int) -> None:
        if self._of_files or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("of_files", [False, True])
def test_a_file_system_without_fsync_is_warned_of_once_and_trained_on(tmp_path, monkeypatch, number, of_files):
    monkeypatch.setattr(driver, "STEPS", 2)
    monkeypatch.setattr(files, "os", NoSync(number, of_files=of_files))
    monkeypatch.setattr(files, "_unsynced", [])
    with pytest.warns(RuntimeWarning, match="cannot make files durable") as warned:
        train(tmp_path / "run")
    assert len(warned) == 1
    check_finished(tmp_path / "run")


def test_an_fsync_that_fails_for_another_reason_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "STEPS", 2)
    monkeypatch.setattr(files, "os", NoSync(errno.EIO, of_files=True))
    with pytest.raises(RunError, match="Input/output error"):
        train(tmp_path / "run")
