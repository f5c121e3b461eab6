"""The report that is committed: whole, in agreement with itself and with the README, and alive in a browser."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pandas as pd
import pytest

from grokscope.experiments.why_clipping import declared_claims
from grokscope.experiments.why_clipping.evidence import in_words
from grokscope.experiments.why_clipping.page import _limits, _method, _opening
from grokscope.experiments.why_clipping.scale import PUBLISHED

ROOT = Path(__file__).parents[2]
REPORT = ROOT / PUBLISHED.report
MEGABYTES = 1e6


@pytest.fixture(scope="module")
def claims() -> pd.DataFrame:
    return pd.read_csv(REPORT / "claims.csv", keep_default_na=False, na_values={"value": "", "low": "", "high": ""})


@pytest.fixture(scope="module")
def text() -> str:
    return html.unescape((REPORT / "index.html").read_text())


def test_all_claims_are_there_with_verdicts_and_what_they_rest_on(claims):
    assert list(claims["claim"].unique()) == [claim.number for claim in declared_claims().values()]
    assert set(claims["verdict"]) <= {"yes", "partly", "no", "cannot tell"}
    assert (claims.groupby("claim")["value"].count() > 0).all()


def test_the_readme_says_what_the_report_says():
    readme, summary = ((ROOT / "README.md").read_text(), (REPORT / "summary.md").read_text())
    assert summary in readme
    verdicts = re.findall(r"\*\*([a-z ]+)\*\*", summary)
    told = pd.read_csv(REPORT / "claims.csv").drop_duplicates("claim")["verdict"]
    assert verdicts == told.tolist()


def test_what_the_claims_declare_today_is_what_the_page_says(text):
    for claim in declared_claims().values():
        assert f"{claim.number}. {claim.question}" in text
        for sentence in (claim.prediction, *claim.arms, *claim.arms.values(), *claim.limits):
            assert sentence in text, sentence
    for paragraph in (*_opening(PUBLISHED, pd.read_csv(REPORT / "runs.csv")), *_method(PUBLISHED), *_limits(PUBLISHED)):
        assert paragraph in text


def test_every_effect_is_on_the_page(claims, text):
    for row in claims.to_dict("records"):
        value, interval, seeds = re.fullmatch(r"(.+) \((?:(.+), )?n = (\d+)\)", in_words(row)).groups()
        assert f">{value}<" in text, row
        assert interval is None or f">{interval}<" in text, row
        assert f">{seeds}<" in text, row


def test_every_figure_is_there_in_three_formats_and_the_whole_is_a_few_megabytes(text):
    figures = list((REPORT / "figures").iterdir())
    stems = {path.stem for path in figures}
    assert {path.name for path in figures} == {f"{stem}.{ending}" for stem in stems for ending in ("png", "pdf", "csv")}
    for stem in stems:
        assert f"figures/{stem}.pdf" in text
    assert sum(path.stat().st_size for path in REPORT.rglob("*") if path.is_file()) < 30 * MEGABYTES


def test_every_run_is_told_of_once_and_no_task_is_missing():
    runs = pd.read_csv(REPORT / "runs.csv")
    assert not runs.duplicated(["stage", "run"]).any()
    factorial = runs.loc[(runs["stage"] == "arms") & (runs["arm"] == "lion-init-clip")]
    assert set(factorial["task"]) == set(PUBLISHED.seeds)


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_it_loads_without_errors_and_the_slider_moves_the_plots(opened, width):
    page = opened(REPORT / "index.html", width=width, scheme="light")
    track, norm = page.locator(".scrubber-track input").first, page.locator("[data-norm=all]").first
    track.fill("0")
    page.wait_for_function(
        "() => document.querySelector('.scrubber-now:not([data-still])').textContent.endsWith('step 0')"
    )
    start = norm.text_content()
    track.fill(str(track.get_attribute("max")))
    page.wait_for_function("start => document.querySelector('[data-norm=all]').textContent !== start", arg=start)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
