"""References to files by what is in them: PATH@SHA256."""

from __future__ import annotations


def path_and_digest(reference: str) -> tuple[str, str]:
    """The path and the sha256 that a reference names, parted at its last `@`; two empty words where it names not both.

    The digest has 64 digits, of 0 to 9 and a to f.
    """
    path, _, digest = reference.rpartition("@")
    if not path or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        return "", ""
    return path, digest
