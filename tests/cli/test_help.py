"""Help comes at once: nothing heavy is imported for it."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformer_lens", "pandas", "numpy", "scipy", "matplotlib", "pyarrow")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        [],
        ["train", "--help"],
        ["train", "mul-lion-clip", "--help"],
        ["import", "--help"],
        ["verify", "--help"],
        ["analyze", "--help"],
        ["sweep", "--help"],
        ["experiment", "--help"],
        ["presets"],
    ],
    ids=" ".join,
)
def test_help_and_presets_import_nothing_heavy(words):
    code = (
        "import sys\n"
        "from grokscope.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"sys.exit(' '.join(set({HEAVY}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout
    assert [line for line in done.stderr.splitlines() if not line.startswith("next: ")] == [""]


def test_help_lists_every_command(grokscope):
    done = grokscope("--help")
    assert done.code == 0
    commands = "demo train resume branch sweep import runs verify analyze report scrub presets doctor"
    for command in commands.split():
        assert f" {command} " in done.out


def test_train_help_lists_every_setting_with_the_values_of_the_preset(grokscope):
    from grokscope.config import field_names

    done = grokscope("train", "mul-8layer-lion-clip", "--help")
    assert done.code == 0
    assert all(f"--{name.replace('_', '-')} " in done.out for name in field_names())
    assert "(default: 0.0001)" in done.out
    assert "(default: edge_ln)" in done.out


def test_train_help_says_who_reads_what_the_methods_of_the_preset_do_not(grokscope):
    out = grokscope("train", "mul-clipped-scion", "--help").out
    options, _, others = out.partition("The methods that there are:")
    assert "--optimizer.rho FLOAT" in options
    assert "(default: 20.0)" in options
    assert "--optimizer.momentum" not in options
    lines = dict(line.split(maxsplit=1) for line in others.splitlines() if line.startswith("  --"))
    assert lines["--optimizer.momentum"] == "muon, sgd"
    assert lines["--gradient.window"] == "grokfast_ma"
    assert "--optimizer.rho" not in lines
    assert set(lines["--loss.name"].split(", ")) == {"cross_entropy", "stablemax", "mse"}
