"""A node of a Ray cluster is killed while a sweep runs on it: every run ends once, as trained alone."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from rich.progress import track

from benchmarks.load.processes import TAG, Counts, workers_bearing
from benchmarks.load.sweeps import FILE, train_directly
from benchmarks.load.training import is_bad

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
"""What a node of Ray on this machine is given."""
HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 3}
"""A lost node is noticed within seconds, not half a minute."""
RUNS, STEPS = 4, 3000


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


@contextmanager
def cluster_of_three(mark: str) -> Iterator[Any]:
    """Three nodes of one CPU each; a sweep is on the first. Their processes bear the mark."""
    import ray
    from ray.cluster_utils import Cluster

    before = os.environ.get(TAG)
    os.environ[TAG] = mark
    try:
        made = started(lambda: Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": HEALTH}))
        try:
            for _ in range(2):
                started(lambda: made.add_node(**NODE))
            made.wait_for_nodes()
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
    finally:
        os.environ.pop(TAG)
        if before is not None:
            os.environ[TAG] = before


def nodes(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill one of three nodes at a random moment of a sweep of four runs; every second sweep fetches its runs."""
    from grokscope.sweeps import load_sweep

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    counts: Counter[str] = Counter(kills=0, ends=0, bad=0)
    file, direct = folder / "sweep.toml", folder / "direct"
    file.write_text(FILE.replace("SEEDS", ", ".join(map(str, range(RUNS)))).replace("STEPS", str(STEPS)))
    train_directly(file, direct)
    mark = token_hex(8)
    with cluster_of_three(mark) as cluster:
        for turn in track(range(times), description="nodes"):
            sweep, out = load_sweep(file), folder / str(turn)
            killed, problems = _one_sweep(cluster, sweep, out, direct, fetch=bool(turn % 2), chance=chance)
            problems += ["a worker is left"] * bool(workers_bearing(mark))
            for problem in problems:
                print(f"round {turn}: {problem}", file=sys.stderr)
            counts["kills"] += killed
            counts["ends"] += 1
            counts["bad"] += len(problems)
            if killed:
                started(lambda: cluster.add_node(**NODE))
                cluster.wait_for_nodes()
    return dict(counts)


def _one_sweep(
    cluster: Any, sweep: Any, out: Path, direct: Path, *, fetch: bool, chance: random.Random
) -> tuple[bool, list[str]]:
    """Whether a node was killed while the sweep ran, and what was not as promised."""
    from grokscope.runs import open_run
    from grokscope.sweeps.cluster import run_on_ray

    lost = next(iter(cluster.worker_nodes))
    wait = chance.uniform(0, 6)
    began: list[float] = []
    killing: list[threading.Thread] = []

    def watch(board: Any) -> None:
        if not began and board.count("running") == 3:
            began.append(time.monotonic())
        if began and not killing and time.monotonic() > began[0] + wait:
            killing.append(threading.Thread(target=cluster.remove_node, args=(lost, False)))
            killing[0].start()

    outcomes = run_on_ray(sweep, cluster.address, out, fetch=fetch, watch=watch)
    for thread in killing:
        thread.join()
    problems = []
    for outcome, job in zip(outcomes, sweep.jobs, strict=True):
        path = out / job.name
        if outcome.standing != "finished" or outcome.failures:
            problems.append(f"{job.name} {outcome.standing}: {outcome.failures}")
        elif is_bad(path):
            problems.append(f"{job.name} is damaged")
        elif open_run(path).digests != open_run(direct / job.name).digests:
            problems.append(f"{job.name} is not as it is when it is trained alone")
    return bool(killing), problems
