"""The processor is named as the system names it, and a system that does not say is no error."""

from __future__ import annotations

import platform

import pytest

from grokscope.blas import name_and_family

LINUX = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some Xeon\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("text", "name", "family"),
    [(LINUX, "Some Xeon", "6 model 207"), (ARM, None, "? model ?"), (None, None, "unknown")],
)
def test_name_family_and_model_are_those_of_the_system(tmp_path, monkeypatch, text, name, family):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr("grokscope.blas.processor._INFO", file)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert name_and_family() == (name or "arm", family)


def test_the_benchmarks_name_the_same_processor():
    from benchmarks.machine import describe

    found = describe()
    assert (found["processor"], found["family"]) == name_and_family()
