"""All pages, the navigation and the settings of the site generator, in one folder from which it builds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from docs_site.analyses import analysis_pages
from docs_site.api import api_pages
from docs_site.commands import command_pages
from docs_site.declared import own_analyses, own_plates
from docs_site.figures import figure_pages
from docs_site.links import page_of
from docs_site.notebooks import FOLDER as NOTEBOOKS
from docs_site.notebooks import notebook_pages, path_of
from docs_site.pages import DOCS, ROOT, Group, Page, table
from docs_site.record import load_record
from docs_site.settings import experiments_page, presets_page, settings_page
from docs_site.shown import GALLERY

WRITTEN = {
    "docs/index.md": "index.md",
    "docs/guide.md": "guide.md",
    "docs/your-own.md": "your-own.md",
    "docs/faults.md": "faults.md",
    "docs/install.md": "install.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "notebooks/README.md": "notebooks/index.md",
    "reports/README.md": "reports/index.md",
    "benchmarks/README.md": "benchmarks/index.md",
    # What a reader of the repository sees first is the start of the site.
    "README.md": "index.md",
}
"""The page of each file of the repository that is one."""
STYLE, WORKER = "assets/site.css", "assets/iframe-worker.js"
"""Files of this folder that every page loads. The generator would load the second from another host."""
REPORTS = {"reports/why-clipping": "Why clipping", "reports/published-tables": "Published tables"}
"""Published reports, with their titles here. Each is a page already, and is copied."""


def sources() -> dict[str, str]:
    """The page of every file of the repository that has one, by its name there."""
    return WRITTEN | {f"{NOTEBOOKS}/{path.name}": path_of(path) for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb"))}


def whole_site() -> Group:
    """Every page, in the order of the navigation."""
    pages, record = sources(), load_record(DOCS / GALLERY)

    def written(file: str, title: str) -> Page:
        return page_of(file, pages[file], title, pages)

    return Group(
        "grokscope",
        (
            _start(written("docs/index.md", "Start")),
            written("docs/install.md", "Installing"),
            Group(
                "Guide",
                (
                    written("docs/guide.md", "Guide"),
                    written("docs/your-own.md", "Your own"),
                    written("docs/faults.md", "When something goes wrong"),
                ),
            ),
            Group("Notebooks", (written("notebooks/README.md", "All notebooks"), *notebook_pages(pages))),
            analysis_pages(record),
            figure_pages(record),
            Group(
                "Reference",
                (Group("Commands", tuple(command_pages())), settings_page(), presets_page(), experiments_page()),
            ),
            Group(
                "Results",
                (
                    written("reports/README.md", "Results"),
                    *(_report_page(folder, f"{title}: figures") for folder, title in REPORTS.items()),
                    written("benchmarks/README.md", "Speed"),
                ),
            ),
            api_pages(),
            Group("Project", (written("CONTRIBUTING.md", "Contributing"), written("CHANGELOG.md", "Changes"))),
        ),
    )


def _start(page: Page) -> Page:
    """The start page, with what is on this site and in no file of the repository."""
    rows = [
        (
            f"[Analyses](analyses/index.md) ({len(own_analyses())})",
            "what each computes, with its formula, columns and source",
        ),
        (f"[Gallery](gallery.md) ({len(own_plates())})", "every figure, drawn from two runs"),
        ("[Commands](commands/index.md)", "the command line, from its own help pages"),
        ("[Settings](settings.md), [presets](presets.md), [experiments](experiments.md)", "what a run is made of"),
        ("[Packages](api/index.md)", "every public name, with signatures and shapes"),
    ]
    return replace(page, text=f"{page.text}\n## On this site\n\n{table(('pages', 'what is there'), rows)}\n")


def _report_page(folder: str, title: str) -> Page:
    """The files that a published report leads to, all of which are copied with it."""
    files = sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".md")
    figures = [f"- [{path.name}]({path.name})" for path in files if path.parent.name == "figures"]
    text = f"# {title}\n\nEach with the table that it is drawn from. [The report](../index.html)\n\n"
    copied: dict[str, Path | bytes] = {str(path.relative_to(ROOT)): path for path in files}
    return Page(f"{folder}/figures/index.md", title, text + "\n".join(figures) + "\n", copied)


def write_sources(site: Group, folder: Path) -> Path:
    """Write the pages, what they show, and the settings of the site generator; returns the path of the settings.

    What was in the folder is deleted. Raises ValueError where two pages, or two files, are to be at one path.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    taken: dict[str, object] = {}
    for page in site.pages():
        _put(source, page.path, page.text.encode("utf-8"), taken)
        for path, content in page.files.items():
            _put(source, path, content, taken)
    for path in (STYLE, WORKER):
        _put(source, path, Path(__file__).with_name(Path(path).name), taken)
    settings = folder / "mkdocs.yml"
    # JSON is YAML, and needs no other package to be written.
    settings.write_text(json.dumps(generator_settings(site), indent=2), encoding="utf-8")
    return settings


def _put(source: Path, path: str, content: Path | bytes, taken: dict[str, object]) -> None:
    if path in taken and taken[path] != content:
        raise ValueError(f"two different files are to be at {path} on the site")
    if path in taken:
        return
    taken[path] = content
    target = source / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())


def navigation(site: Group) -> list[Any]:
    """The navigation, as the site generator takes it."""
    return [{one.title: navigation(one) if isinstance(one, Group) else one.path} for one in site.members]


def generator_settings(site: Group) -> dict[str, Any]:
    """The settings of the site generator. Nothing is loaded from elsewhere: no font, no script."""
    return {
        "site_name": "grokscope",
        "site_description": "A microscope for grokking",
        "docs_dir": "source",
        "site_dir": "site",
        "use_directory_urls": False,
        "strict": True,
        "nav": navigation(site),
        "extra_css": [STYLE],
        "extra": {"generator": False, "polyfills": [WORKER]},
        "theme": {
            "font": False,
            "features": [
                "content.code.copy",
                "navigation.footer",
                "navigation.indexes",
                "navigation.prune",
                "navigation.tabs",
                "navigation.top",
                "search.highlight",
                "toc.follow",
            ],
            "icon": {"logo": "lucide/microscope"},
            "palette": [
                {
                    "media": "(prefers-color-scheme: light)",
                    "scheme": "default",
                    "toggle": {"icon": "lucide/sun", "name": "Dark colours"},
                },
                {
                    "media": "(prefers-color-scheme: dark)",
                    "scheme": "slate",
                    "toggle": {"icon": "lucide/moon", "name": "Light colours"},
                },
            ],
        },
        "markdown_extensions": [
            "admonition",
            "attr_list",
            "md_in_html",
            "tables",
            {"toc": {"permalink": True}},
            {"pymdownx.highlight": {"pygments_lang_class": True}},
            "pymdownx.superfences",
        ],
        "plugins": [
            "search",
            "offline",
            {"mkdocstrings": {"handlers": {"python": {"paths": [str(ROOT)], "options": OPTIONS}}}},
        ],
    }


OPTIONS: dict[str, Any] = {
    "docstring_style": "google",
    "docstring_options": {"returns_multiple_items": False, "returns_named_value": False, "warn_unknown_params": False},
    "docstring_section_style": "list",
    "extensions": ["docs_site.griffe_extension:Docstrings"],
    "filters": ["!^_"],
    "heading_level": 2,
    "line_length": 100,
    "members_order": "source",
    "merge_init_into_class": True,
    "separate_signature": True,
    "show_root_heading": True,
    "show_root_full_path": False,
    "show_signature_annotations": True,
    "show_source": False,
    "show_symbol_type_heading": True,
    "signature_crossrefs": True,
}
"""How mkdocstrings shows a name."""
