"""Tables in Markdown."""

from grokscope.experiments.wording import markdown


def test_a_table_in_markdown_has_a_head_and_a_row_each_and_bars_do_not_end_cells():
    assert markdown(("task", "|x|"), [("S5", 3), ("a | b", "–")]) == [
        "| task | \\|x\\| |",
        "|---|---|",
        "| S5 | 3 |",
        "| a \\| b | – |",
    ]
    assert markdown(("task",), []) == ["| task |", "|---|"]
