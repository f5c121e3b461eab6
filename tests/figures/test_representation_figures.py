"""Figures of irrep blocks and of the order of learning show what their tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from grokscope import figures
from grokscope.figures.files import png

MILESTONES = pd.DataFrame(
    {
        "run": ["one", "two"],
        "task": ["composition in S3"] * 2,
        "arm": ["clip", "none"],
        "max_norm": [2.0, np.nan],
        "grok_step": pd.array([500, None], dtype="Int64"),
    }
)


def _blocks() -> pd.DataFrame:
    irreps = ["trivial", "sign", "standard"]
    rows = [
        {"run": "one", "operation": "s3", "basis": "own", "step": step, "layer": layer, "left": a, "right": b}
        for step in (0, 10)
        for layer in (0, 1)
        for a in irreps
        for b in irreps
        if (a, b) != ("trivial", "trivial")
    ]
    table = pd.DataFrame(rows)
    return table.assign(power=np.arange(len(table)) / 100)


def _onsets(**changes: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "run": ["one", "one", "two"],
            "operation": "s3",
            "quantity": ["power", "power", "full_loss"],
            "irrep": pd.array(["standard", "sign", None], dtype="string"),
            "frequency": pd.array([None, None, None], dtype="Int64"),
            "after": pd.array([200, None, None], dtype="Int64"),
            "by": pd.array([210, 100, None], dtype="Int64"),
        }
    )
    return table.assign(**changes)


def test_a_matrix_of_blocks_is_the_last_checkpoint_s_with_the_mean_left_out():
    figure = figures.irrep_blocks(_blocks())
    panels = [ax for ax in figure.axes if ax.get_images()]
    assert len(panels) == 2
    for layer, ax in enumerate(panels):
        here = _blocks()
        here = here[(here["step"] == 10) & (here["layer"] == layer)]
        matrix = np.asarray(ax.get_images()[0].get_array())
        assert matrix[0, 0] == 0.0
        assert [t.get_text() for t in ax.get_xticklabels()] == ["trivial", "sign", "standard"]
        by_name = here.set_index(["left", "right"])["power"]
        assert matrix[2, 1] == by_name["standard", "sign"]
        assert matrix[0, 2] == by_name["trivial", "standard"]
    png(figure)


def test_two_irreps_of_one_frequency_are_named_in_the_order_of_learning():
    names = {"irrep": pd.array(["B1", "B2", None], dtype="string"), "frequency": pd.array([2, 2, None], dtype="Int64")}
    first = figures.learning_order(_onsets(operation="D4", **names), MILESTONES).axes[0]
    assert [t.get_text() for t in first.get_yticklabels()] == ["B2", "B1"]


def test_every_irrep_has_its_losses_beside_the_whole_network_s():
    irreps = ["sign", "standard"]
    rows = [
        {"run": "one", "operation": "s3", "basis": "own", "set": "one", "split": split, "step": step, "level": level}
        | {"irrep": irrep, "frequency": pd.NA, "full_loss": 0.1, "restricted_loss": 1.0 + i, "excluded_loss": 3.0 + i}
        for step in (0, 10)
        for level in ("logits", "neurons")
        for split in ("train", "val")
        for i, irrep in enumerate(irreps)
    ]
    figure = figures.irrep_losses(pd.DataFrame(rows))
    for ax in figure.axes:
        lines = {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}
        assert lines == {"full": [0.1, 0.1], "restricted": [1.0, 2.0], "excluded": [3.0, 4.0]}
        assert [t.get_text() for t in ax.get_xticklabels()] == irreps
    png(figure)


def test_irreps_stand_in_the_order_in_which_they_were_learned_beside_the_grok():
    figure = figures.learning_order(_onsets(), MILESTONES)
    first, second = figure.axes
    assert [t.get_text() for t in first.get_yticklabels()] == ["sign", "standard"]
    ends = [line.get_xdata()[0] for line in first.get_lines() if line.get_linestyle() not in ("-", "None")]
    assert ends == [500]
    assert list(first.get_lines()[0].get_xdata()) == [100, 210]
    assert "no key irrep" in [text.get_text() for text in second.texts]
    assert first.get_xlim() == second.get_xlim()  # of one task
    png(figure)
