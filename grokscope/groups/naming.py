"""Letters that number things: a, b, ..., z, aa, ab, ..."""


def letters(index: int) -> str:
    """0, 1, ..., 25, 26, ... as a, b, ..., z, aa, ..."""
    text = ""
    index += 1
    while index:
        index, last = divmod(index - 1, 26)
        text = chr(ord("a") + last) + text
    return text
