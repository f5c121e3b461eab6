"""Holding the angular learning rate: each update scaled so that rows turn by a given angle.

    w <- w_before + (target / angle) (w_updated - w_before),   angle = mean over rows of the angle that the row turns

For the small angles of training that is the update at the learning rate which turns rows by the target. It separates a
weight norm's effect on the angular step, lr ||update|| / ||w||, from everything else that the norm does.
Source: Wan et al. 2021 (angular update of scale-invariant weights).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from grokscope.config import GroupValues
from grokscope.model import Weights
from grokscope.norms import row_angles


@torch.no_grad()
def hold_angular_step_(
    weights: Weights, before: Weights, targets: GroupValues, groups: Mapping[str, tuple[str, ...]]
) -> dict[str, float]:
    """Scale the displacement of each group to its target, in place; returns the scale of each.

    Arguments:
        weights, before: after and before the update.
        targets: radians per step, by group; groups whose rows did not turn are left as they are.
        groups: the parameters of each group.
    """
    scales = {}
    for group, target in targets:
        names = groups[group]
        turned = torch.cat([row_angles(name, before[name], weights[name]) for name in names]) if names else None
        if turned is None:
            continue
        turned = turned[~turned.isnan()]
        mean = float(turned.mean()) if len(turned) else 0.0
        if mean > 0:
            scales[group] = target / mean
            for name in names:
                weights[name].copy_(before[name] + (weights[name] - before[name]) * scales[group])
    return scales
