"""Matrices that a file has the other way round than TransformerLens: recognised by their shapes, and turned.

                         TransformerLens            turned                     heads of W_O joined
    embed.W_E            [vocab, d_model]           [d_model, vocab]
    pos_embed.W_pos      [position, d_model]        [d_model, position]
    W_Q, W_K, W_V        [head, d_model, d_head]    [head, d_head, d_model]    [(head d_head), d_model], or that turned
    W_O                  [head, d_head, d_model]    [head, d_model, d_head]    [d_model, (head d_head)], or that turned
    W_in                 [d_model, d_mlp]           [d_mlp, d_model]
    W_out                [d_mlp, d_model]           [d_model, d_mlp]
    unembed.W_U          [d_model, vocab]           [vocab, d_model]

Which way an entry lies follows from its shape and from d_model, which all entries share. Where it is square the entries
that are not decide, since a network is written in one convention: embeddings and blocks together. W_pos and W_U are for
themselves: there is a widespread convention that turns all but those two (Nanda et al. 2023, their first notebooks).
Joined heads are of that convention too, so they decide where all else is square. What is left open by all that,
`Layout.others` lists.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from grokscope.config import ConfigError
from grokscope.importing.fitting import WeightsError

Way = Literal["as_is", "turned"]

_BLOCK = re.compile(r"blocks\.\d+\.(?:attn|mlp)\.(W_[QKVO]|W_in|W_out)")
_LOOSE = {"pos_embed.W_pos": "W_pos", "unembed.W_U": "W_U"}
_READS = {"W_E": 1, "W_pos": 1, "W_Q": -2, "W_K": -2, "W_V": -2, "W_O": -1, "W_in": 0, "W_out": 1, "W_U": 0}
"""The dimension that is d_model, as TransformerLens has it."""


@dataclass(frozen=True)
class Layout:
    """Which entries of a state dict are turned, and how many heads are joined in a matrix."""

    turned: frozenset[str] = frozenset()
    n_heads: int | None = None
    """Of matrices whose heads are joined."""
    joined: frozenset[str] = frozenset()
    undecided: tuple[tuple[str, ...], ...] = field(default=(), compare=False)
    """Entries that could as well be turned, or not, by all shapes; those that go together, together."""

    def apply(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict as TransformerLens would have it. Raises `WeightsError` where heads do not come out even."""
        return {name: self._applied(name, value) for name, value in tensors.items()}

    def _applied(self, name: str, value: Tensor) -> Tensor:
        out = value.mT if name in self.turned else value
        if name not in self.joined:
            return out
        leaf, heads = name.rpartition(".")[2], self.n_heads
        width = out.shape[0] if leaf == "W_O" else out.shape[1]
        if heads is None or width % heads:
            raise WeightsError(
                f"{name} is {list(value.shape)}, with its heads joined, and "
                + ("nothing else tells how many there are: give model.n_heads" if heads is None else
                   f"{width} is not divisible by model.n_heads = {heads}")
            )  # fmt: skip
        if leaf == "W_O":
            return out.reshape(heads, width // heads, out.shape[1])
        return out.reshape(out.shape[0], heads, width // heads).permute(1, 0, 2)

    @property
    def others(self) -> list[Layout]:
        """The other layouts that the shapes allow as well."""
        found = []
        for chosen in itertools.product((False, True), repeat=len(self.undecided)):
            flipped = {name for flip, names in zip(chosen, self.undecided, strict=True) if flip for name in names}
            if flipped:
                found.append(Layout(self.turned ^ frozenset(flipped), self.n_heads, self.joined))
        return found

    @property
    def words(self) -> str:
        """Which kinds of entries are turned: "W_E, W_Q, W_O (heads joined)"."""
        return _kinds(self.turned | self.joined, self.joined)

    @property
    def open_words(self) -> str:
        """Which kinds of entries shapes leave open."""
        return _kinds({name for names in self.undecided for name in names}, self.joined)


def _kinds(names: Collection[str], joined: Collection[str]) -> str:
    kinds: dict[str, None] = {}
    for name in sorted(names, key=lambda name: (name.startswith("unembed"), name)):
        kinds[name.rpartition(".")[2] + (" (heads joined)" if name in joined else "")] = None
    return ", ".join(kinds)


def layout_of(
    tensors: Mapping[str, Tensor], d_model: int | None = None, n_heads: int | None = None, prefer: Way | None = None
) -> Layout:
    """The layout of a state dict, from shapes alone.

    Arguments:
        d_model, n_heads: where they are known.
        prefer: which way embeddings and blocks lie where shapes leave it open.

    A state dict whose shapes agree with no d_model is left as it is: `fitted` names what is wrong with it.
    """
    kinds = {name: kind for name, value in tensors.items() if (kind := _kind(name)) and value.ndim in (2, 3)}
    if prefer not in (None, *get_args(Way)):
        raise ConfigError(f"layout = {prefer!r} is not accepted: use as_is or turned")
    heads = n_heads if n_heads is not None else _heads(tensors)
    best: tuple[int, Layout] | None = None
    for d in _widths(tensors, d_model):
        possible = {name: _ways(tensors, name, kind, d) for name, kind in kinds.items()}
        if not possible or not all(possible.values()):
            continue
        layout = _decided(tensors, possible, heads, prefer)
        if best is None or len(layout.turned) < best[0]:
            best = len(layout.turned), layout
    return Layout() if best is None else best[1]


def _kind(name: str) -> str | None:
    if name == "embed.W_E":
        return "W_E"
    match = _BLOCK.fullmatch(name)
    return match[1] if match else _LOOSE.get(name)


def _widths(tensors: Mapping[str, Tensor], d_model: int | None) -> list[int]:
    """What d_model may be: a vector of that length says it, or else it is one of the embedding's two dimensions."""
    for name, value in tensors.items():
        if value.ndim == 1 and re.search(r"(^|\.)(ln\w*\.[wb]|attn\.b_O|mlp\.b_out)$", name):
            return [len(value)] if d_model in (None, len(value)) else []
    embed = tensors.get("embed.W_E")
    if embed is None or embed.ndim != 2:
        return []
    return [d for d in dict.fromkeys((embed.shape[1], embed.shape[0])) if d_model in (None, d)]


def _heads(tensors: Mapping[str, Tensor]) -> int | None:
    for name, value in tensors.items():
        leaf = name.rpartition(".")[2]
        if (leaf in ("W_Q", "W_K", "W_V", "W_O") and value.ndim == 3) or (
            leaf in ("b_Q", "b_K", "b_V") and value.ndim == 2
        ):
            return value.shape[0]
    return None


def _ways(tensors: Mapping[str, Tensor], name: str, kind: str, d: int) -> set[Way]:
    """The ways in which an entry can lie where the network is d wide."""
    shape = tensors[name].shape
    if len(shape) == 3 and kind not in ("W_Q", "W_K", "W_V", "W_O"):
        return set()
    axis = _READS[kind]
    found: set[Way] = set()
    if shape[axis] == d:
        found.add("as_is")
    if shape[{0: 1, 1: 0, -1: -2, -2: -1}[axis]] == d:
        found.add("turned")
    # A bias beside a matrix is as long as its other side.
    bias = tensors.get(name.replace(".W_", ".b_")) if kind in ("W_in", "W_U") else None
    if bias is not None and bias.ndim == 1 and shape[0] != shape[1]:
        found -= {"as_is"} if len(bias) != shape[1] else {"turned"}
    return found


def _decided(
    tensors: Mapping[str, Tensor], possible: Mapping[str, set[Way]], heads: int | None, prefer: Way | None
) -> Layout:
    turned: set[str] = {name for name, ways in possible.items() if ways == {"turned"}}
    joined = {
        name for name in possible
        if tensors[name].ndim == 2 and name.rpartition(".")[2] in ("W_Q", "W_K", "W_V", "W_O")
    }  # fmt: skip
    core = [name for name in possible if name not in _LOOSE]
    votes = {"turned" if name in turned else "as_is" for name in core if len(possible[name]) == 1}
    open_core = tuple(name for name in core if len(possible[name]) == 2)
    undecided: list[tuple[str, ...]] = []
    if votes == {"turned"} or (not votes and joined) or (votes != {"as_is"} and prefer == "turned"):
        turned |= set(open_core)
    elif votes != {"as_is"} and open_core and prefer is None:
        undecided.append(open_core)
    undecided += [(name,) for name in _LOOSE if len(possible.get(name, ())) == 2]
    return Layout(frozenset(turned), heads, frozenset(joined), tuple(undecided))
