"""`grokscope import` makes a run of files trained elsewhere, and says what it took and what it left."""

import pickle

import pytest
import torch

from grokscope.config import preset
from grokscope.model import initial_weights
from grokscope.runs import open_run
from grokscope.tasks import build_task

ORDER = "2 0 1\n0 1 2\n1 2 0\n0 2 1\n2 1 0\n1 0 2\n"
WORDS = ["--task", "group", "--elements", "order.txt", "--product", "ab", "--activation", "relu"]


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints of a network on S3, and the order of its elements."""
    config = preset("s5-lion", **{"task.name": "group", "group": "S3"}, d_model=8, n_heads=2, d_mlp=16)
    for step in (0, 500):
        weights = initial_weights(config.model, build_task(config.task), seed=step)
        torch.save({"model": weights, "optimizer": {}}, tmp_path / f"step_{step:06d}.pt")
    (tmp_path / "order.txt").write_text(ORDER)
    return tmp_path


@pytest.mark.usefixtures("light_report")
def test_files_become_a_run_that_the_other_commands_take(grokscope, folder):
    done = grokscope("import", "step_000000.pt", "step_000500.pt", *WORDS, "--out", "run")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "run"
    assert done.next == "grokscope analyze run"
    for part in ("skipped: optimizer (beside the state dict: dict of 0)", "skipped: blocks.0.attn.IGNORE",
                 "note: read off the weights: ", "split: unknown", "accuracy at step 500: val 0."):  # fmt: skip
        assert part in done.out
    run = open_run(folder / "run")
    assert run.steps == [0, 500]
    assert (run.config.task.product, run.config.task.elements[0]) == ("ab", (2, 0, 1))
    assert "all as they were written" in grokscope("verify", "run").out
    assert grokscope("analyze", "run", "--only", "spectra").code == 0
    assert grokscope("report", "one", "run").code == 0
    assert "imported\t0\t500\tfinished" in grokscope("runs", ".").out


def test_a_toml_file_or_a_preset_gives_the_settings(grokscope, folder):
    (folder / "network.toml").write_text(
        'arm = "theirs"\n[task]\nname = "group"\nelements = "order.txt"\n[model]\nactivation = "relu"\n'
    )
    done = grokscope("import", "step_000500.pt", "--config", "network.toml", "--seed", "4")
    assert done.code == 0, done.err
    assert "-theirs-seed4" in done.out.splitlines()[-1]
    (folder / "train.txt").write_text("0\n1\n35\n")
    words = [
        "--config",
        "s5-lion",
        "--task",
        "group",
        "--group",
        "S3",
        "--d-model",
        "8",
        "--n-heads",
        "2",
        "--d-mlp",
        "16",
    ]
    done = grokscope("import", "step_000500.pt", *words, "--train-indices", "train.txt", "--out", "run", "--step", "7")
    assert done.code == 0, done.err
    assert "split: given: 3 train indices" in done.out
    assert "accuracy at step 7: train " in done.out
    done = grokscope("import", "step_000500.pt", *words, "--own-split", "--out", "own")
    assert "split: drawn here: train_fraction 0.5, seed 0" in done.out


def test_a_file_of_many_checkpoints_takes_a_range_of_steps(grokscope, folder):
    states = [torch.load(folder / f"step_000{step}.pt", weights_only=True)["model"] for step in ("000", "500", "000")]
    torch.save({"state_dicts": [{**state, "x_embed": state["embed.W_E"]} for state in states]}, folder / "all.pt")
    done = grokscope("import", "all.pt", *WORDS, "--step", "0:200:100", "--out", "run")
    assert done.code == 0, done.err
    assert "3 checkpoints at steps 0 to 200" in done.out
    assert "note: left out: x_embed (a copy of embed.W_E, equal to the bit)" in done.out
    assert "accuracy on the whole table: 0." in done.out
    for wrong in ("0:200", "0:200:0", "9:3:1", "0:a:1"):
        assert "is not accepted" in grokscope("import", "all.pt", *WORDS, "--step", wrong).err


def test_entries_are_left_out_by_name_as_often_as_asked(grokscope, folder):
    state = torch.load(folder / "step_000500.pt", weights_only=True)["model"]
    torch.save({**state, "foo": torch.ones(1), "bar_1": torch.ones(2), "bar_2": torch.ones(3)}, folder / "9.pt")
    done = grokscope("import", "9.pt", *WORDS, "--out", "run")
    assert done.code == 2
    assert "not expected: foo [1], bar_1 [2], bar_2 [3]" in done.err
    assert "--ignore foo --ignore bar_1 --ignore bar_2" in done.err
    done = grokscope("import", "9.pt", *WORDS, "--ignore", "foo", "--ignore", "bar_*", "--out", "run")
    assert done.code == 0, done.err
    assert "skipped: bar_1 (left out, as was asked)" in done.out
    assert "--ignore takes the name" in grokscope("import", "9.pt", *WORDS, "--ignore").err


def test_an_imported_run_is_fine_tuned_and_not_resumed(grokscope, folder):
    assert grokscope("import", "step_000500.pt", *WORDS, "--out", "run").code == 0
    done = grokscope("resume", "run")
    assert done.code == 2
    assert "run was trained elsewhere: there is no training to continue. Branch off it to train on" in done.err
    done = grokscope("branch", "run", "--step", "500", "--steps", "502", "--eval-every", "1", "--out", "tuned")
    assert done.code == 0, done.err
    assert "fine-tuned from the stored weights of run at step 500: the optimizer began afresh" in done.out
    assert "what the network was trained on before is not known" in done.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("", "name the files to import first"),
        ("--task add", "name the files to import first"),
        ("nothing.pt --task add --activation relu", "cannot read nothing.pt: No such file"),
        ("step_000500.pt --activation relu", "task.name is not told by a state dict"),
        ("step_000500.pt --task group --group S3", "model.activation is not told"),
        ("step_000500.pt --task group --group D4 --activation relu", "embed.W_E is [8, 8], expected [10, 8]"),
        (
            "step_000500.pt --task group --elements bad.txt --activation relu",
            "bad.txt, line 2: [0, 1] is not a permutation",
        ),
        ("step_000500.pt --task group --elements order.txt --product aab --activation relu", "task.product = 'aab'"),
        ("step_000500.pt --config nothing.toml", "config: cannot read 'nothing.toml'"),
        ("step_000500.pt --config s5-lionn", "no preset 's5-lionn'; nearest: s5-lion"),
        (
            "step_000500.pt --step x --task group --group S3 --activation relu",
            "--step = 'x' is not accepted: use an integer",
        ),
        ("step_000500.pt --own-split yes --task group --group S3 --activation relu", "--own-split takes no value"),
        ("step_000500.pt --out --task add --activation relu", "--out takes one value"),
        ("evil.pt --task group --group S3 --activation relu", "needs unpickling"),
        ("order.txt --task group --group S3 --activation relu", "neither a safetensors file nor one of torch.save"),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line_and_leaves_nothing(grokscope, folder, words, part):
    (folder / "bad.txt").write_text("0 1 2\n0 1\n")
    (folder / "evil.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    before = sorted(folder.iterdir())
    done = grokscope("import", *words.split())
    assert done.code == 2
    *notes, error = done.err.splitlines()
    assert all(note.startswith("grokscope: note: ") for note in notes)  # what was recognised in the files of settings
    assert error.startswith("grokscope: error: ")
    assert part in error
    assert sorted(folder.iterdir()) == before


class Evil:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_help_lists_the_options_and_every_setting(grokscope):
    from grokscope.config import field_names

    done = grokscope("import", "--help")
    assert done.code == 0
    for name in (
        "config",
        "step",
        "entry",
        "ignore",
        "layout",
        "equals",
        "own-split",
        "from-argmax",
        "out",
        *field_names(),
    ):
        assert f"--{name.replace('_', '-')} " in done.out
    assert "--task.elements FILE" in done.out
