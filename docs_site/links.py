"""Links of files of the repository, as links of the site.

A file such as `docs/guide.md` links to other files by their place in the repository, which is what a code host follows.
On the site the same link goes to the page that the file became, or to a copy of the file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from docs_site.pages import ROOT, Page, relative

LINK = re.compile(r"(?P<before>!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()(?P<target>[^()\s]+)(?P<after>\))")
OUTSIDE = re.compile(r"[a-z]+:|#|//")


def page_of(file: str, path: str, title: str, pages: Mapping[str, str], root: Path = ROOT) -> Page:
    """The page of a Markdown file of the repository.

    Args:
        file: in the repository.
        path: of the page.
        title: in the navigation.
        pages: the page of each file of the repository that has one.
        root: the repository.
    """
    text, files = on_site((root / file).read_text(encoding="utf-8"), file, path, pages, root)
    return Page(path, title, text, files)


def on_site(
    text: str, file: str, path: str, pages: Mapping[str, str], root: Path = ROOT
) -> tuple[str, dict[str, Path | bytes]]:
    """The text with the links of the site, and the files that it links to, by their path on the site.

    Raises ValueError for a link to a file that is not in the repository.
    """
    files: dict[str, Path | bytes] = {}

    def changed(match: re.Match[str]) -> str:
        if OUTSIDE.match(match["target"]):
            return match[0]
        name, hash_, anchor = match["target"].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
        if (root / target).is_dir():
            target = f"{target}/README.md"
        if target in pages:
            return f"{match['before']}{relative(pages[target], path)}{hash_}{anchor}{match['after']}"
        if not (root / target).is_file():
            raise ValueError(f"{file} links to {match['target']}, and there is no file {target}")
        files[target] = root / target
        return f"{match['before']}{relative(target, path)}{hash_}{anchor}{match['after']}"

    # What is fenced or within backticks is shown, and links nowhere.
    parts = re.split(r"(^```.*?^```|`[^`\n]*`)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("`") else LINK.sub(changed, part) for part in parts), files
