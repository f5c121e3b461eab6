"""The runs of the gallery: two that are drawn, and three tiny ones whose tables those two do not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grokscope as gs
from grokscope.cli.sweeping import Display
from grokscope.sweeps import Job, Sweep, run_sweep
from grokscope.sweeps.directory import places

TINY = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, "steps": 4, "eval_every": 2, "every": 2}
CLAMP = {"clamp_rho": 1.0, "clamp_reference": 10.0}


@dataclass(frozen=True)
class Shown:
    """A run of the gallery, as a preset with settings that differ from it."""

    about: str
    preset: str
    settings: dict[str, Any]

    @property
    def config(self) -> gs.RunConfig:
        return gs.preset(self.preset, **self.settings)

    @property
    def command(self) -> str:
        """What trains it from the shell."""
        words = [f"--{name.replace('_', '-')} {value}" for name, value in self.settings.items()]
        return " ".join(["grokscope train", self.preset, *words])


PUBLISHED = (
    Shown(
        "x · y mod 97, two layers, Lion, rows projected to norm 2 and clipped to it",
        "mul-lion-clip",
        {"seed": 0, "steps": 700, "every": 50, "margins_every": 10},
    ),
    Shown(
        "composition in S5, two layers, Lion, rows projected to norm 1 and clipped to it",
        "s5-lion-clip",
        {"seed": 3, "steps": 1400, "every": 100, "margins_every": 20},
    ),
)
SMALL = (
    Shown("x · y mod 7, a network too small to learn it", "mul-lion-clip", {"modulus": 7, "margins_every": 2, **TINY}),
    Shown("composition in S3, a network too small to learn it", "s5-lion-clip", {"degree": 3, "batch_size": 9, **TINY}),
)


def trained(shown: Sequence[Shown], folder: Path) -> list[gs.Run]:
    """The runs, trained side by side where they are not there yet.

    Raises ChildProcessError where one fails.
    """
    sweep = Sweep("gallery", tuple(Job(one.config) for one in shown))
    with Display() as display:
        run_sweep(sweep, folder, len(shown), watch=display.show)
    standing = places(sweep.jobs, folder)
    for place in standing:
        if place.standing != "finished":
            raise ChildProcessError(f"{place.path} is {place.standing}: start the gallery again to go on")
    return [gs.open_run(place.path) for place in standing]


def others(folder: Path) -> list[gs.Run]:
    """Tiny runs that have what two ordinary runs do not: several groups, a branch, a clamp. They are not drawn."""
    mixed = gs.preset("mixed-lion-clip", batch_size=49, modulus=7, **TINY)
    clamped = gs.preset("mul-lion", arm="clamped", modulus=7, batch_size=16, **TINY, **CLAMP)
    runs = [
        _once(mixed, folder / "mixed"),
        _once(clamped, folder / "clamped"),
        _once(gs.preset("mul-lion-clip", arm="parent", modulus=7, batch_size=16, **TINY), folder / "parent"),
    ]
    branch = folder / "branch"
    return [*runs, gs.open_run(branch) if branch.exists() else gs.branch(runs[-1], 2, branch, max_norm=None)]


def _once(config: gs.RunConfig, path: Path) -> gs.Run:
    return gs.open_run(path) if path.exists() else gs.train(config, out=path, progress=False)
