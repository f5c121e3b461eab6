"""`grokscope scrub` writes a page, and refuses what it cannot show."""

from __future__ import annotations

from grokscope.config import RunConfig, override
from grokscope.training import train

TINY = {
    "task.name": "add", "modulus": 5, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16,
    "batch_size": 6, "training.steps": 4, "checkpoints.every": 2, "eval_every": 2,
}  # fmt: skip


def test_scrub_writes_a_page_of_runs_side_by_side(grokscope, tmp_path):
    for arm in ("first", "second"):
        train(override(RunConfig(), {**TINY, "arm": arm}), tmp_path / arm, progress=False)
    page = tmp_path / "deep" / "page.html"
    done = grokscope("scrub", str(tmp_path / "first"), str(tmp_path / "second"), "--out", str(page))
    assert (done.code, done.out.strip()) == (0, str(page))
    text = page.read_text()
    assert "first" in text
    assert "second" in text


def test_scrub_without_runs_says_what_it_needs(grokscope, tmp_path):
    done = grokscope("scrub", "--out", str(tmp_path / "page.html"))
    assert done.code != 0
    assert "run" in done.err
    assert not (tmp_path / "page.html").exists()
