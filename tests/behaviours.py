"""Three behaviours side by side on one line of bytes: fastconv's own functions, fastconv.ndimage, OpenCV's rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastconv as fc

IMAGE = np.array([[0, 0, 9, 255, 255, 255, 90, 10]], np.uint8)


@dataclass(frozen=True)
class Row:
    """What is asked for, the two calls, and the numbers that OpenCV gives (a test compares where it is installed)."""

    what: str
    own: Callable[..., Any]
    scipy: Callable[[], Any]
    opencv: Callable[[Any], Any]
    opencv_gives: tuple[int, ...]


ROWS = (
    Row(
        "Gaussian, sigma 1",
        lambda **options: fc.gaussian(IMAGE, 1.0, **options),
        lambda: fc.ndimage.gaussian_filter(IMAGE, 1.0),
        lambda cv2: cv2.GaussianBlur(IMAGE, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT),
        (2, 17, 80, 180, 231, 200, 116, 49),
    ),
    Row(
        "mean of 3 x 3",
        lambda **options: fc.box(IMAGE, 3, **options),
        lambda: fc.ndimage.uniform_filter(IMAGE, 3),
        lambda cv2: cv2.blur(IMAGE, (3, 3), borderType=cv2.BORDER_REFLECT),
        (0, 3, 88, 173, 255, 200, 118, 37),
    ),
    Row(
        "Sobel along the line",
        lambda **options: fc.sobel(IMAGE, axis=1, **options),
        lambda: fc.ndimage.sobel(IMAGE, 1),
        lambda cv2: cv2.Sobel(IMAGE, cv2.CV_8U, 1, 0, borderType=cv2.BORDER_REFLECT),
        (0, 36, 255, 255, 0, 0, 0, 0),
    ),
)


def numbers(result: Any) -> str:
    """A line of results, floats to one decimal."""
    line = np.asarray(result).reshape(-1)
    return " ".join(f"{v:.1f}" if line.dtype.kind == "f" else str(v) for v in line.tolist())


def table() -> str:
    """The table as Markdown."""
    lines = [
        f"The line of bytes `{numbers(IMAGE)}`:",
        "",
        '| | `fc.` (float32) | `fc.`, `dtype="same"` | `fc.ndimage` (and SciPy) | OpenCV |',
        "| :-- | :-- | :-- | :-- | :-- |",
    ]
    for row in ROWS:
        cells = (numbers(row.own()), numbers(row.own(dtype="same")), numbers(row.scipy()))
        lines.append(f"| {row.what} | " + " | ".join(cells) + f" | {' '.join(map(str, row.opencv_gives))} |")
    return "\n".join(lines)
