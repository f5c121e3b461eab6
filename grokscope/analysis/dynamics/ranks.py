"""How many directions each weight matrix uses, and each product of matrices that the network applies as one matrix."""

from __future__ import annotations

import re
from math import nan

import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.memory import no_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.probes import circuits, effective_rank

PRODUCTS = ("QK", "OV", "out_U")
_NAME = re.compile(r"(?:blocks\.(?P<layer>\d+)\.)?(?:\w+\.)?(?P<kind>\w+?)(?:\.(?P<head>\d+))?")


@over_checkpoints(family="dynamics", version=1, prepare=RunContext.prepare_dynamics, memory=no_pairs)
def ranks(checkpoint: Checkpoint) -> pd.DataFrame:
    """Effective rank of every weight matrix, of QK and OV of every head, and of W_out W_U.

        r(M) = exp(-sum_i p_i ln p_i),   p_i = sigma_i / sum_j sigma_j

    Returns:
        run, task, arm, seed, step, matrix (`blocks.0.attn.QK.3`, as in `grokscope.probes.circuits`), kind (`W_E`,
        `W_Q`, ..., `QK`, `OV`, `out_U`), product (whether it is a product of matrices), layer and head (<NA> where it
        has none), effective_rank (NaN for a matrix of zeros, and of a diverged run), largest (the rank that it can
        have: its smaller side, for QK and OV d_head).
    """
    config = checkpoint.context.config
    rows = []
    for name, matrix in circuits(checkpoint.weights, config.n_layers):
        layer, head = (None if part is None else int(part) for part in parts_of(name)[::2])
        kind = parts_of(name)[1]
        largest = min(*matrix.shape, config.head_width if kind in ("QK", "OV") else min(matrix.shape))
        rank = effective_rank(matrix) if bool(matrix.isfinite().all()) else nan
        rows.append((name, kind, kind in PRODUCTS, layer, head, rank, largest))
    columns = ["matrix", "kind", "product", "layer", "head", "effective_rank", "largest"]
    return pd.DataFrame(rows, columns=columns).astype({"layer": "Int64", "head": "Int64"})


def parts_of(matrix: str) -> tuple[str | None, str, str | None]:
    """Layer, kind and head of a name of `grokscope.probes.circuits`."""
    parts = _NAME.fullmatch(matrix)
    assert parts is not None, matrix
    return parts["layer"], parts["kind"], parts["head"]
