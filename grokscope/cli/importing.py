"""import: a run out of a network that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from grokscope.cli.following import found
from grokscope.cli.output import one_line, say, say_note
from grokscope.cli.settings import SHORT_NAMES, changes, grouped, read_integer, show_settings
from grokscope.config import ConfigError, RunConfig, preset, read_settings

MOST_STEPS = 10**6
"""Checkpoints of one import: a directory of so many files is slow, and longer series are mistyped."""

_USAGE = "grokscope import FILE... --task NAME --activation NAME [--setting value ...] [--out DIR]"


def import_network(words: list[str]) -> int:
    """Make a run of a HookedTransformer state dict: import FILE... --task NAME [--setting value ...] [--out DIR]."""
    if "-h" in words or "--help" in words:
        return _import_help()
    files = list(takewhile(lambda word: not word.startswith("--"), words))
    if not files:
        raise ConfigError(f"name the files to import first: {_USAGE}")
    groups = grouped(words[len(files) :], repeatable=("ignore",))
    switches = {name: groups.pop(name, None) for name in ("own_split", "from_argmax")}
    for name, value in switches.items():
        if value:
            raise ConfigError(f"--{name.replace('_', '-')} takes no value, but has {' '.join(value)}")
    options = {name: _one(groups, name) for name in ("out", "entry", "equals", "config", "layout")}
    steps = [step for part in groups.pop("step", []) for word in part.split(",") if word for step in _steps(word)]
    ignore = groups.pop("ignore", None)
    if ignore == []:
        raise ConfigError("--ignore takes the name of an entry, or a pattern, but has none")
    config = None if options["config"] is None else _config(options["config"])
    settings = changes(groups)

    from grokscope.importing import import_run

    run = import_run(
        files,
        config,
        out=options["out"],
        steps=steps or None,
        entry=options["entry"],
        ignore=ignore or (),
        layout=options["layout"],  # type: ignore[arg-type]
        equals=None if options["equals"] is None else read_integer("--equals", options["equals"], 0),
        own_split=switches["own_split"] is not None,
        from_argmax=switches["from_argmax"] is not None,
        **settings,
    )
    imported = run.imported or {}
    for name, what in imported.get("skipped", {}).items():
        say(one_line(f"skipped: {name} ({what})"))
    for note in imported.get("notes", []):
        say(one_line(f"note: {note}"))
    say(one_line(f"split: {imported.get('split')}"))
    row = run.metrics.iloc[-1]
    sides = ", ".join(f"{side} {row[f'{side}_accuracy']:.4f}" for side in ("train", "val") if row[f"{side}_loss"] >= 0)
    say(f"accuracy at step {int(row['step'])}: {sides}")
    say(f"accuracy on the whole table: {imported['accuracy']:.4f} (of {run.task.n_examples} examples)")
    say(repr(run))
    say(str(run.path))
    found(run=run.path)
    return 0


def _one(groups: dict[str, list[str]], name: str) -> str | None:
    words = groups.pop(name, None)
    if words is None:
        return None
    if len(words) != 1 or not words[0]:
        raise ConfigError(f"--{name} takes one value, but has {' '.join(words) or 'none'}")
    return words[0]


def _steps(word: str) -> Sequence[int]:
    """A step, or the steps FIRST:LAST:EVERY, the last included."""
    if ":" not in word:
        return [read_integer("--step", word, 0)]
    parts = [read_integer("--step", part, 0) for part in word.split(":")]
    if len(parts) != 3 or parts[2] < 1 or parts[0] > parts[1]:
        raise ConfigError(f"--step {word} is not accepted: use FIRST:LAST:EVERY, as in 0:40000:100")
    steps = range(parts[0], parts[1] + 1, parts[2])
    if len(steps) > MOST_STEPS:
        raise ConfigError(f"--step {word} is {len(steps)} steps: use at most {MOST_STEPS}, one for each checkpoint")
    return steps


def _config(name: str) -> RunConfig | Mapping[str, Any]:
    """A preset, taken as it is, or the settings in a TOML file."""
    return read_settings(name, say_note) if name.endswith(".toml") or Path(name).is_file() else preset(name)


def _import_help() -> int:
    @dataclass
    class Settings:
        config: str | None = None
        """A TOML file of settings, or a preset whose architecture and task the network has."""
        step: tuple[int, ...] = ()
        """The step of each checkpoint, or FIRST:LAST:EVERY; left out: what a file with several says, or read from names
        such as 12000.pt and step_012000.safetensors."""
        entry: str | None = None
        """Where in a file with several state dicts the one is (model, state_dicts.3), or all of them (state_dicts)."""
        ignore: tuple[str, ...] = ()
        """Entries that are no part of the network, by name or pattern (*_embed); may be given again."""
        layout: Literal["as_is", "turned"] | None = None
        """Which way matrices lie where shapes leave it open; left out: the way in which the network solves its task."""
        equals: int | None = None
        """The row of embed.W_E that stands for `=`, where that is not the first after the elements."""
        from_argmax: bool = False
        """A switch: the task is the network's own table, what it answers at the last step."""
        own_split: bool = False
        """A switch: the network was trained on the split that --train-fraction and --seed draw here."""
        out: Path | None = None
        """The run directory; left out: checkpoints/ and a name made from the settings."""
        config_: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)

    show_settings(
        Settings,
        prog="grokscope import FILE...",
        description="Make a run of a network trained elsewhere, from HookedTransformer state dicts (safetensors, "
        "torch.save or numpy.savez; nothing in a file is executed), one file per step or one with all of them. "
        "Say the task, as in --task group --elements order.txt --product ab or --task add --modulus 113, and the "
        "activation. What shapes tell (layers, widths, heads, LayerNorm, biases, form, which way matrices lie) is read "
        "off the file unless it is given, and model.residual is pre_ln, TransformerLens' own block. Without "
        "--train-indices FILE or --own-split the split counts as unknown, and all examples as validation. "
        f"{SHORT_NAMES}",
        config=RunConfig(),
    )
    return 0
