"""Modules that the user names are imported, by this process and by those that it starts; what a run names never is."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import grokscope as gs
from grokscope.cli import main
from grokscope.cli.settings import split_plugins
from grokscope.config import ConfigError, load_plugins, loaded_plugins, read_settings
from tests import forked

ROOT = Path(gs.__file__).parents[1]
PLUGIN = '''
"""Gradient descent with a pull to zero, half gradients, a ceiling, a loss and an analysis."""

import pandas as pd
import torch

from grokscope.analysis import analysis
from grokscope.config import GradientConfig, LossConfig, NormConfig, OptimizerConfig
from grokscope.config import declare_control, declare_loss, declare_optimizer, declare_transform
from grokscope.norms import Control
from grokscope.optimizers import GradientTransform, LibraryRule


@declare_optimizer("plugged")
class Plugged(OptimizerConfig):
    nesterov: bool = True

    def library_settings(self):
        return {"nesterov": self.nesterov, "momentum": 0.9}

    def build(self, parameters):
        return LibraryRule(self, torch.optim.SGD([parameters.vector], lr=self.lr, **self.library_settings()))


@declare_transform("half")
class Half(GradientConfig):
    def build(self, parameters, seed):
        return HalfTransform()


class HalfTransform(GradientTransform):
    def apply_(self, gradient):
        gradient.mul_(0.5)


@declare_control("lid", switches=("lid",))
class Lid(NormConfig):
    lid: float | None = None

    def build(self, names, start):
        return LidControl(self.lid)


class LidControl(Control):
    def __init__(self, lid):
        self.lid = lid

    def apply_(self, weights, step):
        weights["unembed.W_U"].detach().clamp_(-self.lid, self.lid)


@declare_loss("square")
class Square(LossConfig):
    def value(self, logits, labels, reduction):
        target = torch.nn.functional.one_hot(labels, logits.shape[-1]).to(logits.dtype)
        squares = (logits - target).square().mean(1)
        return squares if reduction == "none" else getattr(squares, reduction)()


@analysis(family="plugged", version=1)
def largest_logit_weight(run):
    """The largest entry of the unembedding."""
    return pd.DataFrame({"step": run.steps, "largest": [float(run.weights(s)["unembed.W_U"].max()) for s in run.steps]})
'''
SETTINGS = """
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = 8, batch_size = 6, eval_every = 4 }
checkpoints.every = 4
optimizer.name = "plugged"
nesterov = false
gradient.name = "half"
loss.name = "square"
lid = 0.25
"""


def grokscope(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own that is started in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "grokscope.cli", *words]
    return forked.run(command, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a plugin, a sweep and a config that use it; the config is trained."""
    place = tmp_path_factory.mktemp("plugins")
    (place / "my_rules.py").write_text(PLUGIN)
    (place / "many.toml").write_text(f'seeds = [0]\n[plugins]\nmodules = ["my_rules"]\n{SETTINGS}')
    (place / "one.toml").write_text(SETTINGS.replace("[settings]", ""))
    done = grokscope(place, "train", "one.toml", "--plugin", "my_rules", "--out", "one")
    assert done.returncode == 0, done.stderr
    return place


def test_a_config_that_needs_a_plugin_is_trained_with_it_and_refused_without(folder):
    record = json.loads((folder / "one" / "config.json").read_text())
    assert record["plugins"] == ["my_rules"]
    assert record["config"]["optimizer"]["name"] == "plugged"
    assert record["config"]["norms"] == {"lid": 0.25}
    without = grokscope(folder, "train", "one.toml", "--out", "none")
    assert without.returncode == 2
    assert "one.toml: there is no setting 'nesterov'" in without.stderr
    assert not (folder / "none").exists()


def test_the_workers_of_a_sweep_import_the_plugin_of_its_file(folder):
    done = grokscope(folder, "sweep", "many.toml", "--out", "many", "--workers", "1")
    assert done.returncode == 0, done.stderr + done.stdout
    (swept,) = (folder / "many").glob("mul-*")
    digests = [(run / "manifest.jsonl").read_text() for run in (swept, folder / "one")]
    assert digests[0] == digests[1]  # the same settings: the same weights


def test_an_analysis_of_a_plugin_is_made_here_and_by_workers(folder):
    shutil.copytree(folder / "one", folder / "two", dirs_exist_ok=True)
    words = ["--only", "largest_logit_weight", "--out", "tables", "--plugin=my_rules"]
    done = grokscope(folder, "analyze", "one", "two", *words)  # two runs: each in a process of its own
    assert done.returncode == 0, done.stderr + done.stdout
    rows = (folder / "tables" / "two-largest_logit_weight.csv").read_text().splitlines()
    assert rows[0].endswith(",step,largest")
    assert [row.split(",")[-2:] for row in rows[1:]] == [["0", "0.25"], ["4", "0.25"], ["8", "0.25"]]  # under the lid


def test_a_run_whose_plugin_is_not_named_says_so_and_which(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(gs.RunError, match=r"--plugin MODULE; the run was trained with 'my_rules'"):
        gs.open_run("one")
    (row, *_) = [row for row in gs.list_runs(".") if row["run"] == "one"]
    assert row["status"] == "finished"  # as it was sealed: nothing of the plugin is needed for that
    lines = Path("one/seals.jsonl").read_text().splitlines(keepends=True)
    Path("one/seals.jsonl").write_text("".join(lines[:-1]))
    (row, *_) = [row for row in gs.list_runs(".") if row["run"] == "one"]
    assert row["status"] == "unreadable"
    assert "--plugin" in row["problem"]
    assert "my_rules" not in sys.modules
    Path("one/seals.jsonl").write_text("".join(lines))


def named(done: subprocess.CompletedProcess[str], mark: str = "next: ") -> list[str]:
    """The words of the command that is named on standard error, without `grokscope`."""
    (line,) = [line for line in done.stderr.splitlines() if mark in line]
    program, *words = shlex.split(line.partition(mark)[2])
    assert program == "grokscope"
    return words


def test_a_sound_run_of_a_plugin_that_is_not_named_is_no_damaged_one(folder):
    done = grokscope(folder, "verify", "one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "config.json\tok\n" in done.stdout
    assert "checkpoints were not compared with the config" in done.stdout
    assert "--plugin MODULE; the run was trained with 'my_rules'" in done.stdout
    assert "next: " not in done.stderr  # there is nothing that can be done with it without the plugin
    (found, *_) = [one for one in gs.verify_run(folder / "one") if one.file == "config.json"]
    assert not found.is_bad


@pytest.mark.parametrize("damaged", ["config.json", "checkpoints/step_00000004.safetensors"])
def test_damage_is_found_in_a_run_of_a_plugin_that_is_not_named(folder, tmp_path, damaged):
    run = shutil.copytree(folder / "one", tmp_path / "run")
    content = bytearray((run / damaged).read_bytes())
    content[-9] ^= 1
    (run / damaged).write_bytes(content)
    assert [one.file for one in gs.verify_run(run) if one.is_bad] == [damaged]


def test_the_commands_that_a_command_names_name_its_plugins(folder, tmp_path):
    """Each is run as it stands, up to the repair of a damaged run and the end of an interrupted one."""
    run = shutil.copytree(folder / "one", tmp_path / "one run")
    shutil.copy(folder / "my_rules.py", tmp_path)
    done = grokscope(tmp_path, "verify", "one run", "--plugin", "my_rules")
    assert named(done) == ["analyze", "one run", "--plugin", "my_rules"]
    last = run / "checkpoints/step_00000008.safetensors"
    last.write_bytes(last.read_bytes()[:-1])
    done = grokscope(tmp_path, "verify", "one run", "--plugin=my_rules")
    assert (done.returncode, named(done)) == (2, ["repair", "one run", "--plugin", "my_rules"])
    for command in ("repair", "verify", "resume"):
        assert named(done)[0] == command
        done = grokscope(tmp_path, *named(done))
        assert done.returncode == 0, done.stdout + done.stderr
    assert (run / "manifest.jsonl").read_text() == (folder / "one" / "manifest.jsonl").read_text()


def test_a_run_to_be_gone_on_with_is_named_with_its_plugins(folder, tmp_path):
    run = shutil.copytree(folder / "one", tmp_path / "one")
    for name in ("my_rules.py", "one.toml"):
        shutil.copy(folder / name, tmp_path)
    status = json.loads((run / "status.json").read_text()) | {"state": "interrupted"}
    (run / "seals.jsonl").write_text("".join((run / "seals.jsonl").read_text().splitlines(keepends=True)[:-1]))
    (run / "status.json").write_text(json.dumps(status))
    done = grokscope(tmp_path, "train", "one.toml", "--out", "one", "--plugin", "my_rules")
    assert named(done, "continue it with: ") == ["resume", "one", "--plugin", "my_rules"]
    done = grokscope(tmp_path, *named(done, "continue it with: "))
    assert done.returncode == 0, done.stderr


def test_a_plugin_beside_its_file_is_found_by_the_command_that_is_named(folder, tmp_path):
    inner = tmp_path / "the inner"
    inner.mkdir()
    shutil.copy(folder / "my_rules.py", inner)
    (inner / "one.toml").write_text('plugins.modules = ["my_rules"]\n' + SETTINGS.replace("[settings]", ""))
    done = grokscope(tmp_path, "train", "the inner/one.toml", "--out", "one")
    assert done.returncode == 0, done.stderr
    line = done.stderr.splitlines()[-1]
    place, *words = shlex.split(line.removeprefix("next: "))
    assert place == f"PYTHONPATH={inner}{os.pathsep}{ROOT}"  # the test's own stands last
    assert words == ["grokscope", "report", "mine", "one", "--plugin", "my_rules"]
    command = [sys.executable, "-P", "-m", "grokscope.cli", "verify", "one", "--plugin", "my_rules"]
    environment = os.environ | {"PYTHONPATH": place.removeprefix("PYTHONPATH=")}
    checked = forked.run(command, cwd=tmp_path, env=environment)
    assert (checked.returncode, "not compared" in checked.stdout) == (0, False)


PICKLED = """
import pickle, sys
from pathlib import Path
from grokscope.sweeps import load_sweep
(job,) = load_sweep(sys.argv[1]).jobs
Path(sys.argv[2]).write_bytes(pickle.dumps(job))
"""
UNPICKLED = """
import pickle, sys
from pathlib import Path
job = pickle.loads(Path(sys.argv[1]).read_bytes())
print(job.config.optimizer.nesterov, job.config.loss.name, "my_rules" in sys.modules)
"""
RAY = """
import sys
import ray
from grokscope.cli import main
from benchmarks.load.nodes import NODE, started
started(lambda: ray.init(**NODE, log_to_driver=False))
sys.exit(main(["sweep", "many.toml", "--ray", "auto", "--fetch", "--out", "ray"]))
"""


def python(folder: Path, code: str, *words: str) -> str:
    """Python in a process of its own that is started in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_raylet_start_wait_time_s"] = "120"  # a busy machine
    command = [sys.executable, "-P", "-c", code, *words]
    done = forked.run(command, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_a_job_that_is_sent_elsewhere_takes_its_plugins_along(folder, tmp_path):
    """As Ray sends it: to a process that has imported nothing, in another folder."""
    sent = tmp_path / "job"
    python(folder, PICKLED, "many.toml", str(sent))
    assert python(tmp_path, UNPICKLED, str(sent)).split() == ["False", "square", "True"]


@pytest.mark.slow
def test_tasks_on_ray_import_the_plugin_before_settings_are_read(folder):
    pytest.importorskip("ray")
    python(folder, RAY)
    (swept,) = (folder / "ray").glob("mul-*")
    assert (swept / "manifest.jsonl").read_text() == (folder / "one" / "manifest.jsonl").read_text()


EVIL = """
from pathlib import Path
Path({marker!r}).write_text("executed")
def make(named): raise SystemExit
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch) -> Path:
    """A folder, current and first where Python looks, with a module that leaves a mark when it is imported."""
    (tmp_path / "evil.py").write_text(EVIL.format(marker=str(tmp_path / "mark")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": {"name": "evil"}},
        {"optimizer": {"name": "evil.make", "factory": "evil.make"}},
        {"optimizer": {"name": "custom", "factory": "evil.make", "made": ['{"class": "evil.make", "lr": 1}']}},
        {"gradient": {"name": "custom", "function": "evil.make"}},
        {"norms": {"control": "evil.make"}},
        {"loss": {"name": "evil"}},
    ],
    ids=json.dumps,
)
def test_a_hostile_run_executes_nothing(hostile, change):
    run = hostile / "run"
    shutil.copytree(ROOT / "tests" / "runs" / "data" / "interrupted", run)
    record = json.loads((run / "config.json").read_text())
    record["config"] |= change
    record |= {"plugins": ["evil"], "modules": ["evil"], "imported": {"plugins": ["evil"]}, "factory": "evil.make"}
    (run / "config.json").write_text(json.dumps(record))
    known = change.get("optimizer", {"name": "custom"})["name"] == "custom" and "loss" not in change
    if known:
        opened = gs.open_run(run)
        assert opened.weights(-1)
        assert len(opened.metrics)
    else:
        with pytest.raises(gs.RunError, match="'evil'"):
            gs.open_run(run)
    gs.list_runs(hostile)
    gs.verify_run(run)
    main(["runs", "."])
    main(["verify", "run"])
    main(["analyze", "run", "--only", "norm_trajectories"])
    if change:  # without one it is a run like any other, and is resumed
        assert main(["resume", "run"]) == 2
    assert "evil" not in sys.modules
    assert not (hostile / "mark").exists()
    load_plugins(["evil"])  # the test can fail: named by the user, it is imported
    assert (hostile / "mark").exists()
    del sys.modules["evil"]


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Plugins of one test are not those of the next."""
    monkeypatch.setattr("grokscope.config.plugins._loaded", {})
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_what_cannot_be_imported_is_told_in_one_line(hostile, capsys):
    (hostile / "broken.py").write_text("import no_such_library")
    (hostile / "failing.py").write_text("1 / 0")
    (hostile / "leaving.py").write_text("import sys; sys.exit(3)")
    for name, message in (
        ("absent", "plugin 'absent': there is no such module, in "),
        ("absent.part", "plugin 'absent.part': there is no such module, in "),
        ("broken", "plugin 'broken' cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"),
        ("failing", "plugin 'failing' cannot be imported: ZeroDivisionError: division by zero"),
        ("leaving", "plugin 'leaving' cannot be imported: SystemExit: 3"),
        ("evil.py", "plugin = 'evil.py' is not accepted: use the name of a module: evil, from the folder"),
        ("some/evil", "plugin = 'some/evil' is not accepted: use the name of a module: evil"),
        ("a b", "plugin = 'a b' is not accepted"),
    ):
        assert main(["presets", "--plugin", name]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert message in line
    assert not loaded_plugins()
    assert main(["--plugin"]) == 2
    assert main(["--plugin", "--help"]) == 2
    for table in ('plugins = "evil"', "[plugins]\nmodule = []", "[plugins]\nmodules = 3", "plugins = ['evil']"):
        (hostile / "bad.toml").write_text(table)
        with pytest.raises(ConfigError, match=r'use \[plugins\] modules = \["MODULE"\]'):
            read_settings(hostile / "bad.toml")
    assert not (hostile / "mark").exists()


def test_plugins_may_stand_anywhere_among_the_words():
    assert split_plugins(["train", "--plugin", "a", "x", "--plugin=b.c", "--lr", "1"]) == (
        ["a", "b.c"], ["train", "x", "--lr", "1"],
    )  # fmt: skip
    assert split_plugins(["train"]) == ([], ["train"])


def test_a_plugin_beside_the_file_that_names_it_is_found_and_shadows_nothing_afterwards(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "beside_the_file.py").write_text("import beside_it\nvalue = beside_it.value")
    (inner / "beside_it.py").write_text("value = 3")
    (inner / "wave.py").write_text("1 / 0  # a name of Python's own library")
    (inner / "run.toml").write_text('[plugins]\nmodules = ["beside_the_file"]\n')
    monkeypatch.chdir(tmp_path)
    assert read_settings("inner/run.toml") == {}
    assert sys.modules["beside_the_file"].value == 3
    assert loaded_plugins() == {"beside_the_file": (str(inner), str(tmp_path))}
    import wave

    assert "inner" not in str(wave.__file__)
    for name in ("beside_the_file", "beside_it"):
        del sys.modules[name]
