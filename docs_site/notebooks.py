"""Notebooks as pages, with the outputs that are stored in them; nothing is executed."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs_site.links import on_site
from docs_site.pages import ROOT, Page, fenced, relative

FOLDER = "notebooks"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""What colours text on a terminal."""


def notebook_pages(pages: Mapping[str, str], root: Path = ROOT) -> list[Page]:
    """The pages of all notebooks, in their order."""
    return [notebook_page(path, pages, root) for path in sorted((root / FOLDER).glob("*.ipynb"))]


def path_of(notebook: Path) -> str:
    """The page of a notebook."""
    return f"{FOLDER}/{notebook.stem}.md"


def notebook_page(notebook: Path, pages: Mapping[str, str], root: Path = ROOT) -> Page:
    """The page of one notebook. Raises ValueError for one without outputs, and for a title that is missing."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    if not any(cell.get("outputs") for cell in cells):
        raise ValueError(f"{notebook.name} has no outputs: execute it before it is published")
    path, files, parts = path_of(notebook), {}, []
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            text, linked = on_site(source, f"{FOLDER}/{notebook.name}", path, pages, root)
            parts.append(text)
            files |= linked
        elif source.strip():
            parts.append(fenced(source, "python"))
            for count, output in enumerate(cell["outputs"]):
                parts += _shown(output, path, f"{FOLDER}/{notebook.stem}-{number}-{count}.png", files)
    title = re.match(r"# (.+)", parts[0])
    if title is None:
        raise ValueError(f"{notebook.name} does not begin with a title: # ...")
    return Page(path, title[1].strip(), "\n\n".join(parts), files)


def _shown(output: Mapping[str, Any], page: str, picture: str, files: dict[str, Path | bytes]) -> Iterator[str]:
    """What a cell gave, in the best of its forms: a picture, a table, or text."""
    data = output.get("data", {})
    if "image/png" in data:
        files[picture] = base64.b64decode("".join(data["image/png"]))
        yield f'![What this cell draws]({relative(picture, page)}){{ loading="lazy" .from-notebook }}'
    elif "text/html" in data:
        yield f'<div class="from-notebook">\n{_markup("".join(data["text/html"]))}\n</div>'
    else:
        text = "".join(output["text"] if "text" in output else data.get("text/plain", ""))
        if text.strip():
            yield f'<pre class="from-notebook">{html.escape(ESCAPES.sub("", text).rstrip(), quote=False)}</pre>'


def _markup(text: str) -> str:
    """The HTML of a table, without the look that a notebook gives it, and without empty lines, which end HTML."""
    without_style = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    return "\n".join(line.strip() for line in without_style.splitlines() if line.strip())
