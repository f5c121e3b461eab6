"""What is compared is the same training: every contestant takes the steps that the engine takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import before
from benchmarks.contestants import WORKLOADS, Contestant, build
from benchmarks.smallest import SMALLEST
from benchmarks.unavailable import Unavailable
from grokscope.model import is_buffer

STEPS = 3

# Two layers: in the last one the engine and JAX compute less than in the others. Batches of a third of the examples,
# because JAX compiles once for every size of batch.
SIZES = {"mul": {**SMALLEST, "n_layers": 2, "batch_size": 28}, "nanda-p113": SMALLEST}

TOLERANCE = 1e-4
"""Of a loss, and of the norm of a parameter's difference, relative to its own.

Float32 sums rounded in another order differ by some 1e-7 here. Where a gradient is as small as its rounding, Lion's
sign may differ too, which is two whole steps in one entry: 6e-4 beside norms of 1 and more. Without the clip,
parameters differ by 5e-3.
"""


@pytest.fixture(autouse=True)
def _jax_compiles_in_half_the_time():
    """JAX without its compiler's optimisations; what is computed is the same."""
    try:
        from jax import config
    except ImportError:
        yield
        return
    config.update("jax_disable_most_optimizations", True)
    yield
    config.update("jax_disable_most_optimizations", False)


def built(contestant: str, workload: str) -> Any:
    try:
        return build(contestant, WORKLOADS[workload], SIZES[workload], 1)
    except Unavailable as why:
        pytest.skip(str(why))


def assert_steps_agree(contestant: str, workload: str) -> tuple[Contestant, Contestant]:
    """A contestant and the engine after `STEPS` steps, in which their losses and weights agreed."""
    theirs, ours = built(contestant, workload), built("c", workload)
    for _ in range(STEPS):
        assert theirs.step() == pytest.approx(ours.step(), rel=TOLERANCE)
    differences = {}
    for name, value in theirs.weights.items():
        # Softmax does not see b_K: the engine leaves it alone, and others make steps of its rounding noise.
        if not is_buffer(name) and not name.endswith("b_K"):
            difference, own = (x.detach().norm() for x in (value - ours.weights[name], ours.weights[name]))
            differences[name] = float(difference / own.clamp(min=1e-12))
    assert len(differences) >= 9
    assert {name: size for name, size in differences.items() if size > TOLERANCE} == {}
    return theirs, ours


# Of the compiled engine (e) tests/engine/test_training_steps.py says the same, in float64.
@pytest.mark.parametrize("workload", SIZES)
@pytest.mark.parametrize("contestant", ["a", "b", "j"])
def test_every_contestant_takes_the_steps_of_the_engine(contestant, workload):
    theirs, ours = assert_steps_agree(contestant, workload)
    splits, sizes = ours.evaluate(), {split: len(getattr(ours.trainer, split)) for split in ("train", "val")}
    means = [sum(splits[f"{split}_{what}"] * size for split, size in sizes.items()) for what in ("loss", "accuracy")]
    assert theirs.evaluate() == pytest.approx([mean / sum(sizes.values()) for mean in means], rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["mul", "nanda-p113"])
def test_torch_compile_takes_the_steps_of_the_engine(workload):
    assert_steps_agree("t", workload)


def test_torch_compile_without_a_compiler_is_left_out_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, str(tmp_path / "no-compiler")))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    torch.compiler.reset()
    with pytest.raises(Unavailable, match=r"torch.compile cannot compile here .*it needs a C\+\+ compiler"):
        build("t", WORKLOADS["nanda-p113"], SMALLEST, 1)


@pytest.fixture
def repository(tmp_path):
    """A git repository of two commits, and the hash of the first."""
    root = tmp_path / "repository"
    root.mkdir()

    def git(*words: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *own, *words], cwd=root, check=True, capture_output=True, text=True).stdout

    git("init")
    for text in ("first", "second"):
        (root / "text").write_text(text)
        git("add", ".")
        git("commit", "-m", text)
    return root, git("rev-parse", "HEAD~1").strip()


def test_the_engine_before_is_checked_out_once(repository, tmp_path):
    root, commit = repository
    path = before.checkout(commit, root, tmp_path / "before")
    assert (path / "text").read_text() == "first"
    (path / "kept").touch()
    assert before.checkout(commit, root, tmp_path / "before") == path
    assert (path / "kept").exists()
    for inside in sorted(path.rglob("*"), reverse=True):
        inside.unlink()
    path.rmdir()
    assert (before.checkout(commit, root, tmp_path / "before") / "text").read_text() == "first"


def test_a_checkout_of_another_commit_is_refused(repository, tmp_path):
    root, commit = repository
    path = before.checkout(commit, root, tmp_path / "before")
    subprocess.run(["git", "checkout", "-q", "--detach", "HEAD@{0}"], cwd=path, check=True)
    subprocess.run(["git", "-C", str(path), "reset", "-q", "--hard", _head(root)], check=True)
    with pytest.raises(RuntimeError, match=rf"is at {_head(root)}, not at {commit}: delete it"):
        before.checkout(commit, root, tmp_path / "before")


def _head(root: Path) -> str:
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("history", ["none", "other"])
def test_without_the_commit_the_engine_before_is_left_out_with_a_sentence(history, repository, tmp_path):
    root = repository[0] if history == "other" else tmp_path / "unpacked"
    root.mkdir(exist_ok=True)
    with pytest.raises(Unavailable, match="is not in the git history of this checkout: use a full clone"):
        before.checkout("0" * 40, root, tmp_path / "before")
