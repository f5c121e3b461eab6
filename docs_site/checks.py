"""Checks of a built site: every link and anchor leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("source", "src"),
    ("source", "srcset"),
    ("iframe", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("embed", "src"),
    ("object", "data"),
    ("link", "href"),
}
"""What a browser loads by itself when it shows a page."""
FOLLOWED = {("a", "href")}
STYLESHEET_LOADS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
NOT_LOADED = {"canonical", "prev", "next", "alternate", "license"}
"""Relations of `link` that load nothing."""


@dataclass
class _Page(HTMLParser):
    """What a page has that can be linked to, and what it links to."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        given = {name: value or "" for name, value in attrs}
        self.ids.update(value for name, value in given.items() if name == "id" or (tag == "a" and name == "name"))
        self.styles.append(given.get("style", ""))
        for name, value in given.items():
            if (tag, name) in FOLLOWED:
                self.links.append(value)
            elif (tag, name) in LOADED and not NOT_LOADED & set(given.get("rel", "").split()):
                self.loads += [part.split()[0] for part in value.split(",")] if name == "srcset" else [value]

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


class Site:
    """The pages of a built site, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._pages: dict[Path, _Page] = {}

    @cached_property
    def paths(self) -> list[Path]:
        """Every page."""
        return sorted(self.folder.rglob("*.html"))

    def page(self, path: Path) -> _Page:
        """A page, read."""
        if path not in self._pages:
            page = self._pages[path] = _Page()
            page.feed(path.read_text(encoding="utf-8"))
            page.close()
        return self._pages[path]

    def ids(self) -> set[str]:
        """Every anchor of any page."""
        return set().union(*(self.page(path).ids for path in self.paths))


def problems(site: Site) -> list[str]:
    """What is wrong with a built site, a sentence each."""
    if not site.paths:
        return [f"there are no pages in {site.folder}"]
    return [*broken_links(site), *loaded_from_elsewhere(site)]


def broken_links(site: Site) -> Iterator[str]:
    """Links, pictures, scripts and styles of the site that lead nowhere."""
    for path in site.paths:
        page = site.page(path)
        for target in dict.fromkeys([*page.links, *page.loads]):
            wrong = _why_broken(site, path, target)
            if wrong:
                yield f"{path.relative_to(site.folder)} links to {target}, {wrong}"


def _why_broken(site: Site, path: Path, target: str) -> str:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return ""
    if path.name == "404.html" and target.startswith("/"):
        path, parts = site.folder / "index.html", urlsplit(target.lstrip("/") or ".")
    if parts.path.startswith("/"):
        return "which is at the root of a host, and the site may be anywhere"
    goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if goal.is_dir():
        goal = goal / "index.html"
    if not goal.is_file():
        return "and there is no such file"
    anchor = unquote(parts.fragment)
    if anchor and goal.suffix == ".html" and anchor not in site.page(goal).ids:
        return "and that page has no such anchor"
    return ""


def loaded_from_elsewhere(site: Site) -> Iterator[str]:
    """What a browser would load from another host for showing a page, or for a style sheet."""
    for path in site.paths:
        page = site.page(path)
        for target in page.loads:
            if urlsplit(target).netloc or urlsplit(target).scheme in ("http", "https"):
                yield f"{path.relative_to(site.folder)} loads {target}"
        for style in page.styles:
            yield from (f"{path.relative_to(site.folder)} loads {target}" for target in STYLESHEET_LOADS.findall(style))
    for path in sorted(site.folder.rglob("*.css")):
        for target in STYLESHEET_LOADS.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site.folder)} loads {target}"
