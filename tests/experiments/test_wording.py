"""Lists, spans, tables in Markdown, and runs by their seeds."""

from grokscope.experiments.wording import by_arm, joined, markdown, span


def test_runs_that_differ_by_their_seed_are_one_whose_seeds_in_a_row_are_told_by_their_ends():
    names = [f"mul-lion-seed{seed}" for seed in (9, 0, 1, 4, 5, 6, 7)] + ["add-a-seed-b-seed12"]
    assert by_arm(names) == ["mul-lion (seeds 0, 1, 4 to 7, 9)", "add-a-seed-b (seed 12)"]
    assert by_arm([]) == []


def test_a_table_in_markdown_has_a_head_and_a_row_each_and_bars_do_not_end_cells():
    assert markdown(("task", "|x|"), [("S5", 3), ("a | b", "–")]) == [
        "| task | \\|x\\| |",
        "|---|---|",
        "| S5 | 3 |",
        "| a \\| b | – |",
    ]
    assert markdown(("task",), []) == ["| task |", "|---|"]


def test_items_and_spans_in_a_sentence():
    assert [joined(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [span(5, 5), span(5, 39)] == ["5", "5 to 39"]
