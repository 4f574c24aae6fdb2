"""Convolution arithmetic as a picture: cells in, taps, cells out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.core.convolution import axis_size
from fastconv.core.geometry import reach
from fastconv.kernels import checks

from .canvas import EDGE, INK, bare, checked_path, figure, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["arithmetic"]

#: what a cell of an arithmetic picture is -> its colour and its words
_CELLS = {
    "padding": ("#eceff2", "padding: zeros outside the image"),
    "gap": ("#f8f9fa", "zeros put between samples"),
    "sample": ("#bcd3ec", "image sample"),
    "tap_zero": ("#7d8fa3", "tap on a zero"),
    "tap": ("#1f5fa8", "tap on a sample"),
    "output": ("#f6d9bd", "output sample"),
    "shown": ("#c9611a", "the output that the taps give"),
}
#: longest side of a grid that is drawn, in cells
_GRID = 64
#: cells between the two grids
_GAP = 3


def arithmetic(
    size: int | Sequence[int],
    kernel: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    transposed: bool = False,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Convolution arithmetic as a picture: the padded image, the output, and the taps that give one output sample.

    Plain:      ``out = floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``;
    transposed: ``out = (size - 1) stride - 2 padding + dilation (kernel - 1) + 1``, drawn as the plain convolution that
    it is: ``stride - 1`` zeros between samples, ``dilation (kernel - 1) - padding`` around them.

    Parameters
    ----------
    size : of the image in samples, 1 to 64; one integer, or (rows, columns).
    kernel, stride, padding, dilation : one integer, or (rows, columns); 1 to 64, padding 0 to 64.
    transposed : True draws the transposed (fractionally strided) convolution.
    path : where to write the picture: .png, .svg or .pdf; None writes nothing.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError : matplotlib is not installed.
    TypeError, ValueError : a number out of its limits; a kernel larger than the padded image (no output); a grid of
        more than 64 cells along a side.

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016).

    >>> arithmetic(5, 3, stride=2, padding=1, path="strided.png")  # doctest: +SKIP
    """
    target = checked_path(path)
    n, k, s, p, d = (
        checks.per_axis(name, value, 2, check)
        for name, value, check in (
            ("size", size, _positive),
            ("kernel", kernel, _positive),
            ("stride", stride, _positive),
            ("padding", padding, _natural),
            ("dilation", dilation, _positive),
        )
    )
    turned = checks.flag("transposed", transposed)
    axes_of = [_axis(*numbers, transposed=turned) for numbers in zip(n, k, s, p, d, strict=True)]
    cells = [len(kinds) for kinds, _, _ in axes_of]
    outs = [out for _, out, _ in axes_of]
    if min(outs) < 1:
        raise ValueError(
            f"size, kernel, padding and dilation must leave an output; got {n}, {k}, {p} and {d}"
            + (" (transposed)" if turned else "")
        )
    if max(cells + outs) > _GRID:
        raise ValueError(
            f"size must give grids of at most {_GRID} x {_GRID} cells to be drawn; got {max(cells + outs)}"
        )
    codes = list(_CELLS)
    # an axis says of each position what stands there: the colder of the two decides the cell
    image = np.minimum.outer(*(np.array([codes.index(kind) for kind in kinds]) for kinds, _, _ in axes_of))
    here = np.ix_(*(taps for _, _, taps in axes_of))
    image[here] = np.where(image[here] == codes.index("sample"), codes.index("tap"), codes.index("tap_zero"))
    output = np.full(outs, codes.index("output"))
    output[tuple(out // 2 for out in outs)] = codes.index("shown")
    details = (("kernel", k), ("stride", s), ("padding", p), ("dilation", d))
    words = "transposed convolution" if turned else "convolution"
    crop = max(0, *(p[a] - reach(k[a], d[a]) for a in range(2))) if turned else 0
    titles = (
        f"image {_pair(n)}" + (f", cropped by {crop}" if crop else ""),
        f"output {_pair(outs)}",
        f"{words}: " + ", ".join(f"{name} {_pair(v) if v[0] != v[1] else v[0]}" for name, v in details),
    )
    window = ((axes_of[0][2][0], axes_of[0][2][-1] + 1), axes_of[1][2][-1] + 1)
    return saved(_picture(image, output, window, titles), target)


def _pair(numbers: Sequence[int]) -> str:
    return f"{numbers[0]} x {numbers[1]}"


def _picture(
    image: np.ndarray, output: np.ndarray, window: tuple[tuple[int, int], int], titles: tuple[str, str, str]
) -> Figure:
    """Both grids side by side, and lines from the window's right side (its upper and lower end, x) to its output."""
    wide = image.shape[1] + _GAP + output.shape[1]
    high = max(len(image), len(output))
    scale = min(0.34, 11.0 / wide)
    drawing = figure(max(scale * wide + 0.4, 6.4), scale * high + 1.9)
    axes = drawing.add_subplot()
    axes.set_aspect("equal")
    bare(axes)
    down, top, right = (high - len(image)) / 2, (high - len(output)) / 2, image.shape[1] + _GAP
    _cells(axes, image, 0, down, titles[0])
    _cells(axes, output, right, top, titles[1])
    ends, x = window
    for corner, end in enumerate(ends):
        axes.plot(
            [x, right + output.shape[1] // 2],
            [down + end, top + len(output) // 2 + corner],
            color=_CELLS["shown"][0],
            linewidth=1.0,
        )
    axes.set_xlim(-0.2, wide + 0.2)
    axes.set_ylim(high + 0.2, -1.2)
    _legend(drawing, [list(_CELLS)[code] for code in np.union1d(image, output)])
    drawing.suptitle(titles[2], color=INK, fontsize=11)
    return drawing


def _positive(value: Any, name: str) -> int:
    return checks.integer(name, value, least=1, most=_GRID)


def _natural(value: Any, name: str) -> int:
    return checks.integer(name, value, least=0, most=_GRID)


def _axis(n: int, k: int, s: int, p: int, d: int, transposed: bool) -> tuple[list[str], int, np.ndarray]:
    """What stands at each place of a padded axis, its number of outputs, and where the middle output's taps lie."""
    kinds = ["sample"] * n
    around, step = p, s
    if transposed:
        kinds = ["sample" if i % s == 0 else "gap" for i in range((n - 1) * s + 1)]
        around, step = reach(k, d) - p, 1
    edge = ["padding"] * around
    # more padding than a transposed kernel reaches crops
    kinds = [*edge, *kinds, *edge] if around >= 0 else kinds[-around : len(kinds) + around]
    out = axis_size(len(kinds), k, step, d, 0, 0)
    return kinds, out, out // 2 * step + np.arange(k) * d


def _cells(axes: Axes, codes: np.ndarray, x: float, y: float, title: str) -> None:
    """A grid of cells in their colours whose upper left corner is (x, y)."""
    from matplotlib.colors import ListedColormap

    rows, columns = codes.shape
    axes.pcolormesh(
        x + np.arange(columns + 1), y + np.arange(rows + 1), codes,
        cmap=ListedColormap([colour for colour, _ in _CELLS.values()]), vmin=-0.5, vmax=len(_CELLS) - 0.5,
        edgecolors=EDGE, linewidth=0.6,
    )  # fmt: skip
    axes.annotate(title, (x, y), (0, 4), textcoords="offset points", color=INK, fontsize=10, fontweight="bold")


def _legend(drawing: Figure, kinds: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=_CELLS[kind][0], edgecolor=EDGE, label=_CELLS[kind][1]) for kind in kinds]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8.5, frameon=False, labelcolor=INK)
