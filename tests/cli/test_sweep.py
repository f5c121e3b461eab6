"""The command: what it prints, and how it ends."""

from __future__ import annotations

import sys

import pytest

TINY = """
seeds = [0, 1]
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = 20, batch_size = 6, eval_every = 5 }
checkpoints.every = 4
"""


@pytest.fixture
def tiny_file(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    return "tiny.toml"


@pytest.mark.usefixtures("light_workers")
def test_a_sweep_tells_a_line_per_run_and_goes_on_where_it_was(grokscope, tiny_file, tmp_path):
    done = grokscope("sweep", tiny_file, "--workers", "2")
    assert done.code == 0, done.err
    *runs, last = done.out.splitlines()
    assert sorted(line.partition(" at ")[0] for line in runs) == [
        "finished mul-p7-custom-seed0",
        "finished mul-p7-custom-seed1",
    ]
    assert last == "checkpoints/tiny: 2 of 2 runs done"
    assert (tmp_path / "checkpoints/tiny/mul-p7-custom-seed0/metrics.parquet").exists()
    assert grokscope("sweep", tiny_file).out == "checkpoints/tiny: 2 of 2 runs done, 2 of them before\n"
    dry = grokscope("sweep", tiny_file, "--dry-run")
    assert dry.code == 0
    assert "2 runs in checkpoints/tiny, 2 of them done" in dry.out


def test_a_dry_run_lists_every_run_with_time_and_disk_and_trains_none(grokscope, tiny_file, tmp_path):
    done = grokscope("sweep", tiny_file, "--dry-run", "--workers", "3", "--out", "there")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split("\t") == ["run", "arm", "seed", "budget", "standing", "time", "disk"]
    assert [line.split("\t")[:5] for line in lines[1:3]] == [
        [f"mul-p7-custom-seed{seed}", "custom", str(seed), "20", "waiting"] for seed in (0, 1)
    ]
    assert lines[3] == "2 runs in there, 0 of them done"
    assert "with 1 worker, " in lines[4]
    assert "with 3 workers; " in lines[4]
    assert not (tmp_path / "there").exists()


def test_a_run_that_fails_by_a_mistake_in_a_program_is_reported_with_the_end_of_its_log(
    grokscope, tiny_file, tmp_path, monkeypatch
):
    # In the workers alone: what the kernel is called is asked for as a run is made.
    (tmp_path / "sitecustomize.py").write_text("import platform\nplatform.release = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / tiny_file).write_text(TINY.replace("seeds = [0, 1]", "seeds = [0]"))
    done = grokscope("sweep", tiny_file)
    assert done.code == 2
    reason = "TypeError: 'NoneType' object is not callable"
    assert f"retrying mul-p7-custom-seed0: {reason}\n    Traceback (most recent call last):\n" in done.out
    assert f"failed mul-p7-custom-seed0 (1 of 1): {reason}\n    Traceback" in done.out
    assert "platform.release()" in done.out
    assert done.out.count(reason) == 2


@pytest.mark.usefixtures("light_workers")
def test_a_failed_run_is_reported_and_makes_the_exit_code_2(grokscope, tiny_file, tmp_path):
    occupied = tmp_path / "out/mul-p7-custom-seed0"
    occupied.mkdir(parents=True)
    (occupied / "notes").touch()
    done = grokscope("sweep", tiny_file, "--out", "out")
    assert done.code == 2
    assert "retrying mul-p7-custom-seed0: RunError: " in done.out
    assert "\n    " not in done.out
    assert "finished mul-p7-custom-seed1" in done.out
    assert "out: 1 of 2 runs done" in done.out
    assert "mul-p7-custom-seed0 failed: RunError: " in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.toml"], "cannot read 'absent.toml'"),
        (["tiny.toml", "--workers", "0"], "workers = 0 is not accepted"),
        (["tiny.toml", "--workers", "0", "--dry-run"], "workers = 0 is not accepted"),
        (["tiny.toml", "--workers", "-1", "--dry-run"], "workers = -1 is not accepted"),
        (["tiny.toml", "--fetch"], "--fetch belongs to --ray ADDRESS"),
        (["tiny.toml", "--ray", "auto", "--workers", "2"], "--workers is for this machine"),
        (["tiny.toml", "--ray", "ray://head:10001"], "ray address = 'ray://head:10001' is not accepted"),
        (["tiny.toml", "--ray", "127.0.0.1:9"], "ray address = '127.0.0.1:9' cannot be reached: "),
        (["tiny.toml", "--ray", "auto"], "ray address = 'auto' cannot be reached: "),
    ],
)
def test_bad_words_are_told_in_one_line(grokscope, tiny_file, words, message):
    done = grokscope("sweep", *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["out/logs", "out/logs/mul-p7-custom-seed1.log"])
def test_what_stands_in_the_way_of_logs_is_told_before_anything_starts(grokscope, tiny_file, tmp_path, name):
    place = tmp_path / name
    place.parent.mkdir(parents=True)
    if name == "out/logs":
        place.touch()
    else:
        place.mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = grokscope("sweep", tiny_file, "--out", "out")
    assert done.code == 2
    assert f"cannot write {'to ' * (name == 'out/logs')}{name}" in done.err
    assert done.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_without_ray_a_sweep_on_a_cluster_says_how_to_get_it(grokscope, tiny_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = grokscope("sweep", tiny_file, "--ray", "auto")
    assert done.code == 2
    assert "pip install 'grokscope[ray]'" in done.err
