"""Flips, origins, axis orders and words end here: a caller's parameters become integers in a `Problem`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from fastconv.core.border import canonical_mode
from fastconv.core.dtypes import accumulate_dtype
from fastconv.core.errors import bad_type, bad_value
from fastconv.core.geometry import centre, origin_range, reach
from fastconv.core.ir import METHODS, Problem, Weights

from .arrays import as_numbers

__all__ = [
    "LARGE",
    "canonical_method",
    "filtered_axes",
    "integers",
    "kernel_weights",
    "modes",
    "per_axis",
    "problems",
    "real",
    "taps_weights",
]

#: samples that a kernel may reach along an axis: beyond it the table of what lies outside would not fit memory
MAX_REACH = 1 << 24
#: coefficients in bytes above which few are kept
LARGE = 1 << 15

_NAN = math.nan  # one object, so that a NaN cval equals itself in a cache's key
_SEQUENCES = (list, tuple, range, np.ndarray)

T = TypeVar("T")


# ---------------------------------------------------------------- numbers and words


def _integer(name: str, value: Any, lowest: int | None, allowed: str) -> int:
    if isinstance(value, bool | np.bool_):
        raise bad_type(name, value, allowed)
    try:
        number = operator.index(value)
    except TypeError:
        raise bad_type(name, value, allowed) from None
    if lowest is not None and number < lowest:
        raise bad_value(name, value, allowed)
    return number


def integers(name: str, value: Any, lowest: int | None = None) -> int | tuple[int, ...]:
    """One integer, or a tuple of them from a sequence; ``lowest`` is the smallest allowed.

    >>> integers("stride", [1, 2], 1)
    (1, 2)
    """
    if type(value) is int and (lowest is None or value >= lowest):
        return value
    allowed = "an integer" if lowest is None else f"an integer of at least {lowest}"
    allowed += ", or one per filtered axis"
    if isinstance(value, _SEQUENCES) and np.ndim(value) != 0:
        return tuple(_integer(name, v, lowest, allowed) for v in value)
    return _integer(name, value, lowest, allowed)


def real(name: str, value: Any) -> float:
    """A real number as a float (NaN and infinity pass: the caller of this knows whether they are legal)."""
    if not isinstance(value, Real | np.bool_):
        raise bad_type(name, value, "a real number")
    try:
        number = float(value)
    except OverflowError:
        raise bad_value(name, value, "a number that fits a float") from None
    return _NAN if number != number else number


def modes(mode: Any) -> str | tuple[str, ...]:
    """One canonical border mode, or a tuple of them from a list or tuple of words."""
    if isinstance(mode, list | tuple):
        return tuple(canonical_mode(m) for m in mode)
    return canonical_mode(mode)


def canonical_method(method: Any) -> str:
    """``method`` itself when it is "auto" or an algorithm's name."""
    allowed = "one of auto, " + ", ".join(METHODS)
    if not isinstance(method, str):
        raise bad_type("method", method, allowed)
    if method != "auto" and method not in METHODS:
        raise bad_value("method", method, allowed)
    return method


def per_axis(name: str, value: Any, count: int, convert: Callable[[str, Any], T] | None = None) -> tuple[T, ...]:
    """``value`` for each of ``count`` filtered axes: one for all, or a sequence of exactly that many.

    >>> per_axis("sigma", 2, 2, real), per_axis("sigma", [1, 3], 2, real)
    ((2.0, 2.0), (1.0, 3.0))
    """
    if not isinstance(value, _SEQUENCES) or np.ndim(value) == 0:
        return (value if convert is None else convert(name, value),) * count
    if len(value) != count:
        raise bad_value(name, value, f"one value, or one per filtered axis ({count} here)")
    return tuple(value if convert is None else (convert(name, v) for v in value))


# ---------------------------------------------------------------- axes

_BY_DEFAULT = ((), (0,), (0, 1))


def filtered_axes(ndim: int, axes: Any, channel_axis: Any) -> tuple[int, ...]:
    """The filtered axes as non-negative integers, in the caller's order.

    >>> filtered_axes(3, None, -1), filtered_axes(3, (-1, 0), None)
    ((0, 1), (2, 0))
    """
    if axes is None and channel_axis is None:
        if ndim > 2:
            raise ValueError(
                f"image has {ndim} dimensions: say which of them are filtered with axes=, or which one is not with "
                "channel_axis= (channel_axis=-1 for a colour photograph, axes=(0, 1, 2) for a volume)"
            )
        return _BY_DEFAULT[ndim]
    if axes is None:
        channel = _axis("channel_axis", channel_axis, ndim)
        if ndim == 1:
            raise bad_value("channel_axis", channel_axis, "None for a 1-D image, which has no other axis to filter")
        return tuple(a for a in range(ndim) if a != channel)
    if channel_axis is not None:
        raise bad_value("channel_axis", channel_axis, "None where axes= is given")
    if not isinstance(axes, _SEQUENCES) or np.ndim(axes) == 0:
        return (_axis("axis", axes, ndim),)
    found = tuple(_axis("axes", a, ndim) for a in axes)
    if not found or len(set(found)) != len(found):
        raise bad_value("axes", axes, "one or more different axes")
    return found


def _axis(name: str, value: Any, ndim: int) -> int:
    number = _integer(name, value, None, f"integers from {-ndim} to {ndim - 1}")
    if not -ndim <= number < ndim:
        raise bad_value(name, value, f"from {-ndim} to {ndim - 1} for an image of {ndim} dimensions")
    return number % ndim


# ---------------------------------------------------------------- coefficients


def kernel_weights(kernel: Any, name: str = "kernel") -> Weights:
    """A dense kernel as `Weights`; equal kernels give the same object while it is remembered.

    Real numbers of any supported dtype, at least one dimension, not empty, finite; copied, so that a later change
    of the caller's array changes nothing.
    """
    array = kernel if type(kernel) is np.ndarray and kernel.dtype.kind in "biuf" else as_numbers(name, kernel)
    return (_weights_large if array.nbytes > LARGE else _weights)(name, array.tobytes(), array.dtype, array.shape)


def taps_weights(*taps: Any, name: str = "taps") -> Weights:
    """The outer product of 1-D taps, one array for each filtered axis, as `Weights`; remembered like kernels."""
    return _outer(tuple(_one_dimensional(name, t) for t in taps))


def _one_dimensional(name: str, taps: Any) -> Weights:
    weights = kernel_weights(taps, name)
    if weights.kernel is None or weights.kernel.ndim != 1:
        raise bad_value(name, taps, "one-dimensional")
    return weights


@lru_cache(maxsize=256)
def _outer(factors: tuple[Weights, ...]) -> Weights:
    return Weights(taps=tuple(f.dense for f in factors))


def _make_weights(name: str, data: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> Weights:
    if not shape or 0 in shape:
        came = np.frombuffer(data, dtype).reshape(shape)
        raise bad_value(name, came if shape else came.item(), "an array of at least one dimension and one element")
    if dtype.itemsize > 8:
        raise bad_type(name, np.empty(shape, dtype), "of at most 64-bit numbers")
    kernel = np.frombuffer(data, dtype).reshape(shape).astype(np.float64)
    if not np.isfinite(kernel).all():
        raise bad_value(name, kernel, "finite, without NaN or infinity")
    kernel.flags.writeable = False
    return Weights(kernel=kernel)


_weights = lru_cache(maxsize=256)(_make_weights)
_weights_large = lru_cache(maxsize=8)(_make_weights)


def _sizes(weights: Weights) -> tuple[int, ...]:
    if weights.kernel is not None:
        return weights.kernel.shape
    assert weights.taps is not None
    return tuple(len(t) for t in weights.taps)


def _mapped(weights: Weights, taps: Callable[[int, np.ndarray], np.ndarray], order: list[int]) -> Weights:
    """``taps(axis, array)`` done to every axis (0 of the array it gets), then the axes put into ``order``."""
    if weights.taps is not None:
        return Weights(taps=tuple(np.ascontiguousarray(taps(i, weights.taps[i])) for i in order))
    kernel = weights.kernel
    assert kernel is not None
    for i in range(kernel.ndim):
        kernel = np.swapaxes(taps(i, np.swapaxes(kernel, 0, i)), 0, i)
    return Weights(kernel=np.ascontiguousarray(kernel.transpose(order)))


def _padded(taps: np.ndarray, size: int) -> np.ndarray:
    """Zeros around axis 0 up to ``size``, the centre tap staying the centre tap."""
    before = centre(size) - centre(len(taps))
    after = size - before - len(taps)
    return np.pad(taps, [(before, after)] + [(0, 0)] * (taps.ndim - 1))


def _total(weights: Weights) -> float:
    if weights.kernel is not None:
        return float(np.abs(weights.kernel).sum())
    assert weights.taps is not None
    return math.prod(float(np.abs(t).sum()) for t in weights.taps)


# ---------------------------------------------------------------- the Problem


def problems(
    components: tuple[Weights, ...],
    *,
    reverse: bool,
    shape: tuple[int, ...],
    image_dtype: np.dtype,
    out_dtype: np.dtype,
    axes: tuple[int, ...],
    mode: str | tuple[str, ...],
    cval: float,
    origin: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...],
    method: str,
) -> list[tuple[Problem, Weights]]:
    """Each component as a `Problem` in ascending axes and `Weights` in correlation order.

    ``axes`` are non-negative in the caller's order, to which kernels, taps and per-axis values belong.
    """
    count = len(axes)
    sizes = [_sizes(w) for w in components]
    for weights, size in zip(components, sizes, strict=True):
        if len(size) != count:
            _refuse_dimensions(weights, size, axes)
    largest = tuple(map(max, zip(*sizes, strict=True)))
    origins: tuple[int, ...] = per_axis("origin", origin, count)
    for o, k, axis in zip(origins, largest, axes, strict=True):
        low, high = origin_range(k)
        if not low <= o <= high:
            raise bad_value("origin", o, f"from {low} to {high} for {k} taps on axis {axis}")
    if reverse:
        origins = tuple(-o - (1 - k % 2) for o, k in zip(origins, largest, strict=True))
    # one step of the whole axis or more leaves the first sample: large strides stay small integers below
    asked: tuple[int, ...] = per_axis("stride", stride, count)
    strides = tuple(min(s, max(shape[a], 1)) for s, a in zip(asked, axes, strict=True))
    dilations: tuple[int, ...] = per_axis("dilation", dilation, count)
    for d, k in zip(dilations, largest, strict=True):
        if reach(k, d) > MAX_REACH:
            name = "dilation" if d > 1 else "kernel"
            raise bad_value(name, d if d > 1 else k, f"small enough that {k} taps reach {MAX_REACH} samples or fewer")
    spelled = per_axis("mode", mode, count, lambda _, word: canonical_mode(word))
    order = sorted(range(count), key=axes.__getitem__)

    def placed(values: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(values[i] for i in order)

    result = []
    for weights, size in zip(components, sizes, strict=True):
        if size != largest and (reverse or any(origins)):  # components of different sizes share one origin
            weights, size = _mapped(weights, lambda i, t: _padded(t, largest[i]), list(range(count))), largest
        if reverse:
            weights = _mapped(weights, lambda _, t: t[::-1], list(range(count)))
        if order != list(range(count)):
            weights = _mapped(weights, lambda _, t: t, order)
        accumulate = accumulate_dtype(image_dtype, out_dtype)
        if not 2.0**-64 < (_total(weights) or 1.0) < 2.0**64:  # coefficients that would over- or underflow float32
            accumulate = np.dtype(np.float64)
        problem = Problem(
            shape=shape,
            axes=placed(axes),
            size=placed(size),
            before=placed(tuple((centre(k) + o) * d for k, o, d in zip(size, origins, dilations, strict=True))),
            stride=placed(strides),
            dilation=placed(dilations),
            mode=placed(spelled),
            cval=cval,
            image_dtype=image_dtype.newbyteorder("="),
            accumulate=accumulate,
            out_dtype=out_dtype,
            method=method,
        )
        result.append((problem, weights))
    return result


def _refuse_dimensions(weights: Weights, size: tuple[int, ...], axes: tuple[int, ...]) -> None:
    allowed = f"given for {len(axes)} filtered axes {axes}"
    if weights.taps is not None:
        raise bad_value("taps", f"{len(size)} of them", f"{allowed}, one array for each")
    hint = "; one axis alone is filtered by correlate1d or axes=" if len(size) == 1 else ""
    raise bad_value("kernel", weights.kernel, f"{allowed}, one dimension for each{hint}")
