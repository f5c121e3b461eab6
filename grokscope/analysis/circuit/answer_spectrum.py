"""What the network makes of the answer: its logits as a function of the right answer g and the logit's c, by irrep.

S[g, c] is the mean of the logits, centred over the answers of each pair, over all pairs (a, b) with a * b = g. Through
the irrep rho of g it may be, from the simplest to the most general,

    character    w_rho      chi_rho(g c^-1)     one coefficient for the irrep: all answers are told alike
    by answer    w_rho(c)   chi_rho(g c^-1)     one for each irrep and answer: each has a height of its own
    dense        any function of g in the span of rho, for each c

and each contains the one before. A detector of each answer, S[g, c] = h when g = c, is the sum of all characters, each
with the same coefficient per dimension: few frequencies in, all of them out. Detectors of unequal heights h(c) are `by
answer` (but for 1 / n of them, which centring over the answers takes away).

By chance a function of g in the span of rho, of s dimensions, has a share 1 / s of it in the direction of
chi_rho(g c^-1): half for a frequency of Z_n.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.analysis.tables.select import numbers

FORMS = ("character", "by_answer", "dense")
FORM_SHARE = 0.85
"""The simplest form that, with those that it contains, has this share of S is its form; as for neurons and irreps."""


@over_checkpoints(family="fourier", applies_to=has_group)
def answer_spectrum(checkpoint: Checkpoint) -> pd.DataFrame:
    """Through which irreps the logits tell the answers apart, and with how many coefficients.

    Returns:
        run, task, arm, seed, step, operation, basis, group, irrep, frequency, power (the irrep's share of the variance
        of S, the mean logits of each answer), character, by_answer, dense (the parts of power that have one coefficient
        for the irrep; one more for each answer; neither), coefficient (nats: of the character), spread (standard
        deviation over answers of the coefficient for each, over the size of their mean; NaN where that is 0).
        An S that does not vary has power 0 throughout.
    """
    tables = []
    for frame in checkpoint.context.frames:
        basis = checkpoint.context.bases[frame]
        logits = checkpoint.activations(frame.operation, "logits")
        means = basis.product_means(logits)[:, torch.from_numpy(frame.answer)].double()
        parts = answer_parts(basis, basis.F.T @ (means - means.mean(1, keepdim=True)))
        columns = irrep_columns(frame.group, range(1, len(parts)))
        tables.append(pd.DataFrame({**frame.keys, **columns, **parts.iloc[1:].reset_index(drop=True)}))
    return pd.concat(tables, ignore_index=True)


def answer_parts(basis: GridBasis, means: Float[Tensor, "column answer"]) -> pd.DataFrame:
    """Power and its parts by irrep, of S as its coefficients in the basis of functions of g, for each answer c.

    With chi(g c^-1) = (commutant_dim n / d) sum_m F[g, m] F[c, m] over the columns m of rho, and
    sum_g chi(g c^-1)^2 = commutant_dim n, the coefficient for answer c is

        w(c) = sum_g S[g, c] chi(g c^-1) / (commutant_dim n) = (1 / d) sum_m S^[m, c] F[c, m].
    """
    group, n = basis.group, basis.n
    means = means.clone()
    means[basis.spans[0]] = 0.0  # what all answers share is no function of g
    energy = basis.by_irrep(means).sum(1).numpy()
    dims = np.array([irrep.dim for irrep in group.irreps], dtype=np.float64)
    square = n * np.array(
        [irrep.commutant_dim for irrep in group.irreps], dtype=np.float64
    )  # of one answer's character
    overlap = means.new_zeros((len(dims), n)).index_add_(0, torch.from_numpy(group.fourier_irreps()), means * basis.F.T)
    heights = overlap.numpy() / dims[:, None]  # [irrep, answer]
    mean, spread = heights.mean(1), heights.std(1)
    of_character, of_answers = n * square * mean**2, n * square * spread**2
    whole = energy.sum()
    scale = whole if whole > 0 else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(mean == 0, np.nan, spread / np.abs(mean))
    return pd.DataFrame(
        {
            "power": energy / scale,
            "character": of_character / scale,
            "by_answer": of_answers / scale,
            "dense": np.maximum(energy - of_character - of_answers, 0.0) / scale,
            "coefficient": mean,
            "spread": relative,
        }
    )


def answer_forms(table: pd.DataFrame) -> pd.DataFrame:
    """The form of the whole of S at every checkpoint.

    Arguments:
        table: of `answer_spectrum`.

    Returns:
        run, task, arm, seed, step, operation, basis, group, character, by_answer, dense (shares of S), form (the
        simplest that, with those that it contains, has 0.85 of S; empty where S does not vary), irreps (how many irreps
        S is spread over: 1 / sum of the squares of their powers).
    """
    keys = [*IDENTITY, "step", "operation", "basis", "group"]
    squares = table.assign(square=table["power"] ** 2)
    columns = [*FORMS, "square"]
    found = pd.DataFrame(squares.groupby(keys, sort=False, observed=True)[columns].sum()).reset_index()
    shares = np.stack([numbers(found, name) for name in FORMS], axis=1)
    reached = shares.cumsum(axis=1) >= FORM_SHARE - 1e-12
    form = np.where(reached.any(1), np.array(FORMS, dtype=object)[reached.argmax(1)], "")
    square = numbers(found, "square")
    found = found.drop(columns="square")
    irreps = np.divide(1.0, square, out=np.full(len(found), np.nan), where=square > 0)
    return found.assign(form=pd.array(form, dtype="string"), irreps=irreps)
