"""Causal ablation: what the network loses without an irrep, against losing as much of one that it does not use.

From a table of functions of a and b, everything that depends on an operand through rho is removed:

    embedding   T <- T - P_rho T, T the embedding of each operand by the element that its tokens stand for there
    neurons     X <- X - (P_rho X M + M X P_rho + P_rho X P_rho),  X the last MLP's activations over pairs (a, b),
                P_rho the projection on the span of rho, M on constants (for Z_n: the 8 terms of a frequency)
    logits      the same of the logits

and the rest of the network is run again. There are two controls. In every row, a component of equal power of an
irrep outside the key sets is taken away from the same place: random coefficients, scaled for every unit (and
separately for the part in a, in b and in both) to the norm of what was taken of rho. They are drawn anew for each
irrep that stands in, for each of these parts, and `DRAWS` times: coefficients that irreps shared would add up at one
element. And in the wrong basis the set `matched` is taken away, which there stands in for the key set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.blocks import in_blocks
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame, has_group
from grokscope.analysis.checkpoint.operand_rows import OperandRows
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints, spread_steps
from grokscope.engine import cross_entropies, unembedded

CHECKPOINTS = 11
EXAMPLES = 1024
"""Most examples of each split that losses are means over, chosen once per run."""
DRAWS = 5
"""Draws of a control."""
QUANTITIES = ("loss", "accuracy")
COLUMNS = (
    "operation",
    "basis",
    "group",
    "site",
    "split",
    "set",
    "irrep",
    "frequency",
    "n_irreps",
    "full_loss",
    "full_accuracy",
    "loss",
    "accuracy",
    "control",
    "control_loss",
    "control_accuracy",
    "control_loss_sd",
    "control_accuracy_sd",
    "note",
)

Irreps = Int[np.ndarray, " irrep"]
Sampled = dict[str, Float[Tensor, "example unit"]]
"""Activations at the pairs of a sample, by name."""


@over_checkpoints(family="fourier", version=3, applies_to=has_group, steps=spread_steps(CHECKPOINTS))
def ablation(checkpoint: Checkpoint) -> pd.DataFrame:
    """Loss and accuracy without each key irrep, and without the key set, at up to 11 checkpoints of a run.

    Key irreps are those of this checkpoint or of the final one. In the wrong basis, whose key set is empty as a rule,
    one set is removed, `matched`: as many irreps as the own basis has in hindsight, those of largest power in the
    final embedding (as in `restricted_loss`). Losses are means over up to 1,024 examples of each split whose operands
    are elements of the row's group, the same for all rows of a run, operation and basis.

    Returns:
        run, task, arm, seed, step, operation, basis, group, site (`embedding`, `neurons`, `logits`), split, set (in
        the own basis `one` key irrep, or all of `key` or `hindsight`; in the wrong one `matched`), irrep and
        frequency (of set `one`), n_irreps, full_loss, full_accuracy, loss, accuracy (without the irreps), control
        (the irreps that stood in for them), control_loss, control_accuracy (means over 5 draws), control_loss_sd,
        control_accuracy_sd (over the draws), note (why the control is missing; else empty).
    """
    tables = []
    for frame in checkpoint.context.frames:
        sets = irrep_sets(checkpoint, frame)
        key = checkpoint.embedding_test(frame).keys
        candidates = np.unique(np.concatenate([irreps for _, irreps in sets]))
        others = np.setdiff1d(np.arange(1, len(frame.group.irreps)), np.union1d(candidates, key))
        stand_in = np.random.default_rng(0).permutation(others)[: len(candidates)]
        controls = dict(zip(candidates.tolist(), stand_in.tolist(), strict=False))
        sample = Sample.of(checkpoint, frame)
        names = ("logits", _resid(checkpoint))
        sampled = {name: sample.at_pairs(checkpoint.activations(frame.operation, name)) for name in names}
        full = sample.outcomes(sampled["logits"])
        for site, without in SITES.items():
            if site == "neurons" and not checkpoint.context.mlp_layers:
                continue
            for name, irreps in sets:
                after = sample.outcomes(without(checkpoint, frame, sample, sampled, irreps, Removed()))
                table = [{"split": split, **_row(full[split], after[split])} for split in after]
                instead = np.array([controls[irrep] for irrep in irreps.tolist() if irrep in controls], dtype=int)
                enough = len(instead) == len(irreps)
                drawn = [
                    sample.outcomes(without(checkpoint, frame, sample, sampled, irreps, Removed(instead, draw)))
                    for draw in range(DRAWS if enough else 0)
                ]
                for row in table if drawn else ():
                    row |= over_draws(drawn, row["split"])
                single = int(irreps[0]) if name == "one" else None
                columns = pd.DataFrame(table)
                tables.append(
                    columns.assign(
                        **frame.keys,
                        site=site,
                        set=name,
                        **irrep_columns(frame.group, [single] * len(table)),
                        n_irreps=len(irreps),
                        control=", ".join(frame.group.irreps[i].name for i in instead) if enough else "",
                        note="" if enough else "there are too few other irreps for a control",
                    )[list(COLUMNS)]
                )
    return pd.concat(tables, ignore_index=True)


def irrep_sets(checkpoint: Checkpoint, frame: Frame) -> list[tuple[str, Irreps]]:
    """The sets of irreps that are removed, by name (see `ablation`)."""
    if frame.basis == "wrong":
        return [("matched", checkpoint.context.matched[frame])]
    key, hindsight = checkpoint.embedding_test(frame).keys, checkpoint.context.hindsight[frame]
    singles = [("one", np.array([irrep])) for irrep in np.union1d(key, hindsight)]
    return [*singles, ("key", key), ("hindsight", hindsight)]


def over_draws(controls: Sequence[Mapping[str, tuple[float, float]]], split: str) -> dict[str, float]:
    """Mean and standard deviation of loss and accuracy over the draws of a control, in the columns that they have.

    Arguments:
        controls: loss and accuracy of each split, of every draw.
    """
    columns = {}
    for quantity, values in zip(QUANTITIES, zip(*(control[split] for control in controls), strict=True), strict=True):
        columns |= {
            f"control_{quantity}": float(np.mean(values)),
            f"control_{quantity}_sd": float(np.std(values, ddof=1)),
        }
    return columns


def _row(full: tuple[float, float], after: tuple[float, float]) -> dict[str, float]:
    return {
        "full_loss": full[0],
        "full_accuracy": full[1],
        "loss": after[0],
        "accuracy": after[1],
        **{f"control_{quantity}{end}": np.nan for quantity in QUANTITIES for end in ("", "_sd")},
    }


@dataclass(frozen=True)
class Removed:
    """What is taken away in the place of some irreps: themselves, or a draw of others."""

    instead: Irreps | None = None
    draw: int = 0

    def other(self, place: int, part: int, coefficients: Float[Tensor, "column unit"], size: int) -> Tensor:
        """Random coefficients of `size` basis functions, with the norm that each unit has in `coefficients`.

        Arguments:
            place: of the irrep that stands in, among those that do.
            part: of the activation, numbered.
        """
        assert self.instead is not None
        seed = np.random.SeedSequence([self.draw, int(self.instead[place]), part]).generate_state(1)
        generator = torch.Generator().manual_seed(int(seed[0]))
        drawn = torch.randn((size, coefficients.shape[1]), generator=generator, dtype=torch.float64)
        return drawn * (coefficients.norm(dim=0) / drawn.norm(dim=0))


@dataclass(frozen=True, eq=False)
class Sample:
    """Some pairs of a frame's group in each split, the same at every checkpoint."""

    pairs: Int[Tensor, "example"]
    """In the flattened grid."""
    left: Int[Tensor, "example"]
    """Group element of a."""
    right: Int[Tensor, "example"]
    labels: Int[Tensor, "example"]
    splits: dict[str, slice]
    rows: OperandRows
    """The pairs with embedding rows of their own."""

    @staticmethod
    def of(checkpoint: Checkpoint, frame: Frame) -> Sample:
        """Up to `EXAMPLES` of train and of val; a split without pairs is left out."""
        grid, basis = checkpoint.context.grids[frame.operation], checkpoint.context.bases[frame]
        order = basis.pairs.T  # [a, g]
        generator = torch.Generator().manual_seed(0)
        chosen, splits, start = [], {}, 0
        for split in ("train", "val"):
            here = grid.splits[split].flatten()[order].flatten().nonzero()[:, 0]
            here = here[torch.randperm(len(here), generator=generator)[:EXAMPLES]]
            if len(here):
                splits[split] = slice(start, start + len(here))
                chosen.append(here)
                start += len(here)
        index = torch.cat(chosen)
        left, product = index // basis.n, index % basis.n
        table, inverse = torch.tensor(frame.group.table), torch.tensor(frame.group.inverse)
        pairs = order.flatten()[index]
        rows = OperandRows(checkpoint.context, frame, pairs)
        return Sample(pairs, left, table[inverse[left], product], grid.labels.flatten()[pairs], splits, rows)

    def at_pairs(self, x: Float[Tensor, "row col unit"]) -> Float[Tensor, "example unit"]:
        """An activation over the grid, at the pairs of the sample."""
        return rearrange(x, "row col unit -> (row col) unit")[self.pairs]

    def outcomes(self, logits: Float[Tensor, "example d_vocab_out"]) -> dict[str, tuple[float, float]]:
        """Mean loss and accuracy of each split."""
        loss, right = cross_entropies(logits, self.labels).double(), (logits.argmax(-1) == self.labels).double()
        return {split: (float(loss[s].mean()), float(right[s].mean())) for split, s in self.splits.items()}


def without_in_embedding(
    checkpoint: Checkpoint, frame: Frame, sample: Sample, sampled: Sampled, irreps: Irreps, removed: Removed
) -> Float[Tensor, "example d_vocab_out"]:
    basis, left = checkpoint.context.bases[frame], []
    for table in sample.rows.of(checkpoint.weights):
        taken = torch.zeros_like(table)
        for place, irrep in enumerate(irreps):
            span = basis.spans[irrep]
            coefficients = basis.F[:, span].T @ table
            if removed.instead is not None:
                span = basis.spans[removed.instead[place]]
                coefficients = removed.other(place, 0, coefficients, span.stop - span.start)
            taken += basis.F[:, span] @ coefficients
        left.append(table - taken)
    return sample.rows.logits(checkpoint.weights, [(left[0], left[1])])[0]


def without_in_neurons(
    checkpoint: Checkpoint, frame: Frame, sample: Sample, sampled: Sampled, irreps: Irreps, removed: Removed
) -> Float[Tensor, "example d_vocab_out"]:
    context = checkpoint.context
    block = f"blocks.{context.last}"
    W_out = checkpoint.weights[f"{block}.mlp.W_out"].double()
    taken = _operand_part(checkpoint, frame, f"{block}.mlp.hook_post", sample, irreps, removed, W_out)
    return unembedded(context.config, checkpoint.weights, sampled[_resid(checkpoint)].double() - taken)


def without_in_logits(
    checkpoint: Checkpoint, frame: Frame, sample: Sample, sampled: Sampled, irreps: Irreps, removed: Removed
) -> Float[Tensor, "example d_vocab_out"]:
    return sampled["logits"].double() - _operand_part(checkpoint, frame, "logits", sample, irreps, removed)


def _resid(checkpoint: Checkpoint) -> str:
    return f"blocks.{checkpoint.context.last}.hook_resid_post"


SITES = {"embedding": without_in_embedding, "neurons": without_in_neurons, "logits": without_in_logits}
"""The network's logits at sampled pairs without some irreps at a site, by the name of the site.

Arguments of each: checkpoint, frame, sample, sampled (activations there), irreps, and what is removed in their place:
they themselves, or components of equal power of others.
"""


def _operand_part(
    checkpoint: Checkpoint,
    frame: Frame,
    name: str,
    sample: Sample,
    irreps: Irreps,
    removed: Removed,
    onward: Float[Tensor, "unit out"] | None = None,
) -> Float[Tensor, "example out"]:
    """What of an activation depends on a or b through the irreps, at the sampled pairs, mapped on by `onward`.

    Where others are removed in their place, random functions of the same norms through those.
    """
    transform, diagonal = checkpoint.transform(frame, name), checkpoint.diagonal(frame, name)
    basis, n = transform.basis, transform.basis.n
    width = transform.left.shape[-1] if onward is None else onward.shape[1]
    taken = torch.zeros((len(sample.pairs), width), dtype=torch.float64)
    for place, irrep in enumerate(irreps):
        span = basis.spans[irrep]
        blocks = [x.double() for x in (transform.left[span], transform.right[span], diagonal[int(irrep)])]
        if removed.instead is not None:
            span = basis.spans[removed.instead[place]]
            size = span.stop - span.start
            sizes = enumerate(zip(blocks, (size, size, size**2), strict=True))
            blocks = [removed.other(place, part, block, of_part) for part, (block, of_part) in sizes]
        if onward is not None:
            blocks = [block @ onward for block in blocks]
        coefficients = torch.cat([blocks[0] / n**0.5, blocks[1] / n**0.5, blocks[2]])
        for some in in_blocks(len(taken), len(coefficients)):
            of_a, of_b = basis.F[sample.left[some], span], basis.F[sample.right[some], span]
            of_both = (of_a[:, :, None] * of_b[:, None, :]).flatten(1)
            taken[some].addmm_(torch.cat([of_a, of_b, of_both], 1), coefficients)
    return taken
