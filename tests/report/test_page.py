"""The page: self-contained, escaped, complete, and whole after an error."""

from __future__ import annotations

import base64
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope.analysis import clock_pizza, embedding_overlap
from grokscope.config import TaskConfig, field_names, override, preset, settings_of
from grokscope.disk import DiskError
from grokscope.figures.plates import plate, plates
from grokscope.report import DeclaredSection, Plate, build_report, preset_of
from grokscope.report import build as build_module
from grokscope.report import page as page_module
from grokscope.report.draw import draw_section
from grokscope.report.page import write_page
from grokscope.report.sections.circuit import SECTION, algorithm_table, overlap_table
from grokscope.report.tables import differing_settings, flat, summary
from grokscope.runs import Run, RunError, open_run
from tests.planted import planted_config, planted_weights
from tests.planted import write_run as write_weights

VOID = {"meta", "link", "img", "br", "hr"}
PLATES = (
    "signal_and_memory",
    "learning_curves",
    "weight_norms",
    "row_norms",
    "phase_portrait",
    "logit_scale",
    "gradient_entropy",
    "effective_ranks",
    "spectrum_over_training",
    "right_and_wrong_basis",
    "circuit_losses",
    "irrep_losses",
    "ablation",
    "neuron_clusters",
    "neuron_tuning",
    "irrep_blocks",
    "learning_order",
    "logit_characters",
)
"""In the order of the page. The runs of these tests have no key irreps, so there are no circles."""


class Page(HTMLParser):
    """Tags, addresses and text of a page; tags that are not closed in order are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_report_is_a_page_with_its_figures_and_tables_beside_it(page):
    assert page.name == "index.html"
    figures = sorted(path.name for path in (page.parent / "figures").iterdir())
    assert figures == [f"{name}.{end}" for name in sorted(PLATES) for end in ("csv", "pdf", "png")]
    assert sorted(path.name for path in page.parent.iterdir()) == ["figures", "index.html"]


@pytest.mark.usefixtures("light_report")
def test_a_report_goes_to_its_folder_under_reports(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build_report("mine", runs) == Path("reports/mine/index.html")


def test_the_page_needs_nothing_from_outside_itself(page):
    text = page.read_text()
    parsed = Page(text)
    for address in parsed.addresses:
        assert address.startswith("data:") or (page.parent / address).exists(), address
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text  # and a browser is told to hold to it


def test_images_on_the_page_are_the_files_beside_it(page):
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page.read_text())
    files = [page.parent / "figures" / f"{name}.png" for name in PLATES]
    assert [base64.b64decode(image) for image in images] == [file.read_bytes() for file in files]


def test_the_page_tells_what_the_runs_did(page, runs):
    text = Page(page.read_text()).text
    clipped, free = runs
    for step in (clipped.grok_step, clipped.memorisation_step, clipped.delay, free.memorisation_step):
        assert str(step) in text
    assert "times sooner" in text
    for name in settings_of(clipped.config):
        assert text.count(name) >= 2  # in the settings of both


@pytest.mark.usefixtures("light_report")
def test_hostile_names_are_text(write_run, tmp_path):
    evil = "<script>alert(1)</script>\"'&"
    run = write_run("<img src=x onerror=alert(1)>", arm=evil)
    page = build_report("x", [run], tmp_path / "report", title=evil, findings=[evil])
    parsed = Page(page.read_text())
    assert "script" not in parsed.tags
    assert parsed.tags.count("img") == 1
    assert parsed.text.count(evil) >= 4
    assert run.name in parsed.text


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "-x", "a/b", "a\\b", "a\0b", ".hidden", "a\n", "x" * 101])
def test_a_name_that_is_no_plain_folder_name_is_refused_before_anything_is_written(runs, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="report name"):
        build_report(name, runs)
    assert not Path("reports").exists()


@pytest.mark.usefixtures("light_report")
def test_a_folder_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError, match=r"cannot write (report|to) .*file") as raised:
        build_report("x", runs, tmp_path / "file")
    assert not isinstance(raised.value, RunError)  # no run is to blame


def test_no_runs_or_twins_are_refused(runs, tmp_path):
    with pytest.raises(ValueError, match="at least one run"):
        build_report("x", [], tmp_path / "report")
    with pytest.raises(ValueError, match="same name"):
        build_report("x", [runs[0], runs[0]], tmp_path / "report")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("light_report")
def test_an_error_leaves_the_old_report_as_it_was(runs, tmp_path):
    build_report("demo", runs, tmp_path / "report")
    old = files_of(tmp_path / "report")

    @plate(section="plain", table="learning_curves", caption="A caption.")
    def fails(table):
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        build_report("demo", runs[:1], tmp_path / "report")
    assert files_of(tmp_path / "report") == old


@pytest.mark.usefixtures("light_report")
def test_a_crash_before_the_page_is_written_leaves_the_old_page_whole(runs, tmp_path, monkeypatch):
    page = build_report("demo", runs, tmp_path / "report")
    old = page.read_bytes()

    def dies(path, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(page_module, "write_atomic", dies)
    with pytest.raises(KeyboardInterrupt):
        build_report("demo", runs[:1], tmp_path / "report")
    assert page.read_bytes() == old


def test_the_same_runs_give_the_same_report(runs, tmp_path, monkeypatch):
    some = {name: plates()[name] for name in ("signal_and_memory", "row_norms", "spectrum_over_training")}
    monkeypatch.setattr("grokscope.report.draw.plates", lambda: some)
    once, again = (build_report("demo", runs, tmp_path / folder) for folder in ("once", "again"))
    assert {f"{name}.pdf" for name in some} < {path.name for path in once.parent.rglob("*")}
    assert list(files_of(again.parent).values()) == list(files_of(once.parent).values())


@pytest.mark.slow
def test_the_same_runs_give_the_same_report_with_every_figure(page, runs, tmp_path):
    again = build_report("demo", runs, tmp_path / "again")
    assert list(files_of(again.parent).values()) == list(files_of(page.parent).values())


@pytest.mark.usefixtures("light_report")
def test_a_section_is_added_by_its_declaration_alone_and_may_have_nothing_to_say(runs, tmp_path, monkeypatch):
    silent = DeclaredSection("silent", "Nothing to say", shows=lambda run: False)
    monkeypatch.setattr(build_module, "SECTIONS", [*build_module.SECTIONS, silent])
    page = build_report("x", runs, tmp_path / "report")
    text = Page(page.read_text()).text
    assert "Frequencies & more" in text
    assert "Nothing to say" not in text
    assert (page.parent / "figures" / "plain.csv").exists()


def test_a_page_has_other_files_beside_it_and_is_written_last(tmp_path, monkeypatch):
    written = []
    write = page_module.write_atomic
    monkeypatch.setattr(page_module, "write_atomic", lambda path, data: (written.append(path.name), write(path, data)))
    values = {"title": "t", "data": None, "fragment": "", "script_sources": ""}
    path = write_page(tmp_path / "x", "scrubber_page.html.j2", [], values, {"b.csv": b"1", "a.md": b"2"})
    assert written == ["b.csv", "a.md", "index.html"]
    assert path == tmp_path / "x" / "index.html"
    assert (tmp_path / "x" / "b.csv").read_bytes() == b"1"


def test_two_plates_of_one_name_are_refused_before_anything_is_written(tmp_path):
    twin = Plate("twin", Figure(), pd.DataFrame(), "A caption.")
    with pytest.raises(ValueError, match="two plates named twin"):
        write_page(tmp_path / "x", "report.html.j2", [twin, twin], {})
    assert not (tmp_path / "x").exists()


def test_a_run_that_repeats_a_preset_is_shown_beside_what_its_source_reports():
    config = preset("mul-lion-clip", seed=7, steps=50, threads=2)
    known = preset_of(config)
    assert known is not None
    assert known.name == "mul-lion-clip"
    assert preset_of(override(config, {"lr": 2e-3})) is None


def test_differing_settings_are_those_and_only_those(runs):
    table = differing_settings(runs)
    assert table.columns == ("setting", "mul-lion-clip-seed0", "mul-lion-seed0")
    assert table.rows == (("arm", "lion-clip", "lion"), ("norms.max_norm", "2", "none"))
    assert {"seed", "optimizer.betas", "norms.max_norm"} <= set(flat(runs[0].config)) <= set(field_names())
    assert "optimizer.rho" not in flat(runs[0].config)  # Lion does not read it
    assert differing_settings(runs[:1]).rows == ()


def test_the_summary_names_runs_that_nothing_else_tells_apart(write_run, runs):
    assert summary(runs).columns[0] == "arm"
    twin = write_run("twin", arm="lion")
    table = summary([*runs, twin])
    assert table.columns[0] == "run"
    assert [row[0] for row in table.rows] == [run.name for run in (*runs, twin)]


def test_a_run_of_a_task_without_a_group_has_a_report(write_run, tmp_path):
    run = write_run("parity", **{"task.name": "parity", "bits": 4, "parity_bits": 2}, train_fraction=0.6)
    assert build_report("parity", [run], tmp_path / "report").exists()


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Run:
    """A network with two key irreps, in a run whose name no file could have."""
    irreps = {"k=2": 1.0, "k=3": 0.8}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    rows = [{"step": 0, "train_loss": 1.0, "train_accuracy": 1.0, "val_loss": 1.0, "val_accuracy": 1.0}]
    path = tmp_path_factory.mktemp("runs") / "a <clock>"
    return write_weights(path, config, {0: planted_weights(config, irreps)}, rows)


def test_circles_of_a_run_have_a_file_whatever_its_name(clock, tmp_path, monkeypatch):
    known = plates()
    monkeypatch.setattr("grokscope.report.draw.plates", lambda: {"circles": known["circles"]})
    page = build_report("x", [clock], tmp_path / "report")
    assert (page.parent / "figures" / "circles.png").exists()
    table = pd.read_csv(page.parent / "figures" / "circles.csv")
    assert set(table["basis"]) == {"own", "wrong"}
    twin = shutil.copytree(clock.path, tmp_path / "twin")
    page = build_report("x", [clock, open_run(twin)], tmp_path / "both")
    assert len(list((page.parent / "figures").glob("circles*.png"))) == 1  # of one arm, one run


def test_figures_are_shown_at_one_scale(page):
    for name in PLATES:
        png = (page.parent / "figures" / f"{name}.png").read_bytes()
        width = int.from_bytes(png[16:20]) / (200 * 6.9)
        assert f'style="width: {min(100, 100 * width):.1f}%"' in page.read_text(), name


def test_clock_or_pizza_is_told_for_either_basis(clock):
    table = algorithm_table(clock_pizza([clock]))
    assert [row[2] for row in table.rows] == ["own (Z13)", "wrong (units mod 13)"]
    own, wrong = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (own["circularity"], own["distance irrelevance"]) == ("1.000", "–")
    assert float(wrong["circularity"]) < 0.6


def test_the_overlap_of_a_mixed_task_is_told_beside_other_tasks(clock, write_run):
    declared = [one for one in plates().values() if one.name == "neuron_clusters"]
    overlap = "Directions of the embedding that a mixed task's groups share"
    assert not [table for table in draw_section(SECTION, declared, [clock]).tables if overlap in table.caption]
    mixed = write_run("mixed", **{"task.name": "mixed", "operations": ("add", "mul"), "modulus": 7})
    drawn = draw_section(SECTION, declared, [clock, mixed])
    (table,) = [table for table in drawn.tables if overlap in table.caption]
    assert table.rows == ()  # without keys there is no subspace
    assert "In a mixed task" in drawn.plates[0].caption
    kept = embedding_overlap(mixed)
    made = pd.DataFrame([dict.fromkeys(kept.columns, 1)])
    made = made.assign(run="mixed", step=5, set="hindsight", group="Z7", other_group="units mod 7", degrees=45.0)
    table = overlap_table(made)
    assert table.rows == (("mixed", "Z7, units mod 7", "1, 1", "45.0", "1.000", "1.000"),)
