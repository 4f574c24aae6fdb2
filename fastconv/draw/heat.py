"""A kernel as a heat map, with its factors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.core.errors import bad_type, bad_value
from fastconv.kernels import from_spec
from fastconv.plan.factor import rank, rank_one_factors

from .canvas import INK, bars, checked_path, figure, heat, number, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["kernel"]

#: longest side whose coefficients are written into their cells
_WRITTEN = 15


def kernel(kernel: Any, path: str | os.PathLike[str] | None = None) -> Figure:
    """A kernel as a heat map, with its coefficients, and its two factors where it is a column times a row.

    Blue is negative, red positive, white zero; the framed cell is the tap that lies on the output sample
    (``size // 2``).  Coefficients are written into kernels of at most 15 x 15.

    Parameters
    ----------
    kernel : 1-D or 2-D array of finite real numbers, at most 4096 along a side, or text for
        `fastconv.kernels.from_spec` such as ``"sobel"``.
    path : where to write the picture: .png, .svg or .pdf; None writes nothing.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError : matplotlib is not installed.
    TypeError, ValueError : ``kernel`` is no such array or text; ``path`` has another suffix.

    Source of the factors: pivot column times pivot row over the pivot (`fastconv.plan.factor`).

    >>> kernel("sobel", "sobel.png")  # doctest: +SKIP
    """
    target = checked_path(path)
    matrix = np.atleast_2d(from_spec(kernel) if isinstance(kernel, str) else _matrix(kernel))
    if matrix.ndim != 2 or matrix.size == 0 or max(matrix.shape) > 4096:
        raise bad_value("kernel", kernel, "1-D or 2-D, not empty, and at most 4096 along a side")
    rows, columns = matrix.shape
    factors = rank_one_factors(matrix) if min(rows, columns) > 1 and matrix.any() else None
    written = max(rows, columns) <= _WRITTEN
    cell = min(0.6, 6.0 / max(rows, columns))
    width, height = columns * cell, rows * cell
    # inches, so that bars and cells line up: margin, column's bars, gap, heat map, margin
    edge, beside, gap, head = 0.3, 1.0, 0.25, 0.6
    left = edge + beside + gap if factors else edge
    bottom = left
    full = (max(left + width + edge, 3.4), bottom + height + head)
    left += (full[0] - left - width - edge) / 2
    drawing = figure(*full, constrained=False)

    def spot(x: float, y: float, w: float, h: float) -> Axes:
        return drawing.add_axes((x / full[0], y / full[1], w / full[0], h / full[1]))

    heat(spot(left, bottom, width, height), matrix, written)
    kind = f"rank {rank(matrix)}"
    if factors:
        column, row = factors.terms[0]
        bars(spot(left - gap - beside, bottom, beside, height), column, upright=False, written=written)
        bars(spot(left, bottom - gap - beside, width, beside), row, upright=True, written=written)
        kind = "column x row"
    total = matrix.sum()
    total = 0.0 if abs(total) < 1e-12 * np.abs(matrix).sum() else total
    drawing.suptitle(
        f"{rows} x {columns} kernel, {kind}, sum {number(total)}", color=INK, fontsize=11, y=1 - 0.2 / full[1]
    )
    return saved(drawing, target)


def _matrix(kernel: Any) -> np.ndarray:
    allowed = "an array of finite real numbers, or text such as 'sobel'"
    if isinstance(kernel, np.ma.MaskedArray):
        raise bad_type("kernel", kernel, allowed)
    try:
        array = np.asarray(kernel)
    except ValueError:  # rows of different lengths
        raise bad_value("kernel", kernel, allowed) from None
    if array.dtype.kind not in "biuf":
        raise bad_type("kernel", kernel, allowed)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise bad_value("kernel", kernel, f"{allowed}: it holds nan or inf")
    return array
