"""A run on disk, read: its config, its metrics, and the network at any of its checkpoints."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, SupportsIndex, get_args

from jaxtyping import Shaped
from torch import Tensor

from grokscope.config import RunConfig
from grokscope.config.nearest import hint, near
from grokscope.model import Weights, load_model, parameter_shapes
from grokscope.runs import layout
from grokscope.runs.content import CheckpointContent, opened_checkpoint, read_checkpoint
from grokscope.runs.errors import RunError
from grokscope.runs.manifest import Entry, read_manifest
from grokscope.runs.metrics import metric_rows, read_table
from grokscope.runs.named import NamedWeights, UnknownParameter
from grokscope.runs.probes import read_margins, read_probes, read_trace
from grokscope.runs.reached import Milestones, milestones
from grokscope.runs.record import Record, State, Status, read_record, read_status
from grokscope.runs.seals import REPAIR, Seals, read_seals
from grokscope.tasks import Task, run_task

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformer_lens import HookedTransformer
    from transformer_lens.model_bridge import TransformerBridge

    from grokscope.model import Trace


BasisChoice = Literal["additive", "multiplicative"]
"""A basis that the operands of a run can be read in, whatever its answers are computed in."""


class Run:
    """A run directory, as it was when it was opened: to see what training has added since, open it again.

    No number comes from a file that has changed since it was written: weights are checked against the
    manifest's digest, and their names, shapes and values against the config, whenever they are read, and a trajectory
    checks each file the first time it needs it; logs are compared with what is sealed of them.
    """

    def __init__(
        self, path: Path, record: Record, status: Status, entries: dict[int, Entry], seals: Seals | None = None
    ) -> None:
        """For `open_run`."""
        self.path = path
        self.config: RunConfig = record.config
        self._record = record
        self._status = status
        self._entries = entries
        self._seals = seals
        self._verified: set[int] = set()
        self.basis: BasisChoice | None = None
        """The basis that analyses read the operands in; None: that of the task's own group. See `in_basis`."""
        self.damaged: dict[int, str] = {}
        """The steps whose checkpoints were left out, and why; see `sound`."""

    def in_basis(self, basis: BasisChoice | None) -> Run:
        """The same run, whose analyses read token i as the residue i: in Z_n (`additive`) or the units mod n.

        For tasks that compute in no group, or in one whose elements the operands do not name one to one, such as
        x^2 + x*y + y^2: spectra, keys with their nulls, neurons and circles are then made of the operands, and analyses
        of answers as products do not apply. None: the task's own group again.

        Raises `RunError` for a basis that does not exist.
        """
        if basis is not None and basis not in get_args(BasisChoice):
            raise RunError(f"basis = {basis!r} is not accepted: use {' or '.join(get_args(BasisChoice))}")
        other = Run(self.path, self._record, self._status, self._entries, self._seals)
        other.basis, other.damaged = basis, self.damaged
        return other

    def sound(self, *, strict: bool = False) -> Run:
        """The same run without the checkpoints that are damaged or missing, which `damaged` of it names.

        Every checkpoint is read and compared with its digest, its tensors with the config. So what is wrong with one
        does not keep analyses from the others. With `strict`, raises `RunError` for the first that is damaged.
        """
        damaged: dict[int, str] = {}
        for step, entry in self._entries.items():
            try:
                self._stored(entry)
            except RunError as error:
                if strict:
                    raise
                damaged[step] = str(error)
        if not damaged:
            return self
        left = {step: entry for step, entry in self._entries.items() if step not in damaged}
        other = Run(self.path, self._record, self._status, left, self._seals)
        other.basis, other.damaged = self.basis, damaged
        return other

    @property
    def name(self) -> str:
        """The name of the directory; bytes of it that are no text are shown as question marks."""
        name = self.path.name or self.path.resolve().name
        return os.fsencode(name).decode("utf-8", "replace")

    @property
    def steps(self) -> list[int]:
        """Steps that have a checkpoint, increasing."""
        return list(self._entries)

    @property
    def digests(self) -> dict[int, str]:
        """sha256 of every checkpoint, by step."""
        return {step: entry.sha256 for step, entry in self._entries.items()}

    @property
    def status(self) -> State:
        """running, finished, diverged, interrupted or failed."""
        return self._status.state

    @property
    def reason(self) -> str | None:
        """Why the run stopped, where there is something to say."""
        return self._status.reason

    @property
    def final_step(self) -> int | None:
        """The step of the last checkpoint; None if there is none yet."""
        return max(self._entries, default=None)

    @property
    def analysis_path(self) -> Path:
        """Where results computed from this run are cached. It need not exist."""
        return self.path / layout.ANALYSIS

    @cached_property
    def imported(self) -> dict[str, Any] | None:
        """Where the weights of a network trained elsewhere are from: `files`, `skipped`, `notes`; else None."""
        return self._record.imported

    @cached_property
    def forward(self) -> Mapping[str, Any] | None:
        """The path that trained it: `name` (`compiled`, `engine`, `hooked`), and `why` it is not the one that the
        config asks for (None where it is). None for imported networks, and for runs older than the record."""
        return self._record.forward

    @cached_property
    def parent(self) -> dict[str, Any] | None:
        """The run that this one branched off: `run` (its name), `step`, `sha256` of that checkpoint; else None."""
        return self._record.parent

    @property
    def environments(self) -> list[tuple[int, Mapping[str, Any]]]:
        """The environments that it was trained in: versions, processor, threads; each with the step it began at.

        There is more than one where a resume found another that may round otherwise.
        """
        return [(0, self._record.environment)] if self._seals is None else list(self._seals.environments)

    @cached_property
    def task(self) -> Task:
        """The dataset that the run was trained on."""
        return run_task(self.config)

    @cached_property
    def _metrics(self) -> DataFrame:
        return read_table(self.path, self._seals)

    @property
    def metrics(self) -> DataFrame:
        """A copy of the table of evaluations, a row each.

        Columns: `step`, `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`, and what else was logged.
        """
        return self._metrics.copy()

    @cached_property
    def _probe_table(self) -> DataFrame:
        return read_probes(self.path, self._seals)

    @property
    def probes(self) -> DataFrame:
        """A copy of what was recorded about training, a row per step, group and parameter; see `grokscope.probes`.

        `group` is `all` or a parameter group, `parameter` a parameter of it, or empty for the whole group. A run that
        recorded nothing has a table without rows.
        """
        return self._probe_table.copy()

    @property
    def recorded_margins(self) -> DataFrame:
        """Signal, memory and noise around recorded steps, a row per step, stage and operation.

        `stage` is `before`, `updated` (by the optimizer) or `after` (norm control); the other columns are those of
        `grokscope.probes.margin_rows`. A run that recorded none has a table without rows.
        """
        return read_margins(self.path, self._seals)

    @property
    def trace(self) -> Trace:
        """Norms of weights and spread of logits, step by step, for another run to follow (see `Trace.save`).

        Raises `RunError` for a run without `probes.trace`.
        """
        return read_trace(self.path, self._seals)

    @cached_property
    def milestones(self) -> Milestones:
        """Memorisation, grok and sustained grok, as far as the run has come.

        What came before the first evaluation of an imported network or a branch is not known here: `grok_by` and the
        like stand for a milestone that lies at or before it.
        """
        rows = metric_rows(self.path, self._seals)
        return milestones(rows, history_known=self.imported is None and self.parent is None)

    @property
    def memorisation_step(self) -> int | None:
        """First evaluation with train accuracy >= 0.99; None also where it lies before what is known."""
        return self.milestones.memorisation_step

    @property
    def grok_step(self) -> int | None:
        """First evaluation with validation accuracy >= 0.95; None also where it lies before what is known."""
        return self.milestones.grok_step

    @property
    def sustained_grok_step(self) -> int | None:
        """First evaluation with validation accuracy >= 0.95 there and at the next 5 evaluations."""
        return self.milestones.sustained_grok_step

    @property
    def delay(self) -> int | None:
        """Grok step minus memorisation step."""
        return self.milestones.delay

    def checkpoint_step(self, step: SupportsIndex) -> int:
        """The step of a checkpoint: as it is given, or, where it is negative, counted from the end; -1 is the last.

        Raises `RunError` for one without a checkpoint, naming the nearest, and for what is no integer.
        """
        return self._entry(step).step

    def weights(self, step: SupportsIndex) -> Weights:
        """The weights after `step` updates, on the CPU, by `HookedTransformer` name.

        Parameters are in the order of `HookedTransformer.named_parameters()`, buffers after them.
        A negative `step` counts checkpoints from the end: -1 is the last. Raises `RunError` for one without a
        checkpoint (naming the nearest), and for a file that is not as the manifest records it. The dictionary that is
        returned names the nearest parameter where it is asked for one that it does not hold.
        """
        if isinstance(step, str):
            self._refuse_name(step)
        entry = self._entry(step)
        stored = self._stored(entry)
        return NamedWeights((name, stored[name]) for name in self._content.expected)

    def _stored(self, entry: Entry) -> Weights:
        stored = read_checkpoint(self.path, entry)
        self._content.check(self.path / entry.file, stored)
        return stored

    @cached_property
    def _content(self) -> CheckpointContent:
        return CheckpointContent.of(self.config.model, self.task, may_diverge=self.status == "diverged")

    def model(self, step: SupportsIndex) -> HookedTransformer | TransformerBridge:
        """The network in evaluation mode with the weights of `step` (see `weights`), for hooks and caches.

        A `HookedTransformer` with TransformerLens 3.9. With 4, which has none, a `TransformerBridge`: `run_with_cache`
        and `run_with_hooks` know the same hook names, with the same values. Raises `ImportError` without the extra
        `lens`.
        """
        return load_model(self.config.model, self.task, self.weights(step))

    def trajectory(self, name: str) -> Shaped[Tensor, "checkpoint *shape"]:
        """One parameter at every checkpoint of `steps`; the other parameters are not loaded.

        Raises `RunError` for a name that the checkpoints do not hold (with the nearest names), and for a file
        that is not as the manifest records it.
        """
        if not self._entries:
            raise RunError(f"{self.path} has no checkpoints yet")
        values = (self._parameter(entry, name) for entry in self._entries.values())
        first = next(values)
        out = first.new_empty((len(self._entries), *first.shape))
        out[0] = first
        for i, value in enumerate(values, start=1):
            out[i] = value
        return out

    def __repr__(self) -> str:
        steps = f"{len(self._entries)} checkpoints"
        if self._entries:
            steps += f" at steps {self.steps[0]} to {self.steps[-1]}"
        try:
            unsplit = self.imported is not None and self.config.task.train_indices == ()
            grok = "grok unknown for want of a split" if unsplit else self.milestones.grok_words
        except RunError:
            grok = "metrics unreadable"
        return (
            f"<Run {self.name}: task {layout.task_label(self.config.task)}, arm {self.config.arm}, "
            f"seed {self.config.seed}, {steps}, {grok}, {self.status}>"
        )

    def _refuse_name(self, name: str) -> NoReturn:
        """Say how one parameter is had, and which was meant."""
        shapes = parameter_shapes(self.config.model, self.task)
        (meant, *_) = [name] if name in shapes else near(name, shapes) or ["embed.W_E"]
        raise UnknownParameter(
            f"weights takes a step, not {name!r}: use weights(-1)[{meant!r}] for one checkpoint, or "
            f"trajectory({meant!r}) for all"
        )

    def _entry(self, step: SupportsIndex) -> Entry:
        try:
            number = operator.index(step)
        except TypeError:
            raise RunError(
                f"step = {step!r} is not accepted: use an integer, the step of a checkpoint, or a negative one, which "
                "counts from the end"
            ) from None
        if number in self._entries:
            return self._entries[number]
        steps = self.steps
        if not steps:
            raise RunError(f"{self.path} has no checkpoints yet")
        if number < 0:
            if -number > len(steps):
                raise RunError(f"checkpoint {number} from the end does not exist: {self.path} has {len(steps)}")
            return self._entries[steps[number]]
        near = sorted(sorted(steps, key=lambda other: abs(other - number))[:4])
        raise RunError(f"{self.path} has no checkpoint at step {number}; nearest: {', '.join(map(str, near))}")

    def _parameter(self, entry: Entry, name: str) -> Tensor:
        path = self.path / entry.file
        self._check(entry)
        with opened_checkpoint(path) as file:
            if name not in self._content.expected:
                names = sorted(self._content.expected)
                raise RunError(f"{path} has no parameter {name!r}; {hint(name, names, 'parameters')}")
            value = file.get_tensor(name)
        self._content.check(path, {name: value}, all_names=False)
        return value

    def _check(self, entry: Entry) -> None:
        """Raise `RunError` for a checkpoint that is not as recorded, or has other tensors than the config says."""
        if entry.step in self._verified:
            return
        problem = entry.check(self.path)
        if problem is not None:
            raise RunError(f"{problem[1]}. {REPAIR}")
        with opened_checkpoint(self.path / entry.file) as file:
            self._content.check_names(self.path / entry.file, list(file.keys()))
        self._verified.add(entry.step)


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run directory for reading, finished or still training.

    Raises `RunError` if there is no run (naming similar ones beside it), or if its config, status or manifest
    is missing, damaged, or not what was sealed.
    """
    run = layout.check_path(path)
    if not layout.is_run(run):
        siblings: list[str] = []
        with suppress(OSError):
            siblings = [other.name for other in run.parent.iterdir() if (other / layout.CONFIG).is_file()]
        beside = ", ".join(str(run.parent / name) for name in near(run.name, siblings))
        raise RunError(f"there is no run at {run}{'; nearest: ' if beside else ''}{beside}")
    seals = read_seals(run)
    record = read_record(run, seals)
    try:
        if seals is not None:
            seals.refuse_changed(layout.STATUS)
        return Run(run, record, read_status(run), read_manifest(run, seals), seals)
    except RunError:
        later = read_seals(run)
        if seals is None or later is None or len(later.events) == len(seals.events):
            raise
        return open_run(run)  # a process has taken it up between the two readings
