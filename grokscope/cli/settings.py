"""Settings on the command line: `--lr 1e-4` and `--optimizer.lr 1e-4` become changes of a config.

`--task group` and `--optimizer adam` are short for `--task.name` and `--optimizer.name`. Settings that are long
tables (`--elements`, `--table`, `--labels`, `--train-indices`) take the name of a file; what was recognised in it is
told on standard error, and names in it become a setting of their own. The schema is the one judge of a value.
What cannot be read as a setting's type is handed on as the word that was typed, so that the schema refuses it by
field, value and what is accepted.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Sequence
from typing import Any, Union, get_args, get_origin

from grokscope.cli.output import say, say_note
from grokscope.config import (
    FILE_READERS,
    ConfigError,
    GroupLmos,
    GroupValues,
    RunConfig,
    field_names,
    name_setting,
    readers,
    resolve,
    setting_type,
    settings_of,
)
from grokscope.config.checks import integer
from grokscope.config.methods import methods

SHORT_NAMES = (
    "Every setting also goes by the last part of its name where that is unique (--lr 1e-4, --seed 3, --max-norm none), "
    "--task and --optimizer stand for the name of each, and FILE is a CSV, text, JSON, GAP or .npy file."
)
"""What a help page says about how settings are written."""

PLUGINS = (
    "Every command takes --plugin MODULE, which may be given several times: a module of your own, in the current "
    "directory or installed, that declares optimizers, gradient transforms, norm controls, losses, analyses or arms. "
    "It is imported before anything else."
)
"""What a help page says about plugins."""

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def grouped(words: Sequence[str], repeatable: Collection[str] = ()) -> dict[str, list[str]]:
    """Words after each `--flag` (or `--flag=word`), by flag; raises `ConfigError` for words before one.

    A flag that is given twice is refused unless it is `repeatable`.
    """
    groups: dict[str, list[str]] = {}
    flag = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            flag = name.replace("-", "_")
            if flag in groups and flag not in repeatable:
                raise ConfigError(f"--{name} is given twice")
            groups.setdefault(flag, []).extend([value] if equals else [])
        elif flag is None:
            raise ConfigError(f"{word!r} is not expected here: settings are given as --name value")
        else:
            groups[flag].append(word)
    return groups


def split_plugins(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The modules that --plugin names, and all other words; raises `ConfigError` for one without a module."""
    plugins: list[str] = []
    others: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name != "--plugin":
            others.append(word)
            continue
        module = value if equals else next(left, "")
        if not module or module.startswith("-"):
            raise ConfigError("--plugin takes the name of a module: --plugin my_optimizers")
        plugins.append(module)
    return plugins, others


def changes(groups: dict[str, list[str]]) -> dict[str, Any]:
    """Values by full setting name; raises `ConfigError` for a setting that does not exist or has no value."""
    values: dict[str, Any] = {}
    from_files: dict[str, Any] = {}
    for name, words in groups.items():
        full = _full(name)
        if full in values:
            raise ConfigError(f"setting {full} is given twice")
        values[full] = None
        if full in FILE_READERS and len(words) == 1 and words[0].lower() != "none":
            from_files |= FILE_READERS[full](words[0], say_note)
        else:
            values[full] = _value(full, words)
    return values | {name: value for name, value in from_files.items() if values.get(name) is None}


def _full(name: str) -> str:
    """The full name of a setting; a section that has a name goes for that."""
    return name_setting(name) or resolve(name)


def _value(full: str, words: list[str]) -> Any:
    kind = setting_type(full)
    if kind in (GroupValues, GroupLmos):
        # `--angular-step mlp=1e-3 attention=2e-3`, or with commas.
        pairs = (part.partition("=") for word in words for part in word.split(",") if part)
        item = float if kind == GroupValues else str
        return tuple((name, _read(item, value) if equals else None) for name, equals, value in pairs)
    if get_origin(kind) is tuple:
        # Both `--betas 0.9 0.97` and `--betas 0.9,0.97`.
        return tuple(_read(get_args(kind)[0], part) for word in words for part in word.split(",") if part)
    if len(words) != 1:
        given = "no value" if not words else f"{len(words)} values: {' '.join(words)}"
        raise ConfigError(f"setting {full} takes one value, but has {given}")
    if full in FILE_READERS and words[0].lower() == "none":
        return None
    return _read(kind, words[0])


def _read(kind: Any, word: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if word.lower() == "none":
            return None
        kind = next(option for option in get_args(kind) if option is not types.NoneType)
    if kind is bool:
        return _BOOLEANS.get(word.lower(), word)
    if kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            return word
    return word


def read_integer(name: str, word: str, low: int) -> int:
    """The integer that a word is. Raises `ConfigError`, naming the flag, for another word and for one below `low`."""
    try:
        number: object = int(word)
    except ValueError:  # no number, or one of thousands of digits
        number = word
    integer(name, number, low)
    assert isinstance(number, int)
    return number


def show_settings(settings: type, prog: str, description: str, config: RunConfig) -> None:
    """Print the help page of a command whose options are a dataclass, and end the process as `--help` does.

    Below the options stand the settings that the methods of `config` do not read, each with the methods that do.
    """
    import tyro
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    tables = {setting_type(full) for full in FILE_READERS}
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def group_values(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        if info.type not in (GroupValues, GroupLmos):
            return None
        return PrimitiveConstructorSpec(
            nargs="*",
            metavar=f"[GROUP={'NUMBER' if info.type == GroupValues else 'NORM'} ...]",
            instance_from_str=tuple,
            is_instance=lambda value: isinstance(value, tuple),
            str_from_instance=lambda value: [f"{group}={item}" for group, item in value],
        )

    @registry.primitive_rule
    def from_file(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        if info.type not in tables:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="FILE",
            instance_from_str=lambda words: words[0],
            is_instance=lambda value: value is None or isinstance(value, tuple | str),
            str_from_instance=lambda value: ["none" if value is None else "given"],
        )

    try:
        tyro.cli(
            settings,
            prog=prog,
            description=description,
            args=["--help"],
            config=(tyro.conf.FlagConversionOff,),
            registry=registry,
        )
    except SystemExit:  # how tyro ends a help page
        _show_methods(config)
        raise


def _show_methods(config: RunConfig) -> None:
    """Print which methods there are, and the settings that those of `config` do not read."""
    say("The methods that there are:")
    for section in ("optimizer", "gradient", "loss"):
        say(f"  --{section}.name {', '.join(methods(section))}")
    say("Settings that the methods above do not read, and the methods that read them:")
    unread = {name: readers(name) for name in field_names() if name not in settings_of(config)}
    width = max(map(len, unread), default=0)
    for name, reading in unread.items():
        say(f"  --{name.replace('_', '-'):<{width}} {', '.join(reading)}")
