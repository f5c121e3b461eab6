"""The page: the answer, how large its evidence is, every arm, and what was said before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.ledger import FILE
from grokscope.experiments.shown import Shown
from grokscope.experiments.why_clipping import earlier, watched
from grokscope.experiments.why_clipping.abstract import HELD, abstract
from grokscope.experiments.why_clipping.declared import CLIP, FREE, Family, families
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES, QUESTIONS, hypotheses_table, seen
from grokscope.experiments.why_clipping.literature import SOURCES
from grokscope.experiments.why_clipping.tasks import MAIN, TaskSize, base
from grokscope.experiments.why_clipping.wording import FEW, ratio_in_words
from grokscope.experiments.wording import TITLES, by_arm, joined, steps
from grokscope.figures.plates import Plate
from grokscope.report import Table
from grokscope.report.page import write_page

TITLE = "Why does clipping weight norms make networks grok sooner?"
COMMAND = "grokscope experiment why-clipping"
TABLE, HYPOTHESES_FILE, SUMMARY = "mechanism.csv", "hypotheses.csv", "summary.md"
LADDER = {
    "norms-clip-step-free-scale-free": "clip, step and scale of a free run",
    "sphere-rows": "sphere, by rows",
    "sphere-1": "sphere, by tensors",
    "growing-sphere-step": "growing sphere, relative step held",
    "growing-sphere-tensors": "growing sphere",
    "decay-as-clip": "decay at the clip’s rates",
    "replay-tensor": "the clip’s shrinking, by tensor",
    "replay-all-mean": "one constant shrinking",
    "step-start-scale-clip": "step of the start, clip’s logit scale",
    "relative-step": "relative step alone",
    FREE: "projection alone",
}
"""The arms of the ladder and what they are called there, those that take over most of what the clip does first."""


def write_why_clipping(
    out: Path,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    closely: Mapping[str, pd.DataFrame],
    missing: Mapping[str, Sequence[str]],
    scale: str,
) -> Path:
    """Write the page, its figures and all its tables; returns the path of the page.

    Arguments:
        rows: of every run that has ended.
        table: of `summary`.
        closely: of `watched.tables`.
        missing: names of the runs of each family that have not ended.
        scale: of the experiment.
    """
    found = hypotheses_table(table)
    sections = [
        _shown(family, where(table, family=family.name), missing.get(family.name, ()))
        for family in families().values()
        if len(where(table, family=family.name))
    ]
    opening = watched_plates(closely)
    ladder = list(_ladder(table))
    regime = regime_plates(closely)
    before = earlier_claims(out, table)
    values = {
        "title": TITLE,
        "abstract": tuple(filter(None, abstract(table))),
        "small": scale == "small",
        "command": COMMAND + ("" if scale == "published" else f" --scale {scale}"),
        "opening": opening,
        "ladder": ladder,
        "hypotheses": hypotheses_as_text(found),
        "tasks": tasks_as_text(table),
        "regime": regime,
        "sources": [
            {"cite": one.cite, "title": one.title, "where": one.where, "beside": one.beside(table)} for one in SOURCES
        ],
        "methods": (*methods(rows, table), *twins(rows)),
        "families": sections,
        "earlier": before,
    }
    beside = {
        FILE: csv_bytes(rows),
        TABLE: csv_bytes(table),
        HYPOTHESES_FILE: csv_bytes(found),
        SUMMARY: summary_in_markdown(table, found).encode(),
    } | {watched.file_of(name): csv_bytes(made) for name, made in closely.items()}
    plates = [*opening, *ladder, *regime, *(plate for one in sections for plate in one.plates)]
    return write_page(out, "why_clipping.html.j2", plates, values, beside)


def watched_plates(closely: Mapping[str, pd.DataFrame]) -> tuple[Plate, ...]:
    """Signal, memory and noise of the two ends; nothing where they have not been trained."""
    if "margins" not in closely:
        return ()
    drawn, runs = (closely[name].replace(_SHOWN) for name in ("margins", "milestones"))
    caption = (
        "With the clip and without, one seed each: how far the right answer leads because of the answer (signal), how "
        "much more it leads where the pair was trained on (memory), how far unseen pairs are from the mean of their "
        "answer (noise), and accuracy."
    )
    return (Plate("signal-memory-noise", figures.signal_and_memory(drawn, runs), drawn, caption),)


def regime_plates(closely: Mapping[str, pd.DataFrame]) -> tuple[Plate, ...]:
    """Where the inputs of the non-linearity lie, of the two ends; nothing where they have not been trained."""
    if "activation_regime" not in closely:
        return ()
    drawn, runs = (closely[name].replace(_SHOWN) for name in ("activation_regime", "milestones"))
    caption = (
        "Where the inputs of gelu lie on its curve, by layer, one seed each: root mean square of the inputs, the share "
        "of them below 1 in absolute value, and which part of the outputs’ variance is linear or quadratic in a "
        "neuron’s input."
    )
    return (Plate("activation-regime", figures.activation_regime(drawn, runs), drawn, caption),)


_SHOWN = {
    "arm": {CLIP: "projection and clip", FREE: "projection alone"},
    "task": TITLES,
}
"""What stands for arms and tasks in those figures."""


def _ladder(table: pd.DataFrame) -> Iterator[Plate]:
    rows = [where(table, task=task, arm=arm) for task in TITLES for arm in LADDER]
    drawn = pd.concat(rows, ignore_index=True)
    drawn = drawn.loc[drawn["ratio"].notna()].rename(columns={"n": "runs", "shared": "seeds"}).reset_index(drop=True)
    if not len(drawn):
        return
    drawn = drawn.assign(margin=MARGIN, panel=drawn["task"].map(TITLES.__getitem__))
    yield Plate(
        "ladder",
        figures.ladder(drawn, LADDER),
        drawn,
        "Steps to the sustained grok relative to projection and clip, over shared seeds, on every task. All arms start "
        "from the projection; those below the first have no clip. An arm whose interval ends in the band is as soon as "
        "the clip.",
    )


def _shown(family: Family, table: pd.DataFrame, missing: Sequence[str]) -> Shown:
    return Shown(
        family.name,
        family.asks,
        "; ".join(f"{name}: {arm.about}" for name, arm in family.arms().items()) + ".",
        tuple(sentences(table)),
        tuple(_of_main(family.name, table)),
        as_text(table),
        tuple(by_arm(missing)),
    )


def _of_main(name: str, table: pd.DataFrame) -> Iterator[Plate]:
    compared = where(table, task=MAIN)
    compared = compared.loc[compared["verdict"] != "reference"]
    if compared["ratio"].notna().any():
        drawn = compared.rename(columns={"n": "runs", "shared": "seeds"}).assign(margin=MARGIN)
        memorise = names(where(drawn, event="memorisation"), "arm")
        other = f" ({joined(memorise)}: to memorisation)" if memorise else ""
        yield Plate(
            f"{name}-{MAIN}",
            figures.ladder(drawn),
            drawn,
            f"{TITLES[MAIN]}: steps to the sustained grok{other} relative to the clip under the same circumstances, "
            "over shared seeds. An arm whose interval ends in the band is as soon as the clip.",
        )


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Which arms are as soon as the clip, which are later, and which cannot be told."""
    said = {"as soon": "as soon as the clip", "later": "later", "cannot tell": "cannot be told"}
    for task in names(table, "task"):
        of_task = where(table, task=task)
        for verdict, word in said.items():
            found = of_task.loc[of_task["verdict"] == verdict].to_dict("records")
            if found:
                shown = joined([f"{row['arm']} {_seen(row)}" for row in found])
                yield f"{TITLES[task]}: {word}: {shown}."
        for row in where(of_task, arm=CLIP).to_dict("records"):
            yield f"{TITLES[task]}: the clip has its sustained grok at {steps(row['median'])} steps (n = {row['n']})."


def _seen(row: Mapping[str, object]) -> str:
    if pd.isna(row["ratio"]):  # type: ignore[call-overload]
        return f"({row['statement']})"
    few = ", an indication" if pd.notna(row["shared"]) and int(str(row["shared"])) < FEW else ""  # type: ignore[call-overload]
    event = "to memorise " if row["event"] == "memorisation" else ""
    return f"{event}{ratio_in_words(row)}{few}"


def as_text(table: pd.DataFrame) -> Table:
    """The numbers of a family as they stand on the page."""
    columns = ("task", "arm", "runs", "reached", "median", "first grok", "ratio to the clip", "share", "verdict")
    columns += ("signal", "memory", "noise", "norm")
    written = []
    for row in table.to_dict("records"):
        cells = (
            TITLES[str(row["task"])], row["arm"], row["n"], row["reached"], steps(row["median"]),
            steps(row["first_median"]), "–" if pd.isna(row["ratio"]) else ratio_in_words(row), _share(row),
            row["verdict"],
            *("–" if pd.isna(row[name]) else f"{row[name]:.2g}" for name in _MEDIATORS),
        )  # fmt: skip
        written.append(tuple(map(str, cells)))
    caption = (
        "Runs that reached the sustained grok (of random labels: memorisation), median steps to it and to the first "
        "grok; the ratio of geometric means over shared seeds with two one-sided 95% ends; the share of the clip’s "
        "speed-up, in logarithms, over the seeds that arm, clip and projection alone share, which may be fewer; "
        "signal, memory and noise at the grok, in nats; the joint norm of the decoder at the end over that at the "
        "start."
    )
    return Table(columns, tuple(written), frozenset(columns[2:6] + columns[7:8] + columns[9:]), caption)


def _share(row: Mapping[str, object]) -> str:
    """A share of the clip's speed-up with its own n: `96% (n = 2)`."""
    if pd.isna(row["share"]):  # type: ignore[call-overload]
        return "–"
    share = f"{float(str(row['share'])):.0%}".replace("-", "−")
    return f"{'0%' if share == '−0%' else share} (n = {row['share_seeds']})"


_MEDIATORS = ("signal_at_grok", "memory_at_grok", "noise_val_at_grok", "norm_at_end")


def hypotheses_as_text(found: pd.DataFrame) -> Table:
    """Every hypothesis with what it predicts for each of its arms, and what was seen."""
    columns = ("because", "arm", "predicted", TITLES[MAIN], "seen")
    written = []
    for one in HYPOTHESES:
        says = one.says
        for question in QUESTIONS:
            for arm, words in one.arms(question).items():
                rows = where(found, hypothesis=one.name, question=question, arm=arm)
                if len(rows):
                    main = where(rows, task=MAIN).to_dict("records")
                    cells = (words, rows["predicted"].iloc[0], main[0]["seen"] if main else "–")
                    written.append((says, *map(str, cells), seen(found, one.name, question, arm)))
                    says = ""
    caption = (
        "What each hypothesis predicts for the arms that have its one thing alone, without a clip (as soon), or all "
        "but it (later); the ratio to the clip on the main task; and what was seen, task by task: of the first kind, "
        "all or not all of the clip’s effect; of the second, whether something is lost. All of it means as soon as the "
        "clip, whether or not these runs can tell that the clip is sooner than none there."
    )
    return Table(columns, tuple(written), frozenset(), caption)


def tasks_as_text(table: pd.DataFrame) -> Table:
    """The arms of the ladder on every task, with the steps of the clip above them."""
    tasks = [task for task in TITLES if task in set(table["task"])]
    columns = ("arm", *(TITLES[task] for task in tasks))
    written = [(("projection and clip, steps"), *(_median(table, task) for task in tasks))]
    for arm, label in LADDER.items():
        cells = []
        for task in tasks:
            rows = where(table, task=task, arm=arm).to_dict("records")
            cells.append(f"{ratio_in_words(rows[0])}: {rows[0]['verdict']}" if rows else "–")
        written.append((label, *cells))
    caption = (
        "Median steps of the clip to the sustained grok; below, the ratio of each arm to it, and whether it is as "
        f"soon, later, or cannot be told. Of fewer than {FEW} seeds a verdict is an indication."
    )
    return Table(columns, tuple(written), frozenset(), caption)


def _median(table: pd.DataFrame, task: str) -> str:
    rows = where(table, task=task, arm=CLIP).to_dict("records")
    return f"{steps(rows[0]['median'])} (n = {rows[0]['n']})" if rows else "–"


def methods(rows: pd.DataFrame, table: pd.DataFrame) -> tuple[str, ...]:
    """How runs were made and compared, as far as there are any.

    Arguments:
        rows: of every run that has ended.
        table: of `summary`.
    """
    hours = float(numbers(rows, "observed_seconds").sum()) / 3600
    standard = " The family “residual” has the standard one." if len(where(table, family="residual")) else ""
    return (
        f"Two-layer transformers of width 128, trained with Lion at learning rate 1e-3 on half of all pairs of modular "
        f"arithmetic mod 97 or of S5, {_batches(table)}, as the authors of the method publish them. Every row is "
        "projected to the published bound before training, in every arm unless it says otherwise; the clip brings the "
        "rows of the decoder back to it after every step. All networks have the published residual: the first norm of "
        f"a block overwrites the stream.{standard}",
        "Arms of one seed share initial weights, split and batch order. Networks are evaluated once an epoch; a grok "
        "is sustained if validation accuracy is at least 0.95 there and at the next five evaluations. A run ends 200 "
        "steps later, or at its budget, where it is censored. Runs that follow another run follow one of seed 200, "
        "which no arm has; what is tuned is tuned on seeds 100 and 101.",
        "An arm is as soon as the clip if the upper end of a one-sided 95% interval of the geometric mean, over "
        f"shared seeds, of its time over the clip’s is at most {MARGIN:g}; later, if the lower end is above that. The "
        "ends are those of a t test of logarithms. An arm some of whose runs are censored has no upper end, and its "
        "lower one is that of the signed-rank test, which no later grok of those runs could lower, and which needs "
        f"five seeds.{_decisive(table)} A share of the speed-up is in logarithms, 0% at the projection alone and 100% "
        "at the clip.",
        f"{len(rows)} runs, {hours:.1f} hours of training on one core. Rows of all of them are in runs.csv, and what "
        "is missing is trained by the command above, here or from these rows on another machine.",
    )


def _batches(table: pd.DataFrame) -> str:
    """The batch sizes of the tasks that have runs: `batch 512 (mixed 2,048, S5 960)`."""
    of_task = {task: base(task, TaskSize(0, {})).training.batch_size for task in TITLES if task in names(table, "task")}
    sizes = list(of_task.values())
    most = max(sizes, key=sizes.count)
    others = [f"{TITLES[task]} {size:,}" for task, size in of_task.items() if size is not None and size != most]
    varied = ", but where an arm names another" if len(where(table, family="noise")) else ""
    return f"batch {most:,}{f' ({joined(others)})' if others else ''}{varied}"


def _decisive(table: pd.DataFrame) -> str:
    """How many seeds the two decisive arms have, and how many they will."""
    seeds = sorted(int(n) for arm in HELD for n in where(table, arm=arm)["n"])
    if not seeds:
        return ""
    now = f"{seeds[0]}" if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}"
    return (
        f" The two arms that decide ({joined(list(HELD))}) have {now} seeds a task so far; the plan gives them at "
        "least five, and as many as 80% power needs at the spread of those, at most 40."
    )


def twins(rows: pd.DataFrame) -> tuple[str, ...]:
    """The built-in check: two arms that are one function, by their steps; nothing where they share no seed."""
    steps_of = {
        arm: where(rows, task=MAIN, arm=arm).set_index("seed")["sustained_grok_step"].dropna().astype(int)
        for arm in ("scale-embeddings", "rate-embeddings")
    }
    scaled, faster = steps_of.values()
    seeds = sorted(set(scaled.index) & set(faster.index))
    if not seeds:
        return ()
    pairs = joined([f"{scaled[seed]:,} and {faster[seed]:,}" for seed in seeds])
    return (
        "A check that is built in: embeddings scaled down before the first step, and embeddings that learn faster by "
        "as much, are one function where a norm follows and steps do not see a gradient’s size, but for LayerNorm’s "
        f"epsilon and rounding. Steps to the sustained grok on {TITLES[MAIN]}, seed by seed: {pairs} (n = "
        f"{len(seeds)}).",
    )


def earlier_claims(out: Path, table: pd.DataFrame) -> list[dict[str, object]]:
    """The claims of the earlier experiment, where its tables are in the folder of the report.

    Arguments:
        table: of `summary`, by which a claim says where it is asked today.
    """
    if not (out / earlier.CLAIMS).exists():
        return []
    published = earlier.read_published(pd.read_csv(out / earlier.CLAIMS), pd.read_csv(out / earlier.RUNS))
    return [{"claim": replace(one, now=one.today(table)), "shown": one.shown(published)} for one in earlier.EARLIER]


def summary_in_markdown(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """The abstract, and what was seen of every hypothesis, as the README has them."""
    told = filter(None, abstract(table))
    lines = [*(line for sentence in told for line in (sentence, "")), *_markdown_table(found)]
    return "\n".join(lines) + "\n"


def _markdown_table(found: pd.DataFrame) -> list[str]:
    lines = ["| clipping speeds up grokking because | given that alone, a run has | without it |", "|---|---|---|"]
    for one in HYPOTHESES:
        if len(where(found, hypothesis=one.name)):
            alone, without = (seen(found, one.name, question) for question in QUESTIONS)
            lines.append(f"| {one.says} | {alone} | {without} |")
    return lines
