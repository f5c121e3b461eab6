"""What the page says: hypotheses, the answer, the earlier claims; and that it is what the committed tables say."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from grokscope.config import preset
from grokscope.experiments.experiment import Request, experiment
from grokscope.experiments.ledger import WHOLE
from grokscope.experiments.why_clipping import earlier, page
from grokscope.experiments.why_clipping.abstract import CONSEQUENCES, abstract, because, beside
from grokscope.experiments.why_clipping.by_site import by_site
from grokscope.experiments.why_clipping.declared import HELD, NORMS_FREE, families
from grokscope.experiments.why_clipping.effects import in_words
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES, QUESTIONS, hypotheses_table, seen
from grokscope.experiments.why_clipping.lacking import lacking
from grokscope.experiments.why_clipping.literature import SOURCES
from grokscope.experiments.why_clipping.methods import twins
from grokscope.experiments.why_clipping.summary import MEDIATORS, summary
from grokscope.experiments.why_clipping.tables import LADDER
from grokscope.experiments.why_clipping.tasks import BUDGETS
from grokscope.experiments.why_clipping.wording import ratio_in_words, standing

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "why-clipping"


def _row(task: str, arm: str, verdict: str = "reference", ratio: float = 1.0, **more: object) -> dict[str, object]:
    row = {
        "family": "x", "task": task, "arm": arm, "about": f"about {arm}", "n": 5, "reached": 5,
        "median": 500.0, "ratio": ratio, "low": 0.9 * ratio, "high": 1.1 * ratio, "is_lower_bound": False,
        "is_upper_bound": False, "shared": 5,
        "verdict": verdict, "shared_median": 500.0 * ratio, "against_median": 500.0,
        "event": "sustained_grok", "statement": "",
    }  # fmt: skip
    return row | more


def _table(verdicts: dict[str, str], arms: tuple[str, ...] = tuple(HELD)) -> pd.DataFrame:
    """The ends on some tasks, four times apart, and arms that hold the norms, with one verdict a task."""
    rows = [row for task in verdicts for row in _ends(task)]
    rows += [_row(task, arm, verdict) for task, verdict in verdicts.items() for arm in arms]
    return pd.DataFrame(rows).astype({"shared": "Int64"})


def _ends(task: str) -> list[dict[str, object]]:
    return [_row(task, "clip"), _row(task, "free", "later", 4.0)]


# --- hypotheses ---------------------------------------------------------------------------------------------------


def test_every_arm_of_a_hypothesis_is_one_that_is_trained():
    trained = {arm for family in families().values() for arm in family.arms()}
    for one in HYPOTHESES:
        assert one.alone
        for question in QUESTIONS:
            assert set(one.arms(question)) <= trained, one.name
    assert set(LADDER) <= trained
    assert len({one.name for one in HYPOTHESES}) == len(HYPOTHESES)


def test_what_an_arm_has_alone_and_what_is_lost_without_it_are_two_words():
    rows = [
        _row("mul", "sphere-1", "as soon"),
        _row("mul", "sphere-rows", "later", 2.0),
        _row("s5", "sphere-1", "cannot tell", 1.1),
        _row("mul", "norms-free-step-clip-scale-clip", "later", 1.6),
        _row("add", "relative-step", "later", 1.7),
        _row("mul", "norms-clip-step-free-scale-clip", "as soon", 1.02),
        _row("s5", "norms-clip-step-free-scale-clip", "later", 1.5, shared=4),
    ]
    found = hypotheses_table(pd.DataFrame(rows).astype({"shared": "Int64"}))
    # Of two arms of a task the better one counts.
    assert seen(found, "norms", "alone") == "all of it on x · y; cannot tell on S5"
    assert seen(found, "norms", "alone", "sphere-rows") == "not all of it on x · y"
    assert seen(found, "norms", "without") == "some is lost on x · y"
    assert seen(found, "relative step", "alone") == "not all of it on x + y"
    assert seen(found, "relative step", "without") == "nothing is lost on x · y; some is lost (indicated) on S5"
    assert seen(found, "decay", "alone") == "not tested"
    told = found.drop_duplicates("arm").set_index("arm")
    assert told.loc["relative-step", "predicted"] == "as soon as the clip"
    assert told.loc["norms-clip-step-free-scale-clip", "predicted"] == "later than the clip"
    assert told.loc["relative-step", "seen"] == "1.70× (1.53 to 1.87, n = 5)"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "1.20× (1.08 to 1.32, n = 5)"),
        ({"high": float("inf"), "is_lower_bound": True}, "≥ 1.20× (1.08 to ∞, n = 5)"),
        ({"low": 0.0, "is_upper_bound": True}, "≤ 1.20× (0.00 to 1.32, n = 5)"),
        ({"low": float("nan"), "high": float("nan"), "shared": 1}, "1.20× (n = 1)"),
        ({"ratio": float("nan"), "statement": "no run of clip has ended"}, "no run of clip has ended"),
        ({"ratio": 1.0, "verdict": "reference", "shared": None}, "1 (reference)"),
    ],
)
def test_a_ratio_says_its_ends_and_its_seeds(more, told):
    row = _row("mul", "sphere-1", "later", 1.2) | {"low": 1.08, "high": 1.32}
    assert ratio_in_words(row | more) == told


# --- the answer ---------------------------------------------------------------------------------------------------


def test_the_answer_is_given_without_reserve_if_it_holds_on_all_six_tasks_alone():
    whole = because(_table(dict.fromkeys(BUDGETS, "as soon")))
    assert whole.startswith("Clipping speeds up grokking because it keeps the norms of the network’s function")
    assert whole.endswith(
        "on each of the six tasks runs given only that are as soon (every tensor held at its norm: 1.00 to 1.00 "
        "times the clip’s steps, at most 1.10, n = 5 a task)."
    )
    censored = _table(dict.fromkeys(BUDGETS, "as soon"))
    censored.loc[(censored["arm"] == next(iter(HELD))) & (censored["task"] == "s5"), ["n", "reached"]] = 39, 36
    assert "n = 5 a task; 36 of 39 runs grok on S5 in the budget)." in because(censored)
    either = _table(dict.fromkeys(BUDGETS, "as soon"))
    for arm, task in zip(HELD, ("s5", "add", "div"), strict=True):
        either.loc[(either["arm"] == arm) & (either["task"] == task), "verdict"] = "cannot tell"
    assert because(either).endswith(
        "are as soon, though no one of the three ways of holding them is shown to be so on all six."
    )
    five = because(_table({task: "as soon" for task in BUDGETS if task != "s5"}))
    assert "as far as these runs say" in five
    mixed = because(_table(dict.fromkeys(BUDGETS, "as soon") | {"s5": "later", "div": "cannot tell"}))
    assert "shown on x · y, x + y, x − y and mixed; not the whole on S5; open on x / y" in mixed
    few = _table(dict.fromkeys(BUDGETS, "as soon"))
    few.loc[few["task"] == "s5", "shared"] = 4
    assert "shown on x · y, x + y, x − y, x / y and mixed; indicated on S5" in because(few)


def test_one_of_the_ways_to_hold_the_norms_is_enough_and_all_are_needed_to_deny_it():
    rows = _ends("mul")
    sphere, *_, growing = HELD
    one = [*rows, _row("mul", sphere, "later"), _row("mul", growing, "as soon")]
    assert "shown on x · y" in because(pd.DataFrame(one))
    unsure = [*rows, _row("mul", sphere, "later"), _row("mul", growing, "cannot tell")]
    assert "open on x · y" in because(pd.DataFrame(unsure))
    assert "open on x · y" in because(pd.DataFrame(rows))


def test_the_abstract_says_each_number_with_its_n_and_is_short():
    table = _table(dict.fromkeys(BUDGETS, "as soon"), (*HELD, NORMS_FREE))
    table.loc[table["task"] == "s5", "reached"] = 4
    told = " ".join(abstract(table))
    assert "500 steps, 2,000 without, medians over shared seeds; 4.00×, 3.60 to 4.40, n = 5" in told
    assert len(re.findall("[A-Za-z’]{2,}", told)) <= 150  # and numbers


def test_the_headline_is_of_shared_seeds_and_as_strong_as_its_verdict():
    """Three runs of the clip and two without, one of which shares no seed: the medians are those of the pairs."""
    runs = {("clip", 0): 440, ("clip", 1): 520, ("clip", 2): 590, ("free", 0): 740, ("free", 1): 1280}
    told = abstract(summary(_runs(runs)))[0]
    apart = np.log([740 / 440, 1280 / 520])
    ratio, half = np.exp(apart.mean()), stats.t.ppf(0.95, 1) * apart.std(ddof=1) / np.sqrt(2)
    low, high = (np.exp(apart.mean() + side * half) for side in (-1, 1))
    assert (
        f"(x · y: 480 steps, 1,010 without, medians over shared seeds; {ratio:.2f}×, {low:.2f} to {high:.2f}, n = 2)"
        in told
    )
    assert told.startswith("In these runs small transformers grok sooner")
    assert "so few seeds cannot tell" in told
    later = {(arm, seed): time + seed for arm, time in (("clip", 500), ("free", 2000)) for seed in range(5)}
    told = abstract(summary(_runs(later)))[0]
    assert told.startswith(
        "Clipping every weight row after each step makes small transformers grok sooner (x · y: 502 "
    )
    same = {(arm, seed): time + seed for arm, time in (("clip", 500), ("free", 501)) for seed in range(5)}
    assert "does not make small transformers grok sooner" in abstract(summary(_runs(same)))[0]
    fewer = {("clip", 0): 800, ("clip", 1): 500, ("free", 0): 400, ("free", 1): 480}
    assert abstract(summary(_runs(fewer)))[0].startswith("In these runs small transformers grok no sooner")
    alone = abstract(summary(_runs({("clip", 0): 440})))[0]
    assert alone.startswith("Clipping every weight row after each step is said to make")


def _runs(times: dict[tuple[str, int], int | None], task: str = "mul", event: str = "sustained_grok") -> pd.DataFrame:
    """Rows of runs on one task with these times; None: not within 3,000 steps."""
    parts = {name: family.name for family in families().values() for name in family.arms()}
    rows = [
        dict.fromkeys(WHOLE, 3000)
        | {"memorisation_step": 100, "grok_step": time, "sustained_grok_step": time, f"{event}_step": time}
        | {"part": parts[arm], "task": task, "arm": arm, "seed": seed, "status": "finished", "run": f"{arm}-{seed}"}
        | dict.fromkeys(MEDIATORS, 1.0)
        | {"observed_seconds": 60.0}
        for (arm, seed), time in times.items()
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(WHOLE, "Int64"))


def test_the_abstract_names_the_tasks_on_which_no_run_of_an_arm_groks():
    def told(*rows: dict[str, object]) -> str:
        return abstract(pd.DataFrame([*_ends("mul"), *rows]).astype({"shared": "Int64"}))[1]

    on_main, none = _row("mul", NORMS_FREE, "cannot tell"), _row("s5", NORMS_FREE, "cannot tell", 2.6, reached=0, n=1)
    few = _row("add", NORMS_FREE, "as soon", 1.05, shared=2)
    assert "): not within the budget on S5 (n = 1), open elsewhere; x · y 1.00×" in told(on_main, none)
    assert "): indicated as soon on x + y, not within the budget on S5 (n = 1), open" in told(on_main, none, few)
    partly = [_row("mul", NORMS_FREE, "as soon"), _row("s5", NORMS_FREE, "as soon", 1.1, reached=3)]
    assert "as soon on x · y and S5 (3 of 5 runs grok on S5 in the budget)" in told(*partly)
    later = _row("div", NORMS_FREE, "later", 2.6, reached=0)
    assert "later on x / y (0 of 5 runs grok on x / y in the budget)" in told(*partly, later)
    two = _row("div", NORMS_FREE, "as soon", 1.1, reached=4)
    assert "(3 of 5 runs grok on S5 and 4 of 5 on x / y in the budget)" in told(*partly, two)
    assert "): open; x · y" in told(on_main)


def test_other_arms_of_the_main_task_are_told_beside_the_abstract_by_their_verdicts():
    """All that are there once, those of one verdict together; the arm that answers is in the abstract."""
    table = _table(dict.fromkeys(BUDGETS, "as soon"), ("sphere-1",))
    assert beside(table) == ""
    more = [
        _row("mul", "sphere-rows", "as soon"),
        _row("mul", "growing-sphere-tensors", "as soon", 1.05, shared=3),
        _row("mul", "norms-clip-step-free-scale-free", "as soon", 1.1),
        _row("mul", "relative-step", "later", 2.0),
        _row("mul", "decay-as-clip", "cannot tell", 1.3),
        _row("s5", "decay-as-clip", "later", 3.0),
    ]
    told = beside(pd.concat([table, pd.DataFrame(more)], ignore_index=True).astype({"shared": "Int64"}))
    assert told == (
        "On x · y, as soon: every row held at its norm (1.00×, 0.90 to 1.10, n = 5) and "
        "the clip with both undone (1.10×, 0.99 to 1.21, n = 5); "
        "indicated as soon: fixed-gain weight normalisation that forgets nothing (1.05×, 0.95 to 1.16, n = 3); "
        "later: the starting relative step alone (2.00×, 1.80 to 2.20, n = 5); "
        "open: weight decay at the clip’s rates (1.30×, 1.17 to 1.43, n = 5)."
    )
    never = _row("mul", "decay-as-clip", "cannot tell", 2.6, reached=0, n=1, shared=1, low=np.nan)
    told = beside(pd.DataFrame([*_ends("mul"), never]).astype({"shared": "Int64"}))
    assert told == "On x · y, not within the budget: weight decay at the clip’s rates (2.60×, n = 1)."


def test_what_each_site_gives_alone_and_costs_is_multiplied_beside_the_whole():
    """Planted: times over those of the clip are products of the factors of the sites that are free, and of noise."""
    factors = {"scores": 1.2, "pre-activations": 1.5, "written": 1.1, "stream": 1.3, "final-gain": 1.4}
    noise, whole = {0: 400, 1: 500, 2: 640}, np.prod(list(factors.values()))
    times: dict[tuple[str, int], float | None] = {}
    for seed, base in noise.items():
        times |= {("sphere-1", seed): base, ("free", seed): base * whole}
        times |= {(f"only-{site}", seed): base * whole / factor for site, factor in factors.items()}
        times |= {(f"but-{site}", seed): base * factor * (1 + seed / 10) for site, factor in factors.items()}
    rows = _runs({at: None if time is None else round(time * 1000) for at, time in times.items()})
    told = by_site(rows)
    assert "all norms held at once give 3.60× (3.60 to 3.60) over the projection alone." in told
    assert (
        "1.20× (attention scores), 1.50× (pre-activations of the MLP), 1.10× (what is written to the stream), "
        "1.30× (the stream) and 1.40× (the final gain): multiplied 3.60× (3.60 to 3.60), which is 1.00 times" in told
    )
    # A site freed costs its factor and 1, 1.1 and 1.2 of seeds 0 to 2, to the fifth power if they are multiplied.
    more = 5 * np.log([1, 1.1, 1.2])
    half = stats.t.ppf(0.95, 2) * more.std(ddof=1) / np.sqrt(3)
    mean, low, high = np.exp([more.mean(), more.mean() - half, more.mean() + half])
    assert f"costs {1.2 * mean**0.2:.2f}×, {1.5 * mean**0.2:.2f}×, {1.1 * mean**0.2:.2f}×" in told
    ends = f"multiplied {whole * mean:.2f}× ({whole * low:.2f} to {whole * high:.2f}), which is {mean:.2f} times"
    assert f"{ends} ({low:.2f} to {high:.2f}) the whole (n = 3)." in told
    assert by_site(rows.loc[~((rows["arm"] == "but-stream") & (rows["seed"] > 0))]) == ""
    rows.loc[(rows["arm"] == "only-scores") & (rows["seed"] == 1), "sustained_grok_step"] = pd.NA
    assert by_site(rows) == ""


def test_the_abstract_counts_the_arms_that_have_runs():
    arms = {arm for family in families().values() for arm in family.arms()} - {"clip", "free"}
    table = _table(dict.fromkeys(BUDGETS, "as soon"), ("sphere-1",))
    more = [_row("mul", "sphere-2", "later", 3.0), _row("mul", "relative-step", "later", 3.0)]
    more += [_row("s5", "relative-step", "later", 3.0)]
    told = abstract(pd.concat([table, pd.DataFrame(more)], ignore_index=True))[0]
    assert f"of {len(arms)} arms that are planned 3 have runs so far, 2 on several tasks" in told
    assert "1 have runs so far, on one task." in abstract(_table({"mul": "as soon"}, ("sphere-1",)))[0]
    assert f"all {len(arms)} arms have runs, on one task." in abstract(_table({"mul": "as soon"}, tuple(arms)))[0]


def test_a_task_on_which_the_clip_is_not_found_to_be_sooner_is_not_explained():
    table = _table({"mul": "as soon", "add": "as soon", "s5": "cannot tell"})
    unsure = table["arm"].eq("free") & table["task"].eq("add")
    table.loc[unsure, "verdict"] = "cannot tell"
    told = because(table)
    assert "shown on x · y; open on S5; on x + y such runs are as soon as the clip, but these runs cannot tell" in told
    table.loc[table["arm"].eq("free"), "verdict"] = "cannot tell"
    told = because(table)
    assert told.startswith("Whether clipping speeds up grokking because it keeps the norms")
    assert "shown" not in told
    assert "on x · y and x + y such runs" in told
    without_free = _table(dict.fromkeys(BUDGETS, "as soon")).query("arm != 'free'")
    assert "each of the six tasks" not in because(without_free)


def test_an_arm_is_called_what_it_is():
    about = families()["two-by-two-by-two"].arms()[NORMS_FREE].about
    assert "relative step held at that of the start" in about
    assert "relative step held at that of the start" in CONSEQUENCES


def test_the_abstract_says_whether_held_norms_are_needed():
    """What follows from held norms is given to runs with free norms: later there, some is lost without the norms."""
    table = _table(dict.fromkeys(BUDGETS, "as soon"))
    assert "free norms" not in abstract(table)[1]
    more = pd.DataFrame([_row(task, NORMS_FREE, "later", 2.0) for task in BUDGETS])
    whole = pd.concat([table, more], ignore_index=True)
    assert abstract(whole)[1].endswith(
        "What follows from it, given to runs with free norms (relative step held at that of the start, the clip’s "
        "logit scale): later on all six tasks; x · y 2.00×, 1.80 to 2.20, n = 5."
    )
    found = hypotheses_table(whole)
    assert seen(found, "norms", "without") == "some is lost on all six tasks"
    assert seen(found, "step and scale", "alone") == "not all of it on all six tasks"


def test_what_others_found_is_beside_verdicts_of_the_table_alone():
    arms = {arm for family in families().values() for arm in family.arms()}
    nothing = pd.DataFrame([_row("mul", "clip")])
    every = pd.DataFrame([_row(task, arm, "later", 2.0, family="f") for task in ("mul", "s5") for arm in arms])
    for source in SOURCES:
        for one in source.expected:
            assert set(one.arms) <= arms
            assert re.match("(If|And so) ", one.says), one.says
        # No verdict and no family stands there before there is a row, and every one that there is afterwards.
        told = source.beside(nothing)
        assert not re.search("Seen|family|n = ", told)
        assert told.count("That has not run yet.") == len(source.expected)
        told = source.beside(every)
        for arm in {arm for one in source.expected for arm in one.arms}:
            assert f"{arm} (family f) later on x · y and S5 (n = 5 each)" in told
        assert not re.search("Agrees|Disagrees", told)


def test_where_an_arm_stands_is_told_with_its_seeds():
    rows = [_row("mul", "sphere-1", "as soon"), _row("add", "sphere-1", "as soon"), _row("sub", "sphere-1", "later")]
    rows += [_row("div", "sphere-1", "cannot tell", shared=1)]
    rows += [_row("s5", "sphere-1", "cannot tell", float("nan"), shared=None, statement="clip did not grok")]
    told = standing(pd.DataFrame(rows).astype({"shared": "Int64"}), "sphere-1")
    assert told == (
        "as soon on x · y and x + y (n = 5 each); later on x − y (n = 5); "
        "cannot tell on x / y (n = 1) and S5 (clip did not grok)"
    )


def test_muon_and_adamw_on_the_results_page_are_as_is_said_of_them():
    runs = pd.read_csv(ROOT / "reports" / "tables" / "accelerators-runs.csv")
    for task in ("mul", "sub"):
        times = {
            (arm, clip): runs.loc[(runs["task"] == task) & (runs["arm"] == arm) & (runs["clip"] == clip), "grok_step"]
            for arm in ("muon", "adamw-decay1")
            for clip in (True, False)
        }
        assert all(len(of) == 3 for of in times.values())
        assert times["muon", True].max() < times["adamw-decay1", True].min()
        assert times["muon", False].min() > times["adamw-decay1", False].max()


def test_an_earlier_claim_names_a_family_that_has_runs_or_none():
    (precision,) = (one for one in earlier.EARLIER if one.family == "precision")
    assert "precision" not in precision.today(pd.DataFrame([_row("mul", "clip")]))
    assert "precision" in precision.today(pd.DataFrame([_row("mul", "float64-free", family="precision")]))
    for one in earlier.EARLIER:
        assert (one.family is not None) == ("above" in one.now), one.question
        assert one.family is None or one.family in families()


# --- the page -----------------------------------------------------------------------------------------------------


def test_a_reference_that_did_not_grok_is_said_in_words():
    rows = _runs({("fraction-0.9-clip", 0): None, ("fraction-0.9-free", 0): None})
    table = summary(rows)
    said = "fraction-0.9-clip did not grok within its budget on seed 0"
    assert table.set_index("arm").loc["fraction-0.9-free", "statement"] == said
    (sentence,) = page.sentences(table)
    assert sentence == f"x · y: cannot be told: fraction-0.9-free ({said})."
    texts = [cell for row in page.as_text(table).rows for cell in row]
    assert texts.count("1 (reference)") == 1
    assert not [text for text in texts if "None" in text or "n = <NA>" in text]


def test_times_to_memorise_are_called_so():
    rows = _runs({("random-clip", 0): 500, ("random-free", 0): 400}, event="memorisation")
    rows = pd.concat([rows, _runs({("fraction-0.9-clip", 0): None, ("fraction-0.9-free", 0): 900})])
    rows = pd.concat([rows, _runs({("fraction-0.4-clip", 0): 500, ("fraction-0.4-free", 0): 900})])
    table = summary(rows)
    (plate,) = page._of_main("competition", table)
    assert "(random-free: to memorisation)" in plate.caption
    (ax,) = plate.figure.axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["random-free (to memorisation)", "fraction-0.9-free", "fraction-0.4-free"]
    assert ax.get_xlabel() == "steps to the sustained grok, relative to the clip"
    assert "fraction-0.9-clip did not grok within its budget on seed 0" in [text.get_text() for text in ax.texts]
    assert any("random-free to memorise 0.80×" in sentence for sentence in page.sentences(table))


def test_a_share_has_the_number_of_its_own_seeds():
    runs = {("clip", seed): 500 for seed in range(3)} | {("sphere-1", seed): 500 * 2**0.5 // 1 for seed in range(3)}
    table = summary(_runs(runs | {("free", 0): 1000}))
    row = table.set_index("arm").loc["sphere-1"]
    assert (row["shared"], row["share_seeds"]) == (3, 1)
    assert row["share"] == pytest.approx(0.5, abs=0.01)
    text = page.as_text(table)
    place = text.columns.index("share")
    assert [of[place] for of in text.rows] == ["–", "0% (n = 1)", "50% (n = 1)"]
    censored = summary(_runs(runs | {("free", 0): None})).set_index("arm")
    assert censored.loc["sphere-1", ["share", "share_seeds"]].isna().all()


def test_methods_are_those_of_the_runs_that_there_are():
    rows = pd.concat([_runs({("sphere-1", seed): 500 for seed in seeds} | {("clip", 0): 500}, task)
                      for task, seeds in (("mul", (0, 1, 2)), ("s5", (0,)), ("mixed", (0,)))])  # fmt: skip
    told = " ".join(page.methods(rows, summary(rows), published=True))
    for task in ("mul", "s5", "mixed"):
        size = preset(f"{task}-lion-clip").training.batch_size
        assert f"{size:,}" in told
    assert "; 1 to 3 seeds a task so far) the plan gives sphere-1 as many seeds as" in told
    assert "residual”" not in told  # the family has no run
    assert "sphere-rows joined them" in told
    assert "joined them" not in " ".join(page.methods(rows, summary(rows), published=False))
    alone = _runs({("clip", 0): 500})
    one = page.methods(alone, summary(alone), published=False)
    assert "batch 512, as" in one[0]
    standard = _runs({("pre-ln-clip", 0): 500})
    assert "The family “residual” has the standard one." in page.methods(standard, summary(standard), published=True)[0]


def test_the_two_arms_that_are_one_function_stand_beside_each_other():
    rows = [
        {"task": "mul", "arm": arm, "seed": seed, "sustained_grok_step": step}
        for arm, of_seeds in {
            "scale-embeddings": (1200, 1500, None, 7),
            "rate-embeddings": (1210, None, 900, 9),
        }.items()
        for seed, step in enumerate(of_seeds)
    ]
    table = pd.DataFrame(rows).astype({"sustained_grok_step": "Int64"})
    (told,) = twins(table)
    assert "1,200 and 1,210; 7 and 9 (n = 2)" in told
    assert twins(table.loc[table["arm"] == "scale-embeddings"]) == ()


# --- earlier claims -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> earlier.Published:
    return earlier.read_published(pd.read_csv(REPORT / earlier.CLAIMS), pd.read_csv(REPORT / earlier.RUNS))


def test_every_earlier_claim_shows_numbers_of_its_own_table(published):
    assert [one.number for one in earlier.EARLIER] == sorted(set(published.effects["claim"]))
    for one in earlier.EARLIER:
        said = set(published.effects.loc[published.effects["claim"] == one.number, "verdict"])
        assert said == {one.said}
        told = " ".join(one.shown(published))
        of_claim = published.effects.loc[published.effects["claim"] == one.number].to_dict("records")
        if one.number != 9:  # of steps, below
            assert any(in_words(row) in told for row in of_claim), one.number
        assert (one.alone is None) == (one.without is None)


def test_steps_after_a_clip_was_switched_on_are_counted_from_there(published):
    (claim,) = (one for one in earlier.EARLIER if one.number == 9)
    (told,) = claim.shown(published)
    runs = published.runs.loc[(published.runs["arm"] == "on-1600") & (published.runs["task"] == "mul")]
    groks = [int(step) for step in runs["sustained_grok_step"].dropna()]
    late = sorted(step - 1600 for step in groks if step > 1600)
    before = sum(step <= 1600 for step in groks)
    assert before > 0  # as the audit found
    assert f"at 1,600: {', '.join(f'{step:,}' for step in late)} ({before} grokked before)" in told


def test_one_name_means_one_arm(published):
    alone = published.runs.loc[published.runs["stage"] != "accelerators", "arm"]
    assert "lion-clip" not in set(alone)
    assert "lion-clip-alone" in set(alone)


def test_an_effect_that_is_not_there_is_told(published):
    with pytest.raises(ValueError, match=r"earlier-claims.csv has 0 effects of claim 2, mul, nothing"):
        published.effect(2, "mul", "nothing")


def test_where_norms_are_held_and_runs_do_not_grok_the_page_says_what_others_have_there():
    runs = {("clip", seed): step for seed, step in enumerate((1000, 3000, 1200))}
    runs |= {("sphere-1", seed): step for seed, step in enumerate((900, None, 1100))}
    runs |= {("sphere-rows", 1): 1500, ("sphere-rows", 2): None}
    of_s5 = _runs(runs).assign(task="s5", budget=5000, row_spread_at_end=[0.1, 0.1, 0.1, 0.4, 0.9, 0.6, 0.0, np.nan])
    tensors, rows, spread = lacking(pd.concat([of_s5, _runs({("clip", 0): 500, ("sphere-1", 0): 500})]))
    # Nothing is said of x * y, where all runs grok.
    assert tensors == (
        "S5, sphere, by tensors: 2 of 3 runs grok within 5,000 steps. On the seeds of the others the clip takes 3,000 "
        "(seed 1); its median is 1,200 (n = 3). Other ways there: sphere, by rows: 1,500 (seed 1)."
    )
    assert rows.startswith("S5, sphere, by rows: 1 of 2 runs grok within 5,000 steps.")
    assert "the clip takes 1,200 (seed 2)" in rows
    assert spread.endswith(
        "clip: 0.10 where runs grok (n = 3); sphere, by tensors: 0.50 where runs grok (n = 2) and 0.90 where they do "
        "not (n = 1); sphere, by rows: 0.00 where runs grok (n = 1)."
    )
    assert lacking(of_s5.loc[of_s5["arm"] == "clip"]) == ()


@pytest.mark.parametrize(
    ("kind", "values", "statement", "told"),
    [
        ("speed-up", (4.81, 3.63, 6.76), "", "4.81× (3.63× to 6.76×, n = 3)"),
        ("speed-up", (9.68, 9.09, float("inf")), "at least: it is censored", "≥ 9.68× (9.09× to ∞, n = 3)"),
        ("share", (-0.74, -2.28, -0.17), "", "−74% (−228% to −17%, n = 3)"),
        ("share", (float("nan"), float("-inf"), -0.17), "at most -181%; so", "at most −181% (−∞ to −17%, n = 3)"),
        ("plain", (1927.0, float("nan"), float("nan")), "", "1,927 (n = 3)"),
    ],
)
def test_an_effect_is_written_with_its_interval_and_n(kind, values, statement, told):
    row = dict(zip(("value", "low", "high"), values, strict=True))
    assert in_words(row | {"kind": kind, "statement": statement, "seeds": 3}) == told


# --- what is committed --------------------------------------------------------------------------------------------


def _text(page: str) -> str:
    """A page without its pictures, whose bytes depend on the fonts that there are."""
    return re.sub(r'src="data:image/png;base64,[^"]*" ', "", page)


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> Path:
    """The report made from its committed tables alone, as another machine does without any run."""
    folder = tmp_path_factory.mktemp("again")
    out = folder / "out"
    out.mkdir()
    for table in REPORT.glob("*.csv"):
        shutil.copy(table, out)
    experiment("why-clipping").start(Request(runs=folder / "none", out=out, training=False))
    return out


@pytest.mark.timeout(600)
def test_the_committed_report_is_what_report_only_makes_of_its_tables(again):
    for file in REPORT.iterdir():
        if file.suffix in (".csv", ".md"):
            assert (again / file.name).read_bytes() == file.read_bytes(), file.name
    shape = re.compile(r' style="width: [\d.]+%"')
    one, other = (shape.sub("", _text((folder / "index.html").read_text())) for folder in (again, REPORT))
    assert one == other


def test_the_readme_says_what_the_report_says():
    answer, _, table = (REPORT / "summary.md").read_text().partition("\n|")
    assert answer.strip() in (ROOT / "README.md").read_text()
    assert table  # of all explanations, which is on the page


def test_everything_in_its_order_and_every_source_on_a_page_of_at_most_five_megabytes():
    page = (REPORT / "index.html").read_text()
    assert len(page.encode()) < 5e6
    heads = ["ladder", "hypotheses", "tasks", "literature", "methods", "arms", "earlier"]
    places = [page.index(f'<h2 id="{head}">') for head in heads]
    assert places == sorted(places)
    text = html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    table = pd.read_csv(REPORT / "mechanism.csv").astype({"shared": "Int64"}).fillna({"statement": ""})
    for source in SOURCES:
        assert source.where in text
        assert source.beside(table) in text
    for one in earlier.EARLIER:
        assert one.question in text
    assert "published residual" in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_every_figure_is_there_in_three_formats():
    figures = list((REPORT / "figures").iterdir())
    stems = {path.stem for path in figures}
    assert {path.name for path in figures} == {f"{stem}.{ending}" for stem in stems for ending in ("png", "pdf", "csv")}
    page = (REPORT / "index.html").read_text()
    for stem in stems:
        assert f"figures/{stem}.pdf" in page


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_it_loads_without_errors_and_needs_no_sideways_scrolling(opened, width, scheme):
    page = opened(REPORT / "index.html", width=width, scheme=scheme, ready="footer")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = page.evaluate("[...document.images].filter(image => !image.complete || !image.naturalWidth).length")
    assert broken == 0
