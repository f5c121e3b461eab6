"""Which operations does the published network learn? Twenty formulas modulo a prime, a thousand steps each.

Nine are those of Power et al. (2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets",
appendix A.1.1) on numbers, and eleven more are of their kind: products, squares and cubes of sums, linear combinations,
and formulas that factor. Each is trained by its formula (`task.expression`) with Lion, projection and clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grokscope.analysis import milestones
from grokscope.config import RunConfig, preset
from grokscope.experiments.table import TINY, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

POWER = (
    "x + y",
    "x - y",
    "x / y",
    "x / y if y odd else x - y",
    "x^2 + y^2",
    "x^2 + x * y + y^2",
    "x^2 + x * y + y^2 + x",
    "x^3 + x * y",
    "x^3 + x * y^2 + y",
)
"""Of Power et al. (2022)."""
OTHERS = (
    "x * y",
    "x^2 - y",
    "(x + y)^2",
    "(x - y)^2",
    "(x + y)^3",
    "x^3 + y^3",
    "x^2 - y^2",
    "x * y + y",
    "x * y + x + y",
    "x^2 * y",
    "2 * x + 3 * y",
)
OPERATIONS = (*POWER, *OTHERS)
MODULUS, STEPS = 59, 1000
COLUMNS = ("operation", "seed", "examples", "group", "memorisation_step", "grok_step", "train_accuracy", "val_accuracy")


def config(operation: str, seed: int) -> RunConfig:
    """One run."""
    return preset(
        "mul-lion-clip",
        seed=seed,
        **{
            "task.name": "expression",
            "task.expression": operation,
            "task.modulus": MODULUS,
            "training.steps": STEPS,
            "training.eval_every": 20,
            "checkpoints.schedule": "ends",
            "probes.record_every": None,
        },
    )


def rounds(plan: Plan) -> Iterator[Sequence[Job]]:
    """Every operation on every seed."""
    yield [Job(plan.sized(config(operation, seed))) for operation in plan.parts for seed in plan.seeds]


@table_experiment(
    name="operations",
    asks="Which operations does the published network learn?",
    published=Size(seeds=(0,), parts=OPERATIONS),
    small=Size(
        seeds=(0,),
        parts=("x / y", "x^2 + x * y + y^2"),
        settings=TINY,
        tasks={"expression": {"task.modulus": 13}},
    ),
    rounds=rounds,
)
def operations(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each operation and seed: the first evaluations at which it is memorised and grokked."""
    by_name = {run.name: run for run in runs}
    times = milestones(runs)
    table = times.assign(
        operation=[by_name[name].config.task.expression for name in times["run"]],
        examples=[by_name[name].task.n_examples for name in times["run"]],
        group=[_group(by_name[name]) for name in times["run"]],
        train_accuracy=times["final_train_accuracy"].round(4),
        val_accuracy=times["final_val_accuracy"].round(4),
    ).reindex(columns=list(COLUMNS))
    return Publication({"operations": table}, shown=table)


def _group(run: Run) -> str | None:
    """The group that the operation is recognised in, where its operands name the elements one to one."""
    group = run.task.group
    return group.name if group is not None and run.task.operations[0].is_one_to_one else None
