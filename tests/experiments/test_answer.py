"""What the page says: hypotheses, the answer, the earlier claims; and that it is what the committed tables say."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from grokscope.experiments.experiment import Request, experiment
from grokscope.experiments.why_clipping import earlier
from grokscope.experiments.why_clipping.abstract import HELD, abstract, because
from grokscope.experiments.why_clipping.declared import families
from grokscope.experiments.why_clipping.effects import in_words
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES, QUESTIONS, hypotheses_table, seen
from grokscope.experiments.why_clipping.literature import SOURCES
from grokscope.experiments.why_clipping.page import LADDER, twins
from grokscope.experiments.why_clipping.tasks import BUDGETS
from grokscope.experiments.why_clipping.wording import ratio_in_words

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "why-clipping"


def _row(task: str, arm: str, verdict: str = "reference", ratio: float = 1.0, **more: object) -> dict[str, object]:
    row = {
        "family": "x", "task": task, "arm": arm, "about": f"about {arm}", "n": 5, "median": 500.0, "ratio": ratio,
        "low": 0.9 * ratio, "high": 1.1 * ratio, "is_lower_bound": False, "shared": 5, "verdict": verdict,
        "statement": "",
    }  # fmt: skip
    return row | more


def _table(verdicts: dict[str, str], arms: tuple[str, ...] = tuple(HELD)) -> pd.DataFrame:
    """The ends on some tasks, and arms that hold the norms, with one verdict a task."""
    rows = [_row(task, arm) for task in verdicts for arm in ("clip", "free")]
    rows += [_row(task, arm, verdict) for task, verdict in verdicts.items() for arm in arms]
    return pd.DataFrame(rows).astype({"shared": "Int64"})


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
    ]
    found = hypotheses_table(pd.DataFrame(rows).astype({"shared": "Int64"}))
    # Of two arms of a task the better one counts.
    assert seen(found, "norms", "alone") == "all of it on x · y; cannot tell on S5"
    assert seen(found, "norms", "alone", "sphere-rows") == "not all of it on x · y"
    assert seen(found, "norms", "without") == "some is lost on x · y"
    assert seen(found, "relative step", "alone") == "not all of it on x + y"
    assert seen(found, "relative step", "without") == "nothing is lost on x · y"
    assert seen(found, "decay", "alone") == "not tested"
    told = found.set_index("arm")
    assert told.loc["relative-step", "predicted"] == "as soon as the clip"
    assert told.loc["norms-clip-step-free-scale-clip", "predicted"] == "later than the clip"
    assert told.loc["relative-step", "seen"] == "1.70× (1.53 to 1.87, n = 5)"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "1.20× (1.08 to 1.32, n = 5)"),
        ({"high": float("inf"), "is_lower_bound": True}, "≥ 1.20× (1.08 to ∞, n = 5)"),
        ({"low": float("nan"), "high": float("nan"), "shared": 1}, "1.20× (n = 1)"),
        ({"ratio": float("nan"), "statement": "no run of clip has ended"}, "no run of clip has ended"),
    ],
)
def test_a_ratio_says_its_ends_and_its_seeds(more, told):
    row = _row("mul", "sphere-1", "later", 1.2) | {"low": 1.08, "high": 1.32}
    assert ratio_in_words(row | more) == told


# --- the answer ---------------------------------------------------------------------------------------------------


def test_the_answer_is_given_without_reserve_if_it_holds_on_all_six_tasks_alone():
    whole = because(_table(dict.fromkeys(BUDGETS, "as soon")))
    assert whole.startswith("Clipping speeds up grokking because it keeps the norms of the network’s function")
    assert "all six tasks" in whole
    five = because(_table({task: "as soon" for task in BUDGETS if task != "s5"}))
    assert "as far as these runs say" in five
    mixed = because(_table(dict.fromkeys(BUDGETS, "as soon") | {"s5": "later", "div": "cannot tell"}))
    assert "shown on x · y, x + y, x − y and mixed; not the whole on S5; open on x / y" in mixed
    few = _table(dict.fromkeys(BUDGETS, "as soon"))
    few.loc[few["task"] == "s5", "shared"] = 4
    assert "shown on x · y, x + y, x − y, x / y and mixed; indicated on S5" in because(few)


def test_one_of_two_ways_to_hold_the_norms_is_enough_and_both_are_needed_to_deny_it():
    rows = [_row("mul", arm) for arm in ("clip", "free")]
    sphere, growing = HELD
    one = [*rows, _row("mul", sphere, "later"), _row("mul", growing, "as soon")]
    assert "shown on x · y" in because(pd.DataFrame(one))
    unsure = [*rows, _row("mul", sphere, "later"), _row("mul", growing, "cannot tell")]
    assert "open on x · y" in because(pd.DataFrame(unsure))
    assert "open on x · y" in because(pd.DataFrame(rows))


def test_the_abstract_says_each_number_with_its_n_and_is_short():
    arms = (*HELD, "step-start-scale-clip", "decay-as-clip", "norms-clip-step-free-scale-free")
    table = _table(dict.fromkeys(BUDGETS, "as soon"), arms)
    told = " ".join(abstract(table))
    assert "500 steps, 500 without, medians, n = 5" in told
    assert "on six tasks" in told
    assert len(re.findall("[A-Za-z’]{2,}", told)) <= 160  # some 150 words, and numbers
    assert abstract(_table({"mul": "as soon"}))[0].count("one task.") == 1


def test_the_two_arms_that_are_one_function_stand_beside_each_other():
    rows = [
        {"task": "mul", "arm": arm, "seed": seed, "sustained_grok_step": step}
        for arm, of_seeds in {"scale-embeddings": (1200, 1500, None), "rate-embeddings": (1210, None, 900)}.items()
        for seed, step in enumerate(of_seeds)
    ]
    table = pd.DataFrame(rows).astype({"sustained_grok_step": "Int64"})
    (told,) = twins(table)
    assert "1,200 and 1,210 (n = 1)" in told
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
    text = html.unescape(page)
    for source in SOURCES:
        assert source.where in text
        assert source.beside in text
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
