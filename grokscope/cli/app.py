"""The table of commands, and what becomes of errors.

Exit codes: 0 done; 1 `doctor` found something wrong; 2 bad input, a bad run, a full disk, no memory left, or an error
of torch's (`RuntimeError`), told in one line; 3 the run that was to be trained has diverged (in a sweep or an
experiment that is a result like others); 130 interrupted, 143 terminated, 129 the terminal has gone. Anything else that
goes wrong is a bug, and shows its traceback. GROKSCOPE_DEBUG=1 shows that of every error.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from grokscope.cli.analyze import analyze
from grokscope.cli.browsing import list_presets, list_runs, repair, report, scrub, verify
from grokscope.cli.demo import demo
from grokscope.cli.doctor import doctor
from grokscope.cli.experimenting import experiment
from grokscope.cli.following import done, ending_with_the_next, first_page
from grokscope.cli.importing import import_network
from grokscope.cli.output import say, say_error, warnings_as_notes
from grokscope.cli.screen import ensure_utf8_mode, fit_screen
from grokscope.cli.settings import PLUGINS, split_plugins
from grokscope.cli.sweeping import sweep
from grokscope.cli.training import branch, resume, train
from grokscope.cli.unforeseen import unforeseen
from grokscope.config import load_plugins
from grokscope.config.nearest import hint
from grokscope.stopping import Stopped, raising

ABOUT = (
    "A microscope for grokking: train small transformers with and without weight-norm control, keep dense checkpoints, "
    "and look inside."
)

COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "train": train,
    "resume": resume,
    "branch": branch,
    "sweep": sweep,
    "experiment": experiment,
    "import": import_network,
    "runs": list_runs,
    "verify": verify,
    "repair": repair,
    "analyze": analyze,
    "report": report,
    "scrub": scrub,
    "presets": list_presets,
    "doctor": doctor,
}


@fit_screen()
@ending_with_the_next()
@warnings_as_notes()
def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (by default those of the command line) ask for; returns the exit code."""
    if words is None:
        ensure_utf8_mode()
    words = list(sys.argv[1:] if words is None else words)
    try:
        with raising():
            plugins, words = split_plugins(words)
            load_plugins(plugins)
            code = _dispatch(words)
            done(words[0] if words else "")
            return code
    except KeyboardInterrupt as interrupt:
        say_error(f"interrupted{'; ' if interrupt.args else ''}{' '.join(map(str, interrupt.args))}")
        return interrupt.code if isinstance(interrupt, Stopped) else 130
    except (ValueError, OSError, RuntimeError, MemoryError, RecursionError) as error:
        if os.environ.get("GROKSCOPE_DEBUG"):
            traceback.print_exc()
        say_error(_message(error) if isinstance(error, ValueError | OSError) else unforeseen(error, words))
        return 2


def _dispatch(words: list[str]) -> int:
    if words[:1] in (["train"], ["branch"], ["import"]):
        # Settings are too many, and their short names too free, for tyro: it shows them, and we read them.
        return COMMANDS[words[0]](words[1:])
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        raise ValueError(f"there is no command {words[0]!r}; {hint(words[0], COMMANDS, 'commands')}")
    if not words:
        say(f"grokscope: {ABOUT}\n\n{first_page()}")
        return 0
    from tyro.extras import subcommand_cli_from_dict

    return subcommand_cli_from_dict(
        COMMANDS,
        prog="grokscope",
        description=f"{ABOUT} {PLUGINS}",
        args=words,
    )


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
        return f"{error.strerror}: {' -> '.join(paths)}" if paths else error.strerror
    return str(error) or type(error).__name__
