"""A real browser for pages with a scrubber: fixtures, and moving the slider."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

SLOW = 120_000
"""Milliseconds that a browser is given: it may share its processor."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.fail(
            f"no browser: none of {', '.join(names)} is on the path, and the scrubber is tested in one. "
            "Install Debian's (as root: apt-get install chromium), or run .ci/run, which does"
        )
    with sync_playwright() as playwright:
        # Without a sandbox, which root has not; the pages are our own.
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=SLOW)
        yield found
        found.close()


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Callable[..., Page]]:
    """`opened(path, width=..., scheme=...)`: a page in a window of its own; nothing it does may go wrong."""
    troubles: list[str] = []
    windows = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        context.set_default_timeout(SLOW)
        windows.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.type} {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or troubles.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        page.wait_for_selector(".scrubber[data-theme] .scrubber-run:last-child [data-panel=curves] .main-svg")
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
