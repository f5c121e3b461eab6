"""The gallery has every figure and every table, or says why not, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import grokscope as gs
from docs_site import draw
from docs_site.__main__ import main
from docs_site.analyses import analysis_page, analysis_pages
from docs_site.declared import own_analyses, own_plates
from docs_site.figures import figure_page, figure_pages, not_in_reports
from docs_site.pages import DOCS
from docs_site.record import Record, load_record
from docs_site.runs import PUBLISHED, SMALL

GALLERY = DOCS / "gallery"
RECORD = load_record(GALLERY)
LARGEST = 3_000_000
"""Bytes of all pictures together, which stay in the repository for good."""


def test_every_figure_has_its_pictures_or_a_reason_and_no_other_picture_is_there():
    assert set(RECORD.figures) == set(own_plates())
    for name, drawn in RECORD.figures.items():
        assert drawn.pictures or drawn.not_drawn, name
    files = [picture.file for drawn in RECORD.figures.values() for picture in drawn.pictures]
    assert sorted(path.name for path in GALLERY.iterdir()) == sorted([*files, "record.json"])
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) < LARGEST


def test_every_analysis_has_its_columns_in_its_version():
    versions = {name: each.version for name, each in own_analyses().items()}
    assert {name: table.version for name, table in RECORD.tables.items()} == versions
    for name, table in RECORD.tables.items():
        assert [column.name for column in table.columns][:2] == ["run", "task"], name


def test_the_runs_are_those_that_the_command_trains_and_have_grokked():
    assert [run.command for run in RECORD.runs] == [one.command for one in PUBLISHED]
    assert [run.name for run in RECORD.runs] == [gs.run_name(one.config) for one in PUBLISHED]
    assert all(run.grok_step is not None and run.grok_step < run.steps for run in RECORD.runs)


def test_every_analysis_and_every_figure_has_a_page():
    pages = {page.path: page.text for page in [*analysis_pages(RECORD).pages(), *figure_pages(RECORD).pages()]}
    for name in RECORD.tables:
        assert f"# {name} {{ #grokscope.analysis.{name} }}" in pages[f"analyses/{name}.md"]
    for name, drawn in RECORD.figures.items():
        text = pages[f"figures/{name}.md"]
        assert all(f"gallery/{picture.file}" in text for picture in drawn.pictures), name
        assert text.count("Not drawn:") == len(drawn.not_drawn), name
        assert f"figures/{name}.md" in pages["gallery.md"]
    assert {"survival_curves", "dose_response"} <= set(not_in_reports())
    assert all(f"[`{name}`][grokscope.figures.{name}]" in pages["gallery.md"] for name in not_in_reports())
    assert not {plate.figure.__name__ for plate in own_plates().values()} & set(not_in_reports())


def test_what_the_gallery_does_not_know_says_which_command_helps():
    empty = Record(RECORD.runs, {}, {})
    with pytest.raises(ValueError, match=r"no table of analysis 'keys' in version \d+: run make gallery"):
        analysis_page(own_analyses()["keys"], empty)
    with pytest.raises(ValueError, match=r"does not know the figure 'circles': run make gallery"):
        figure_page(own_plates()["circles"], empty)


def test_a_picture_is_made_small():
    noise = np.random.default_rng(0).integers(0, 256, (400, 2400, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    content, size = draw.small(buffer.getvalue())
    image = Image.open(io.BytesIO(content))
    assert size == (1200, 200)
    assert (image.size, image.mode) == ((draw.WIDEST, 200), "P")
    assert len(image.getcolors() or []) <= draw.COLOURS


@pytest.fixture
def few(monkeypatch):
    """A gallery of a few figures and tables, whose runs are trained here and not each in a process of its own."""
    tables = {
        name: own_analyses()[name] for name in ("margins", "learning_curves", "milestones", "branches", "delay_table")
    }
    figures = {name: own_plates()[name] for name in ("learning_curves", "branches")}
    monkeypatch.setattr(draw, "own_analyses", lambda: tables)
    monkeypatch.setattr(draw, "own_plates", lambda: figures)
    monkeypatch.setattr(
        draw,
        "trained",
        lambda shown, folder: [gs.train(one.config, out=folder / one.preset, progress=False) for one in shown],
    )


def test_a_small_gallery(few, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "left-over.png").touch()
    record = draw.make_gallery(SMALL, tmp_path / "runs", tmp_path / "out")
    assert load_record(tmp_path / "out") == record
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "learning_curves-1.png",
        "learning_curves-2.png",
        "record.json",
    ]
    assert record.tables["branches"].run == "branch"
    assert record.tables["delay_table"].run == "clamped"
    assert record.figures["branches"].not_drawn[0].endswith("which asks: Whether a run was branched off another.")
    assert [run.grok_step for run in record.runs] == [None, None]


@pytest.mark.slow
def test_the_command_draws_every_figure(tmp_path):
    words = ["gallery", "--scale", "small", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    record = load_record(tmp_path / "out")
    assert set(record.tables) == set(RECORD.tables)
    assert set(record.figures) == set(RECORD.figures)
    drawn = [name for name, one in record.figures.items() if one.pictures]
    assert len(drawn) >= len(record.figures) - 3  # two need other runs, and circles need key irreps


def test_a_small_gallery_does_not_take_the_place_of_the_published_one(capsys):
    with pytest.raises(SystemExit):
        main(["gallery", "--scale", "small"])
    assert "--scale small needs --out" in capsys.readouterr().err
