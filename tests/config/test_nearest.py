"""What is said of a name that does not exist: the nearest, or what there is, and never a page of names."""

from grokscope.config import field_names
from grokscope.config.nearest import did_you_mean, hint, near
from grokscope.config.presets import presets


def test_a_name_that_others_begin_with_is_near_them():
    names = ["mul-lion-clip", "mul-adamw-decay", "mule", "norms.clipping"]
    assert near("mul", names) == ["mule"]  # by its letters; what begins with it is asked for where nothing is near
    assert near("mul", names[:2]) == names[:2]
    assert near("norms", names) == ["norms.clipping"]
    assert near("", names) == []


def test_a_few_names_are_listed():
    names = [f"n{number}" for number in range(16)]
    assert hint("zzzzzz", names, "names") == f"names: {', '.join(names)}"
    assert did_you_mean("zzzzzz", names) == f"use {', '.join(names)}"


def test_of_many_it_is_said_what_they_begin_with():
    names = ["arm", *(f"{section}.{leaf}" for section in ("model", "norms") for leaf in "abcdefgh"), "task.name"]
    assert hint("zzzzzz", names, "settings") == "settings: 18 of arm, model.*, norms.*, task.name"
    assert did_you_mean("zzzzzz", names) == "use 18 of arm, model.*, norms.*, task.name"
    unlike = [f"{letter}{letter}" for letter in "abcdefghijklmnopq"]
    assert hint("zzzzzz", unlike, "names") == f"names: 17 of {', '.join(unlike[:16])}, ..."


def test_settings_and_presets_are_named_in_a_line():
    """What a terminal shows without scrolling: two lines of 120 characters."""
    for known in (field_names(), tuple(presets())):
        said = hint("qqqqqqqq", known, "known")
        assert len(said) < 240
        assert f"{len(known)} of " in said
