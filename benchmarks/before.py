"""A checkout of grokscope as it was before the compiled engine, for comparison with today's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.unavailable import Unavailable

COMMIT = "4ac409147b92b6836df5be52e478ed5e31fee71f"
"""The commit before the first of the compiled engine."""

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).with_name("before")
"""Where checkouts are kept, a folder for each commit; git ignores it."""


def checkout(commit: str = COMMIT, root: Path = ROOT, folder: Path = FOLDER) -> Path:
    """A checkout of a commit, kept as a git worktree: made at the first call, and used again by later ones.

    Arguments:
        commit: its full hash.
        root: the repository that has the commit.
        folder: where the checkout is kept.

    Raises `Unavailable` where there is no git, where `root` is not a git repository, and where its history does not
    reach back to the commit. Raises RuntimeError for a checkout that is of another commit.
    """
    path = folder / commit[:7]
    if not (path / ".git").exists():
        if _git(root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
            raise Unavailable(
                f"the commit before ({commit[:7]}) is not in the git history of this checkout: "
                "use a full clone, or git fetch --unshallow"
            )
        # --force: a worktree whose folder was deleted by hand is still registered.
        if _git(root, "worktree", "add", "--force", "--detach", str(path), commit) is None:
            raise Unavailable(
                f"git cannot make a worktree of {commit[:7]} in {folder.name}/: look at git worktree list"
            )
    head = _git(path, "rev-parse", "HEAD")
    if head != commit:
        raise RuntimeError(
            f"benchmarks/{folder.name}/{path.name} is at {head}, not at {commit}: delete it, and it is made again"
        )
    return path


def _git(folder: Path, *words: str) -> str | None:
    """What a git command prints; None where it fails, or where there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
