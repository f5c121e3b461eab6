"""Settings by full and short name, and configs as dictionaries."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import (
    NOT_READ,
    ConfigError,
    ModelConfig,
    RunConfig,
    Variants,
    differences,
    field_names,
    from_dict,
    override,
    preset,
    presets,
    resolve,
    setting,
    to_dict,
)
from grokscope.config.overrides import IN_FULL

AMBIGUOUS = {"name": ("task.name", "optimizer.name")}


@pytest.mark.parametrize("name", presets())
def test_a_preset_survives_json(name):
    config = presets()[name].config
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31 - 1),
    lr=st.floats(1e-30, 1e15),
    max_norm=st.none() | st.floats(1e-10, 1e10),
    scope=st.lists(st.sampled_from(["mlp", "ln", "attention", "biases"]), min_size=1).map(tuple),
    arm=st.text(min_size=1),
)
def test_any_config_survives_json(seed, lr, max_norm, scope, arm):
    clip = {} if max_norm is None else {"max_norm": max_norm, "scope": scope}
    config = override(RunConfig(), {"seed": seed, "lr": lr, "arm": arm, **clip})
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_a_part_of_a_dictionary_keeps_the_other_defaults():
    config = from_dict(tomllib.loads('seed = 4\n[model]\nn_layers = 1\n[task]\noperations = ["add", "div"]'))
    assert (config.seed, config.model, config.optimizer) == (4, ModelConfig(n_layers=1), RunConfig().optimizer)
    assert config.task.operations == ("add", "div")


@pytest.mark.parametrize("full", field_names())
def test_a_setting_has_its_full_name_and_a_short_one_where_that_is_unique(full):
    short = full.rpartition(".")[2]
    assert resolve(full) == full
    if full in IN_FULL:  # an older setting has its short name
        assert resolve(short) != full
    elif short not in AMBIGUOUS:
        assert resolve(short) == full


@pytest.mark.parametrize("short", AMBIGUOUS)
def test_an_ambiguous_short_name_is_refused_with_its_candidates(short):
    with pytest.raises(ConfigError, match=" or ".join(AMBIGUOUS[short])):
        resolve(short)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("optimizer.lrr", "optimizer.lr"), ("maxnorm", "norms.max_norm"), ("sed", "seed"),
     ("model.n_layer", "model.n_layers"), ("train.steps", "training.steps"), ("betas_", "optimizer.betas")],
)  # fmt: skip
def test_an_unknown_setting_is_refused_with_the_nearest(wrong, near):
    with pytest.raises(ConfigError) as caught:
        override(RunConfig(), {wrong: 1})
    assert repr(wrong) in str(caught.value)
    assert near in str(caught.value)


@pytest.mark.parametrize("field", ["__class__", "task.__dict__", "model.head_width", "norms.row_norm_at_start", ""])
def test_what_is_no_field_is_no_setting(field):
    with pytest.raises(ConfigError, match="there is no setting"):
        override(RunConfig(), {field: 1})


def test_settings_are_changed_by_full_short_and_nested_name_alike():
    expected = override(RunConfig(), {"optimizer.lr": 0.5})
    assert override(RunConfig(), {"lr": 0.5}) == expected
    assert override(RunConfig(), {"optimizer": {"lr": 0.5}}) == expected
    assert preset("mul-lion-clip", lr=0.5).optimizer.lr == 0.5
    assert override(RunConfig(), {"model": ModelConfig(n_layers=1)}).model == ModelConfig(n_layers=1)
    assert RunConfig().optimizer.lr == 1e-3


def test_a_setting_given_twice_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer\.lr is given twice"):
        override(RunConfig(), {"lr": 0.5, "optimizer.lr": 0.4})


def test_a_section_given_a_value_is_refused():
    with pytest.raises(ConfigError, match="model = 'mul'"):
        override(RunConfig(), {"model": "mul"})
    with pytest.raises(ConfigError, match="task = 3"):
        override(RunConfig(), {"task": 3})


def test_settings_that_depend_on_each_other_change_together():
    # 32 does not divide by 5, nor 128 by 8 * 5; only the pair is valid.
    model = override(RunConfig(), {"d_model": 40, "n_heads": 5}).model
    assert (model.d_model, model.n_heads) == (40, 5)
    assert override(preset("mul-lion"), {"init_rows": "all", "max_norm": 2.0}).norms.max_norm == 2.0


def test_lists_of_lists_become_tuples_of_tuples():
    task = override(RunConfig(), {"task.name": "group", "elements": [[0, 1], [1, 0]]}).task
    assert task.elements == ((0, 1), (1, 0))
    assert hash(task) == hash(override(RunConfig(), {"task": {"name": "group", "elements": ((0, 1), (1, 0))}}).task)


def test_differences_name_what_changed_and_nothing_else():
    first = preset("mul-lion-clip")
    second = override(first, {"seed": 5, "lr": 0.5, "scope": ("mlp",)})
    assert differences(first, second) == {
        "seed": (0, 5),
        "optimizer.lr": (1e-3, 0.5),
        "norms.scope": (("decoder",), ("mlp",)),
    }
    assert differences(first, first) == {}


def test_every_setting_is_read_by_its_full_name():
    config = override(preset("mul-lion-clip"), {"seed": 5, "lr": 0.5})
    assert setting(config, "seed") == 5
    assert setting(config, "optimizer.lr") == 0.5
    nested = to_dict(config)
    sections = [name for name, value in nested.items() if isinstance(value, dict)]
    flat = {name: value for name, value in nested.items() if name not in sections}
    flat |= {f"{section}.{leaf}": value for section in sections for leaf, value in nested[section].items()}
    read = {name: setting(config, name) for name in field_names()}
    assert json.loads(json.dumps({name: read[name] for name in flat})) == flat  # those that are recorded
    assert read["optimizer.rho"] is NOT_READ  # the config's Lion has none


@pytest.mark.parametrize("name", ["optimizer.rate", "optimiser.lr"])
def test_a_setting_that_does_not_exist_cannot_be_read(name):
    with pytest.raises(ConfigError, match=f"there is no setting '{name}'"):
        setting(RunConfig(), name)


def test_a_setting_is_read_by_a_short_name_too():
    assert setting(RunConfig(), "lr") == RunConfig().optimizer.lr


def test_an_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'mul-lion-clipp'.*mul-lion-clip"):
        preset("mul-lion-clipp")
    with pytest.raises(ConfigError, match=r"'zzzz'.*presets: \d+ of .*mul-\*"):
        preset("zzzz")


def test_variants_are_what_override_makes_and_share_the_sections_that_are_the_same():
    base = preset("mul-lion-clip")
    variants, rates = Variants(base), (1e-3, 1e-4)
    changes = [{"lr": rate, "seed": seed, "n_layers": 1} for rate in rates for seed in (0, 1)]
    made = [variants.of(change) for change in changes]
    assert made == [override(base, change) for change in changes]
    assert len({id(config.optimizer) for config in made}) == 2
    assert len({id(config.model) for config in made}) == 1
    assert all(config.norms is base.norms for config in made)


def test_values_that_are_equal_and_of_another_type_make_another_variant():
    variants = Variants(RunConfig())
    assert type(variants.of({"lr": 1.0}).optimizer.lr) is float
    assert type(variants.of({"lr": 1}).optimizer.lr) is int
    assert variants.of({"n_layers": 1}).model.n_layers == 1
    with pytest.raises(ConfigError, match=r"model\.n_layers = True is not accepted"):
        variants.of({"n_layers": True})
