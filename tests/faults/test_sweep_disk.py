"""A disk that fills up under a sweep: a line for each attempt, and a run that is finished once there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grokscope.cli import main
from grokscope.sweeps import load_sweep
from grokscope.training import resume, train

FILE = """
seeds = [0]
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = 20, batch_size = 6, eval_every = 5 }
checkpoints.every = 4
"""


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Within the block no file of this process, or of one that it starts, can be larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_in_one_line_for_each_attempt_and_the_run_can_be_gone_on_with(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("full.toml").write_text(FILE)
    (job,) = load_sweep("full.toml").jobs
    with room_for(4500):
        assert main(["sweep", "full.toml"]) == 2
    shown = capsys.readouterr()
    first, second, last = shown.out.splitlines()
    reason = "RunError: cannot write "
    assert first.startswith(f"retrying {job.name}: {reason}")
    assert second.startswith(f"failed {job.name} (1 of 1): {reason}")
    assert first.endswith(": File too large")
    assert last == "checkpoints/full: 0 of 1 runs done"
    assert shown.err.startswith(f"grokscope: error: {job.name} failed: {reason}")
    assert shown.err.count("\n") == 1
    log = Path("checkpoints/full/logs", f"{job.name}.log").read_text()
    assert [line.startswith(reason) for line in log.splitlines()] == [True, True]

    whole = train(job.config, tmp_path / "alone", progress=False)
    assert resume(Path("checkpoints/full", job.name), progress=False).digests == whole.digests
