"""The browser that pages are tested in: found, or installed. `make test` runs this file before the tests.

It is the first of these that starts: chromium, chromium-browser or google-chrome on the path; Debian's chromium, which
is installed where this user is root or may become root without a password; the chromium that playwright downloads.
Where there is none of them, the tests do not start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

MISSING = (
    "The tests need a browser, and there is none that starts: install one (as root: apt-get install chromium), "
    f"or put {NAMES[0]}, {NAMES[1]} or {NAMES[2]} on the path."
)

START_SECONDS = 120.0
"""For a browser to tell its version, on a machine that may be busy."""


def find_browser() -> Path | None:
    """The browser on the path, or else the one that playwright has downloaded; None where neither starts."""
    on_path = (Path(path) for name in NAMES if (path := shutil.which(name)))
    return next(filter(_starts, on_path), None) or _of_playwright()


def install_browser() -> Path | None:
    """Install Debian's chromium, or else playwright's; None where neither can be installed, or neither starts."""
    as_root = () if os.geteuid() == 0 else ("sudo", "-n")
    if _run(*as_root, "apt-get", "update") and _run(*as_root, "apt-get", "install", "-y", "chromium"):
        browser = find_browser()
        if browser is not None:
            return browser
    return find_browser() if _run(sys.executable, "-m", "playwright", "install", "chromium") else None


def _run(*words: str) -> bool:
    """Whether a command is there and succeeds. It can ask nothing, and what it prints goes to standard error."""
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()).returncode == 0
    except OSError:
        return False


def _starts(browser: Path) -> bool:
    """Whether a browser tells its version: it does not where a library is missing, or where it is only a signpost."""
    try:
        told = subprocess.run(
            [browser, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=START_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0


def _of_playwright() -> Path | None:
    """The chromium that playwright has downloaded, if it has and it starts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = Path(playwright.chromium.executable_path)
    return browser if browser.exists() and _starts(browser) else None


def main() -> int:
    """Find or install a browser; 1, with one sentence, where there is none in the end."""
    if find_browser() is None and install_browser() is None:
        sys.stderr.write(MISSING + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
