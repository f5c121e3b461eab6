"""One checkpoint of a run as the analyses of its circuit see it, computed as it is asked for and no more than once.

Several analyses read the same activations, transforms and key sets. A `Checkpoint` holds them while the analyses of
that checkpoint are made (activations of a large group as far as `KEPT_BYTES` allow), and a `RunContext` holds what all
checkpoints of a run share: grids, bases, relabellings, the key set of the final checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.blocks import KEPT_BYTES, in_blocks
from grokscope.analysis.checkpoint.frames import Frame, frames, groups_of, read_together
from grokscope.analysis.checkpoint.grid import PairGrid
from grokscope.analysis.checkpoint.null import RelabellingNull
from grokscope.analysis.checkpoint.parts import PairParts
from grokscope.analysis.checkpoint.removal import Removal
from grokscope.analysis.checkpoint.step_down import StepDown, step_down
from grokscope.analysis.checkpoint.transform import Transform
from grokscope.engine import Engine, Loss, loss_function
from grokscope.model import Weights, dtype_of

if TYPE_CHECKING:
    from grokscope.runs import Run


def knows_its_split(run: Run) -> bool:
    """Whether a run says which examples it was trained on; a network that was trained elsewhere need not."""
    train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
    return len(train) > 0


class RunContext:
    """What all checkpoints of a run share.

    Raises ValueError for a run without checkpoints, and, where it is asked for frames, for a task without a group.
    """

    def __init__(self, run: Run) -> None:
        if not run.steps:
            raise ValueError(f"run {run.name!r} has no checkpoints yet: there is nothing to analyse")
        self.run, self.config, self.task = run, run.config.model, run.task
        self._train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)

    @property
    def train(self) -> Int[Tensor, " train"]:
        """The examples that the run was trained on. Raises ValueError where that is not known (imported networks)."""
        if not len(self._train):
            raise ValueError(
                f"run {self.run.name!r} does not say which examples it was trained on: set task.train_indices"
            )
        return self._train

    @cached_property
    def engine(self) -> Engine:
        """The network as a function of weights, in whatever dtype they are."""
        return Engine(self.config, self.task)

    @cached_property
    def loss(self) -> Loss:
        """What the run minimises."""
        return loss_function(self.run.config.loss)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        return frames(self.task, self.run.basis)

    @cached_property
    def grids(self) -> dict[str, PairGrid]:
        """Every pair of operands, by operation."""
        used = {frame.operation for frame in self.frames}
        return {
            operation.name: PairGrid(
                self.task,
                operation,
                [frame for frame in self.frames if frame.operation == operation.name],
                self.config,
                self.is_train,
            )
            for operation in read_together(self.task, self.run.basis)
            if operation.name in used
        }

    @property
    def grids_by_operation(self) -> dict[str, PairGrid]:
        """The grids; none for a task that cannot be read in a group."""
        return self.grids if groups_of(self.run) else {}

    @cached_property
    def is_train(self) -> Bool[Tensor, "example"]:
        """Which examples of the task the run was trained on; none where that is not known."""
        return self.task.mask(self._train)

    @cached_property
    def train_pairs(self) -> dict[str, Int[Tensor, "pair"]]:
        """The examples that the run was trained on as pairs of the flattened grids, by operation.

        Empty where some of them are on no grid, as with a task without a group.
        """
        by_operation = {name: grid.pair_of[self.train] for name, grid in self.grids_by_operation.items()}
        pairs = {name: of_examples[of_examples >= 0] for name, of_examples in by_operation.items()}
        return pairs if sum(map(len, pairs.values())) == len(self.train) else {}

    @cached_property
    def bases(self) -> dict[Frame, GridBasis]:
        return {frame: self.grids[frame.operation].basis(frame) for frame in self.frames}

    @cached_property
    def parts(self) -> dict[Frame, PairParts]:
        """The parts of functions on pairs, over each split, in the task's own frames."""
        splits = {frame: self.grids[frame.operation].splits for frame in self.own}
        return {
            frame: PairParts(self.bases[frame], {split: of[split] for split in ("train", "val")})
            for frame, of in splits.items()
        }

    @cached_property
    def removals(self) -> dict[Frame, Removal]:
        """What tells whether networks use an irrep of their embeddings."""
        return {frame: Removal(self, frame) for frame in self.frames}

    @cached_property
    def nulls(self) -> dict[Frame, RelabellingNull]:
        """Frames of one group share relabellings, so that add and sub of one embedding have one null."""
        by_group = {frame.group.name: RelabellingNull(frame.group) for frame in self.frames}
        return {frame: by_group[frame.group.name] for frame in self.frames}

    @property
    def own(self) -> tuple[Frame, ...]:
        """The frames of the task's own groups."""
        return tuple(frame for frame in self.frames if frame.basis == "own")

    @cached_property
    def final(self) -> Checkpoint:
        """The run's last checkpoint."""
        return Checkpoint(self, self.run.steps[-1])

    @cached_property
    def hindsight(self) -> dict[Frame, Int[np.ndarray, " key"]]:
        """The key set of the final checkpoint, by frame: the irreps that are chosen by looking back from the end."""
        return {frame: self.final.embedding_test(frame).keys for frame in self.frames}

    @cached_property
    def matched(self) -> dict[Frame, Int[np.ndarray, " irrep"]]:
        """Irreps that stand in for a key set, by wrong frame: the control of the own frame's hindsight key set.

        They are as many as that has (or all there are), those of largest power in the final embedding. A wrong frame's
        own key set would rarely do, for it should be empty.
        """
        count = {frame.operation: len(self.hindsight[frame]) for frame in self.own}
        strongest = {}
        for frame in self.frames:
            if frame.basis == "wrong":
                power = self.final.embedding_test(frame).power[1:]
                strongest[frame] = 1 + np.argsort(-power, kind="stable")[: count[frame.operation]]
        return strongest

    def prepare_circuit(self) -> None:
        """Compute what analyses of a circuit compute on first use, before threads share it."""
        _ = self.removals, self.hindsight, self.matched
        for basis in self.bases.values():
            _ = basis.blocks, basis.pairs

    def prepare_dynamics(self) -> None:
        """The same for analyses of norms, gradients and logits, which need no group."""
        _ = self.engine, self.loss

    def prepare_outputs(self) -> None:
        """The same for analyses of the logits of the train set."""
        _ = self.engine, self.loss, self.train_pairs

    @cached_property
    def activation_names(self) -> tuple[str, ...]:
        """The activations that analyses of a circuit read, at the answer position."""
        blocks = [f"blocks.{layer}" for layer in self.layers]
        of_mlp = ("mlp.hook_post",) if self.mlp_layers else ()
        hooks = ("hook_attn_out", *of_mlp, "hook_resid_post")
        return (*(f"{block}.{hook}" for block in blocks for hook in hooks), "logits")

    @property
    def item_bytes(self) -> int:
        """Bytes of a number in the run's dtype."""
        return dtype_of(self.config).itemsize

    def bytes_of(self, operation: str, names: Sequence[str]) -> int:
        """How much memory some of these activations take at all pairs of an operation."""
        grid, config = self.grids[operation], self.config
        widths = {"logits": grid.engine.d_vocab_out, "hook_post": config.d_mlp}
        numbers = sum(widths.get(name.rpartition(".")[2], config.d_model) for name in names)
        return grid.shape[0] * grid.shape[1] * numbers * self.item_bytes

    @property
    def layers(self) -> range:
        return range(self.config.n_layers)

    @property
    def mlp_layers(self) -> range:
        """The layers that have an MLP: all, or none in a network of attention only."""
        return range(0 if self.config.attention_only else self.config.n_layers)

    @property
    def neuron_layers(self) -> range:
        """The same for what is about neurons alone. Raises ValueError in a network of attention only."""
        if not self.mlp_layers:
            raise ValueError(
                f"run {self.run.name!r} has attention only (model.attention_only): there are no neurons to look at"
            )
        return self.mlp_layers

    @property
    def last(self) -> int:
        """The last layer."""
        return self.config.n_layers - 1


class Checkpoint:
    """The network of a run at one step.

    Arguments:
        context: of the run.
        step: one that has a checkpoint.
    """

    def __init__(self, context: RunContext, step: int) -> None:
        self.context, self.step = context, step
        self._activations: dict[tuple[str, str], Tensor] = {}
        self._held: dict[tuple[str, str], Tensor] = {}
        self._whole_transforms: dict[tuple[Frame, str], Tensor] = {}
        self._transforms: dict[tuple[Frame, str], Transform] = {}
        self._diagonals: dict[tuple[Frame, str], dict[int, Tensor]] = {}
        self._embedding_tests: dict[Frame, StepDown] = {}

    @cached_property
    def weights(self) -> Weights:
        return self.context.run.weights(self.step)

    def operand_tables(
        self, frame: Frame
    ) -> tuple[Float[np.ndarray, "element d_model"], Float[np.ndarray, "element d_model"]]:
        """The embeddings of the left and of the right operand, by group element."""
        embedding = self.weights["embed.W_E"].double().numpy()
        return embedding[frame.left], embedding[frame.right]

    def embedding_test(self, frame: Frame) -> StepDown:
        """Power by irrep of the embedding, and its test: left and right operand side by side, relabelled together.

        *This is what key sets are chosen by.* The rows of an untrained embedding are drawn alike, so the null is
        exact there, while activations of an untrained network already depend on whether a = b. And what a
        network knows about most answers shows as power of every irrep of a * b, memorised or computed;
        which irreps it computes *with* shows in what it reads the operands as. Weak irreps beside strong ones are keys
        where the network loses more without them than without as much power of random functions (`Removal`).
        """
        if frame not in self._embedding_tests:
            tables = np.concatenate(self.operand_tables(frame), axis=1)
            tested = step_down(self.context.nulls[frame], tables)
            if len(tested.weak):
                removal = self.context.removals[frame]
                tested = tested.confirm(lambda irrep: removal.losses(self.weights, irrep).used)
            self._embedding_tests[frame] = tested
        return self._embedding_tests[frame]

    def activations(self, operation: str, name: str) -> Float[Tensor, "row col *rest"]:
        """An activation at the answer position for every pair of operands of an operation."""
        key = (operation, name)
        for kept in (self._held, self._activations):
            if key in kept:
                return kept[key]
        names = self.context.activation_names
        if self.context.bytes_of(operation, names) > KEPT_BYTES:
            names = (name,)
        needed = self.context.bytes_of(operation, names)
        self._make_room(needed)
        made = self.context.grids[operation].activations(self.weights, names)
        if needed <= KEPT_BYTES:
            self._activations |= {(operation, each): x for each, x in made.items()}
        return made[name]

    @contextmanager
    def holding(self, operation: str, name: str) -> Iterator[None]:
        """Keep an activation for as long, however large it is, where it is read more than once."""
        key = (operation, name)
        before = self._held.get(key)
        self._held[key] = self.activations(operation, name)
        try:
            yield
        finally:
            if before is None:
                del self._held[key]

    def _make_room(self, needed: int) -> None:
        """Let go of the activations that were made first, as far as others of so many bytes could not be kept too."""
        for key in list(self._activations):
            if sum(x.nbytes for x in self._activations.values()) + needed <= KEPT_BYTES:
                return
            del self._activations[key]

    def example_logits(self, operation: str, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
        """The logits of an operation's examples: from its grid of pairs, which other analyses use, if it has one."""
        grid = self.context.grids_by_operation.get(operation)
        if grid is not None:
            of_pairs, places = self.activations(operation, "logits").flatten(0, 1), grid.pair_of[examples]
            is_whole = len(places) == len(of_pairs) and bool((places == torch.arange(len(places))).all())
            return of_pairs if is_whole else of_pairs[places]
        return self.context.engine.answer_activations(self.weights, examples, ["logits"])["logits"]

    def transform(self, frame: Frame, name: str) -> Transform:
        """What is read of the transform of an activation over the pairs of a frame's group."""
        key = (frame, name)
        if key not in self._transforms:
            self._transforms[key] = Transform.of(self.context.bases[frame], self.coefficients(frame, name))
        return self._transforms[key]

    def diagonal(self, frame: Frame, name: str) -> dict[int, Float[Tensor, "s_squared unit"]]:
        """The transform of an activation in the diagonal block of every irrep."""
        key = (frame, name)
        if key not in self._diagonals:
            of_sizes = self.context.bases[frame].blocks
            parts = [[blocks.of(x_hat) for blocks in of_sizes] for x_hat in self.coefficients(frame, name)]
            joined = [torch.cat(each, dim=-1) for each in zip(*parts, strict=True)]
            self._diagonals[key] = {
                irrep: x
                for blocks, of_size in zip(of_sizes, joined, strict=True)
                for irrep, x in zip(blocks.irreps.tolist(), of_size, strict=True)
            }
        return self._diagonals[key]

    def centred_logits(self, frame: Frame) -> Transform:
        """The same of the logits of the frame's answers less the mean of each pair's, which changes no probability."""
        key = (frame, "centred logits")
        if key not in self._transforms:
            answer = torch.from_numpy(frame.answer)
            logits = self.activations(frame.operation, "logits")
            total = sum(x_hat.sum(-1, keepdim=True) for x_hat in self._coefficients(frame, "logits", logits, answer))
            mean = total / len(answer)
            centred = (x_hat - mean for x_hat in self._coefficients(frame, "logits", logits, answer))
            self._transforms[key] = Transform.of(self.context.bases[frame], centred)
        return self._transforms[key]

    def coefficients(self, frame: Frame, name: str) -> Iterator[Float[Tensor, "column column unit"]]:
        """The transform of an activation (`GridBasis.transform`), so many units at a time."""
        return self._coefficients(frame, name, self.activations(frame.operation, name))

    def _coefficients(
        self, frame: Frame, name: str, x: Float[Tensor, "row col unit"], units: Int[Tensor, "chosen"] | None = None
    ) -> Iterator[Float[Tensor, "column column unit"]]:
        """The same of an activation that is at hand, of all units or of some."""
        key, basis = (frame, name), self.context.bases[frame]
        if len(in_blocks(x.shape[-1], x.shape[0] * x.shape[1])) == 1:
            if key not in self._whole_transforms:
                self._whole_transforms[key] = basis.transform(x)
            whole = self._whole_transforms[key]
            yield whole if units is None else whole[..., units]
            return
        for block in in_blocks(x.shape[-1] if units is None else len(units), x.shape[0] * x.shape[1]):
            yield basis.transform(x[..., block if units is None else units[block]])
