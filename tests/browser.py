"""A real browser for pages with a scrubber: fixtures, and moving the slider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.find_browser import MISSING, find_browser

SLOW = 120_000
"""Milliseconds that a browser is given: it may share its processor."""
SCRUBBER = ".scrubber[data-theme] .scrubber-run:last-child [data-panel=curves] .main-svg"
"""There once the last plot of a scrubber is drawn."""


browser_path = cache(find_browser)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stop before the first test where one that is selected needs a browser and there is none."""
    if any("browser" in getattr(item, "fixturenames", ()) for item in items) and browser_path() is None:
        pytest.exit(MISSING, returncode=1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = browser_path()
    assert path is not None
    with sync_playwright() as playwright:
        # Without a sandbox, which root has not; the pages are our own.
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=SLOW)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Callable[..., Page]]:
    """`opened(path, width=..., scheme=...)`: a page in a window of its own; nothing it does may go wrong.

    `ready` selects what is waited for: the plots of a scrubber, if nothing else is said.
    """
    troubles: list[str] = []
    windows = []

    def open_(path: Path, width: int = 1280, scheme: str = "light", ready: str = SCRUBBER) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        context.set_default_timeout(SLOW)
        windows.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.type} {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or troubles.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        page.wait_for_selector(ready)
        return page

    yield open_
    for window in windows:
        window.close()
    assert troubles == []


def go(page: Page, frame: int, steps: list[int]) -> None:
    page.locator(".scrubber-track input").first.fill(str(frame))
    wait_for_step(page, steps[frame])


def wait_for_step(page: Page, step: int) -> None:
    page.wait_for_function("s => document.querySelector('.scrubber-now:not([data-still])').textContent.endsWith(s)",
                           arg=f"step {step}")  # fmt: skip
