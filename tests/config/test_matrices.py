"""One reader of matrices: every form that people have comes out as the same table, and errors name the place."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from grokscope.config import ConfigError, TaskConfig, read_elements
from grokscope.config.files import FILE_READERS, read_settings
from grokscope.tasks import build_task

# The Cayley table of S3 in the order of itertools.permutations, (a b)(i) = a(b(i)).
POINTS = list(itertools.permutations(range(3)))
S3 = np.array([[POINTS.index(tuple(a[i] for i in b)) for b in POINTS] for a in POINTS])
NAMES = list("erstuv")
NAMED = pd.DataFrame(np.array(NAMES)[S3], index=NAMES, columns=NAMES)


def savetxt(array: np.ndarray) -> str:
    stream = io.StringIO()
    np.savetxt(stream, array)
    return stream.getvalue()


def gap(array: np.ndarray, space: str = " ") -> str:
    rows = f",{space}".join(f"[{space}{f',{space}'.join(map(str, row))}{space}]" for row in array.tolist())
    return f"[{space}{rows}{space}]"


PLAIN = {
    "csv": ("\n".join(",".join(map(str, row)) for row in S3), "CSV"),
    "savetxt": (savetxt(S3), "floats that are whole numbers"),
    "floats.csv": ("\n".join(",".join(f"{v:.1f}" for v in row) for row in S3), "floats that are whole numbers"),
    "tabs": ("\n".join("\t".join(map(str, row)) for row in S3), "text"),
    "comments": ("# S3\n" + "\n".join(" ".join(map(str, row)) + " # a row" for row in S3), "text"),
    "json": (json.dumps(S3.tolist()), "JSON"),
    "float.json": (json.dumps(S3.astype(float).tolist()), "JSON"),
    "pandas": (pd.DataFrame(S3).to_csv(), "CSV, with a header and row names"),
    "r": (pd.DataFrame(S3).to_csv(sep=" ").replace('""', "").lstrip(" "), "with a header and row names"),
    "gap": (gap(S3 + 1) + ";", "a GAP list"),
    "gap name": ("# the table\ntable := " + gap(S3 + 1, "\n") + ";;\n", "a GAP list"),
    "one based": ("\n".join(",".join(map(str, row)) for row in S3 + 1), "numbered from 1"),
    "one based json": (json.dumps((S3 + 1).tolist()), "numbered from 1"),
}
WITH_NAMES = {
    "names": (NAMED.to_csv(), "CSV, with a header and row names"),
    "sign": (NAMED.rename_axis("*").to_csv(), "CSV, with a header and row names"),
    "semicolons": (NAMED.to_csv(sep=";"), "with a header and row names"),
    "standard form": (NAMED.to_csv(header=False, index=False), "names of the first row"),
    "numbers": (pd.DataFrame(S3, index=NAMES, columns=NAMES).to_csv(), "with a header and row names"),
    "spaces": ("\n".join(["* " + " ".join(NAMES), *(f"{n} {' '.join(NAMED.loc[n])}" for n in NAMES)]), "header"),
}


def read(setting, path):
    notes: list[str] = []
    return FILE_READERS[setting](path, notes.append), notes


@pytest.mark.parametrize("setting", ["task.table", "task.labels"])
@pytest.mark.parametrize("form", [*PLAIN, *WITH_NAMES, "npy", "float npy"])
def test_every_form_of_a_group_is_the_same_task_and_the_form_is_told(tmp_path, form, setting):
    file = tmp_path / f"s3.{'npy' if 'npy' in form else 'json' if 'json' in form else 'txt'}"
    if "npy" in form:
        np.save(file, S3 if form == "npy" else S3.astype(np.float32))
        told = "a NumPy array"
    else:
        text, told = (PLAIN | WITH_NAMES)[form]
        file.write_text(text)
    settings, notes = read(setting, file)
    name = "group" if setting == "task.table" else "table"
    task = build_task(TaskConfig(name=name, **{full.partition(".")[2]: value for full, value in settings.items()}))
    assert task.labels.tolist() == S3.flatten().tolist()
    assert task.tokens[:, list(task.operand_positions)].tolist() == [[a, b] for a in range(6) for b in range(6)]
    assert task.token_names[:6] == (tuple(NAMES) if form in WITH_NAMES else tuple("012345"))
    assert [operation.group.name for operation in task.operations] == ["S3"]
    assert len(notes) == 1
    assert told in notes[0] or (form == "one based" and "numbered from 1" in notes[0])
    assert str(file) in notes[0]


def test_a_table_that_must_be_square_may_have_a_header_alone_or_row_names_alone(tmp_path):
    file = tmp_path / "s3.csv"
    for text in (pd.DataFrame(S3).to_csv(index=False), NAMED.to_csv(index=False), NAMED.to_csv(header=False)):
        file.write_text(text)
        assert np.array_equal(read("task.table", file)[0]["task.table"], S3)


def test_points_and_names_of_permutations(tmp_path):
    file = tmp_path / "elements.txt"
    file.write_text("\n".join(" ".join(str(point + 1) for point in row) for row in POINTS))
    assert read_elements(file) == tuple(POINTS)
    assert "points are numbered from 1" in read("task.elements", file)[1][0]
    file.write_text("\n".join(",".join([name, *map(str, row)]) for name, row in zip(NAMES, POINTS, strict=True)))
    settings, _ = read("task.elements", file)
    task = build_task(TaskConfig(name="group", elements=settings["task.elements"], names=settings["task.names"]))
    assert (settings["task.elements"], task.token_names[:6]) == (tuple(POINTS), tuple(NAMES))
    np.save(tmp_path / "elements.npy", np.array(POINTS))
    assert read_elements(tmp_path / "elements.npy") == tuple(POINTS)


def labelled(tmp_path, text, name="labels.csv"):
    (tmp_path / name).write_text(text)
    settings, notes = read("task.labels", tmp_path / name)
    return build_task(TaskConfig(name="table", form="x_y_eq", labels=settings["task.labels"])), notes[0]


def words(task):
    names = task.token_names
    pairs = zip(task.tokens[:, :2].tolist(), task.labels.tolist(), strict=True)
    return {(names[a], names[b]): names[label] for (a, b), label in pairs}


def test_a_table_without_a_group_and_a_rectangular_one_keep_every_label(tmp_path):
    task, _ = labelled(tmp_path, "\n".join(",".join(str(max(a, b)) for b in range(5)) for a in range(5)))
    assert (task.labels.tolist(), task.operations) == ([max(a, b) for a in range(5) for b in range(5)], ())
    # The first row is 1..6, as a header could be; nothing is cut off.
    text = "\n".join(",".join(str((a * a + b) % 7) for b in range(1, 7)) for a in range(7))
    task, _ = labelled(tmp_path, text)
    assert task.labels.tolist() == [(a * a + b) % 7 for a in range(7) for b in range(1, 7)]
    assert (task.n_answers, task.d_vocab) == (7, 8)
    # With its names, right operand 1 is the token of left operand 1.
    frame = pd.DataFrame([[(a * a + b) % 7 for b in range(1, 7)] for a in range(7)], columns=range(1, 7))
    task, _ = labelled(tmp_path, frame.to_csv())
    assert words(task) == {(str(a), str(b)): str((a * a + b) % 7) for a in range(7) for b in range(1, 7)}
    assert task.token_names == (*"0123456", "=")


def test_answers_may_be_names_of_their_own(tmp_path):
    task, _ = labelled(tmp_path, ",p,q,r\na,yes,no,no\nb,no,yes,no\n")
    assert words(task) == {(a, b): "yes" if (a, b) in (("a", "p"), ("b", "q")) else "no" for a in "ab" for b in "pqr"}
    assert (task.n_answers, task.token_names) == (2, ("yes", "no", "a", "b", "p", "q", "r", "="))
    task, _ = labelled(tmp_path, "no,yes,no\nno,no,yes\n")
    assert words(task) == {(a, b): "yes" if (a, b) in (("0", "1"), ("1", "2")) else "no" for a in "01" for b in "012"}


@pytest.mark.parametrize("hole", ["-", "nan", "NaN", "", "NA"])
def test_a_hole_is_a_pair_that_is_left_out(tmp_path, hole):
    task, note = labelled(tmp_path, f"0,1,2\n1,{hole},0\n2,0,1\n")
    assert words(task) == {(str(a), str(b)): str((a + b) % 3) for a in range(3) for b in range(3) if (a, b) != (1, 1)}
    assert "1 pairs have no label and are left out" in note
    with pytest.raises(ConfigError, match="line 2: an entry is empty"):
        read("task.table", tmp_path / "labels.csv")


@pytest.mark.parametrize("text", ["[[0, null], [1, 0]]", "[[0, NaN], [1.0, 0]]"])
def test_a_hole_in_json(tmp_path, text):
    task, _ = labelled(tmp_path, text, "labels.json")
    assert words(task) == {("0", "0"): "0", ("1", "0"): "1", ("1", "1"): "0"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0,1\n1,0.5\n", ["line 2: '0.5' is not an integer"]),
        ("0 1\n1 1e99\n", ["line 2: '1e99' is not an integer"]),
        ("0,1\n1\n", ["line 2: has 1 entries where the first row has 2"]),
        ("0,1\n1,-3\n", ["line 2: -3 is no label", "use 0 to 7199"]),
        ("0,1\n1,7200\n", ["line 2: 7200 is no label"]),
        ("", ["is empty"]),
        ("# nothing\n", ["is empty"]),
        ("0,0\n0,0\n", ["every pair has the same label"]),
        ("-,-\n-,1\n", ["use 2 to 518400 pairs"]),
        (",a,a\nb,0,1\nc,1,0\n", ["the column name 'a' occurs twice"]),
        ("\n".join(",".join(["0", "1"] * 361) for _ in range(721)), ["use 2 to 518400 pairs"]),
    ],
)
def test_labels_that_are_none_are_refused_by_file_line_and_value(tmp_path, text, parts):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read("task.labels", tmp_path / "labels.csv")
    for part in ("task.labels", str(tmp_path / "labels.csv"), *parts):
        assert part in str(caught.value)


def test_arrays_that_are_none_are_refused_and_nothing_is_unpickled(tmp_path):
    file = tmp_path / "labels.npy"
    np.save(file, np.array([[0, {"a": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match=r"is no \.npy file of numbers: .*allow_pickle"):
        read("task.labels", file)
    for array, shown in ((np.zeros(3), r"shape \(3,\)"), (np.zeros((2, 2), dtype=complex), "complex128")):
        np.save(file, array)
        with pytest.raises(ConfigError, match=f"{shown}.*use a two-dimensional array"):
            read("task.labels", file)
    np.save(file, np.array([[0, 1], [1, 0.25]]))
    with pytest.raises(ConfigError, match=r"row 2: '0\.25' is not an integer"):
        read("task.labels", file)
    file.write_bytes(b"\x93NUMPY torn")
    with pytest.raises(ConfigError, match=r"is no \.npy file"):
        read("task.labels", file)


def test_tables_whose_names_do_not_fit_are_refused(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text(",e,a\na,a,e\ne,e,a\n")
    with pytest.raises(ConfigError, match=r"rows are called \[a, e\] and columns \[e, a\]: use the same names"):
        read("task.table", file)
    file.write_text(",e,a\ne,e,a\na,a,b\n")
    with pytest.raises(ConfigError, match=r"line 3: 'b' is not an element: use one of the names \[e, a\]"):
        read("task.table", file)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("grokscope.config.matrices.LARGEST_FILE", 8)
    (tmp_path / "labels.csv").write_text("0,1\n1,0\n0,1\n")
    with pytest.raises(ConfigError, match="is larger than"):
        read("task.labels", tmp_path / "labels.csv")


def test_a_toml_config_may_name_labels_and_a_named_table(tmp_path):
    (tmp_path / "s3.csv").write_text(NAMED.to_csv())
    file = tmp_path / "network.toml"
    file.write_text('[task]\nname = "group"\ntable = "s3.csv"\n')
    settings = read_settings(file)["task"]
    assert (settings["names"], settings["table"]) == (tuple(NAMES), tuple(map(tuple, S3.tolist())))
    file.write_text('[task]\nname = "table"\nlabels = "s3.csv"\n')
    assert build_task(TaskConfig(**read_settings(file)["task"])).labels.tolist() == S3.flatten().tolist()
