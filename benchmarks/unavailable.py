"""What a contestant says where it cannot run."""

from __future__ import annotations


class Unavailable(Exception):
    """A contestant cannot run on this machine. The message is one sentence that says why, and what would do."""
