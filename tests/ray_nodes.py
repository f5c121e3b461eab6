"""Ray on this machine, with nodes as the load tests make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.load.nodes import NODE, started


@pytest.fixture
def ray_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ray, shut down afterwards."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # at its 15, tasks starve beside tests that need all cores
    ray = pytest.importorskip("ray")
    yield ray
    ray.shutdown()


@pytest.fixture
def ray_here(ray_module: Any) -> Any:
    """Ray with one node in this process."""
    started(lambda: ray_module.init(**NODE, log_to_driver=False))
    return ray_module
