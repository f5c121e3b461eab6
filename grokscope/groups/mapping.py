"""An explicit isomorphism between two groups given by their tables."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from grokscope.groups.finite import FiniteGroup


def isomorphism(known: FiniteGroup, group: FiniteGroup) -> Int[np.ndarray, " element"] | None:
    """element[g], the element of `known` that corresponds to g, with element[g * h] = element[g] * element[h].

    None if the groups are not isomorphic. Images of the generators of `known` are tried in ascending order,
    elements of one order and class size only, and each is kept as long as products agree in what is generated so
    far. So a group that lists its elements as `known` does gets the identity map. Of the first generator one
    image per conjugacy class is enough: conjugating an isomorphism gives another.
    """
    if known.order != group.order or _profile(known) != _profile(group):
        return None
    kinds = _kinds(group)
    wanted = [_kinds(known)[generator] for generator in known.generators]
    candidates = [[h for h in range(group.order) if kinds[h] == kind] for kind in wanted]
    if candidates:
        candidates[0] = [h for h in candidates[0] if h == group.conjugates[:, h].min()]
    images: list[int] = []

    def search(depth: int) -> Int[np.ndarray, " element"] | None:
        if depth == len(candidates):
            return _extended(known, group, images)
        for image in candidates[depth]:
            images.append(image)
            if _extended(known, group, images) is not None and (completed := search(depth + 1)) is not None:
                return completed
            images.pop()
        return None

    image_of = search(0)
    return None if image_of is None else np.argsort(image_of).astype(np.int64)


def _kinds(group: FiniteGroup) -> list[tuple[int, int]]:
    """Order and size of the conjugacy class of every element: what an isomorphism keeps."""
    sizes = np.bincount(group.class_of)[group.class_of]
    return list(zip(group.element_orders.tolist(), sizes.tolist(), strict=True))


def _profile(group: FiniteGroup) -> list[tuple[int, int]]:
    return sorted(_kinds(group))


def _extended(known: FiniteGroup, group: FiniteGroup, images: Sequence[int]) -> Int[np.ndarray, " element"] | None:
    """The one-to-one homomorphism that sends the first generators to `images`, -1 elsewhere; None if there is none.

    It is determined by image[x g_i] = image[x] h_i; where a product is reached twice, both ways must agree.
    """
    pairs = list(zip(known.generators, images, strict=False))
    image = np.full(known.order, -1, dtype=np.int64)
    image[known.identity] = group.identity
    queue, taken = [known.identity], {group.identity}
    for x in queue:
        for generator, h in pairs:
            y, z = int(known.table[x, generator]), int(group.table[image[x], h])
            if image[y] < 0 and z not in taken:
                image[y] = z
                taken.add(z)
                queue.append(y)
            elif image[y] != z:
                return None
    return image
