"""The small scale, from sweep to report: every claim is answered, nothing is trained twice, the page works."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from grokscope.cli import main
from grokscope.config import ConfigError
from grokscope.experiments.why_clipping import Answer, Arms, declare_claim, declared_claims, why_clipping
from grokscope.experiments.why_clipping import declared as registry
from grokscope.experiments.why_clipping import pipeline as the_pipeline
from grokscope.experiments.why_clipping.evidence import effects, speed_ups
from grokscope.experiments.why_clipping.scale import SMALL
from grokscope.experiments.why_clipping.study import Study
from grokscope.runs import open_run
from tests.browser import go

pytestmark = pytest.mark.timeout(1200)  # about 150 runs of a second or two, and whatever else the machine does


class Made(NamedTuple):
    runs: Path
    report: Path
    told: str

    @property
    def claims(self) -> pd.DataFrame:
        return pd.read_csv(self.report / "claims.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    """The experiment as a user runs it."""
    folder = tmp_path_factory.mktemp("why-clipping")
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = main(command(folder))
    assert code == 0, errors.getvalue()
    return Made(folder / "runs", folder / "report", out.getvalue())


def command(folder: Path, *words: str) -> list[str]:
    where = ["--runs", str(folder / "runs"), "--out", str(folder / "report"), "--workers", "2"]
    return ["experiment", "why-clipping", "--scale", "small", *where, *words]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_claim_has_a_verdict_and_measured_effects(made):
    claims = made.claims
    assert list(claims["claim"].unique()) == [claim.number for claim in declared_claims().values()]
    assert set(claims["verdict"]) <= {"yes", "partly", "no", "cannot tell"}
    assert claims.groupby("claim")["verdict"].nunique().eq(1).all()
    assert (claims.groupby("claim")["quantity"].count() > 0).all()
    assert claims["prediction"].str.len().min() > 50
    for verdict in claims.drop_duplicates("claim")["verdict"]:
        assert verdict in made.told


def test_some_networks_grok_at_this_scale_and_effects_have_numbers(made):
    runs = pd.read_csv(made.report / "runs.csv")
    assert (runs["grok_step"].notna()).sum() >= 5
    assert made.claims["value"].notna().sum() >= 10


def test_what_the_report_says_of_a_run_is_what_is_in_its_directory(made):
    runs = pd.read_csv(made.report / "runs.csv")
    assert len(runs) == sum(1 for path in made.runs.glob("*/*/config.json"))
    for row in runs.sample(12, random_state=0).to_dict("records"):
        run = open_run(made.runs / row["stage"] / row["run"])
        assert (run.config.arm, run.config.seed) == (row["arm"], row["seed"])
        assert run.grok_step == (None if pd.isna(row["grok_step"]) else row["grok_step"])


def test_a_second_one_trains_nothing_and_makes_the_same_report(made, monkeypatch):
    before = contents(made.runs)
    page = (made.report / "index.html").read_bytes()

    class Nothing:
        def __init__(self, *_: object) -> None:
            raise AssertionError("a worker was started")

    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", Nothing)
    again = made.report.with_name("again")
    found, claims = why_clipping("small", runs=made.runs, out=again)
    assert contents(made.runs) == before
    assert found.read_bytes() == page
    assert [claim.name for claim in claims] == list(declared_claims())
    assert contents(again).keys() == {again / path.relative_to(made.report) for path in contents(made.report)}


def test_one_claim_can_be_had_alone(made, tmp_path):
    page, (claim,) = why_clipping("small", runs=made.runs, out=tmp_path, only=["scale"], training=False)
    whole = made.claims
    alone = pd.read_csv(tmp_path / "claims.csv")
    of_whole = whole.loc[whole["claim"] == claim.number].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, of_whole, check_dtype=False)  # a file has the types of all its rows
    assert f"{claim.number}. {claim.question}" in page.read_text()


@pytest.fixture
def declared(monkeypatch):
    """What a test declares is not there for the next."""
    declared_claims()
    monkeypatch.setattr(registry, "_declared", list(registry._declared))


def toy(number: int, name: str = "toy"):
    """A claim about one arm, declared outside the package."""
    return declare_claim(
        number=number,
        name=name,
        question="Is it weight decay?",
        prediction="If it is, plain Lion with weight decay groks as soon as the clipped network.",
        arms={"lion-toy": "no clip, weight decay 1"},
        trains=(Arms(lambda study, task: {"lion-toy": {"optimizer.weight_decay": 1.0}}),),
        on_main_alone=True,
    )(toy_answer)


def toy_answer(study: Study) -> Answer:
    table = effects(speed_ups(study.timing("mul"), "mul", "lion", ["lion-toy"]))
    return Answer("cannot tell", ("A toy has nothing to tell.",), table)


def test_a_claim_of_ones_own_is_trained_and_reported_without_a_change_of_the_package(made, declared, tmp_path):
    claim = toy(99)
    runs = tmp_path / "runs"
    shutil.copytree(made.runs, runs)
    before = {path.parent.name for path in runs.glob("*/*/config.json")}
    page, answered = why_clipping("small", runs=runs, out=tmp_path / "report", only=["toy"], workers=2)
    trained = {path.parent.name for path in runs.glob("*/*/config.json")} - before
    assert trained == {f"mul-p29-lion-toy-seed{seed}" for seed in SMALL.side_seeds["mul"]}
    for name in trained:
        assert open_run(runs / "arms" / name).config.optimizer.weight_decay == 1.0
    assert [one.name for one in answered] == ["toy"]
    assert answered[0].effects["arm"].tolist() == ["lion-toy"]
    text = page.read_text()
    assert "99. Is it weight decay?" in text
    assert "Eleven possible reasons" in text
    assert "9 and 99 are made on multiplication alone" in text
    assert list(declared_claims())[-1] == claim.name


def test_two_claims_of_one_number_or_name_are_refused_and_one_that_is_declared_again_is_replaced(declared):
    first = toy(99)
    assert toy(98) is not first
    assert [claim.number for claim in declared_claims().values()][-1] == 98
    toy(3, "another")
    with pytest.raises(ConfigError, match=r"two claims have the number 3: 'scale' of .*claims\.scale and 'another' of"):
        declared_claims()
    toy(97, "another")
    toy(96, "scale")
    with pytest.raises(ConfigError, match="two claims have the name 'scale'"):
        why_clipping("small", only=["scale"])


def test_runs_that_a_claim_needs_and_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no run of .* has ended: train them"):
        why_clipping("small", runs=tmp_path / "none", out=tmp_path / "report", training=False)
    assert not (tmp_path / "report").exists()


def test_names_that_are_not_accepted_are_told_with_those_that_are(tmp_path):
    with pytest.raises(ConfigError, match="no claim 'scales': did you mean scale"):
        why_clipping("small", only=["scales"])
    with pytest.raises(ConfigError, match="scale = 'large' is not accepted: use published or small"):
        why_clipping("large")
    assert main(["experiment", "why-not"]) == 2


def test_a_run_that_failed_is_named_on_the_page(made, tmp_path, monkeypatch):
    class Outcome:
        name, standing = "mul-lion-seed9", "failed"

    monkeypatch.setattr(the_pipeline, "train", lambda *_: [Outcome()])
    page, _ = why_clipping("small", runs=made.runs, out=tmp_path, only=["window"])
    assert "Planned and not trained, or failed: mul-lion (seed 9)." in page.read_text()


def test_runs_that_have_not_ended_are_named_on_the_page_and_those_of_another_arm_are_not(made, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(made.runs, runs, ignore=shutil.ignore_patterns("*-temperature-seed*"))
    page, _ = why_clipping("small", runs=runs, out=tmp_path / "report", only=["scale"], training=False)
    told = re.search(r"Planned and not trained, or failed: (.*)\.</p>", page.read_text())
    assert told is not None
    assert told.group(1) == "mul-p29-temperature (seeds 0, 1)"


def test_the_page_points_at_nothing_but_files_beside_it(made):
    text = (made.report / "index.html").read_text()
    without_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    for address in re.findall(r'(?:src|href)="([^"]+)"', without_scripts):
        assert address.startswith(("data:", "#")) or (made.report / address).exists(), address
    assert "default-src 'none'" in text
    assert text.count("plotly.js v") == 1
    figures = {path.stem for path in (made.report / "figures").iterdir()}
    assert {f"{name}{ending}" for name in figures for ending in (".png", ".pdf", ".csv")} == {
        path.name for path in (made.report / "figures").iterdir()
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_the_slider_moves_the_plots_and_a_telephone_needs_no_sideways_scrolling(made, opened, scheme):
    page = opened(made.report / "index.html", width=390, scheme=scheme)
    study = Study(SMALL, made.runs)
    steps = sorted({step for arm in ("lion-init-clip", "lion") for step in study.traced("mul", arm)[0].steps})
    first = page.locator(".scrubber").first
    norm = first.locator("[data-norm=all]").first
    go(page, 0, steps)
    start = norm.text_content()
    go(page, len(steps) - 1, steps)
    assert norm.text_content() != start
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("section[id]").count() >= len(declared_claims())
