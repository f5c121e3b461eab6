"""What one training step does to the weights, part by part.

A step moves the weights from w to w'. Its displacement is split exactly:

    w' - w = gradient + decay + clip
    decay    = -lr * weight_decay * w       for decoupled decay (AdamW, Lion); 0 where it is part of the gradient
    clip     = w' - (w + gradient + decay)  whatever norm control did after the update
    gradient = the rest

and each part, row by row, into radial (along the row) and tangential. The angle that a row turns is the angular
learning rate; a scale-invariant row can learn through nothing else.
Source: Wan et al. 2021 ("Spherical motion dynamics", angular update); Prieto et al. 2025 (naive loss
minimisation: the direction of the weights themselves, in which the loss falls without the function changing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.model import Weights
from grokscope.norms import row_dims

PARTS = ("gradient", "decay", "clip", "total")


@dataclass(frozen=True, eq=False)
class Displacement:
    """The weights around one step.

    Arguments:
        before: before the step.
        updated: after the optimizer's update, before norm control.
        after: after norm control.
        shrinkage: lr * weight_decay of every parameter whose decay is decoupled.
    """

    before: Weights
    updated: Weights
    after: Weights
    shrinkage: Mapping[str, float] = field(default_factory=dict)

    def parts(self, name: str) -> dict[str, Float[Tensor, "..."]]:
        """Each part of the displacement of one parameter, in float64; gradient + decay + clip = total."""
        before, updated, after = (w[name].detach().double() for w in (self.before, self.updated, self.after))
        decay = before * -self.shrinkage.get(name, 0.0)
        return {
            "gradient": updated - before - decay,
            "decay": decay,
            "clip": after - updated,
            "total": after - before,
        }


def displacement_table(step: Displacement, groups: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, float]]:
    """Sizes of the parts of a step by group of parameters.

    Arguments:
        groups: parameters of each group, by its name; a parameter may be in several.

    Returns for each group: PART and PART_radial (L2 norms over all rows of the group; the radial part is the
    component along each row before the step, and tangential^2 = PART^2 - radial^2), angle_mean and angle_max
    (radians per step over rows that are not zero), cosine_weights (of the whole displacement with the weights before:
    1 is the naive loss-minimisation direction); cosines and angles are NaN where nothing moved or all is zero.
    """
    measured = {name: _measure(step, name) for name in dict.fromkeys(n for names in groups.values() for n in names)}
    return {group: _together([measured[name] for name in names]) for group, names in groups.items()}


@dataclass(frozen=True, eq=False)
class _Measured:
    """One parameter's contribution to the sums of a group."""

    squares: dict[str, float]
    inner: float
    weight_square: float
    angles: Float[Tensor, "row"]


def _measure(step: Displacement, name: str) -> _Measured:
    dims = row_dims(name)
    parts = step.parts(name)
    before = step.before[name].detach().double()
    square = before.square().sum(dims)  # [row]
    norm, shrinkage = square.sqrt(), step.shrinkage.get(name, 0.0)
    squares, radial = {}, {}
    for part, moved in parts.items():
        if part == "decay":  # along the row by definition
            squares[part], radial[part] = square * shrinkage**2, norm * -shrinkage
        else:
            squares[part] = moved.square().sum(dims)
            radial[part] = torch.where(norm > 0, (moved * before).sum(dims) / norm, 0.0)
    # The angle of w + total with w, from what is across it and what is along it.
    across = (squares["total"] - radial["total"].square()).clamp(min=0.0).sqrt()
    along = norm + radial["total"]
    turned = torch.atan2(across, along)[(norm > 0) & (torch.hypot(across, along) > 0)]
    sums = {part: float(value.sum()) for part, value in squares.items()}
    sums |= {f"{part}_radial": float(value.square().sum()) for part, value in radial.items()}
    return _Measured(sums, float((radial["total"] * norm).sum()), float(square.sum()), turned)


def _together(measured: list[_Measured]) -> dict[str, float]:
    columns = (*PARTS, *(f"{part}_radial" for part in PARTS))
    squares = {column: sum(m.squares[column] for m in measured) for column in columns}
    size = (squares["total"] * sum(m.weight_square for m in measured)) ** 0.5
    turned = torch.cat([m.angles for m in measured]) if measured else torch.empty(0)
    return {
        **{column: value**0.5 for column, value in squares.items()},
        "angle_mean": float(turned.mean()) if len(turned) else nan,
        "angle_max": float(turned.max()) if len(turned) else nan,
        "cosine_weights": sum(m.inner for m in measured) / size if size > 0 else nan,
    }
