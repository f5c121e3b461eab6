"""A browser is found or installed before the first test, or one sentence says that there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import sync_playwright

from tests import browser, find_browser

ROOT = Path(__file__).parents[1]

STARTS = "exit 0"
FAILS = "exit 1"
"""What a browser that is only a signpost to a package does, and one without its libraries."""


class Machine:
    """A machine with nothing on its path but what a test puts there, all of it written down when it is called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.log = folder / "bin", folder / "log"
        self.bin.mkdir()
        self.log.touch()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(folder / "browsers"))
        with sync_playwright() as playwright:
            self.downloaded = Path(playwright.chromium.executable_path)
        assert folder in self.downloaded.parents
        self._monkeypatch = monkeypatch
        self.user(0)
        self.python(FAILS)

    def user(self, number: int) -> None:
        self._monkeypatch.setattr(os, "geteuid", lambda: number)

    def command(self, name: str, body: str, path: Path | None = None) -> Path:
        """A command; a call of it is a line in the log, but for that of a browser for its version."""
        path = self.bin / name if path is None else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(0o755)
        return path

    def python(self, body: str) -> None:
        self._monkeypatch.setattr(sys, "executable", str(self.command("python", body)))

    def makes(self, path: Path, body: str = STARTS) -> str:
        """The body of a command that makes a browser."""
        return f"/bin/mkdir -p {path.parent}; echo '#!/bin/sh\n{body}' > {path}; /bin/chmod 755 {path}"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


APT = ["apt-get update", "apt-get install -y chromium"]
PLAYWRIGHT = ["python -m playwright install chromium"]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_on_the_path_is_taken_and_nothing_installed(machine, name, capsys):
    path = machine.command(name, STARTS)
    assert find_browser.find_browser() == path
    assert find_browser.main() == 0
    assert machine.calls == []
    assert capsys.readouterr().err == ""


def test_one_that_does_not_start_is_passed_over(machine):
    machine.command("chromium", FAILS)
    path = machine.command("google-chrome", STARTS)
    assert find_browser.find_browser() == path


def test_one_that_playwright_has_downloaded_is_taken(machine):
    machine.command("chromium", STARTS, machine.downloaded)
    assert find_browser.find_browser() == machine.downloaded
    assert find_browser.main() == 0
    assert machine.calls == []


def test_root_installs_debians(machine):
    machine.command("apt-get", f'[ "$1" = update ] || {{ {machine.makes(machine.bin / "chromium")}; }}')
    assert find_browser.main() == 0
    assert machine.calls == APT
    assert find_browser.find_browser() == machine.bin / "chromium"


def test_who_may_become_root_without_a_password_installs_debians(machine):
    machine.user(1000)
    machine.command("sudo", 'shift; "$@"')
    machine.command("apt-get", f'[ "$1" = update ] || {{ {machine.makes(machine.bin / "chromium")}; }}')
    assert find_browser.main() == 0
    assert machine.calls == [f"sudo -n {APT[0]}", APT[0], f"sudo -n {APT[1]}", APT[1]]


@pytest.mark.parametrize("sudo", [FAILS, None])
def test_who_may_not_gets_playwrights_own(machine, sudo):
    machine.user(1000)
    if sudo is not None:
        machine.command("sudo", sudo)
    machine.command("apt-get", STARTS)
    machine.python(machine.makes(machine.downloaded))
    assert find_browser.main() == 0
    assert machine.calls == ([f"sudo -n {APT[0]}"] if sudo else []) + PLAYWRIGHT
    assert find_browser.find_browser() == machine.downloaded


@pytest.mark.parametrize("apt", [FAILS, '[ "$1" = update ]', None])
def test_where_debians_cannot_be_installed_playwrights_is(machine, apt):
    if apt is not None:
        machine.command("apt-get", apt)
    machine.python(machine.makes(machine.downloaded))
    assert find_browser.main() == 0
    assert machine.calls[-1:] == PLAYWRIGHT
    assert find_browser.find_browser() == machine.downloaded


def test_where_debians_is_installed_and_does_not_start_playwrights_is_tried(machine):
    machine.command("apt-get", f'[ "$1" = update ] || {{ {machine.makes(machine.bin / "chromium", FAILS)}; }}')
    machine.python(machine.makes(machine.downloaded))
    assert find_browser.main() == 0
    assert machine.calls == APT + PLAYWRIGHT


@pytest.mark.parametrize("download", ["fails", "does not start"])
def test_where_nothing_helps_one_sentence_says_so(machine, download, capsys):
    machine.python(FAILS if download == "fails" else machine.makes(machine.downloaded, FAILS))
    assert find_browser.main() == 1
    assert capsys.readouterr().err == find_browser.MISSING + "\n"
    assert find_browser.MISSING.count(".") == 1


def _pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Pytest on the files of a folder, with this fixture and without a browser."""
    path = str(folder / "bin")
    environment = os.environ | {"PATH": path, "PLAYWRIGHT_BROWSERS_PATH": path, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "tests.browser", "-p", "no:cacheprovider", "-q", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_pytest_stops_before_the_first_test_where_one_needs_a_browser(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -m 'not slow'\nmarkers =\n    slow: slow\n")
    (tmp_path / "test_pages.py").write_text(
        "import pytest\n"
        "def test_first(): print('the first test ran')\n"
        "def test_page(opened): pass\n"
        "@pytest.mark.slow\ndef test_slow_page(opened): pass\n"
    )
    stopped = _pytest(tmp_path, "-s")
    assert stopped.returncode == 1
    assert find_browser.MISSING in stopped.stdout + stopped.stderr
    assert "the first test ran" not in stopped.stdout
    others = _pytest(tmp_path, "-s", "-k", "first or slow")
    assert others.returncode == 0, others.stdout
    assert "the first test ran" in others.stdout


def test_only_tests_that_use_the_browser_look_for_one(monkeypatch):
    monkeypatch.setattr(browser, "browser_path", lambda: None)
    browser.pytest_collection_modifyitems([SimpleNamespace(fixturenames=["tmp_path"]), SimpleNamespace()])
    with pytest.raises(pytest.exit.Exception, match="The tests need a browser"):
        browser.pytest_collection_modifyitems([SimpleNamespace(fixturenames=["opened", "browser"])])
