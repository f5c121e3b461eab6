"""What a machine has left is asked for once, and what it cannot hold is refused with both numbers."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import psutil
import pytest

from grokscope import capacity
from grokscope.capacity import CapacityError, check_disk, check_memory, free_memory, in_words


def test_free_memory_is_that_of_a_container_where_it_has_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < free_memory() <= psutil.virtual_memory().total
    for name, text in {
        "memory.max": "5000",
        "memory.current": "4000",
        "memory.stat": "anon 9\ninactive_file 7",
    }.items():
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(capacity, "_CGROUP", tmp_path)
    assert free_memory() == 1007
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 5000


def test_memory_that_is_not_there_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 3_000_000_000)
    with pytest.raises(CapacityError) as caught:
        check_memory(41_500_000_000, "training a run")
    assert str(caught.value) == "training a run needs about 41.5 GB of memory, and 3 GB are available"


def test_what_is_nearly_all_is_warned_of_and_less_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 1000)
    with pytest.warns(RuntimeWarning, match="work needs about 900 bytes of memory, .*: it may not be enough"):
        check_memory(900, "work")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_memory(500, "work")


def test_disk_is_that_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    path = tmp_path / "not" / "yet"
    check_disk(free // 10, path, "a run")
    with pytest.raises(CapacityError, match=rf"^a run needs about .* of disk, and .* are free at {tmp_path}$"):
        check_disk(100 * free, path, "a run")
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (999.6, "1 kB"), (1234, "1.23 kB"), (45_600_000, "45.6 MB"),
        (999_400_000, "999 MB"), (1_000_000_000, "1 GB"), (3.2e12, "3.2 TB"), (8e17, "800 PB"), (5e18, "5e+03 PB"),
    ],
)  # fmt: skip
def test_sizes_are_told_in_the_unit_that_suits_them(count: float, words: str) -> None:
    assert in_words(count) == words
