"""Young's orthogonal form: the irreps of S_n by orthogonal matrices, one per partition of n."""

import numpy as np
from jaxtyping import Float, Int

from grokscope.groups.permutations import inversions

Partition = tuple[int, ...]
Tableau = tuple[int, ...]  # the row that each of 1..n stands in


def partitions(n: int, largest: int | None = None) -> list[Partition]:
    """Partitions of n in parts of at most `largest`, reverse lexicographic: (n) first, (1, ..., 1) last."""
    if n == 0:
        return [()]
    largest = n if largest is None else min(largest, n)
    return [(part, *rest) for part in range(largest, 0, -1) for rest in partitions(n - part, part)]


def conjugate(partition: Partition) -> Partition:
    """The transposed diagram: its rows are the columns of `partition`."""
    return tuple(sum(part > column for part in partition) for column in range(partition[0]))


def partition_label(partition: Partition) -> str:
    """(3, 1, 1) as "(3,1,1)"."""
    return "(" + ",".join(map(str, partition)) + ")"


def usual_name(partition: Partition) -> str:
    """trivial (n), standard (n-1,1), sign-standard (2,1,...), sign (1,...,1); else the partition itself."""
    n = sum(partition)
    if partition == (n,):
        return "trivial"
    if partition == (1,) * n:
        return "sign"
    if partition == (n - 1, 1):
        return "standard"
    if conjugate(partition) == (n - 1, 1):
        return "sign-standard"
    return partition_label(partition)


def standard_tableaux(partition: Partition) -> list[Tableau]:
    """Fillings of the diagram by 1..n that grow along rows and down columns, as the row of each number."""
    n = sum(partition)
    if n == 0:
        return [()]
    tableaux = []
    for row, part in enumerate(partition):
        is_corner = row + 1 == len(partition) or partition[row + 1] < part
        if is_corner:
            smaller = tuple(p - (r == row) for r, p in enumerate(partition))
            tableaux += [(*rest, row) for rest in standard_tableaux(tuple(p for p in smaller if p))]
    return sorted(tableaux)


def adjacent_transpositions(partition: Partition) -> Float[np.ndarray, "transposition d d"]:
    """Young's orthogonal matrices of s_1 = (1 2), ..., s_{n-1} = (n-1 n) on the standard tableaux T.

    With r = c(i+1) - c(i), the axial distance (content c = column - row of the box of a number in T),

        s_i T = (1/r) T + sqrt(1 - 1/r^2) T',    T' = T with i and i+1 exchanged

    (where T' is not standard, r is 1 or -1 and the second term is absent).

    Source: Young (1932); James & Kerber, The Representation Theory of the Symmetric Group (1981), 3.4.
    """
    tableaux = standard_tableaux(partition)
    index = {tableau: i for i, tableau in enumerate(tableaux)}
    n = sum(partition)
    matrices = np.zeros((n - 1, len(tableaux), len(tableaux)))
    for position, rows in enumerate(tableaux):
        contents = [rows[:number].count(row) - row for number, row in enumerate(rows)]
        for i in range(n - 1):
            distance = contents[i + 1] - contents[i]
            matrices[i, position, position] = 1 / distance
            if abs(distance) > 1:
                exchanged = (*rows[:i], rows[i + 1], rows[i], *rows[i + 2 :])
                matrices[i, index[exchanged], position] = np.sqrt(1 - 1 / distance**2)
    return matrices


def young_orthogonal(
    partition: Partition,
    permutations: Int[np.ndarray, "element point"],
    table: Int[np.ndarray, "element element"],
) -> Float[np.ndarray, "element d d"]:
    """rho(a) for every a in S_n, with rho(a * b) = rho(a) @ rho(b) where a * b is first a, then b.

    By induction on the number of inversions: if a * s_i has fewer than a, rho(a) = rho(a * s_i) @ rho(s_i).

    Arguments:
        partition: of n.
        permutations: `[n!, n]`, all of S_n.
        table: their product, table[a, b] = index of b[a].
    """
    n = permutations.shape[1]
    generators = adjacent_transpositions(partition)
    length = inversions(permutations)
    swaps = []
    for i in range(n - 1):
        swap = np.arange(n)
        swap[[i, i + 1]] = i + 1, i
        swaps.append(int(np.flatnonzero((permutations == swap).all(axis=1))[0]))
    shorter = length[table[:, swaps]] < length[:, None]
    descent = shorter.argmax(axis=1)
    matrices = np.zeros((len(permutations), *generators.shape[1:]))
    matrices[length == 0] = np.eye(generators.shape[1])
    for level in range(1, int(length.max()) + 1):
        for i in range(n - 1):
            elements = np.flatnonzero((length == level) & (descent == i))
            matrices[elements] = matrices[table[elements, swaps[i]]] @ generators[i]
    return matrices
