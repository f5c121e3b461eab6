"""The site is built without a warning, every link leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_site.__main__ import main
from docs_site.api import described_at, missing_names, packages, public_names
from docs_site.assemble import whole_site
from docs_site.build import BuildError, built_site
from docs_site.checks import Site, problems
from docs_site.declared import own_analyses
from docs_site.pages import Group, Page
from grokscope.analysis import analyses, analysis
from grokscope.analysis.tables import declared

WIDTHS = (390, 1280)
SEEN = (
    "index",
    "gallery",
    "analyses/circles",
    "commands/train",
    "api/grokscope.norms",
    "notebooks/02_fourier",
    "settings",
)
"""A page of each kind."""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SEARCHED = """() => {
  const found = [];
  const walk = (root) => root.querySelectorAll("*").forEach((one) => {
    if (one.shadowRoot) walk(one.shadowRoot);
    if (one.tagName === "A") found.push(one.getAttribute("href") ?? "");
  });
  document.querySelectorAll("*").forEach((one) => { if (one.shadowRoot) walk(one.shadowRoot); });
  return found.filter((link) => link.includes("coset")).length;
}"""


def test_the_whole_site(tmp_path, capsys):
    """`make docs`: no warning, no broken link or anchor, nothing from elsewhere, every public name."""
    site = tmp_path / "site"
    assert main(["build", "--out", str(site)]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == f"{site / 'index.html'}\n"
    assert (site / "reports" / "why-clipping" / "index.html").exists()


@pytest.mark.slow
def test_a_reader_sees_the_site_on_a_telephone_and_in_the_dark(tmp_path, browser):
    """Opened from the disk: nothing is wider than the window, nothing comes from elsewhere, and the search finds."""
    site = tmp_path / "site"
    assert main(["build", "--out", str(site)]) == 0
    outside: list[str] = []
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
            window = context.new_page()
            window.on("request", lambda request: outside.append(request.url))
            window.on("pageerror", lambda error: outside.append(str(error)))
            for page in SEEN:
                window.goto((site / f"{page}.html").as_uri())
                assert window.evaluate(OVERFLOW) <= 0, (page, width)
            context.close()
    assert [url for url in outside if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    assert find_cosets(browser, site) > 0


def find_cosets(browser, site: Path) -> int:
    """How many links to pages about cosets the search shows, on a page that was opened from the disk."""
    window = browser.new_page(viewport={"width": 1280, "height": 844})
    window.goto((site / "guide.html").as_uri())
    window.wait_for_timeout(500)
    window.keyboard.press("Control+k")
    window.wait_for_timeout(300)
    window.keyboard.type("coset")
    window.wait_for_function(f"({SEARCHED})() > 0", timeout=30_000)
    found = window.evaluate(SEARCHED)
    window.close()
    return found


def test_every_page_is_at_a_path_of_its_own_and_in_the_navigation():
    pages = [page.path for page in whole_site().pages()]
    assert len(set(pages)) == len(pages) > 100
    assert {"index.md", "guide.md", "your-own.md", "faults.md", "reports/index.md"} <= set(pages)


def test_every_public_name_is_described_once():
    homes = [described_at(package, name) for package in packages() for name in public_names(package)]
    assert len(homes) > 300
    for package in packages():
        assert all(described_at(package, name).startswith("grokscope.") for name in public_names(package))
    anchors = {f"{package}.{name}" for package in packages() for name in public_names(package)}
    assert missing_names(anchors) == []
    assert missing_names(anchors - {"grokscope.train", "grokscope.analysis.keys"}) == [
        "grokscope.train is public, and on no page",
        "grokscope.analysis.keys is public, and on no page",
    ]


def test_what_others_declare_is_on_no_page(monkeypatch):
    monkeypatch.setattr(declared, "_declared", dict(declared._declared))

    @analysis(family="mine")
    def of_a_stranger(run):
        """An analysis of somebody else."""

    assert "of_a_stranger" in analyses()
    assert "of_a_stranger" not in own_analyses()
    assert "of_a_stranger" not in public_names.__wrapped__("grokscope.analysis")


def small(text: str, **files: bytes) -> Group:
    """A site of two pages."""
    return Group(
        "small", (Page("index.md", "Start", text, dict(files)), Page("deep/other.md", "Other", "# Other\n\n## Part\n"))
    )


def test_a_small_site_is_built_with_its_links(tmp_path):
    text = (
        "# Start\n\n[there](deep/other.md#part), [`table`][docs_site.pages.table]\n\n"
        "::: docs_site.pages.table\n\n::: docs_site.pages.Page\n"
    )
    built = built_site(small(text), tmp_path)
    site = Site(built)
    assert problems(site) == []
    assert {"docs_site.pages.table", "docs_site.pages.Page", "docs_site.pages.Page.files"} <= site.ids()
    page = (built / "index.html").read_text(encoding="utf-8")
    assert 'href="deep/other.html#part"' in page
    assert 'href="#docs_site.pages.table"' in page


@pytest.mark.parametrize("link", ["[gone](deep/gone.md)", "[gone](deep/other.md#nowhere)", "::: docs_site.pages.gone"])
def test_a_warning_is_an_error(tmp_path, link):
    with pytest.raises(BuildError, match=r"gone|nowhere"):
        built_site(small(f"# Start\n\n{link}\n"), tmp_path)


def test_two_files_at_one_path_are_refused(tmp_path):
    one, other = Page("a.md", "A", "# A", {"x.png": b"1"}), Page("b.md", "B", "# B", {"x.png": b"2"})
    with pytest.raises(ValueError, match=r"two different files are to be at x.png"):
        built_site(Group("small", (one, other)), tmp_path)


def test_what_is_wrong_with_a_site_is_named(tmp_path):
    (tmp_path / "index.html").write_text(
        '<p id="here" style="background: url(//cdn.org/b.png)">'
        '<a href="#here">ok</a><a href="gone.html">a</a><a href="other.html#no">b</a><a href="/root.html">c</a>'
        '<a href="https://elsewhere.org">fine</a><img src="https://cdn.org/a.png"><img src="data:image/png;base64,">'
        '<link rel="canonical" href="https://here.org/"><link rel="stylesheet" href="style.css">'
        "<style>@import 'https://fonts.org/a.css';</style>"
    )
    (tmp_path / "other.html").write_text("<p>")
    (tmp_path / "style.css").write_text(
        "@font-face { src: url('https://fonts.org/b.woff') } a { background: url(b.png) }"
    )
    assert problems(Site(tmp_path)) == [
        "index.html links to gone.html, and there is no such file",
        "index.html links to other.html#no, and that page has no such anchor",
        "index.html links to /root.html, which is at the root of a host, and the site may be anywhere",
        "index.html loads https://cdn.org/a.png",
        "index.html loads //cdn.org/b.png",
        "index.html loads https://fonts.org/a.css",
        "style.css loads https://fonts.org/b.woff",
    ]
    assert problems(Site(tmp_path / "empty")) == [f"there are no pages in {tmp_path.resolve() / 'empty'}"]
