"""Which irreps (frequencies) each part of the network carries: power spectra, and how concentrated they are.

Sites and parts (what each table is a function of):

    embed                     left, right           the embedding by the element that each operand stands for
    unembed                   answer                the columns of W_U by the element that each answer stands for
    blocks.L.attn_out         left, right, product  attention's output at the answer position
    blocks.L.mlp.post         left, right, product, operands    the neurons there
    logits                    left, right, product  logits, centred over the answers of each pair

`left` is the mean over b of the activation at (a, b), a function of a; `right` likewise; `product` the mean over
pairs with a * b = g, a function of g. `operands` is everything that depends on a and b through one irrep: for
frequency k of Z_n its 8 terms, 2 in a, 2 in b and 4 products of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.blocks import in_blocks
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame, has_basis
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.checkpoint.transform import Transform
from grokscope.groups import FiniteGroup


@dataclass(frozen=True)
class Spectrum:
    """Energies of one part of a site: sums of squares over pairs (or elements) and units, centred."""

    site: str
    part: str
    energy: Float[Tensor, " irrep"]
    """Of each irrep; 0 for the trivial one."""
    variance: float
    """The energy of the whole site."""

    @property
    def power(self) -> Float[np.ndarray, " irrep"]:
        """Shares of the part's energy, or, for `operands`, of the site's."""
        whole = self.variance if self.part == "operands" else float(self.energy.sum())
        return (self.energy / whole if whole > 0 else torch.zeros_like(self.energy)).numpy()

    @property
    def of_variance(self) -> float:
        return float(self.energy.sum()) / self.variance if self.variance > 0 else 0.0


@over_checkpoints(family="fourier", version=1, applies_to=has_basis)
def spectra(checkpoint: Checkpoint) -> pd.DataFrame:
    """Power by irrep at every site, in the task's own basis and in the wrong one.

        power(rho) = energy in the span of rho / energy of the part, both centred and summed over units

    For `operands` the whole is the variance over all pairs, so that the powers sum to 1 less what mixes different
    irreps of a and b; the powers of every other part sum to 1.

    Returns:
        run, task, arm, seed, step, operation, basis (`own` or `wrong`), group, site, part, irrep, frequency,
        power, of_variance (the part's share of the variance over all pairs; 1 for embed and unembed), gini, ipr
        (of the whole spectrum, the same in all its rows; see `gini`, `inverse_participation`).
        A part without any variance has power 0 throughout, of_variance 0, and gini and ipr 0.
    """
    tables = []
    for frame in checkpoint.context.frames:
        spectra_of_frame = list(_spectra(checkpoint, frame))
        powers = [spectrum.power for spectrum in spectra_of_frame]
        count = len(frame.group.irreps) - 1

        def of_each(values: Iterable[object], times: int = count) -> np.ndarray:
            return np.repeat(np.array(list(values)), times)

        # All spectra of a frame at once: to make many small tables takes longer than to fill them.
        tables.append(
            pd.DataFrame(
                {
                    **frame.keys,
                    "site": of_each(spectrum.site for spectrum in spectra_of_frame),
                    "part": of_each(spectrum.part for spectrum in spectra_of_frame),
                    **irrep_columns(frame.group, [*range(1, 1 + count)] * len(powers)),
                    "power": np.concatenate([power[1:] for power in powers]),
                    "of_variance": of_each(spectrum.of_variance for spectrum in spectra_of_frame),
                    "gini": of_each(gini(power, frame.group) for power in powers),
                    "ipr": of_each(inverse_participation(power) for power in powers),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def gini(power: Float[np.ndarray, " irrep"], group: FiniteGroup) -> float:
    """Gini coefficient of a spectrum, over basis functions: 0 where all have equal power, near 1 where one has all.

    G = sum_ij |x_i - x_j| / (2 m^2 mean x) over the m = n - 1 nontrivial columns of the Fourier basis, each with
    the mean power of its irrep; counting columns, not irreps, makes white noise flat whatever the dimensions.
    """
    spans = np.array([irrep.span_dim for irrep in group.irreps[1:]])
    x = np.sort(np.repeat(power[1:] / spans, spans))
    if x.sum() <= 0:
        return 0.0
    m = len(x)
    return float(2 * (np.arange(1, m + 1) @ x) / (m * x.sum()) - (m + 1) / m)


def inverse_participation(power: Float[np.ndarray, " irrep"]) -> float:
    """sum_rho p^2 of the shares p of the nontrivial irreps: 1 for one irrep, 1 / r for r equal ones."""
    total = power[1:].sum()
    return float(((power[1:] / total) ** 2).sum()) if total > 0 else 0.0


def _spectra(checkpoint: Checkpoint, frame: Frame) -> Iterator[Spectrum]:
    basis = checkpoint.context.bases[frame]
    for part, table in zip(("left", "right"), checkpoint.operand_tables(frame), strict=True):
        yield _of_table(basis, "embed", part, torch.from_numpy(table))
    unembed = checkpoint.weights["unembed.W_U"].double()[:, torch.from_numpy(frame.answer)]
    yield _of_table(basis, "unembed", "answer", (unembed - unembed.mean(1, keepdim=True)).T)
    for layer in checkpoint.context.layers:
        attention = checkpoint.activations(frame.operation, f"blocks.{layer}.hook_attn_out")
        yield from _of_activation(basis, f"blocks.{layer}.attn_out", attention)
        if layer in checkpoint.context.mlp_layers:
            neurons = checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post")
            yield from _of_transform(f"blocks.{layer}.mlp.post", neurons)
            yield _through_one_irrep(f"blocks.{layer}.mlp.post", neurons)
    yield from _of_transform("logits", checkpoint.centred_logits(frame))


def _of_table(
    basis: GridBasis, site: str, part: str, table: Float[Tensor, "element unit"], variance: float | None = None
) -> Spectrum:
    centred = table.double() - table.double().mean(0)
    energy = basis.by_irrep(basis.F.T @ centred).sum(1)
    energy[0] = 0.0
    if float(energy.sum()) <= 1e3 * torch.finfo(table.dtype).eps ** 2 * float(table.double().square().sum()):
        energy.zero_()  # constant up to rounding
    return Spectrum(site, part, energy, float(energy.sum()) if variance is None else variance)


def _of_activation(basis: GridBasis, site: str, x: Float[Tensor, "row col unit"]) -> Iterator[Spectrum]:
    pairs = rearrange(basis.on_grid(x), "a b unit -> (a b) unit")
    of_units = [pairs[:, block] for block in in_blocks(pairs.shape[1], len(pairs))]
    # Each row of a marginal stands for n pairs.
    variance = sum(float((some - some.mean(0)).square().sum(0).double().sum()) for some in of_units) / basis.n
    for part, table in zip(("left", "right", "product"), basis.marginals(x), strict=True):
        yield _of_table(basis, site, part, table, variance)


def _of_transform(site: str, transform: Transform) -> Iterator[Spectrum]:
    basis, variance = transform.basis, float(transform.variance.sum())
    parts = (transform.left, transform.right, transform.product * basis.n**0.5)
    for part, coefficients in zip(("left", "right", "product"), parts, strict=True):
        energy = basis.by_irrep(coefficients.double()).sum(1)
        energy[0] = 0.0
        yield Spectrum(site, part, energy if variance > 0 else torch.zeros_like(energy), variance)


def _through_one_irrep(site: str, transform: Transform) -> Spectrum:
    basis = transform.basis
    energies = (basis.by_irrep(transform.left), basis.by_irrep(transform.right), transform.diagonal_energy)
    energy = torch.stack([value.double().sum(1) for value in energies]).sum(0)
    energy[0] = 0.0
    return Spectrum(site, "operands", energy, float(transform.variance.sum()))
