"""presets, runs, verify, report and scrub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from grokscope.cli.following import found
from grokscope.cli.opening import opened
from grokscope.cli.output import console, one_line, print_table, say, say_error
from grokscope.config import ConfigError, RunConfig, UnknownMethod, presets


def list_presets(containing: Positional[str] = "") -> int:
    """List the presets, with what their sources report; tab-separated where the output is not a terminal.

    Args:
        containing: Part of the names to list: mul-, neuralgrok, ...
    """
    known = {name: one for name, one in presets().items() if containing in name}
    if not known:
        raise ConfigError(f"no preset has {containing!r} in its name; `grokscope presets` lists all {len(presets())}")
    rows, sources = [], list(dict.fromkeys(p.published.source for p in known.values() if p.published))
    notes = console().is_terminal  # a source in full would leave no room for anything else
    for name, one in known.items():
        row: list[object] = [
            name,
            one.about.partition(";")[0],
            _method(one.config),
            _norm_control(one.config),
        ]
        row.append(one.config.training.steps)
        if one.published is None:
            row += [None, None, None]
        else:
            source = one.published.source
            grok = "never" if one.published.grok_step is None else one.published.grok_step
            row += [grok, one.published.seeds, f"[{sources.index(source) + 1}]" if notes else source]
        rows.append(row)
    columns = (
        "preset",
        "task",
        "method",
        "norm control",
        "budget",
        "published step",
        "seeds",
        "source",
    )
    print_table(columns, rows, numbers=("budget", "published step", "seeds"))
    found(preset=next(iter(known)))
    for number, source in enumerate(sources if notes else (), start=1):
        say(f"[{number}] {source}")
    return 0


def list_runs(directory: Positional[Path] = Path("checkpoints")) -> int:
    """List the runs in a directory; tab-separated where the output is not a terminal.

    Args:
        directory: Where to look, at any depth.
    """
    from grokscope import runs

    rows = runs.list_runs(directory)
    columns = ("path", "task", "arm", "seed", "steps", "status", "grok_step")
    print_table(
        tuple(column.replace("_", " ") for column in columns),
        [(*(row[column] for column in columns[:-1]), _grok(row)) for row in rows],
        numbers=("seed", "steps", "grok step"),
    )
    found(run=[row["path"] for row in rows if row["status"] == "finished"][:1])
    for row in rows:
        if row["problem"]:
            say_error(row["problem"])
    return 0


def _grok(row: Mapping[str, Any]) -> Any:
    """The grok step, or `<=` and the step at or before which it lies."""
    return row["grok_step"] if row["grok_by"] is None else f"<={row['grok_by']}"


def verify(run: Positional[Path]) -> int:
    """Check every file of a run against its recorded digest; exit code 2 if one is bad.

    Args:
        run: The run directory.
    """
    from grokscope.runs import verify_run

    findings = verify_run(run)
    bad = [finding for finding in findings if finding.is_bad]
    print_table(("file", "verdict"), [(finding.file, finding.verdict) for finding in findings])
    for finding in findings:
        if finding.detail:
            say(one_line(finding.detail))
    unsealed = [finding for finding in findings if finding.verdict == "unsealed"]
    fine = f"none bad, {len(unsealed)} of which nothing is recorded" if unsealed else "all as they were written"
    say(f"{run}: {len(findings)} files, " + (f"{len(bad)} bad" if bad else fine))
    if not _lacks_plugin(run):  # without it no command can do more with the run than this one
        found(**{"damaged" if bad else _standing(run): run})
    return 2 if bad else 0


def _standing(path: Path) -> str:
    """Whether a sound run can be resumed, as `grokscope.cli.following` calls it."""
    from grokscope.runs import open_run

    return "unfinished" if open_run(path).status == "interrupted" else "run"


def _lacks_plugin(path: Path) -> bool:
    """Whether a run is of a method that nothing declares that was imported."""
    from grokscope.runs import RunError
    from grokscope.runs.record import read_record

    try:
        read_record(path)
    except RunError as error:
        return isinstance(error.__cause__, UnknownMethod)
    return False


def repair(run: Positional[Path]) -> int:
    """Make a damaged run one that can be read and trained on; what does not verify is set aside, never deleted.

    Args:
        run: The run directory.
    """
    from grokscope.runs import repair_run

    repairs = repair_run(run)
    print_table(("file", "what was done"), [(repair.file, one_line(repair.done)) for repair in repairs])
    found(run=run)
    say(f"{run}: repaired" if repairs else f"{run}: nothing to repair, all files are as they were written")
    return 0


def report(
    name: Positional[str],
    runs: Positional[tuple[Path, ...]],
    out: Path | None = None,
    basis: Literal["additive", "multiplicative"] | None = None,
    strict: bool = False,
) -> int:
    """Write a report on one or more runs: one page, with figures and tables beside it.

    Args:
        name: Name of the report.
        runs: The run directories, in the order in which they are shown.
        out: The report's directory; left out: reports/NAME.
        basis: Read operands as residues in this basis, whatever the tasks; left out: in each task's own group.
        strict: Refuse a run that has a damaged checkpoint; else it is named, left out, and counted on the page.
    """
    from grokscope.report import build_report

    if not runs:
        raise ValueError(f"name the runs to report on: grokscope report {name} RUN...")
    shown = [opened(run, basis, strict=strict) for run in runs]
    say(str(build_report(name, shown, out)))
    found(runs=[run.path for run in shown if run.config.task == shown[0].config.task][:3])
    return 0


def scrub(runs: Positional[tuple[Path, ...]], out: Path = Path("reports", "scrubber.html")) -> int:
    """Write a page on which to drag through the training of one to three runs of a task, in step.

    Args:
        runs: The run directories, in the order in which they stand side by side.
        out: The page.
    """
    from grokscope.report import scrubber_page

    say(str(scrubber_page([opened(run) for run in runs], out)))
    return 0


def _method(config: RunConfig) -> str:
    parts = [f"{config.optimizer.name} {config.optimizer.lr:g}"]
    if config.optimizer.weight_decay:
        parts.append(f"decay {config.optimizer.weight_decay:g}")
    if config.gradient.name != "none":
        parts.append(config.gradient.name)
    if config.loss.name != "cross_entropy":
        parts.append(config.loss.name)
    return ", ".join(parts)


def _norm_control(config: RunConfig) -> str:
    norms = config.norms
    parts = []
    if norms.max_norm is not None:
        bound = "" if norms.scope == ("decoder",) else f"{'+'.join(norms.scope)} "
        parts.append(f"{bound}<= {norms.max_norm:g}")
    parts += [f"{group} <= {bound:g}" for group, bound in norms.group_max_norm]
    if norms.clips and (norms.from_step or norms.until_step is not None):
        last = "" if norms.until_step is None else f" to {norms.until_step}"
        parts.append(f"clip from step {norms.from_step}{last}")
    if norms.cap != "none":
        parts.append(f"{norms.cap} cap {norms.cap_ratio:g}")
    if norms.clamp_target is not None:
        parts.append(f"clamp {norms.clamp_target:g} from step {norms.clamp_from_step}")
    if norms.init_rows != "none":
        norm = "" if norms.row_norm_at_start == norms.max_norm else f" {norms.row_norm_at_start:g}"
        parts.append(f"start {norms.init_rows}{norm}")
    return ", ".join(parts) or "none"
