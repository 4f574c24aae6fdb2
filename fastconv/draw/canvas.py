"""What every picture shares: figures without pyplot, colours, heat maps, bars, and the file at the end."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.core.errors import bad_type, bad_value
from fastconv.core.geometry import centre
from fastconv.files.replace import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BEATEN",
    "CHOSEN",
    "EDGE",
    "INK",
    "MUTED",
    "bare",
    "bars",
    "checked_path",
    "figure",
    "heat",
    "number",
    "saved",
]

INK, MUTED, EDGE = "#1f2933", "#66717d", "#9aa5b1"
CHOSEN, BEATEN = "#1f5fa8", "#b9c4cf"
_SUFFIXES = (".png", ".svg", ".pdf")


def checked_path(path: Any) -> Path | None:
    """The file to write, checked before anything is drawn."""
    if path is None:
        return None
    allowed = f"None or a path ending in {', '.join(_SUFFIXES)}"
    if not isinstance(path, (str, os.PathLike)):
        raise bad_type("path", path, allowed)
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise bad_value("path", str(path), allowed)
    return target


def figure(width: float, height: float, constrained: bool = True) -> Figure:
    """A white figure of this size in inches, with a canvas of its own."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('drawing needs matplotlib: pip install "fastconv[plot]"') from None
    new = Figure(figsize=(width, height), dpi=120, facecolor="white", layout="constrained" if constrained else None)
    FigureCanvasAgg(new)
    return new


def saved(drawing: Figure, path: Path | None) -> Figure:
    """The figure, written to ``path`` where there is one: whole, or not at all."""
    if path is not None:
        picture = BytesIO()
        drawing.savefig(picture, format=path.suffix[1:].lower())
        with replacing(path) as stream:
            stream.write(picture.getvalue())
    return drawing


def bare(axes: Axes) -> None:
    """No frame and no ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def number(value: float) -> str:
    """A coefficient in a few characters."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"


def heat(axes: Axes, matrix: np.ndarray, written: bool) -> None:
    """A heat map: blue below zero, white at zero, red above, on one scale; the tap on the output sample is framed."""
    from matplotlib.patches import Rectangle

    rows, columns = matrix.shape
    top = float(np.abs(matrix).max()) or 1.0
    axes.imshow(matrix / top, cmap="RdBu_r", vmin=-1.25, vmax=1.25, interpolation="nearest", aspect="equal")
    bare(axes)
    y, x = centre(rows), centre(columns)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.4, clip_on=False))
    if written:
        for i, j in np.ndindex(rows, columns):
            value = float(matrix[i, j])
            colour = "white" if abs(value) > 0.75 * top else INK
            axes.text(j, i, number(value), ha="center", va="center", fontsize=8, color=colour)


def bars(axes: Axes, taps: np.ndarray, upright: bool, written: bool) -> None:
    """The taps of one factor as bars: upright below a row of cells, lying beside a column of them."""
    place = np.arange(len(taps))
    if len(taps) > 256:  # an outline says as much as that many bars, and is drawn at once
        (axes.fill_between if upright else axes.fill_betweenx)(place, taps, 0, step="mid", color=CHOSEN, linewidth=0)
    else:
        drawn = (axes.bar if upright else axes.barh)(place, taps, 0.7, color=CHOSEN)
        if written:
            axes.bar_label(drawn, [number(float(t)) for t in taps], fontsize=8, color=INK, padding=2)
    (axes.axhline if upright else axes.axvline)(0, color=MUTED, linewidth=0.8, clip_on=False)
    low, high = min(0.0, float(taps.min())), max(0.0, float(taps.max()))
    spare = (high - low or 1.0) * (0.3 if written else 0.02)
    across = (low - spare if low < 0 else low, high + spare if high > 0 or low == 0 else high)
    along = (-0.5, len(taps) - 0.5)
    (axes.set_ylim if upright else axes.set_xlim)(*across)
    (axes.set_xlim if upright else axes.set_ylim)(*(along if upright else along[::-1]))  # rows go downward
    bare(axes)
