"""What the rank filters' doors share: SciPy's rules for windows, and the one call down."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv.engine import ranks as engine

from .arguments import (
    as_array,
    axis_index,
    border_mode,
    border_modes,
    checked_axes,
    checked_origin,
    checked_real,
    get_output,
    per_axis,
    settle,
    spread_over_axes,
)
from .fallback import by_scipy, needs_scipy

__all__ = ["along", "extreme", "ranked"]


def _no_complex(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        raise TypeError("Complex type not supported")
    return array


def along(array: Any, size: int, axis: int, output: Any, mode: str, cval: float, origin: int, largest: bool) -> Any:
    """Minimum or maximum along one axis."""
    image = _no_complex(as_array(array))
    axis = axis_index(axis, image.ndim)
    if size < 1:
        raise RuntimeError("incorrect filter size")
    out = get_output(output, image)
    _boxes(image, out, [(axis, operator.index(size), origin, mode)], cval, largest)
    return out


def _boxes(
    image: np.ndarray, out: np.ndarray, passes: list[tuple[int, int, Any, Any]], cval: float, largest: bool
) -> None:
    """A pass for each (axis, size, origin, mode)."""
    count = image.ndim
    sizes, before, modes = [1] * count, [0] * count, ["nearest"] * count
    for axis, size, origin, mode in passes:
        sizes[axis], before[axis] = size, size // 2 + checked_origin(origin, size)
        modes[axis] = border_mode(mode)
    checked_real(image)
    checked_real(out)
    order = tuple(axis for axis, *_ in passes)
    value = float(cval)
    if out.size:
        settle(out, image, lambda t: engine.box_extremes(image, t, sizes, before, modes, order, value, largest))


def extreme(
    array: Any, size: Any, footprint: Any, output: Any, mode: Any, cval: float, origin: Any, axes: Any, largest: bool
) -> Any:
    """Minimum or maximum over a box, or over the taps of a footprint."""
    if size is not None and footprint is not None:
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=3)
    if footprint is None:
        if size is None:
            raise RuntimeError("no footprint provided")
    else:
        footprint = np.asarray(footprint, bool)
        if not footprint.any():
            raise ValueError("All-zero footprint is not supported.")
        if footprint.all():
            size, footprint = footprint.shape, None
    image = _no_complex(as_array(array))
    out = get_output(output, image)
    axes = checked_axes(axes, image.ndim)
    if footprint is None:
        words = zip(
            axes,
            per_axis(size, len(axes), "size"),
            per_axis(origin, len(axes), "origin"),
            per_axis(mode, len(axes), "mode"),
            strict=True,
        )
        passes = [(axis, int(each), *rest) for axis, each, *rest in words if each > 1]
        if passes:
            _boxes(image, out, passes, cval, largest)
        else:
            settle(out, image, lambda t: np.copyto(t, image, casting="unsafe"))
        return out
    footprint, before = _window(image.ndim, axes, footprint, origin)
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise RuntimeError("A sequence of modes is not supported for non-separable footprints")
    modes = border_modes(mode, image.ndim)
    checked_real(image)
    checked_real(out)
    value = float(cval)
    if out.size:
        settle(out, image, lambda t: engine.tap_extremes(image, t, footprint, before, modes, value, largest))
    return out


def _window(ndim: int, axes: tuple[int, ...], footprint: np.ndarray, origin: Any) -> tuple[np.ndarray, list[int]]:
    """A footprint with an axis for each of the image's, and how many of its samples lie before the output's."""
    given = footprint.ndim
    if len(axes) < ndim:
        if given != len(axes):
            raise RuntimeError(f"footprint.ndim ({given}) must match len(axes) ({len(axes)})")
        footprint = np.expand_dims(footprint, tuple(a for a in range(ndim) if a not in axes))
    origins = spread_over_axes(origin, axes, ndim, 0, "origin")
    if sum(k > 0 for k in footprint.shape) != ndim:
        raise RuntimeError(f"footprint.ndim ({given}) must match len(axes) ({len(axes)})")
    before = [k // 2 + checked_origin(o, k) for k, o in zip(footprint.shape, origins, strict=True)]
    return footprint, before


def ranked(
    array: Any, rank: Any, size: Any, footprint: Any, output: Any, mode: Any, cval: float, origin: Any, axes: Any
) -> Any:
    """The sample of a rank; ``rank`` gives it for a number of taps."""
    if size is not None and footprint is not None:
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=3)
    image = _no_complex(as_array(array))
    axes = checked_axes(axes, image.ndim)
    if footprint is None:
        if size is None:
            raise RuntimeError("no footprint or filter size provided")
        footprint = np.ones(per_axis(size, len(axes), "size"), bool)
    else:
        footprint = np.asarray(footprint, bool)
    footprint, before = _window(image.ndim, axes, footprint, origin)
    modes = mode
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        modes = spread_over_axes(mode, axes, image.ndim, "constant", "mode")
    taps = int(np.count_nonzero(footprint))
    place = rank(taps)
    if place < 0:
        place += taps
    if place < 0 or place >= taps:
        raise RuntimeError("rank not within filter footprint size")
    if place in (0, taps - 1):
        origins = [b - k // 2 for b, k in zip(before, footprint.shape, strict=True)]
        return extreme(image, None, footprint, output, modes, cval, origins, None, place > 0)
    out = get_output(output, image)
    if not isinstance(modes, str) and isinstance(modes, Iterable):
        raise RuntimeError("A sequence of modes is not supported by non-separable rank filters")
    border = border_modes(modes, image.ndim)
    value = float(cval)
    if not out.size:
        return out
    if image.ndim == 1:
        return _line(image, out, footprint, place, before, border, value, modes)
    checked_real(image)
    checked_real(out)
    settle(out, image, lambda t: engine.select_rank(image, t, footprint, place, before, border, value, True))
    return out


def _line(
    image: np.ndarray, out: np.ndarray, footprint: np.ndarray, rank: int, before: list[int], border: list[str],
    cval: float, mode: str,
) -> np.ndarray:  # fmt: skip
    """Ranks in one dimension, where SciPy takes float16, and all integers as int64."""
    size = footprint.size
    origin = before[0] - size // 2
    # windows long against the array go SciPy's other way, through float64
    exact = image.size == 1 or image.size - ((size - 1) // 2 - origin) >= 0
    source = checked_real(image) if image.dtype != np.float16 or not exact else image.astype(np.float32)
    if exact and source.dtype.kind in "biu":
        with np.errstate(invalid="ignore"):
            outside = int(np.float64(cval).astype(np.int64))
        info = np.iinfo(np.uint8 if source.dtype.kind == "b" else str(source.dtype))
        if not info.min <= outside <= info.max and source.dtype != np.uint64:
            source = source.astype(np.int64)
    if exact and needs_scipy(source, cval):
        settle(out, image, lambda t: np.copyto(t, by_scipy(source, rank, footprint, mode, cval, origin), "unsafe"))
        return out
    # integers other than int64 reach the output as int64, everything else as C casts doubles
    whole = exact and source.dtype.kind in "biu" and source.dtype != out.dtype

    def execute(target: np.ndarray) -> None:
        if not whole and target.dtype != np.float16:
            engine.select_rank(source, target, footprint, rank, before, border, cval, not exact)
            return
        found = np.empty(source.shape, source.dtype.newbyteorder("="))
        engine.select_rank(source, found, footprint, rank, before, border, cval, not exact)
        np.copyto(target, found, casting="unsafe")

    settle(out, image, execute)
    return out
