"""What a place refuses to take is said before anything is made there, and as writing would say it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grokscope.disk import DiskError, check_file, check_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a folder, and links to a folder and to nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nothing")
    return tmp_path


@pytest.mark.parametrize("place", ["folder", "folder/new", "new/newer/newest", "link", "link/new"])
def test_a_folder_that_can_be_made_or_written_to_is_accepted_and_left_as_it_was(folder, place):
    before = sorted(folder.rglob("*"))
    check_folder(folder / place)
    check_file(folder / place / "page.html")
    assert sorted(folder.rglob("*")) == before
    (folder / place / "page.html").parent.mkdir(parents=True, exist_ok=True)
    (folder / place / "page.html").touch()


REFUSED = {
    "file": "is not a directory",
    "file/new": "file is not a directory",
    "dangling": "dangling is a link to nothing",
    "dangling/new": "dangling is a link to nothing",
    "x" * 300: "File name too long",
    "new/" + "x" * 300: "File name too long",
}


@pytest.mark.parametrize("place", REFUSED)
def test_a_folder_that_cannot_be_made_is_refused_with_why(folder, place):
    with pytest.raises(OSError):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for check in (check_folder, lambda path: check_file(path / "page.html")):
        with pytest.raises(DiskError, match="cannot write to .*" + REFUSED[place]):
            check(folder / place)


def test_a_file_is_refused_where_a_directory_is_in_its_place_and_accepted_where_it_replaces_one(folder):
    with pytest.raises(DiskError, match=r"cannot write .*folder: it is a directory"):
        check_file(folder / "folder")
    check_file(folder / "file")
    check_file(folder / "dangling")


def _as_nobody(act: Callable[[], None]) -> str:
    """The error of something that a user without rights does, in a process of its own; empty if there is none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            act()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


def test_a_folder_without_permission_is_refused(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "folder").mkdir()
    locked.chmod(0o555)
    for above in [tmp_path, *tmp_path.parents][:3]:  # pytest's own, which others may not enter
        above.chmod(above.stat().st_mode | 0o011)
    for place in (locked, locked / "new", locked / "new/newer"):
        said = _as_nobody(lambda place=place: check_folder(place))
        assert said == f"DiskError: cannot write to {place}: Permission denied"
    locked.chmod(0o444)
    assert "Permission denied" in _as_nobody(lambda: check_folder(locked / "folder"))


def test_a_file_system_that_is_mounted_for_reading_is_told_as_such(folder, monkeypatch):
    class Mounted:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: Mounted)
    with pytest.raises(DiskError, match=os.strerror(errno.EROFS)):
        check_folder(folder / "folder")
