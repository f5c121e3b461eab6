"""Colours of the static figures, on a light and on a dark page."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

DARK_PAGE = "#16181b"
"""The background of a report for readers who prefer dark pages."""
CONTRAST = 4.5


def both_themes(colour: str) -> list[str]:
    """A colour as it is, and its nearest tint whose contrast to a dark page is at least 4.5."""
    rgb, page = _rgb(colour), _rgb(DARK_PAGE)
    tints = [rgb + (255 - rgb) * share for share in np.linspace(0, 1, 41)]
    light = next(tint for tint in tints if contrast(tint, page) >= CONTRAST)
    return [colour, "#" + "".join(f"{round(channel):02x}" for channel in light)]


def contrast(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> float:
    """Contrast ratio of two sRGB colours with channels from 0 to 255 (WCAG 2, "contrast ratio")."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _rgb(colour: str) -> Float[np.ndarray, "3"]:
    return np.array([float(int(colour[i : i + 2], 16)) for i in (1, 3, 5)])


def _luminance(rgb: Float[np.ndarray, "3"]) -> float:
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
