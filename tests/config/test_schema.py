"""Every setting refuses what cannot be run, and says which setting, which value and what would do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import subprocess
import sys
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import (
    SECTIONS,
    CheckpointConfig,
    ConfigError,
    GradientConfig,
    GroupValues,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
    TaskConfig,
    TrainingConfig,
    UnknownMethod,
    field_names,
    from_dict,
    override,
    preset,
    readers,
    setting_type,
    settings_of,
    to_dict,
)
from grokscope.config.methods import ROOMS, methods
from grokscope.config.stored import Stored
from grokscope.experiments import ledger

NAMED = ("optimizer.", "gradient.", "loss.")
"""Sections that name their method."""

NO_GROUPS = [(), "mlp", ["mlp"], ("decoder",), ("mlp", "head"), None]
NO_GROUP_VALUES = ["mlp", [("mlp", 1.0)], (("mlp",),), (("decoder", 1.0),), (("ln", 1.0), ("ln", 2.0)), None]

NO_PATTERNS = ["decoder", ["mlp"], ("decoder", "atention"), ("mlp", 3), None]
NO_SCOPES = [(), *NO_PATTERNS]
TRACE = "a.safetensors@" + "0" * 64
NO_TRACES = ["", "a.safetensors", "@" + "0" * 64, "a.safetensors@" + "0" * 63, "a.safetensors@" + "G" * 64, 3]

# Setting -> values that are refused, and a piece of what the message says would do.
NO_CHOICE: list[Any] = ["", "nonsense", None, 3, "LION"]
NO_BOOLEAN: list[Any] = [0, 1, "true", None]
NO_COUNT: list[Any] = [0, -1, 1.0, 2.5, "2", True, None, float("nan")]
NO_COUNT_OR_NONE: list[Any] = [0, -1, 1.0, "2", True]
NO_POSITIVE: list[Any] = [0, 0.0, -1e-9, float("inf"), float("nan"), "1", True]
REFUSED: dict[str, tuple[list[Any], str]] = {
    "arm": (["", None, 3], "non-empty"),
    "seed": ([-1, 2**31, 0.0, "0", True, None], "from 0 to 2147483647"),
    "forward": (NO_CHOICE, "engine, hooked"),
    "task.name": (NO_CHOICE, "add, sub, mul, div, square_sub, mixed, permutation, group, parity"),
    "task.modulus": ([1, 0, -7, 97.0, "97", True, None, 10_001], "from 2 to 10000"),
    "task.operations": ([(), ["add"], "add", ("pow",), ("add", "add"), None], ""),
    "task.degree": ([2, 7, 5.0, "5", True, None], "from 3 to 6"),
    "task.group": (["Q8", "", "d6", "S7", "Z1", "Z721", "S5xS4", "Z3 x S3", 6], "use "),
    "task.elements": (
        [
            (),
            ((),),
            [(0, 1)],
            ((0, 1),),
            ((0, 1), (0, 1)),
            ((0, 1), (1, 1)),
            ((0, 1), (1, True)),
            "S5",
            ((0, 1), [1, 0]),
        ],
        "",
    ),
    "task.table": ([(), ((0,),), ((0, 1), (1, 2)), ((0, 1), (1,)), ((0, 1), (1.0, 0)), 3], ""),
    "task.names": ([3, ("a", "a"), ("a", 1), ["a"], ("",), ("a", "b")], "use "),
    "task.expression": ([3, "", "x +", "x y", "x^y", "os", "__import__('os')", "x if y else x"], "use "),
    "task.labels": ([3, "S5", "!", ("ab",), (3, 4)], "use "),
    "task.given": ([3, "S5", "!"], "use "),
    "task.product": (NO_CHOICE, "ab, ba"),
    "task.train_indices": ([[1], (-1,), (1, 1), (True,), (1.0,), 3], "use "),
    "task.bits": ([0, 21, 4.0, None], "from 1 to 20"),
    "task.parity_bits": ([0, -1, 2.0, None], ">= 1"),
    "task.form": (NO_CHOICE, "x_op_y_eq, x_y_eq, x_y"),
    "task.label_noise": ([-0.1, 1.5, float("nan"), "0", None, True], "[0, 1]"),
    "task.train_fraction": ([0, 0.0, 1, 1.0, -0.1, 1.5, float("nan"), "0.5", None, True], "(0, 1)"),
    "model.n_layers": (NO_COUNT, "use an integer"),
    "model.d_model": (NO_COUNT, "from 1 to 65536"),
    "model.n_heads": (NO_COUNT, "from 1 to 65536"),
    "model.d_mlp": (NO_COUNT, "from 1 to 65536"),
    "model.activation": (NO_CHOICE, "gelu, relu"),
    "model.normalization": (NO_CHOICE, "LN, none"),
    "model.biases": (NO_BOOLEAN, "true or false"),
    "model.unembed_bias": (NO_BOOLEAN, "true or false"),
    "model.dtype": (NO_CHOICE, "float32, float64"),
    "model.init": (NO_CHOICE, "torch, hooked"),
    "model.residual": (NO_CHOICE, "normed, pre_ln"),
    "model.output": (NO_CHOICE, "vocab, answers"),
    "model.d_head": ([0, -1, 2.0, "4", True], "from 1 to 65536"),
    "model.attention_only": (NO_BOOLEAN, "true or false"),
    "model.attention_dir": (NO_CHOICE, "causal, bidirectional"),
    "model.tied": (NO_BOOLEAN, "true or false"),
    "optimizer.name": (NO_CHOICE, "clipped_scion"),
    "optimizer.lr": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.betas": ([0.9, (0.9,), (0.9, 0.9, 0.9), (0.9, 1.0), (-0.1, 0.9), [0.9, 0.9], None], ""),
    "optimizer.momentum": ([-0.1, 1.0, 2, float("nan"), "0", None], "[0, 1)"),
    "optimizer.weight_decay": ([-1e-9, float("inf"), float("nan"), "0", None], "[0, 1e+15]"),
    "optimizer.decay_form": (NO_CHOICE, "own, decoupled, l2"),
    "optimizer.decay_scope": (NO_GROUPS, "attention, mlp, ln"),
    "optimizer.heads": (NO_CHOICE, "joined, per_head"),
    "optimizer.adam_lr": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.averaging": ([0, -0.1, 1.1, float("nan"), "1", None, True], "(0, 1]"),
    "optimizer.rho": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.radius": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.group_radius": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "optimizer.group_lmo": (
        [
            "embed",
            [("embed", "sign")],
            (("embed",),),
            (("embed", "sign", 1),),
            (("decoder", "sign"),),
            (("embed", "frobenius"),),
            (("embed", None),),
            (("embed", "sign"), ("embed", "col_norm")),
            ((["embed"], "sign"),),
            (3,),
            ((),),
            None,
        ],
        "attention, mlp, ln",
    ),
    "optimizer.warmup_steps": ([-1, 1.5, "0", True, None], ">= 0"),
    "optimizer.eps": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.schedule": (NO_CHOICE, "constant, linear, cosine, step"),
    "optimizer.schedule_steps": ([0, -1, 1.5, "20", True, 10], ">= 11"),  # the default warm-up takes 10 steps
    "optimizer.schedule_end": ([-1e-9, float("inf"), float("nan"), "0", None], "[0, 1e+15]"),
    "optimizer.step_every": (NO_COUNT, ">= 1"),
    "optimizer.step_factor": (NO_POSITIVE, "(0, 1e+15]"),
    "optimizer.factory": ([3, None, ["a"]], "the name of a callable"),
    "optimizer.made": ([3, None, "{}", ("[]",), ("no json",), (3,)], "given as optimizer="),
    "gradient.name": (NO_CHOICE, "neuralgrok"),
    "gradient.function": ([3, None, ["a"]], "the name of a callable"),
    "gradient.alpha": ([-0.1, 1.0, 2, float("nan"), "0", None, True], "[0, 1)"),
    "gradient.lamb": ([-1e-9, float("inf"), float("nan"), "0", True], "[0, 1e+15]"),
    "gradient.window": (NO_COUNT, ">= 1"),
    "gradient.amplifier": (NO_CHOICE, "trained, frozen, normalise"),
    "gradient.amplifier_width": (NO_COUNT, "from 1 to 4096"),
    "gradient.amplifier_scale": (NO_POSITIVE, "(0, 1e+15]"),
    "gradient.amplifier_lr": (NO_POSITIVE, "(0, 1e+15]"),
    "gradient.amplifier_betas": ([0.9, (0.9,), (0.9, 0.9, 0.9), (0.9, 1.0), (-0.1, 0.9), [0.9, 0.9], None], ""),
    "gradient.amplifier_weight_decay": ([-1e-9, float("inf"), float("nan"), "0", None], "[0, 1e+15]"),
    "gradient.clip_norm": (NO_POSITIVE, "(0, 1e+15]"),
    "gradient.outer_fraction": ([0, 0.0, 1, 1.0, -0.1, 1.5, float("nan"), "0.5", None, True], "(0, 1)"),
    "gradient.outer_every": (NO_COUNT, ">= 1"),
    "gradient.merge_outer": (NO_BOOLEAN, "true or false"),
    "norms.control": ([3, ["a"]], "the name of a callable"),
    "norms.init_rows": (NO_CHOICE, "none, all, edge, edge_ln, chosen"),
    "norms.init_norm": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.max_norm": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.init_scope": (NO_PATTERNS, "decoder, attention, mlp, ln"),
    "norms.scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.group_max_norm": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "norms.from_step": ([-1, 1.5, "0", True, None], ">= 0"),
    "norms.until_step": ([-1, 1.5, "0", True], ">= 0"),
    "norms.clamp_norm": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.clamp_reference": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.clamp_rho": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.clamp_scope": ([(), "mlp", ["mlp"], ("decoder",), None], "attention, mlp, ln"),
    "norms.group_clamp_norm": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "norms.sphere": (NO_CHOICE, "none, tensors, rows"),
    "norms.sphere_scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.sphere_radius": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.sphere_zeros": (NO_CHOICE, "free, held"),
    "norms.growing_sphere": (NO_CHOICE, "none, tensors, rows"),
    "norms.growing_sphere_scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.growing_sphere_zeros": (NO_CHOICE, "free, held"),
    "norms.shrink_step": ([-1, 1.5, "0", True], ">= 0"),
    "norms.shrink_factor": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.shrink_scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.replay": (NO_TRACES, "PATH@SHA256"),
    "norms.replay_form": (NO_CHOICE, "tensor, all, tensor_mean, all_mean"),
    "norms.replay_scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.relative_step": (NO_CHOICE, "none, start, trace"),
    "norms.relative_step_trace": (NO_TRACES, "PATH@SHA256"),
    "norms.relative_step_scope": (NO_SCOPES, "decoder, attention, mlp, ln"),
    "norms.cap": (NO_CHOICE, "none, frobenius, spectral"),
    "norms.cap_ratio": (NO_POSITIVE, "(0, 1e+15]"),
    "norms.cap_scope": (NO_GROUPS, "attention, mlp, ln"),
    "norms.cap_heads": (NO_CHOICE, "joined, per_head"),
    "norms.clamp_from_step": ([-1, 1.5, "0", True, None], ">= 0"),
    "optimizer.group_decay": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "optimizer.group_rate": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "optimizer.angular_step": (NO_GROUP_VALUES, "attention, mlp, ln"),
    "loss.name": (NO_CHOICE, "stablemax"),
    "loss.temperature": (NO_POSITIVE, "(0, 1e+15]"),
    "loss.smoothing": ([-0.1, 1.0, 2, float("nan"), "0", None, True], "[0, 1)"),
    "loss.follow": (NO_TRACES, "PATH@SHA256"),
    "probes.trace": (NO_BOOLEAN, "true or false"),
    "probes.record_every": (NO_COUNT_OR_NONE, ">= 1"),
    "probes.margins_every": (NO_COUNT_OR_NONE, ">= 1"),
    "training.steps": (NO_COUNT, ">= 1"),
    "training.batch_size": (NO_COUNT_OR_NONE, ">= 1"),
    "training.eval_every": (NO_COUNT_OR_NONE, ">= 1"),
    "training.stop_evaluations": ([-1, 1.5, "0", True], ">= 0"),
    "training.threads": (NO_COUNT, "from 1 to 1024"),
    "training.device": (
        ["", None, 0, "meta", "cuda:", "cuda:-1", "cuda:01", "cuda:100", "cpu:0", "cpu\n", "CPU", "mps:0", "gpu"],
        "use cpu, cuda, cuda:N",
    ),
    "checkpoints.schedule": (NO_CHOICE, "every, log, dense, ends"),
    "checkpoints.every": (NO_COUNT, ">= 1"),
    "checkpoints.per_decade": (NO_COUNT, "from 1 to 10000"),
    "checkpoints.sparse_every": (NO_COUNT, ">= 1"),
    "checkpoints.steps": ([3, None, "1 2", (1, -1), (1.5,), ("1",), (True,)], ""),
}


def _make(name: str, value: Any) -> Any:
    section, _, leaf = name.rpartition(".")
    return SECTIONS.get(section, RunConfig)(**{**_chosen(name), leaf: value})


def _chosen(setting: str) -> dict[str, str]:
    """A method that reads a setting."""
    reading = readers(setting) if setting.startswith(NAMED) else ()
    return {"name": reading[0]} if reading else {}


@pytest.mark.parametrize("section", ROOMS)
def test_methods_are_listed_in_one_order_whichever_of_their_modules_was_imported_first(section):
    listed = list(methods(section))
    modules = {kind.__module__ for kind in methods(section).values()}
    first = max(modules)
    script = f"import {first}; from grokscope.config.methods import methods; print(*methods({section!r}), sep=chr(10))"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    others = printed.splitlines()
    assert [name for name in others if name in listed] == [name for name in listed if name in others] == others


def test_every_setting_has_values_that_are_refused():
    assert set(REFUSED) == set(field_names())


@pytest.mark.parametrize(("name", "value"), [(name, bad) for name, (values, _) in REFUSED.items() for bad in values])
def test_a_refusal_names_setting_value_and_what_is_accepted(name, value):
    with pytest.raises(ConfigError) as caught:
        _make(name, value)
    message = str(caught.value)
    assert name in message
    # For a tuple the message may name the one member at fault.
    members = value if isinstance(value, tuple) else ()
    assert any(repr(part) in message for part in (value, *members)) or f"{name} has {len(members)} rows" in message
    assert REFUSED[name][1] in message
    assert ": use " in message or ": name " in message, message


HUGE_INTEGERS = (10**18, 10**400, 10**5000)
HUGE_NUMBERS = (1e300, 10**400)


def _huge(hint: Any) -> tuple[Any, ...]:
    """Values of a type that are far too large; none at all for a type without numbers."""
    if hint == GroupValues:
        return tuple((("mlp", value),) for value in HUGE_NUMBERS)
    if get_origin(hint) in (Union, UnionType):
        return tuple(value for option in get_args(hint) for value in _huge(option))
    if get_origin(hint) is tuple:
        first, *others = get_args(hint)
        rest = () if others == [Ellipsis] else (0.5,) * len(others)
        return tuple((value, *rest) for value in _huge(first))
    return {int: HUGE_INTEGERS, float: HUGE_NUMBERS}.get(hint, ())


HUGE = [(name, value) for name in field_names() for value in _huge(setting_type(name))]


def test_every_setting_that_holds_a_number_is_tried():
    tried = {name for name, _ in HUGE}
    assert {"seed", "task.modulus", "task.table", "task.train_indices", "model.d_head", "optimizer.lr"} <= tried
    assert {"optimizer.betas", "optimizer.group_decay", "norms.max_norm", "checkpoints.steps"} <= tried
    for name in set(field_names()) - tried:
        assert not {"int", "float"} & set(re.findall(r"\w+", str(setting_type(name)))), name


@pytest.mark.parametrize(("name", "value"), HUGE, ids=lambda x: x if isinstance(x, str) else "")
def test_every_number_has_a_largest_value(name, value):
    with pytest.raises(ConfigError) as caught:
        _make(name, value)
    message = str(caught.value)
    assert name in message
    assert re.search(
        r"up to|from \d+ to \d+|, [0-9e+]+[\])]|use a row|use every element once|rows, one per element", message
    ), message
    assert len(message) < 500


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_is_no_section_is_refused(name):
    with pytest.raises(ConfigError, match=f"^{name} = 3 .*{SECTIONS[name].__name__}"):
        RunConfig(**{name: 3})


KINDS = [("", RunConfig), *SECTIONS.items()]
KINDS += [
    (section, kind) for section in ("optimizer", "gradient", "loss", "norms") for kind in methods(section).values()
]
CHOICES = sorted(
    {
        (f"{section}.{leaf}" if section else leaf, option)
        for section, kind in KINDS
        for leaf, hint in get_type_hints(kind).items()
        if leaf in {field.name for field in dataclasses.fields(kind)}
        for option in get_args(hint)
        if isinstance(option, str)
    }
)


NEEDED = {
    "init_rows": {"init_norm": 1.0},
    "cap_heads": {"cap": "spectral"},
    "sphere_zeros": {"sphere": "rows"},
    "growing_sphere_zeros": {"growing_sphere": "rows"},
}
"""What must be on for a setting to be read."""


@pytest.mark.parametrize(("name", "option"), CHOICES)
def test_every_option_that_a_type_lists_is_accepted(name, option):
    section, _, leaf = name.rpartition(".")
    extra = NEEDED.get(leaf, _chosen(name))
    if option == "none" and leaf == "init_rows":
        extra = {}
    if option == "chosen":
        extra = {"init_norm": 1.0, "init_scope": ("mlp",)}
    if leaf == "replay_form":
        extra = {"replay": TRACE}
    if option == "trace":
        extra = {"relative_step_trace": TRACE}
    if option in ("expression", "table", "given"):
        extra = {"expression": {"expression": "x + y"}, "table": {"labels": ((0, 1), (1, 1))},
                 "given": {"given": Stored.of({}, {})}}[option]  # fmt: skip
    if leaf == "product" or option == "group":
        extra = {"name": "group", "group": "S3"}
    extra.pop(leaf, None)
    assert getattr(SECTIONS.get(section, RunConfig)(**{leaf: option}, **extra), leaf) == option


COMPOSITES = st.integers(4, 5000).filter(lambda n: not sympy.isprime(n))


@given(COMPOSITES, st.sampled_from(["add", "sub", "square_sub"]))
def test_sums_and_squares_take_a_composite_modulus(n, name):
    assert TaskConfig(name=name, modulus=n).modulus == n
    assert TaskConfig(name="mixed", operations=("add", name) if name != "add" else ("add",), modulus=n).modulus == n


@given(COMPOSITES, st.sampled_from(["mul", "div", "mixed"]))
def test_a_composite_modulus_is_refused_with_the_nearest_primes(n, name):
    with pytest.raises(ConfigError) as caught:
        TaskConfig(name=name, modulus=n)
    message = str(caught.value)
    assert f"task.modulus = {n} is not prime; {name}" in message
    assert f"(nearest: {sympy.prevprime(n)}, {sympy.nextprime(n)})" in message


@pytest.mark.parametrize("name", ["permutation", "parity"])
def test_a_task_without_modulus_accepts_any(name):
    assert TaskConfig(name=name, modulus=96).modulus == 96


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_train_fraction_is_accepted_in_the_open_interval_alone(value):
    if 0 < value < 1:
        assert TaskConfig(train_fraction=value).train_fraction == value
    else:
        with pytest.raises(ConfigError, match=r"task\.train_fraction"):
            TaskConfig(train_fraction=value)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_max_norm_and_lr_are_accepted_if_positive_and_up_to_1e15(value):
    for kind, name in ((NormConfig, "max_norm"), (NormConfig, "init_norm"), (OptimizerConfig, "lr")):
        extra = {"init_rows": "all"} if name == "init_norm" else {}
        if 0 < value <= 1e15:
            assert getattr(kind(**{name: value}, **extra), name) == value
        else:
            with pytest.raises(ConfigError, match=name):
                kind(**{name: value}, **extra)


@given(st.integers(1, 200), st.integers(1, 200))
def test_heads_must_divide_d_model_and_the_error_names_two_that_do(d_model, n_heads):
    if d_model % n_heads == 0:
        assert ModelConfig(d_model=d_model, n_heads=n_heads).head_width * n_heads == d_model
        return
    assert ModelConfig(d_model=d_model, n_heads=n_heads, d_head=3).all_heads == 3 * n_heads
    with pytest.raises(ConfigError) as caught:
        ModelConfig(d_model=d_model, n_heads=n_heads)
    message = str(caught.value)
    assert f"model.d_model = {d_model}" in message
    assert f"model.n_heads = {n_heads}" in message
    near = [int(n) for n in message.partition("divide it: ")[2].rstrip(")").split(", ")]
    assert near == sorted(near)
    divisors = sympy.divisors(d_model)
    assert set(near) <= set(divisors)
    assert min(divisors, key=lambda h: abs(h - n_heads)) in near


def test_another_architecture_is_refused_in_one_sentence():
    why = "networks here are HookedTransformers, whose every block has attention; another architecture"
    with pytest.raises(ConfigError, match=rf"model\.n_layers = 0 is not accepted: use an integer >= 1; {why}"):
        ModelConfig(n_layers=0)
    for name in ("model.kind", "model.type", "model.architecture"):
        with pytest.raises(ConfigError, match=rf"there is no setting '{name}'; {why}"):
            override(RunConfig(), {name: "mlp"})


def test_settings_of_the_network_that_are_left_out_leave_the_record_as_it_was():
    """A run of before has none of them, and its digest in a ledger counts what differs from the defaults."""
    old = to_dict(RunConfig())
    for name in ("d_head", "attention_only", "attention_dir", "tied"):
        del old["model"][name]
    del old["loss"]["smoothing"]
    assert from_dict(old, recorded=True) == RunConfig()
    assert ledger.digest(from_dict(old, recorded=True)) == ledger.digest(RunConfig())
    assert ledger.digest(override(RunConfig(), {"d_head": 8})) != ledger.digest(RunConfig())


@given(st.integers(1, 20), st.integers(1, 25))
def test_parity_bits_are_at_most_bits_for_the_parity_task_alone(bits, parity_bits):
    assert TaskConfig(name="mul", bits=bits, parity_bits=parity_bits).parity_bits == parity_bits
    if parity_bits <= bits:
        assert TaskConfig(name="parity", bits=bits, parity_bits=parity_bits).parity_bits == parity_bits
    else:
        with pytest.raises(ConfigError, match=f"task.parity_bits = {parity_bits} .*task.bits = {bits}"):
            TaskConfig(name="parity", bits=bits, parity_bits=parity_bits)


ONE_GROUP = {"group": "Z2", "elements": ((0, 1), (1, 0)), "table": ((0, 1), (1, 0))}


@pytest.mark.parametrize("way", ONE_GROUP)
def test_a_group_is_given_in_one_way_and_to_the_group_task_alone(way):
    assert getattr(TaskConfig(name="group", **{way: ONE_GROUP[way]}), way) == ONE_GROUP[way]
    with pytest.raises(ConfigError, match=rf"task\.{way} is given, but task\.name = 'mul': use task\.name = group"):
        TaskConfig(**{way: ONE_GROUP[way]})
    other = next(name for name in ONE_GROUP if name != way)
    with pytest.raises(
        ConfigError, match=r"task\.name = 'group' needs its group given in one way, and has \w+ and \w+"
    ):
        TaskConfig(name="group", **{name: ONE_GROUP[name] for name in (way, other)})


def test_a_group_task_without_a_group_is_refused():
    with pytest.raises(ConfigError, match=r"has none: use one of task\.group .*, task\.elements .*, task\.table"):
        TaskConfig(name="group")


NO_PERMUTATIONS = [
    {"name": "mul"},
    {"name": "group", "group": "D6"},
    {"name": "group", "group": "S3xZ2"},
    {"name": "group", "table": ONE_GROUP["table"]},
]


@pytest.mark.parametrize("given", NO_PERMUTATIONS)
def test_products_in_two_orders_belong_to_permutations(given):
    with pytest.raises(ConfigError, match=r"task\.product = 'ab' is not accepted here: use it with permutations"):
        TaskConfig(product="ab", **given)


@pytest.mark.parametrize("given", [{"group": "A5"}, {"group": "S4"}, {"elements": ONE_GROUP["elements"]}])
def test_permutations_have_products_in_two_orders(given):
    assert TaskConfig(name="group", product="ab", **given).product == "ab"
    assert TaskConfig(name="permutation", product="ab").product == "ab"


@pytest.mark.parametrize("way", ["elements", "table"])
def test_a_group_that_is_too_large_is_refused_with_the_limit(way):
    with pytest.raises(
        ConfigError, match=rf"task\.{way} has 721 rows, one per element: use a group of 2 to 720 elements"
    ):
        TaskConfig(name="group", **{way: tuple((0,) for _ in range(721))})


def test_a_long_table_is_cut_in_a_message():
    rows = tuple(tuple(range(100)) for _ in range(99))
    with pytest.raises(ConfigError) as caught:
        TaskConfig(name="group", table=rows)
    assert len(str(caught.value)) < 400


def test_a_mixture_of_operations_needs_their_tokens():
    with pytest.raises(ConfigError, match=r"task\.form = 'x_y_eq'.*x_op_y_eq"):
        TaskConfig(name="mixed", form="x_y_eq")
    assert TaskConfig(name="mixed", operations=("mul",), form="x_y_eq").form == "x_y_eq"


@pytest.mark.parametrize("rows", ["all", "edge", "edge_ln"])
def test_projected_rows_need_a_norm(rows):
    with pytest.raises(ConfigError, match=rf"norms\.init_rows = '{rows}'.*norms\.init_norm.*norms\.max_norm"):
        NormConfig(init_rows=rows)
    assert NormConfig(init_rows=rows, max_norm=2.0).row_norm_at_start == 2.0
    assert NormConfig(init_rows=rows, max_norm=2.0, init_norm=3.0).row_norm_at_start == 3.0
    assert NormConfig(init_rows=rows, init_norm=3.0).row_norm_at_start == 3.0


SCIONS = ("scion", "unconstrained_scion", "clipped_scion", "unconstrained_clipped_scion")
READERS = {
    "loss.smoothing": (0.1, {"cross_entropy"}),
    "optimizer.betas": ((0.9, 0.98), {"adam", "adamw", "lion", "muon"}),
    "optimizer.momentum": (0.5, {"sgd", "muon"}),
    "optimizer.adam_lr": (0.1, {"muon"}),
    "optimizer.heads": ("per_head", {"muon", *SCIONS}),
    "optimizer.averaging": (0.2, set(SCIONS)),
    "optimizer.radius": (2.0, set(SCIONS)),
    "optimizer.group_radius": ((("mlp", 2.0),), set(SCIONS)),
    "optimizer.group_lmo": ((("mlp", "sign"),), set(SCIONS)),
    "optimizer.rho": (20.0, set(SCIONS[2:])),
    "optimizer.eps": (0.5, {"adam", "adamw", "muon"}),
    "optimizer.factory": ("my.make", {"custom"}),
    "optimizer.made": (('{"lr": 1}',), {"custom"}),
    "gradient.function": ("my.halve", {"custom"}),
    "gradient.alpha": (0.5, {"grokfast_ema"}),
    "gradient.window": (7, {"grokfast_ma"}),
    "gradient.lamb": (3.0, {"grokfast_ema", "grokfast_ma"}),
    **{
        f"gradient.{leaf}": (value, {"neuralgrok"})
        for leaf, value in {
            "amplifier": "frozen", "amplifier_width": 9, "amplifier_scale": 0.3, "amplifier_lr": 0.1,
            "amplifier_betas": (0.5, 0.6), "amplifier_weight_decay": 0.1, "clip_norm": 2.0, "outer_fraction": 0.1,
            "outer_every": 3, "merge_outer": True,
        }.items()
    },
}  # fmt: skip
"""Who reads what, written out a second time: a value, and the methods."""


@pytest.mark.parametrize(
    ("setting", "method"),
    [(setting, method) for setting in READERS for method in methods(setting.partition(".")[0])],
)
def test_a_setting_is_accepted_by_the_methods_that_read_it_and_refused_by_others_naming_those(setting, method):
    section, _, leaf = setting.partition(".")
    value, reading = READERS[setting]
    assert set(readers(setting)) == reading
    if method in reading:
        assert getattr(SECTIONS[section](name=method, **{leaf: value}), leaf) == value
        return
    with pytest.raises(ConfigError) as caught:
        SECTIONS[section](name=method, **{leaf: value})
    message = str(caught.value)
    assert message.startswith(f"{setting} = {value!r} is not accepted: ")
    assert message.endswith(f" it, {method} does not")
    assert all(name in message for name in reading)
    # By name, on a config of that method, in the same words.
    with pytest.raises(ConfigError) as again:
        override(RunConfig(), {f"{section}.name": method, setting: value})
    assert str(again.value) == message


def test_what_every_method_of_a_section_reads_is_accepted_by_all():
    own = {full for full in field_names() if full.startswith(NAMED)} - set(READERS)
    for full in own - {"optimizer.name", "gradient.name", "loss.name"}:
        assert set(readers(full)) == set(methods(full.partition(".")[0])), full


@pytest.mark.parametrize(
    ("section", "wrong", "near"),
    [
        ("optimizer", "lionn", "lion"), ("optimizer", "LION", "lion"), ("optimizer", "clip_scion", "clipped_scion"),
        ("gradient", "grokfastema", "grokfast_ema"), ("loss", "stable_max", "stablemax"),
    ],
)  # fmt: skip
def test_an_unknown_method_is_refused_with_all_names_the_nearest_first(section, wrong, near):
    with pytest.raises(UnknownMethod) as caught:
        SECTIONS[section](name=wrong)
    head, _, names = str(caught.value).partition(": use one of ")
    assert head == f"{section}.name = {wrong!r} is not accepted"
    assert names.split(", ")[0] == near
    assert set(names.split(", ")) == set(methods(section))


def test_a_config_of_one_method_is_no_config_of_another():
    adam = type(OptimizerConfig(name="adam"))
    with pytest.raises(ConfigError, match=r"optimizer\.name = 'lion' is not accepted: Adam has the settings of adam"):
        adam(name="lion")
    assert adam() == OptimizerConfig(name="adam")


OFF = {"cap_ratio": 0.5, "cap_scope": ("mlp",), "cap_heads": "per_head", "scope": ("mlp",), "from_step": 3,
       "until_step": 9, "clamp_scope": ("mlp",), "clamp_from_step": 3, "init_norm": 2.0}  # fmt: skip
ON = {"cap": {"cap": "spectral"}, "clamp": {"clamp_norm": 1.0}, "init": {"init_rows": "all"}, "clip": {"max_norm": 1.0}}


@pytest.mark.parametrize("setting", OFF)
def test_a_setting_of_a_norm_control_that_is_off_is_refused_naming_what_switches_it_on(setting):
    kind = next((kind for kind in ("cap", "clamp", "init") if setting.startswith(kind)), "clip")
    with pytest.raises(
        ConfigError, match=rf"norms\.{setting} = .*, which is off: use it with .*norms\.{min(ON[kind])}"
    ):
        NormConfig(**{setting: OFF[setting]})
    assert getattr(NormConfig(**ON[kind], **{setting: OFF[setting]}), setting) == OFF[setting]


def test_settings_of_a_control_that_is_switched_off_fall_away_unless_they_are_named():
    config = preset("mul-lion-clip", from_step=5, scope=("mlp",))
    off = override(config, {"max_norm": None, "init_norm": 2.0})
    assert (off.norms.from_step, off.norms.scope) == (0, ("decoder",))
    with pytest.raises(ConfigError, match=r"norms\.from_step = 7 .*the clip"):
        override(config, {"max_norm": None, "init_norm": 2.0, "from_step": 7})


def test_another_method_keeps_the_settings_that_both_read():
    muon = override(RunConfig(), {"optimizer.name": "muon", "betas": (0.5, 0.6), "momentum": 0.7, "lr": 0.02})
    adam = override(muon, {"optimizer.name": "adam"}).optimizer
    assert adam == OptimizerConfig(name="adam", betas=(0.5, 0.6), lr=0.02)
    assert override(muon, {"optimizer.name": "sgd"}).optimizer == OptimizerConfig(name="sgd", momentum=0.7, lr=0.02)
    assert override(muon, {"optimizer": OptimizerConfig(name="signsgd")}).optimizer == OptimizerConfig(name="signsgd")


def test_a_record_that_holds_every_setting_is_read_as_what_its_methods_read():
    """Records of before: lion with rho = 20, a window without a clip, settings of transforms that were not chosen."""
    written = to_dict(RunConfig())
    written["optimizer"] |= {"rho": 20, "momentum": 0.0, "group_lmo": [["mlp", "sign"]]}
    written["gradient"] |= {"alpha": 0.98, "outer_every": 4}
    written["norms"] |= {"clamp_from_step": 600, "group_max_norm": [], "cap": "none", "cap_ratio": 1.0}
    assert from_dict(written, recorded=True) == RunConfig()
    with pytest.raises(ConfigError, match=r"optimizer\.rho = 20 is not accepted"):
        from_dict(written)
    for section in ("optimizer", "norms"):
        with pytest.raises(ConfigError, match="nonsense"):
            from_dict({section: {"nonsense": 1}}, recorded=True)
    with pytest.raises(UnknownMethod, match=r"optimizer\.name = 'gone'"):
        from_dict({"optimizer": {"name": "gone"}}, recorded=True)


@pytest.mark.parametrize("name", methods("optimizer"))
def test_a_config_is_written_as_what_is_read(name):
    config = override(RunConfig(), {"optimizer.name": name})
    written = to_dict(config)["optimizer"]
    assert {f"optimizer.{leaf}" for leaf in written} == {full for full in settings_of(config) if "optimizer." in full}
    assert set(written) == {leaf for leaf in written if name in readers(f"optimizer.{leaf}") or leaf == "name"}
    assert to_dict(config)["norms"] == {}


def test_configs_with_open_sections_are_copied_and_pickled_by_value():
    config = preset("mul-clipped-scion", max_norm=2.0)
    for again in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert again == config
        assert hash(again) == hash(config)


@pytest.mark.parametrize("name", ["signsgd", *SCIONS])
def test_rules_without_a_weight_decay_of_their_own_need_its_form(name):
    with pytest.raises(ConfigError, match=rf"optimizer\.weight_decay = 0\.1 .*{name}.*optimizer\.decay_form"):
        OptimizerConfig(name=name, weight_decay=0.1)
    for form in ("decoupled", "l2"):
        assert OptimizerConfig(name=name, weight_decay=0.1, decay_form=form).decay == form


def test_an_own_form_of_decay_is_the_published_one():
    forms = {"adam": "l2", "sgd": "l2", "adamw": "decoupled", "lion": "decoupled", "muon": "decoupled"}
    assert {name: OptimizerConfig(name=name, weight_decay=1.0).decay for name in forms} == forms
    assert OptimizerConfig(name="adam", decay_form="decoupled").decay == "decoupled"


@pytest.mark.parametrize("name", ["scion", "clipped_scion"])
def test_constrained_steps_are_at_most_the_way_to_the_edge(name):
    with pytest.raises(ConfigError, match=rf"optimizer\.lr = 1\.5 .*{name} .*use at most 1"):
        OptimizerConfig(name=name, lr=1.5)
    assert OptimizerConfig(name=name, lr=1.0).lr == 1.0
    assert OptimizerConfig(name=f"unconstrained_{name}", lr=1.5).lr == 1.5


@pytest.mark.parametrize(("group", "lmo", "accepted"), [
    ("biases", "sign", "auto, bias_rms"), ("ln", "spectral", "auto, bias_rms"), ("ln_final", "col_norm", "bias_rms"),
    ("mlp", "bias_rms", "auto, spectral, sign, col_norm, row_norm"), ("unembed", "bias_rms", "auto, spectral"),
])  # fmt: skip
def test_norms_of_matrices_are_not_those_of_vectors(group, lmo, accepted):
    with pytest.raises(ConfigError, match=rf"optimizer\.group_lmo of {group} = '{lmo}' is not accepted: .*{accepted}"):
        OptimizerConfig(name="scion", group_lmo=(("embed", "sign"), (group, lmo)))


def test_a_lambda_may_be_left_out_or_zero():
    assert GradientConfig(name="grokfast_ma", lamb=0.0).slow_factor == 0.0
    assert GradientConfig(name="grokfast_ema").slow_factor == 2.0


@pytest.mark.parametrize(("setting", "value"), [("amplifier", "frozen"), ("merge_outer", True)])
def test_controls_of_neuralgrok_say_what_is_trained_on(setting, value):
    config = GradientConfig(name="neuralgrok", **{setting: value})
    assert (config.extra_evaluations(8) > 0) == (setting == "merge_outer")
    assert config.trains_on_held_back == (setting == "merge_outer")
    assert config.held_back == 0.02
    assert GradientConfig().held_back is None


def test_a_group_without_matrices_has_no_cap():
    for group in ("ln", "ln_final", "biases"):
        with pytest.raises(ConfigError, match=rf"norms\.cap_scope = \('mlp', '{group}'\) .*{group} has no matrices"):
            NormConfig(cap_scope=("mlp", group))


@given(st.integers(0, 200), st.integers(1, 9), st.sampled_from(["trained", "frozen", "normalise"]))
def test_outer_steps_cost_two_gradients_each(steps, every, amplifier):
    config = RunConfig(gradient=GradientConfig(name="neuralgrok", outer_every=every, amplifier=amplifier))
    outer = sum(step % every == 0 for step in range(1, steps + 1)) if amplifier == "trained" else 0
    assert config.gradient_evaluations(steps) == steps + 2 * outer
    assert RunConfig().gradient_evaluations(steps) == steps


def test_configs_are_frozen_hashable_and_equal_by_value():
    first, second = RunConfig(seed=3), RunConfig(seed=3)
    assert first == second
    assert hash(first) == hash(second)
    for part in (first, TaskConfig(), ModelConfig(), TrainingConfig(), CheckpointConfig()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.anything = 1
