"""Ray on this machine: what a node of it is given, and a patient start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}


def started(start: Callable[[], Any]) -> Any:
    """What `start` returns, at the third attempt if need be.

    A node of Ray gives its own agents 15 s to start, which a busy machine may not have (ray-project/ray#65983).
    """
    for _ in range(2):
        try:
            return start()
        except Exception as error:  # Ray raises no narrower one
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture
def ray_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ray, shut down afterwards."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    yield ray
    ray.shutdown()


@pytest.fixture
def ray_here(ray_module: Any) -> Any:
    """Ray with one node in this process."""
    started(lambda: ray_module.init(**NODE, log_to_driver=False))
    return ray_module
