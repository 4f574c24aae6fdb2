"""Running means with SciPy's signatures and bits."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fastconv.engine import exact as engine

from .arguments import (
    as_array,
    axis_index,
    border_mode,
    checked_axes,
    checked_origin,
    checked_real,
    get_output,
    per_axis,
    settle,
)
from .passes import over_parts

__all__ = ["uniform_filter", "uniform_filter1d"]


def uniform_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """The mean of a window that slides along one axis, as `scipy.ndimage.uniform_filter1d`.

    A running mean: each sample adds what comes in less what goes out to the one before, so that the cost does not
    depend on ``size``, and one NaN stays to the end of its line.

    Parameters
    ----------
    input : array_like
        Any real or complex dtype but float16 and longdouble, any number of dimensions.
    size : int
        Samples of the window, at least 1.
    axis : int
        The axis to filter.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names.
    cval : scalar
        The value outside where mode is constant.
    origin : int
        Moves the window, from -(size // 2) to (size - 1) // 2.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        A size below 1, an unknown mode, a dtype that is not supported, an output of another shape.
    ValueError
        An origin outside its range; no such axis (`numpy.exceptions.AxisError`).

    Examples
    --------
    >>> uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3).tolist()
    [4, 3, 4, 1, 4, 6, 6, 3]
    """
    image = as_array(input)
    axis = axis_index(axis, image.ndim)
    if size < 1:
        raise RuntimeError("incorrect filter size")
    out = get_output(output, image, complex_output=image.dtype.kind == "c")
    _means(image, out, (_box(axis, size, origin, mode),), cval)
    return out


def uniform_filter(
    input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Any:  # fmt: skip
    """The mean of a box, as `scipy.ndimage.uniform_filter`: `uniform_filter1d` along one axis after the other.

    Every pass is stored in the output's dtype before the next one reads it.

    Parameters
    ----------
    input, output, cval
        As `uniform_filter1d` has them.
    size, mode, origin : scalar, or sequence of one for each filtered axis
        As `uniform_filter1d` has them; axes whose size is at most 1 are left alone.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> uniform_filter([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]]).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    image = as_array(input)
    out = get_output(output, image, complex_output=image.dtype.kind == "c")
    filtered = checked_axes(axes, image.ndim)
    count = len(filtered)
    sizes, origins = per_axis(size, count, "size"), per_axis(origin, count, "origin")
    words = zip(filtered, sizes, origins, per_axis(mode, count, "mode"), strict=True)
    boxes = tuple([_box(axis, int(n), o, m) for axis, n, o, m in words if n > 1])
    if boxes:
        _means(image, out, boxes, cval)
    else:
        out[...] = image
    return out


def _box(axis: int, size: int, origin: int, mode: Any) -> engine.Box:
    size = operator.index(size)
    return engine.Box(axis, size, size // 2 + checked_origin(origin, size), border_mode(mode))


def _means(image: np.ndarray, out: np.ndarray, boxes: tuple[engine.Box, ...], cval: Any) -> None:
    if image.dtype.kind == "c":
        over_parts(lambda part, target, value: _means(part, target, boxes, value), image, out, cval)
        return
    value = float(cval)
    checked_real(image)
    checked_real(out)
    if out.size:
        settle(out, image, lambda target: engine.run_boxes(image, target, boxes, value))
