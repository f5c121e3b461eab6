"""Settings in files: rows of permutations, of a table, of indices, and TOML; errors name field, file and line."""

from __future__ import annotations

import json

import pytest

from grokscope.config import ConfigError, from_dict, read_elements, read_indices, read_settings, read_table

C3 = ((0, 1, 2), (1, 2, 0), (2, 0, 1))


@pytest.mark.parametrize(
    "text",
    [
        "0 1 2\n1 2 0\n2 0 1\n",
        "0,1,2\n1,2,0\n2,0,1",
        "0, 1, 2\r\n1, 2, 0\r\n2, 0, 1\r\n",
        "\ufeff0;1;2\n\n1;2;0  # a rotation\n# and its inverse\n2\t0\t1\n",
        "(0, 1, 2)\n(1, 2, 0)\n(2, 0, 1)",
        "[0, 1, 2]\n[1, 2, 0]\n[2, 0, 1]",
        "[0 1 2]\n[1 2 0]\n[2 0 1]",
        "012\n120\n201\n",
        json.dumps(C3),
        json.dumps(C3, indent=2),
    ],
)
def test_permutations_are_read_as_people_write_them(tmp_path, text):
    file = tmp_path / "elements.txt"
    file.write_bytes(text.encode())
    assert read_elements(file) == C3


def test_tables_and_indices_are_read(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("0,1\n1,0\n")
    assert read_table(file) == ((0, 1), (1, 0))
    for text in ("4 8\n15\n", "4,8,15", "[4, 8, 15]", "4\n8\n15\n"):
        file.write_text(text)
        assert read_indices(file) == (4, 8, 15)


@pytest.mark.parametrize(
    ("read", "text", "parts"),
    [
        (read_elements, "0 1 2\n\n1 x 0\n", ["task.elements", "line 3: 'x' is not an integer"]),
        (read_elements, "0 1 2\n1 2 0.5\n", ["line 2: '0.5'"]),
        (read_elements, "0 1 2\n1 2 2\n", ["line 2: [1, 2, 2] is not a permutation of 0..2"]),
        (read_elements, "0 1 2\n1 0\n", ["line 2: [1, 0] is not a permutation of 0..2"]),
        (read_elements, "0 1 2\n1 2 3\n", ["line 2", "numbered from 0, not from 1"]),
        (read_elements, "0 1\n# again\n0 1\n", ["line 3: [0, 1] occurs twice, as element 0 and as element 1"]),
        (read_elements, "\n# nothing\n", ["is empty"]),
        (read_elements, "", ["is empty"]),
        (read_elements, "\n".join("0 1" for _ in range(721)), ["line 721: more than 720 rows"]),
        (read_elements, "1" * 30, ["line 1", "is not an integer"]),
        (read_table, "0 1\n1 2\n", ["task.table", "line 2", "2 is not an element"]),
        (read_table, "0 1\n0 0\n", ["line 2", "an element occurs twice"]),
        (read_table, "0 1\n1\n", ["line 2", "has 1 entries where the table has 2 rows"]),
        (read_table, "10\n01\n", ["line 1", "has 1 entries"]),
        (read_indices, "", ["task.train_indices", "is empty"]),
        (read_indices, "1 2 a", ["line 1: 'a'"]),
    ],
)
def test_what_is_no_row_is_refused_with_field_file_and_line(tmp_path, read, text, parts):
    file = tmp_path / "rows.txt"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file)
    for part in [str(file), *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[[0, 1], [1, 0]", "is not JSON"),
        ('[[0, 1], [1, "x"]]', "row 2: 'x' is not an integer"),
        ("[[0, 1], [true, false]]", "row 2"),
        ('{"elements": []}', "holds a JSON dict: use a list of lists"),
        ("[[0, 1], []]", "row 2"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_json_that_holds_no_rows_is_refused(tmp_path, text, part):
    file = tmp_path / "rows.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=part):
        read_elements(file)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"task\.elements: cannot read .*nothing\.txt.*No such file"):
        read_elements(tmp_path / "nothing.txt")
    with pytest.raises(ConfigError, match="cannot read"):
        read_elements(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_elements("a\0b")
    binary = tmp_path / "binary"
    binary.write_bytes(b"0 1\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"is not text \(byte 4\)"):
        read_elements(binary)


def test_a_toml_config_may_name_files_beside_it(tmp_path):
    (tmp_path / "c3.txt").write_text("0 1 2\n1 2 0\n2 0 1\n")
    file = tmp_path / "network.toml"
    file.write_text('seed = 3\n[task]\nname = "group"\nelements = "c3.txt"\nproduct = "ab"\n[model]\nn_layers = 1\n')
    config = from_dict(read_settings(file))
    assert (config.task.elements, config.task.product, config.seed, config.model.n_layers) == (C3, "ab", 3, 1)
    file.write_text("[task\n")
    with pytest.raises(ConfigError, match=r"network\.toml is not TOML: .*line 1"):
        read_settings(file)
