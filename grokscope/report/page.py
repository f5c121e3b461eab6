"""How a page of this package is written: one self-contained HTML file, with its figures and other files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from grokscope.disk import check_file, check_folder, disk_errors, write_atomic
from grokscope.figures import files
from grokscope.report.html import environment, pictures
from grokscope.report.plate import Plate

FIGURES = "figures"
"""The folder beside the page that its figures are in."""
PAGE = "index.html"


def check_page_folder(folder: Path) -> None:
    """Raise `DiskError`, saying why, where a page and its figures cannot be written into a folder: ask before work."""
    check_file(folder / PAGE)
    check_folder(folder / FIGURES)


def write_page(
    folder: Path,
    template: str,
    plates: Sequence[Plate],
    values: Mapping[str, object],
    beside: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a page and return its path, `index.html` in the folder.

    Args:
        folder: made if it is not there.
        template: of `report/templates`. It is given `pictures` (by the names of plates), `folder` and `formats` (where
            their files are), and the values.
        plates: every figure of the page. Each is written into `figures/` as PNG, PDF and, with its table, CSV.
        values: what the template needs more.
        beside: other files of the folder, by name.

    Everything is drawn before anything is written, and the page is written last: after an error or a crash it is the
    old one, whole. Raises ValueError for two plates of one name, `DiskError` where the folder cannot be written to.
    """
    names = [plate.name for plate in plates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"a page has two plates named {', '.join(twice)}: give each a name of its own")
    drawn = {plate.name: files.render(plate.figure, plate.table) for plate in plates}
    images = pictures({name: contents["png"] for name, contents in drawn.items()})
    page = environment().get_template(template)
    text = page.render(pictures=images, folder=FIGURES, formats=files.FORMATS, **values)
    with disk_errors(f"write report {folder}"):
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for name, contents in drawn.items():
            files.write(contents, folder / FIGURES, name)
        for name, content in (beside or {}).items():
            write_atomic(folder / name, content)
        write_atomic(folder / PAGE, text.encode())
    return folder / PAGE
