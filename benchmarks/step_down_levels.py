"""How often the test for key irreps finds a weak one, and how often it finds what is not there.

    python -m benchmarks.step_down_levels [--networks 100] [--tables 500] [--kinds KIND ...] [--smallest]

Writes reports/tables/step-down-levels.csv, a row at a time; with `--kinds` the rows of other kinds stay as they are. A
row counts networks, or tables of numbers, of one kind, seeds 0, 1, ...:

    planted    networks that answer by strong irreps and a weak one, with noise of power 0.1 in the embedding
    unread     the same, with a weak irrep that nothing reads: it stands out, and is no key
    untrained  networks as they are initialised
    memorised  networks trained to accuracy 0.95 or more on shuffled labels
    noise      no network: strong irreps and noise, white or of rank 6, for the level of the later rounds alone

Columns: kind, group, weak_power, noise_rank (<NA>: white), count; of these, in how many the weak irrep is found by the
null of the largest power (`by_null`), by the rounds of the step-down test with its floor (`by_rounds`), and as a key,
after the causal check (`as_key`); and in how many anything else is (`other_by_null`, `other_by_rounds`: significant in
any round, without the floor; `other_above_floor`; `other_as_key`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.command_line import command_line
from benchmarks.smallest import HELP
from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.null import RelabellingNull
from grokscope.analysis.checkpoint.step_down import StepDown, step_down
from grokscope.groups import AlternatingGroup, CyclicGroup, FiniteGroup, SymmetricGroup
from grokscope.runs import Run
from tests.planted_weak import HARD, PLANTS, WeakPlant, memorising_run, noise_table, random_run

POWERS = (0.02, 0.05, 0.1)
NOISE = 0.1
RANK = 6
TABLES: dict[str, tuple[FiniteGroup, tuple[str, ...]]] = {
    "Z31": (CyclicGroup(31), ("k=2", "k=5", "k=11")),
    "Z113": (CyclicGroup(113), ("k=16", "k=30", "k=56")),
    "S4": (SymmetricGroup(4), ("standard",)),
    "A5": (AlternatingGroup(5), ("(3,2)",)),
    "S5": (SymmetricGroup(5), ("standard",)),
}
"""Groups, and the irreps that are strong in their tables."""
UNITS = 128
MEMORISING = 300
"""Steps of training on shuffled labels."""
MEMORISED = 0.95
KINDS = ("planted", "unread", "untrained", "memorised", "noise")


@dataclass
class Counts:
    """What was found in how many networks."""

    count: int = 0
    by_null: int = 0
    by_rounds: int = 0
    as_key: int = 0
    other_by_null: int = 0
    other_by_rounds: int = 0
    other_above_floor: int = 0
    other_as_key: int = 0

    def add(self, tested: StepDown, group: FiniteGroup, strong: Iterable[str], weak: str = "") -> None:
        """Count one network."""

        def named(irreps: np.ndarray) -> set[str]:
            return {group.irreps[irrep].name for irrep in irreps}

        known = {*strong, weak}
        by_null, above = named(tested.strong), named(tested.strong) | named(tested.weak)
        self.count += 1
        self.by_null += weak in by_null
        self.by_rounds += weak in above
        self.as_key += weak in named(tested.keys)
        self.other_by_null += bool(by_null - known)
        self.other_by_rounds += bool(named(np.flatnonzero(tested.round)) - known)
        self.other_above_floor += bool(above - known)
        self.other_as_key += bool(named(tested.keys) - known)


def of_embedding(run: Run, step: int = 0) -> tuple[StepDown, FiniteGroup]:
    """The test of a network's embedding in its own group."""
    scope = RunContext(run)
    frame = scope.own[0]
    return Checkpoint(scope, step).embedding_test(frame), frame.group


def planted_rows(plants: Mapping[str, WeakPlant], networks: int, unread: bool) -> Iterable[dict[str, object]]:
    for name, plant in plants.items():
        for power in POWERS:
            counts = Counts()
            for seed in range(networks):
                run, strong, weak = plant.run(seed, power, NOISE, unread=unread)
                counts.add(*of_embedding(run), strong, weak)
            yield {"kind": "unread" if unread else "planted", "group": name, "weak_power": power, **vars(counts)}


def untrained_rows(plants: Mapping[str, WeakPlant], networks: int) -> Iterable[dict[str, object]]:
    for name, plant in plants.items():
        run, counts = random_run(plant.random_config(), networks), Counts()
        for seed in run.steps:
            counts.add(*of_embedding(run, seed), ())
        yield {"kind": "untrained", "group": name, **vars(counts)}


def memorised_rows(networks: int) -> Iterable[dict[str, object]]:
    counts = Counts()
    for seed in range(networks):
        run, accuracy = memorising_run(seed, MEMORISING)
        if accuracy < MEMORISED:
            raise RuntimeError(f"the network of seed {seed} memorised only {accuracy:.0%} of its labels")
        counts.add(*of_embedding(run), ())
    yield {"kind": "memorised", "group": "add mod 13", **vars(counts)}


def noise_rows(groups: Iterable[str], tables: int) -> Iterable[dict[str, object]]:
    for name in groups:
        group, strong = TABLES[name]
        null = RelabellingNull(group)
        for rank in (None, RANK):
            counts = Counts()
            for seed in range(tables):
                rng = np.random.default_rng(seed)
                counts.add(step_down(null, strong_table(group, strong, rank, rng)), group, strong)
            yield {"kind": "noise", "group": name, "noise_rank": rank, **vars(counts)}


def strong_table(group: FiniteGroup, strong: tuple[str, ...], rank: int | None, rng: np.random.Generator) -> np.ndarray:
    """Strong irreps of equal power with random coefficients, and noise `[element, unit]`."""
    noise = noise_table(group, rng, UNITS)
    if rank is not None:
        noise = noise_table(group, rng, rank) @ rng.normal(size=(rank, UNITS))
        noise /= np.linalg.norm(noise)
    table = noise * np.sqrt(NOISE)
    for name in strong:
        functions = group.irrep(name).basis()
        part = functions @ rng.normal(size=(functions.shape[1], UNITS))
        table += part * np.sqrt((1 - NOISE) / len(strong)) / np.linalg.norm(part)
    return table


def main() -> None:
    parser = command_line(__doc__, out=Path("reports", "tables"), smallest=HELP.replace("tiny networks", "two of S4"))
    parser.add_argument("--networks", type=int, default=100, help="of each kind")
    parser.add_argument("--tables", type=int, default=500, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=", ".join(KINDS))
    options = parser.parse_args()
    if options.smallest:
        counted = rows_of({"S4": PLANTS["S4"]}, {}, ["S4"], networks=2, tables=2)
    else:
        counted = rows_of(PLANTS, HARD, TABLES, options.networks, options.tables)
    write(options.out, {kind: counted[kind] for kind in options.kinds}, Console().print)


def rows_of(
    plants: Mapping[str, WeakPlant], hard: Mapping[str, WeakPlant], groups: Iterable[str], networks: int, tables: int
) -> dict[str, Iterable[dict[str, object]]]:
    """The rows of every kind, counted as they are asked for."""
    every = {**plants, **hard}
    return {
        "planted": planted_rows(every, networks, unread=False),
        "unread": planted_rows(every, networks, unread=True),
        "untrained": untrained_rows(plants, networks),
        "memorised": memorised_rows(networks),
        "noise": noise_rows(groups, tables),
    }


def write(out: Path, counted: Mapping[str, Iterable[dict[str, object]]], show: Callable[[object], None]) -> None:
    """Show every row, and write the table as it grows; rows of other kinds that it has are kept."""
    file = out / "step-down-levels.csv"
    out.mkdir(parents=True, exist_ok=True)
    before = pd.read_csv(file).to_dict("records") if file.exists() else []
    kept = [row for row in before if row["kind"] not in counted]
    for row in (row for rows in counted.values() for row in rows):
        kept.append(row)
        show(row)
        table = pd.DataFrame(kept).reindex(columns=["kind", "group", "weak_power", "noise_rank", *vars(Counts())])
        table["noise_rank"] = table["noise_rank"].astype("Int64")
        table.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), kind="stable").to_csv(file, index=False)


if __name__ == "__main__":
    main()
