"""Modules of a user's own, imported because the user names them: `--plugin MODULE`, or `[plugins]` in a TOML file.

A plugin declares by the decorators of the package: optimizers, gradient transforms, norm controls, losses, analyses,
figures, families of arms. It is imported before settings are read. What a run names is never imported: a run's record
lists the plugins of its training as texts, for the reader.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module, invalidate_caches
from pathlib import Path

from grokscope.config.checks import ConfigError

_loaded: dict[str, tuple[str, ...]] = {}
"""The plugins of this process: name -> the folders that they were looked for in."""


def load_plugins(names: Iterable[str], *folders: str | os.PathLike[str]) -> None:
    """Import modules, each once, and remember them for the processes that this one starts.

    Arguments:
        names: modules, in full: `my_optimizers`, `my.optimizers`.
        folders: where to look first, before the current directory and Python's own places.

    Raises `ConfigError` for a module that there is not, and one that fails as it is imported, with why.
    """
    places = tuple(dict.fromkeys(str(Path(folder).absolute()) for folder in (*folders, ".")))
    for name in names:
        _check_name(name)
        if name in _loaded:
            continue
        # First in the list while it is imported, as with `python -m`, and last afterwards: for what it imports later,
        # and so that no file beside it takes the place of a library.
        sys.path[:0] = places
        invalidate_caches()
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise _failed(name, error) from error
            raise ConfigError(
                f"plugin {name!r}: there is no such module, in {', '.join(places)} or where Python looks"
            ) from None
        except (Exception, SystemExit) as error:
            raise _failed(name, error) from error
        finally:
            for place in places:
                with suppress(ValueError):
                    sys.path.remove(place)
        sys.path.extend(place for place in places if place not in sys.path)
        _loaded[name] = places


def loaded_plugins() -> dict[str, tuple[str, ...]]:
    """The plugins that were loaded up to now, with the folders that they were looked for in."""
    return dict(_loaded)


def load_again(plugins: Mapping[str, Iterable[str]]) -> None:
    """Load the plugins of the process that started this one (`loaded_plugins`)."""
    for name, places in plugins.items():
        load_plugins([name], *places)


def _check_name(name: object) -> None:
    is_file = isinstance(name, str) and (name.endswith(".py") or os.sep in name)
    if isinstance(name, str) and not is_file and all(part.isidentifier() for part in name.split(".")):
        return
    hint = f": {Path(str(name)).stem}, from the folder that it is in" if is_file else ""
    raise ConfigError(f"plugin = {name!r} is not accepted: use the name of a module{hint}")


def _failed(name: str, error: BaseException) -> ConfigError:
    return ConfigError(f"plugin {name!r} cannot be imported: {type(error).__name__}: {error}")
