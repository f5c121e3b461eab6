"""k-sparse parity of n bits: [b_0, ..., b_(n-1), =] -> b_0 + ... + b_(k-1) mod 2.

The answer depends on the first k bits only; the network is not told which. Tokens: 0, 1, `=` (none in the form
x_y, where the answer is read at the last bit).
"""

from __future__ import annotations

import torch

from grokscope.config import TaskConfig
from grokscope.tasks.size import TaskSize
from grokscope.tasks.task import Task, names_of_signs


def parity_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `parity_task`."""
    n, signs = config.bits, names_of_signs([], config.form)
    prefixes = [2**bits for bits in range(1, n + 1)] + [2**n] * len(signs)
    return TaskSize(2**n, tuple(prefixes), 2 * n + len(signs), 2 + len(signs), 2)


def parity_task(config: TaskConfig) -> Task:
    """All 2^n strings of `config.bits` bits, in the order of the numbers that they write (first bit highest)."""
    n = config.bits
    signs = names_of_signs([], config.form)
    bits = torch.arange(2**n)[:, None] >> torch.arange(n - 1, -1, -1) & 1
    return Task(
        name=f"parity of {config.parity_bits} of {n} bits",
        tokens=torch.cat([bits, torch.full((2**n, len(signs)), 2)], dim=1),
        labels=bits[:, : config.parity_bits].sum(1) % 2,
        token_names=("0", "1", *signs),
        n_answers=2,
        operand_positions=tuple(range(n)),
        make_operations=tuple,
    )
