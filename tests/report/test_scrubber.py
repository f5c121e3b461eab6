"""The scrubber: its numbers are those of the tables, and in a real browser it moves, stacks and goes dark."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from grokscope.analysis import circles, keys, learning_curves, margins, norm_trajectories, where
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.figures import style
from grokscope.model import Weights, initial_weights, is_buffer
from grokscope.report import scrubber, scrubber_page, scrubber_script_sources
from grokscope.report.scrubber import scrubber_data
from grokscope.report.scrubber.colours import both_themes
from grokscope.report.scrubber.data import ELEMENT_BYTES, most_stops
from grokscope.report.scrubber.frames import common_steps, shown_at
from grokscope.runs import Run, create_run, open_run
from grokscope.tasks import build_task
from tests.browser import go, wait_for_step
from tests.planted import planted_config, planted_weights

EVERY = 20
HOSTILE = "</script><img src=x onerror=alert(1)>"


def grown(config: RunConfig, irreps: dict[str, float], share: float) -> Weights:
    """Part of the way from random weights to planted ones."""
    planted = planted_weights(config, irreps)
    initial = initial_weights(config.model, build_task(config.task), config.seed)
    return {k: v if is_buffer(k) else (1 - share) * initial[k] + share * v for k, v in planted.items()}


def write_growing(
    path: Path, config: RunConfig, irreps: dict[str, float], last: int, memorises: int, groks: int
) -> Run:
    """A run whose embedding becomes the planted one."""
    with create_run(path, config) as writer:
        for step in range(0, last + 1, EVERY):
            writer.checkpoint(step, grown(config, irreps, step / last))
        for step in range(0, last + 1, 10):
            train, val = (0.1 + 0.9 * min(1.0, step / middle) ** 2 for middle in (memorises, groks))
            losses = {"train_loss": 3.0 / (1 + step), "val_loss": 4.0 / (1 + step / 4)}
            writer.log({"step": step, "train_accuracy": train, "val_accuracy": val, **losses})
        writer.finish("finished")
    return open_run(path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> list[Run]:
    """A clipped run that ends at step 80 and an unclipped one that goes on to 160, in Z13."""
    folder, irreps = tmp_path_factory.mktemp("pair"), {"k=2": 1.0, "k=3": 0.8}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    clipped = override(config, {"arm": "clip", "max_norm": 2.0})
    free = override(config, {"arm": HOSTILE})
    return [
        write_growing(folder / "clipped", clipped, irreps, last=80, memorises=30, groks=60),
        write_growing(folder / "free", free, irreps, last=160, memorises=60, groks=140),
    ]


@pytest.fixture(scope="module")
def permutations(tmp_path_factory) -> Run:
    irreps = {"standard": 1.0}
    config = planted_config(irreps, TaskConfig(name="permutation", degree=3))
    path = tmp_path_factory.mktemp("s3") / "s3"
    return write_growing(path, config, irreps, last=40, memorises=20, groks=40)


def close(shown: object, table: np.ndarray) -> None:
    """Numbers of the page are those of the table at 4 digits."""
    np.testing.assert_allclose(np.array(shown, dtype=float), table, rtol=5e-4, atol=1e-12)


# The numbers


def test_spectra_are_those_of_the_table_of_keys(pair):
    table = where(keys(pair), site="embed", basis="own")
    for run, shown in zip(pair, scrubber_data(pair)["runs"], strict=True):
        (spectrum,) = shown["spectra"]
        assert spectrum["irreps"] == ["1", "2", "3", "4", "5", "6"]
        assert spectrum["hindsight"] == [False, True, True, False, False, False]
        for i, step in enumerate(shown["steps"]):
            at = where(table, run=run.name, step=step)
            close(spectrum["power"][i], at["power"].to_numpy())
            close(spectrum["threshold"][i], at["threshold"].to_numpy())


def test_the_plane_is_that_of_the_last_checkpoint_at_every_step(pair):
    run = pair[0]
    planes = scrubber_data([run])["runs"][0]["spectra"][0]["planes"]
    assert [plane["frequency"] for plane in planes] == [2, 3]  # the strongest first
    last = where(circles(run), basis="own")
    embedding = run.trajectory("embed.W_E").double().numpy()[:, :13]
    embedding = embedding - embedding.mean(1, keepdims=True)
    for plane in planes:
        points = where(last, frequency=plane["frequency"])
        assert plane["labels"] == list(points["label"])
        xy = points[["x", "y"]].to_numpy(dtype=float)
        np.testing.assert_allclose(np.stack([plane["x"][-1], plane["y"][-1]], 1), xy, atol=plane["reach"] / 1000)
        # The directions that take the last embedding to these points take the first to those shown there.
        directions = np.linalg.lstsq(embedding[-1], xy, rcond=1e-9)[0]
        shown = np.stack([plane["x"], plane["y"]], 2)
        inside = embedding[-1].T @ np.linalg.pinv(embedding[-1].T)  # what of d_model the last embedding spans
        for step, points_shown in enumerate(shown):
            np.testing.assert_allclose(points_shown, embedding[step] @ inside @ directions, atol=plane["reach"] / 500)


def test_norms_and_curves_are_those_of_the_tables(pair):
    data, norms, curves = scrubber_data(pair), norm_trajectories(pair), learning_curves(pair)
    for run, shown in zip(pair, data["runs"], strict=True):
        of_run = where(norms, run=run.name, parameter="")
        assert set(shown["norms"]) == set(of_run["group"]) == {group["key"] for group in data["groups"]}
        for group, values in shown["norms"].items():
            close(values, where(of_run, group=group)["norm"].to_numpy())
        kept = shown["curves"]
        for split in ("train", "val"):
            of_split = where(curves, run=run.name, split=split).set_index("step").loc[kept["step"]]
            close(kept[f"{split}_loss"], of_split["loss"].to_numpy())
            close(kept[f"{split}_accuracy"], of_split["accuracy"].to_numpy())
        assert [kept["step"][at] for at in kept["at"]] == shown["steps"]  # evaluated at every checkpoint


def test_signal_memory_and_noise_are_those_of_the_table(pair):
    data, table = scrubber_data(pair), margins(pair)
    assert [quantity["title"] for quantity in data["margins"]] == ["signal", "memory", "noise"]
    for run, shown in zip(pair, data["runs"], strict=True):
        (of_operation,) = shown["margins"]
        assert of_operation["operation"] == "add"
        for quantity in data["margins"]:
            close(of_operation[quantity["key"]], where(table, run=run.name)[quantity["key"]].to_numpy())


def test_runs_are_in_step_and_one_that_has_ended_stays_at_its_last_checkpoint(pair):
    data = scrubber_data(pair)
    assert data["steps"] == list(range(0, 161, EVERY))
    clipped, free = data["runs"]
    assert [clipped["steps"][i] for i in clipped["index"]] == [0, 20, 40, 60, 80, 80, 80, 80, 80]
    assert [free["steps"][i] for i in free["index"]] == data["steps"]
    assert (clipped["milestones"]["grok_step"], free["milestones"]["grok_step"]) == (60, 140)
    assert clipped["places"]["grok_step"] == pytest.approx(60 / 160)
    assert clipped["places"]["last"] == pytest.approx(80 / 160)


def test_colours_are_those_of_the_figures(pair):
    clipped, free = scrubber_data(pair)["runs"]
    assert clipped["colour"][0] == style.CLIPPED[0]
    assert free["colour"][0] == style.UNCLIPPED[0]
    assert both_themes("#e69f00") == ["#e69f00", "#e69f00"]  # stands out from a dark page as it is
    assert both_themes("#882255")[1] != "#882255"


def test_a_group_that_is_not_cyclic_has_irreps_and_no_circles(permutations):
    (spectrum,) = scrubber_data([permutations])["runs"][0]["spectra"]
    assert spectrum["word"] == "irrep"
    assert spectrum["irreps"] == ["standard", "sign"]
    assert spectrum["planes"] == []


def test_a_task_without_a_group_has_neither_spectrum_nor_planes(write_run):
    run = write_run("parity", **{"task.name": "parity", "bits": 4, "parity_bits": 2}, train_fraction=0.6)
    (shown,) = scrubber_data([run])["runs"]
    assert shown["spectra"] == []
    assert len(shown["norms"]["all"]) == len(run.steps)
    assert [len(of["signal"]) for of in shown["margins"]] == [len(run.steps)]


def test_steps_are_thinned_evenly_over_their_logarithm_and_what_matters_stays():
    assert common_steps([[0, 5, 9], [0, 7]]) == [0, 5, 7, 9]
    dense, ended = list(range(0, 20_001, 10)), list(range(0, 4_001, 10))
    steps = common_steps([dense, ended], [3333, 12_345, 99_999])
    assert 110 <= len(steps) <= 120
    assert {0, 4000, 20_000, 3340, 12_350} <= set(steps)
    gaps = np.diff(np.log1p([step for step in steps if step > 1000 and step not in (4000, 3340, 12_350)]))
    assert gaps.max() < 3.5 * gaps.min()
    assert shown_at([10, 20, 40], [0, 10, 30, 40, 50]) == [0, 0, 1, 2, 2]


def test_data_stay_small_beside_plotly_whatever_the_task(pair):
    def stops(runs: int, **task: object) -> int:
        return most_stops(build_task(TaskConfig(**task)), runs)

    assert stops(3, name="mul", modulus=113) == stops(1, name="permutation", degree=5) == 120
    few = stops(3, name="add", modulus=397)
    assert 20 < few < 60
    assert len(common_steps([range(10_000)], [], few)) <= few
    # The budget is in numbers of this size.
    data = scrubber_data(pair)
    spectra = [run["spectra"] for run in data["runs"]]
    written = len(json.dumps(spectra, separators=(",", ":")))
    assert written / (13 * sum(len(run["steps"]) for run in data["runs"])) < 1.4 * ELEMENT_BYTES


# What is refused


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_runs_of_different_tasks_are_refused_by_name(write_run, names):
    runs = [write_run(names[0]), write_run(names[1], modulus=7)]
    with pytest.raises(ValueError, match=r"of one task.*a: .*|of one task.*b: .*"):
        scrubber(runs)


def test_no_runs_too_many_and_twins_are_refused(pair):
    with pytest.raises(ValueError, match="at least one run"):
        scrubber([])
    with pytest.raises(ValueError, match="same name"):
        scrubber([pair[0], pair[0]])
    with pytest.raises(ValueError, match=r"up to 3 runs.*4 were given"):
        scrubber([pair[0], pair[1], *map(Renamed, pair)])


class Renamed:
    """A run by another name."""

    def __init__(self, run: Run) -> None:
        self.name, self.path = f"{run.name} again", run.path


def test_a_run_without_checkpoints_is_refused_by_name(write_run, tmp_path):
    full = write_run("full")
    with create_run(tmp_path / "bare", full.config) as writer:
        writer.finish("finished")
    with pytest.raises(ValueError, match="no checkpoints in run 'bare'"):
        scrubber([full, open_run(tmp_path / "bare")])


# The page


def test_a_page_holds_the_library_once_and_a_second_fragment_none_of_it(pair):
    with_library, without = scrubber(pair[:1]), scrubber(pair[:1], library=False)
    assert with_library.count("plotly.js v") == 1
    assert "plotly.js v" not in without
    assert len(without) < 100_000
    data = re.search(r'class="scrubber-data">(.*?)</script>', without)
    assert data is not None
    assert json.loads(data[1]) == scrubber_data(pair[:1])


def test_hostile_names_are_text(pair):
    fragment = scrubber(pair, library=False)
    assert "<img" not in fragment
    assert fragment.count("</script>") == 1  # that of the data
    assert "&lt;img src=x" in fragment


# In a browser


def plot(run: int, panel: str) -> str:
    return f".scrubber-run:nth-child({run + 1}) [data-panel={panel}] .scrubber-plot"


def bars(page: Page, run: int) -> np.ndarray:
    """Heights in pixels, as drawn."""
    boxes = page.eval_on_selector_all(
        f"{plot(run, 'spectrum')} .bars .point path", "paths => paths.map(path => path.getBBox().height)"
    )
    return np.array(boxes)


def markers(page: Page, run: int, panel: str) -> np.ndarray:
    """Places of the markers `[marker, (x, y)]` on the screen: those of the last trace with markers."""
    return np.array(
        page.eval_on_selector_all(
            f"{plot(run, panel)} .scatterlayer .points path.point",
            "all => all.map(p => [p.getBoundingClientRect()]).map(([b]) => [b.x + b.width / 2, b.y + b.height / 2])",
        )
    )


def test_moving_the_slider_moves_the_plots_to_the_values_of_that_step(pair, opened, tmp_path):
    page = opened(scrubber_page(pair, tmp_path / "page.html"))
    data = scrubber_data(pair)
    steps, free = data["steps"], data["runs"][1]
    seen: dict[str, list[np.ndarray]] = {"bars": [], "norms": [], "curves": [], "planes": [], "margins": []}
    frames = [0, 3, 8]
    for frame in frames:
        go(page, frame, steps)
        assert page.locator(".scrubber-track input").get_attribute("aria-valuetext").startswith(f"step {steps[frame]}")
        seen["bars"].append(bars(page, 1))
        seen["norms"].append(markers(page, 1, "norms"))
        seen["curves"].append(markers(page, 1, "curves"))
        seen["margins"].append(markers(page, 1, "margins"))
        seen["planes"].append(markers(page, 1, "planes")[:13])
    power = np.array(free["spectra"][0]["power"])[frames]
    drawn = np.stack(seen["bars"])
    # One scale for all steps: pixels are in proportion to power throughout.
    np.testing.assert_allclose(drawn / drawn.max(), power / power.max(), atol=0.01)
    assert np.abs(drawn[0] - drawn[2]).max() > 20

    def along(values: np.ndarray) -> np.ndarray:
        return (values - values[0]) / (values[-1] - values[0])

    at = along(np.array(steps)[frames].astype(float))
    norms, curves, planes = (np.stack(seen[name]) for name in ("norms", "curves", "planes"))
    all_parameters = [group["key"] for group in data["groups"]].index("all")
    for x in (norms[:, all_parameters, 0], curves[:, 0, 0]):
        np.testing.assert_allclose(along(x), at, atol=0.01)
    norm = np.log(np.array(free["norms"]["all"])[frames])
    np.testing.assert_allclose(along(norms[:, all_parameters, 1]), along(norm), atol=0.03)
    accuracy = [free["curves"]["val_accuracy"][free["curves"]["at"][frame]] for frame in frames]
    np.testing.assert_allclose(along(curves[:, 1, 1]), along(np.array(accuracy)), atol=0.02)
    signal = np.array(free["margins"][0]["signal"])[frames]
    margins_drawn = np.stack(seen["margins"])
    np.testing.assert_allclose(along(margins_drawn[:, 0, 0]), at, atol=0.01)
    np.testing.assert_allclose(along(margins_drawn[:, 0, 1]), along(signal), atol=0.03)
    plane = free["spectra"][0]["planes"][0]
    x = np.array(plane["x"])[frames]
    pixels = planes[:, :, 0] - planes[:, :, 0].mean(1, keepdims=True)
    scale = (pixels * x).sum() / (x * x).sum()
    np.testing.assert_allclose(pixels / scale, x, atol=plane["reach"] / 50)
    assert np.abs(x[0] - x[2]).max() > plane["reach"] / 5

    words = page.locator(".scrubber-now").all_text_contents()
    assert words == ["ended: last checkpoint, step 80", "at step 160"]
    assert "clipped ended" in page.locator(".scrubber-track input").get_attribute("aria-valuetext")
    shown = page.locator(".scrubber-run").first.locator("[data-norm=all]").text_content()
    assert float(shown.replace(",", "")) == pytest.approx(data["runs"][0]["norms"]["all"][-1], rel=1e-2)

    page.locator(".scrubber-jump", has_text="grokked at 60").click()
    wait_for_step(page, 60)


def test_play_and_the_arrow_keys(pair, opened, tmp_path):
    page = opened(scrubber_page(pair, tmp_path / "page.html"))
    steps = scrubber_data(pair)["steps"]
    slider, play = page.locator(".scrubber-track input"), page.locator(".scrubber-play")
    slider.focus()
    page.keyboard.press("Home")
    wait_for_step(page, steps[0])
    page.keyboard.press("ArrowRight")
    wait_for_step(page, steps[1])
    play.focus()  # the keys work wherever the focus is in the fragment
    page.keyboard.press("ArrowRight")
    wait_for_step(page, steps[2])
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, steps[1])

    # Paused from within the page, for on a busy machine it might be at the end before a click from here arrives.
    playing, paused, at = page.evaluate("""() => new Promise((done) => {
        const [play, slider] = [".scrubber-play", ".scrubber-track input"].map((s) => document.querySelector(s));
        play.click();
        const playing = play.ariaLabel;
        const poll = setInterval(() => {
            if (slider.value < 3) return;
            clearInterval(poll);
            play.click();
            done([playing, play.ariaLabel, slider.value]);
        }, 10);
    })""")
    assert (playing, paused) == ("Pause", "Play")
    page.wait_for_timeout(400)
    assert slider.input_value() == at
    play.click()
    page.wait_for_function("() => document.querySelector('.scrubber-play').ariaLabel === 'Play'")
    assert int(slider.input_value()) == len(steps) - 1  # it stops at the end
    play.click()
    page.wait_for_function("() => document.querySelector('.scrubber-track input').value < 4")  # and starts anew


def test_runs_stand_side_by_side_on_a_wide_screen_and_below_each_other_on_a_phone(pair, opened, tmp_path):
    path = scrubber_page(pair, tmp_path / "page.html")
    page = opened(path)

    def boxes(selector: str) -> list[dict[str, float]]:
        return [found.bounding_box() for found in page.locator(selector).all()]

    left, right = boxes(".scrubber-run")
    assert left["x"] + left["width"] <= right["x"]
    for panel in ("spectrum", "planes", "norms", "curves"):
        tops = [box["y"] for box in boxes(f"[data-panel={panel}]")]
        assert tops == pytest.approx([tops[0]] * 2)  # aligned

    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => [...document.querySelectorAll('.main-svg')].every(s => s.getBoundingClientRect().right <= 390)"
    )
    first, second = boxes(".scrubber-run")
    assert first["y"] + first["height"] <= second["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rights = page.eval_on_selector_all(
        ".scrubber *:not(script, svg *)", "all => all.map(e => e.getBoundingClientRect().right)"
    )
    assert max(rights) <= 390.5
    tops = [box["y"] for box in boxes(".scrubber-run:first-child .scrubber-panel")]
    assert tops == sorted(set(tops))
    page.locator(".scrubber-run").last.locator("[data-panel=curves]").scroll_into_view_if_needed()
    (bar,) = boxes(".scrubber-bar")
    assert bar["y"] >= -1  # the slider stays in reach


def test_dark_mode_switches_colours(pair, opened, tmp_path):
    page = opened(scrubber_page(pair, tmp_path / "page.html"), scheme="dark")
    colour = scrubber_data(pair)["runs"][0]["colour"]

    def look() -> tuple[str, str, str]:
        return tuple(
            page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")
            for selector, name in (
                (".scrubber", "backgroundColor"),
                (f"{plot(0, 'spectrum')} .bars .point path", "fill"),
                (f"{plot(0, 'norms')} .xtick text", "fill"),
            )
        )

    def rgb(hexadecimal: str) -> str:
        return f"rgb({', '.join(str(int(hexadecimal[i : i + 2], 16)) for i in (1, 3, 5))})"

    dark = look()
    assert dark == ("rgb(22, 24, 27)", rgb(colour[1]), rgb("#a3aab3"))
    page.emulate_media(color_scheme="light")
    page.wait_for_selector(".scrubber[data-theme=light]")
    assert look() == ("rgb(255, 255, 255)", rgb(colour[0]), rgb("#5a6068"))


def test_two_fragments_work_in_one_page_of_a_foreign_style(pair, permutations, opened, tmp_path):
    path = tmp_path / "page.html"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; {scrubber_script_sources()}"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"{scrubber([permutations])}{scrubber(pair[:1], library=False)}"
    )
    page = opened(path)
    page.wait_for_function("() => document.querySelectorAll('.scrubber[data-theme]').length === 2")
    labels = page.locator(f"{plot(0, 'spectrum')} .xtick text").all_text_contents()
    assert labels[:2] == ["standard", "sign"]  # in the order of the table
    assert page.locator("[data-panel=planes]").count() == 1  # of the second
    before = page.locator(".scrubber-step").all_text_contents()
    page.locator(".scrubber-track input").first.fill("0")
    page.wait_for_function("() => document.querySelector('.scrubber-now').textContent === 'at step 0'")
    assert page.locator(".scrubber-step").all_text_contents() == ["step 0", before[1]]


def test_every_plot_and_control_has_a_name(pair, opened, tmp_path):
    page = opened(scrubber_page(pair, tmp_path / "page.html"))
    for label in [found.get_attribute("aria-label") for found in page.locator(".scrubber-plot").all()]:
        assert label.startswith(("clipped: ", "free: "))
    assert page.get_by_role("slider", name="Training step").count() == 1
    assert page.get_by_role("button", name="Play", exact=True).count() == 1
    assert page.get_by_role("button", name="grokked at").count() == 2
    table = where(keys(pair[0]), site="embed", basis="own", step=80)
    best = table.loc[table["power"].idxmax()]
    assert pd.notna(best["frequency"])
    assert f"Largest: frequency {best['frequency']}" in page.locator(plot(0, "spectrum")).get_attribute("aria-label")
