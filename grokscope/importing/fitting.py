"""A `HookedTransformer` state dict made elsewhere: which architecture it is, and whether it fits one.

Shapes tell most of an architecture (`shape_settings`). What they do not tell is the activation, and whether the
residual stream is normalised. `fitted` names everything that does not fit at once, with hints for what is known
to differ between networks of this kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.config.task import Form
from grokscope.model.parameters import Weights, buffers, dtype_of, is_trained, parameter_shapes, role
from grokscope.tasks import Task

FORMS: dict[int, Form] = {2: "x_y", 3: "x_y_eq", 4: "x_op_y_eq"}
"""The form of a task of two operands, by how many positions it has."""

_BUFFERS = {
    "mask": "the attention mask",
    "IGNORE": "the score of masked positions",
    "rotary_sin": "rotary angles",
    "rotary_cos": "rotary angles",
    "alibi": "attention biases by distance",
}
"""Entries of an attention layer that are constants, by the last part of their names."""

OPERAND_EMBEDDING = re.compile(
    r"(?:^|[._])(?:(?:embed|W_?E)(?:ding)?_?(?:x|y|a|b|l|r|left|right|1|2)|[lrxyab]_?embed(?:ding)?)(?:[._]|$)"
)
"""Names of embeddings of one operand: embed_x.W_E, embed.W_E_y, lembed.W_E, x_embed."""


class WeightsError(ValueError):
    """Weights made elsewhere that cannot be taken over; the message names what is wrong with which."""


@dataclass
class Fitted:
    """A state dict as this package has it."""

    weights: Weights
    skipped: dict[str, str] = field(default_factory=dict)
    """Entries that are not model weights, and what they are."""
    notes: list[str] = field(default_factory=list)
    """What was changed, in words."""


def shape_settings(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings that the names and shapes of a state dict tell, by full name; what cannot be told is left out."""
    settings: dict[str, Any] = {}

    def shape(name: str, dims: int) -> tuple[int, ...] | None:
        return tuple(tensors[name].shape) if name in tensors and tensors[name].ndim == dims else None

    layers = {int(match[1]) for name in tensors if (match := re.match(r"blocks\.(\d{1,4})\.", name))}
    if layers:
        settings["model.n_layers"] = max(layers) + 1
    if (embed := shape("embed.W_E", 2)) is not None:
        settings["model.d_model"] = embed[1]
    if (queries := shape("blocks.0.attn.W_Q", 3)) is not None:
        settings["model.n_heads"] = queries[0]
        if queries[0] * queries[2] != queries[1]:
            settings["model.d_head"] = queries[2]
    if (mlp := shape("blocks.0.mlp.W_in", 2)) is not None:
        settings["model.d_mlp"] = mlp[1]
    norm = any(re.search(r"(^|\.)ln(1|2|_final)\.w$", name) for name in tensors)
    settings["model.normalization"] = "LN" if norm else "none"
    if layers and not any(".mlp." in name for name in tensors):
        settings["model.attention_only"] = True
    masks = [tensors[name] for layer in sorted(layers)[:-1] if (name := f"blocks.{layer}.attn.mask") in tensors]
    if masks and all(mask.numel() and _sees_all(mask) for mask in masks):
        settings["model.attention_dir"] = "bidirectional"
    if (embedding := tensors.get("embed.W_E")) is not None and is_tied(embedding, tensors.get("unembed.W_U")):
        settings["model.tied"] = True
    if any(value.dtype == torch.float64 for value in tensors.values()):
        settings["model.dtype"] = "float64"
    if (positions := shape("pos_embed.W_pos", 2)) is not None and positions[0] in FORMS:
        settings["task.form"] = FORMS[positions[0]]
    return settings


def is_tied(embedding: Tensor, unembedding: Tensor | None) -> bool:
    """Whether the unembedding is the embedding, to the bit, or there is none."""
    return unembedding is None or torch.equal(unembedding, embedding.mT)


def nonzero_biases(weights: Weights) -> dict[str, bool]:
    """Whether biases are used, as settings: any but the unembedding's, and the unembedding's."""
    used = {name: bool(value.any()) for name, value in weights.items() if name.rpartition(".")[2][:1] == "b"}
    return {
        "model.biases": any(value for name, value in used.items() if name != "unembed.b_U"),
        "model.unembed_bias": used.get("unembed.b_U", False),
    }


def reordered(tensors: Mapping[str, Tensor], task: Task, equals: int) -> dict[str, Tensor]:
    """The state dict with its tokens in the order of the task: elements, `=`, operation.

    Arguments:
        equals: row of `embed.W_E` that stands for `=`. The other rows, in their order, are the elements and the
            operation.

    Raises `WeightsError` for a row that the embedding has not.
    """
    embed = tensors.get("embed.W_E")
    rows = 0 if embed is None else len(embed)
    if not 0 <= equals < rows:
        raise WeightsError(f"equals = {equals} is not a row of embed.W_E, which has {rows}: use 0 to {rows - 1}")
    others = [row for row in range(rows) if row != equals]
    order = torch.tensor([*others[: task.n_answers], equals, *others[task.n_answers :]])
    out = dict(tensors)
    out["embed.W_E"] = tensors["embed.W_E"][order]
    for name in ("unembed.W_U", "unembed.b_U"):
        if name in out and out[name].ndim and out[name].shape[-1] == rows:
            out[name] = out[name][..., order]
    return out


def fitted(tensors: Mapping[str, Tensor], config: ModelConfig, task: Task) -> Fitted:
    """The state dict for this architecture and task, in the config's dtype, checked name by name.

    Masks and other constants are skipped, a mask only where it is that of the config's attention. Biases that are
    absent are zero. Raises `WeightsError` that names all parameters that are missing, misshaped or not expected, with
    their shapes and what may be the cause.
    """
    shapes = parameter_shapes(config, task)
    skipped: dict[str, str] = {}
    wrong: list[str] = []
    extra: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name in shapes:
            continue
        leaf = name.rpartition(".")[2]
        if leaf not in _BUFFERS:
            extra[name] = value
        elif leaf == "mask" and config.attention_dir == "bidirectional" and not _sees_all(value):
            wrong.append(f"{name} {_shape(value)} hides positions: use model.attention_dir = causal")
        elif (
            leaf == "mask"
            and config.attention_dir == "causal"
            and not _is_causal(value, is_last=f"blocks.{config.n_layers - 1}." in name)
        ):
            wrong.append(
                f"{name} {_shape(value)} is not the causal mask: with model.attention_dir = causal positions "
                "attend to what comes before, and this network would compute something else"
            )
        else:
            skipped[name] = f"{_BUFFERS[leaf]}, {_shape(value)}"
    if config.tied and "embed.W_E" in tensors:
        if not is_tied(tensors["embed.W_E"], tensors.get("unembed.W_U")):
            wrong.append("unembed.W_U is not the embedding: use model.tied = false")
        tensors = {**tensors, "unembed.W_U": tensors["embed.W_E"].mT}
    # A network without a bias computes what one with zeros there does.
    filled = [name for name in shapes if name not in tensors and is_bias(name)]
    absent = [name for name in shapes if name not in tensors and name not in filled]
    missing = [f"{name} {list(shapes[name])}" for name in absent]
    misshaped = [
        f"{name} is {_shape(tensors[name])}, expected {list(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    lists = (
        ("missing", missing),
        ("misshaped", misshaped),
        ("not expected", [f"{n} {_shape(v)}" for n, v in extra.items()]),
    )
    wrong = [f"{title}: {', '.join(names)}" for title, names in lists if names] + wrong
    if wrong:
        raise WeightsError(". ".join([*wrong, *_hints(tensors, extra, absent, config, task)]))
    dtype = dtype_of(config)
    weights = {name: _converted(name, tensors[name], dtype) for name in shapes if name in tensors}
    notes = [
        f"{', '.join(names)} converted from {str(given).removeprefix('torch.')} to {config.dtype}"
        for given, names in _by_dtype(tensors, shapes).items()
        if given != dtype
    ]
    if filled:
        notes.append(f"biases that are not in the file are zero: {_kinds(filled)}")
    weights |= {name: torch.zeros(shapes[name], dtype=dtype) for name in filled}
    on = [
        name for name, value in weights.items() if is_bias(name) and not is_trained(name, config) and bool(value.any())
    ]
    if on:
        setting = "model.unembed_bias" if on == ["unembed.b_U"] else "model.biases"
        raise WeightsError(f"{', '.join(on)} is not zero, but biases are switched off: use {setting} = true")
    return Fitted({name: weights[name] for name in shapes} | buffers(config.n_layers), skipped, notes)


def is_bias(name: str) -> bool:
    """Whether a parameter is a bias, that of the unembedding included."""
    return name == "unembed.b_U" or role(name) == "biases"


def _kinds(names: Sequence[str]) -> str:
    """Names with the layers that differ in nothing else put together: blocks.*.attn.b_Q."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(re.sub(r"^blocks\.\d+\.", "blocks.*.", name), []).append(name)
    return ", ".join(kind if len(same) > 1 else same[0] for kind, same in layers.items())


def _shape(value: Tensor) -> str:
    return str(list(value.shape))


def _by_dtype(tensors: Mapping[str, Tensor], names: Mapping[str, object]) -> dict[torch.dtype, list[str]]:
    names_by_dtype: dict[torch.dtype, list[str]] = {}
    for name in names:
        if name in tensors:
            names_by_dtype.setdefault(tensors[name].dtype, []).append(name)
    if len(names_by_dtype) == 1:
        return {dtype: ["all parameters"] for dtype in names_by_dtype}
    return names_by_dtype


def _converted(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    if value.layout != torch.strided or not value.is_floating_point() or value.is_meta:
        raise WeightsError(f"{name} is a {value.layout} tensor of {value.dtype}: use dense floating-point weights")
    out = value.to(dtype)
    if not bool(out.isfinite().all()):
        count = int((~out.isfinite()).sum())
        why = "" if not bool(value.isfinite().all()) else f" after conversion from {value.dtype} to {dtype}"
        raise WeightsError(f"{name} has {count} values that are not finite{why}: all must be")
    return out


def _sees_all(mask: Tensor) -> bool:
    """Whether a mask hides nothing, whatever its convention; an empty one says nothing, and hides nothing."""
    return mask.ndim >= 2 and (mask.numel() == 0 or (mask.shape[-1] > 1 and bool((mask == mask.flatten()[0]).all())))


def _is_causal(mask: Tensor, is_last: bool) -> bool:
    """Whether a mask, whatever its leading dimensions and its convention, shows what comes before and that alone.

    In the last layer only what the answer position sees matters, and it sees all.
    """
    if mask.numel() == 0:
        return True  # TransformerLens 3.9 makes its mask when it is needed
    if mask.ndim < 2 or mask.shape[-1] != mask.shape[-2]:
        return False
    causal = torch.ones(mask.shape[-2:], dtype=torch.bool).tril()
    rows = slice(-1, None) if is_last else slice(None)
    if bool((mask < 0).any()):
        readings = [mask >= 0]  # added to the scores: 0, or a large negative number
    else:
        readings = [mask.bool(), ~mask.bool()]  # what is shown, or what is hidden
    return any(bool((shown[..., rows, :] == causal[rows]).all()) for shown in readings)


def _hints(
    tensors: Mapping[str, Tensor], extra: Mapping[str, Tensor], absent: Sequence[str], config: ModelConfig, task: Task
) -> list[str]:
    """What may be the cause, in sentences."""
    if not any(name in tensors for name in parameter_shapes(config, task)):
        some = ", ".join(list(tensors)[:4])
        return [f"This is no HookedTransformer state dict: names are like blocks.0.attn.W_Q, and not like {some}"]
    hints = [*_embedding_hints(tensors, extra), *_token_hints(tensors, task)]
    if any(name.endswith(("rotary_sin", "rotary_cos")) for name in tensors) and "pos_embed.W_pos" in absent:
        hints.append("The network has rotary positions; networks here have learned ones (pos_embed.W_pos)")
    queries = tensors.get("blocks.0.attn.W_Q")
    if queries is not None and queries.ndim == 3 and queries.shape[2] != config.head_width:
        hints.append(
            f"Heads have {queries.shape[2]} dimensions, and the config says {config.head_width}: use "
            f"model.d_head = {queries.shape[2]}"
        )
    gains = [name for name in parameter_shapes(config, task) if role(name) in ("ln", "ln_final")]
    if gains and all(name in absent for name in gains):
        hints.append(
            "No LayerNorm has parameters: use model.normalization = none; or, if they were folded into the weights "
            "(LNPre), add every w as ones and every b as zeros"
        )
    if any(re.search(r"(^|\.)ln(1|2|_final)\.[wb]$", name) for name in extra):
        hints.append("The network has LayerNorm: use model.normalization = LN")
    if extra:
        hints.append(f"If they are no part of the network, leave them out: {' '.join(f'--ignore {n}' for n in extra)}")
    if any(".mlp." in name for name in absent) and not any(".mlp." in name for name in tensors):
        hints.append("The network has attention only: use model.attention_only = true")
    return hints


def _embedding_hints(tensors: Mapping[str, Tensor], extra: Mapping[str, Tensor]) -> list[str]:
    sides = {name: value for name, value in extra.items() if value.ndim == 2 and OPERAND_EMBEDDING.search(name)}
    if not sides or (len(sides) == 1 and "embed.W_E" not in tensors):
        return []
    values = list(sides.values())
    equal = len(values) == 2 and values[0].shape == values[1].shape and bool((values[0] == values[1]).all())
    what_to_do = (
        "They are equal: save one of them as embed.W_E, with rows for `=` and the operation"
        if equal
        else "A HookedTransformer has one table for all positions (embed.W_E), and nothing here can stand for two that "
        "differ by more than a constant row, which pos_embed.W_pos could take up: train the network with one table"
    )
    return [f"Operands have embeddings of their own ({', '.join(sides)}). {what_to_do}"]


def _token_hints(tensors: Mapping[str, Tensor], task: Task) -> list[str]:
    hints = []
    embed, n = tensors.get("embed.W_E"), task.n_answers
    tokens = f"the task's tokens are {n} elements, then {' and '.join(f'`{name}`' for name in task.token_names[n:])}"
    if embed is not None and embed.ndim == 2 and len(embed) != task.d_vocab:
        rows = len(embed)
        if rows == n:
            hint = "no row is left for `=`, where answers are read here: such a network cannot be imported"
        elif rows == n + 1:
            hint = "one row is left, for `=`: use task.form = x_y_eq, or add a row for the operation if it has none"
        elif rows == n + 2:
            hint = "two rows are left, for `=` and an operation: use task.form = x_op_y_eq, or leave out the unused one"
        else:
            hint = "is this the network's group (task.modulus, task.degree, task.group)?"
        hints.append(f"embed.W_E has {rows} rows, and {tokens}; {hint}")
    position = tensors.get("pos_embed.W_pos")
    if position is not None and position.ndim == 2 and len(position) != task.n_positions:
        form = "x_op_y_eq" if len(position) == 4 else "x_y_eq" if len(position) == 3 else None
        hint = f"use task.form = {form}" if form else "leave out rows of positions that are never used"
        hints.append(f"pos_embed.W_pos has {len(position)} positions, and examples have {task.n_positions}: {hint}")
    unembed = tensors.get("unembed.W_U")
    if unembed is not None and unembed.ndim == 2 and unembed.shape[1] not in (n, task.d_vocab):
        hints.append(f"unembed.W_U has {unembed.shape[1]} logits: use {n} (answers) or {task.d_vocab} (all tokens)")
    return hints
