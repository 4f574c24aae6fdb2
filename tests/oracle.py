"""Slow, obvious answers that share no code with the package: one sample position at a time, in extended precision.

Border rules are walked bounce by bounce, sums run over every tap of the dense kernel in ``np.longdouble``, and each
answer comes with ``sum |w| |x|``, to which error bounds are relative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

REAL = np.longdouble
MODES = ("reflect", "mirror", "nearest", "wrap", "constant")


def position(i: int, n: int, mode: str) -> int | None:
    """Which of ``n`` samples lies at position ``i`` of the endless axis; None where the constant does."""
    if mode == "constant":
        return i if 0 <= i < n else None
    if mode == "nearest":
        return 0 if i < 0 else n - 1 if i >= n else i
    while not 0 <= i < n:
        if mode == "wrap":
            i = i + n if i < 0 else i - n
        elif mode == "reflect":
            i = -i - 1 if i < 0 else 2 * n - 1 - i
        elif mode == "mirror":
            i = 0 if n == 1 else -i if i < 0 else 2 * n - 2 - i
        else:
            raise AssertionError(mode)
    return i


class Answer(NamedTuple):
    """A result and the sum of |w| |x| that went into each of its samples."""

    value: np.ndarray
    weight: np.ndarray


def _per_axis(value: Any, count: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * count


def correlate(
    image: Any,
    kernel: Any,
    axes: Sequence[int] | None = None,
    *,
    mode: Any = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
    stride: Any = 1,
    dilation: Any = 1,
) -> Answer:
    """Correlation of ``image`` over ``axes`` (one for each of the kernel's, in that order; by default all)."""
    source = np.array(image, dtype=REAL)
    weights = np.array(kernel, dtype=REAL)
    axes = tuple(range(source.ndim)) if axes is None else tuple(a % source.ndim for a in axes)
    count = len(axes)
    assert weights.ndim == count
    modes, origins = _per_axis(mode, count), _per_axis(origin, count)
    strides, dilations = _per_axis(stride, count), _per_axis(dilation, count)
    shape = list(source.shape)
    for a, s in zip(axes, strides, strict=True):
        shape[a] = len(range(0, shape[a], s))
    value, weight = np.zeros(shape, REAL), np.zeros(shape, REAL)
    if 0 in shape:
        return Answer(value, weight)
    for tap in product(*map(range, weights.shape)):
        sample, outside = source, np.zeros((1,) * source.ndim, bool)
        for i, a in enumerate(axes):
            shift = (tap[i] - weights.shape[i] // 2 - origins[i]) * dilations[i]
            found = [position(o * strides[i] + shift, source.shape[a], modes[i]) for o in range(shape[a])]
            sample = sample.take([0 if p is None else p for p in found], axis=a)
            line = [1] * source.ndim
            line[a] = len(found)
            outside = outside | np.array([p is None for p in found]).reshape(line)
        sample = np.where(outside, REAL(cval), sample)
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, here as there
            value += weights[tap] * sample
        weight += abs(weights[tap]) * abs(sample)
    return Answer(value, weight)


def convolve(image: Any, kernel: Any, axes: Sequence[int] | None = None, *, origin: Any = 0, **options: Any) -> Answer:
    """Convolution, from its own definition: sample ``i - t`` meets tap ``t`` counted from the centre tap."""
    weights = np.asarray(kernel)
    origins = _per_axis(origin, weights.ndim)
    # tap k//2 + t of the kernel meets sample i - t: in the reversed kernel it stands at k - 1 - k//2 - t
    turned = weights[(slice(None, None, -1),) * weights.ndim]
    shifted = tuple((k - 1 - k // 2) - k // 2 - o for k, o in zip(weights.shape, origins, strict=True))
    return correlate(image, turned, axes, origin=shifted, **options)


def added(answers: Sequence[Answer]) -> Answer:
    """The sum of several answers."""
    return Answer(
        np.sum([a.value for a in answers], axis=0, dtype=REAL), np.sum([a.weight for a in answers], axis=0, dtype=REAL)
    )


def magnitude(answers: Sequence[Answer]) -> Answer:
    """The root of the sum of squares."""
    return Answer(
        np.sqrt(np.sum([a.value**2 for a in answers], axis=0, dtype=REAL)),
        np.sqrt(np.sum([a.weight**2 for a in answers], axis=0, dtype=REAL)),
    )


def exact_sum(image: np.ndarray, kernel: np.ndarray, at: Sequence[int], mode: str = "reflect") -> float:
    """One output sample of a plain correlation, its products exact in float64, its sum rounded once."""
    products = []
    for tap in product(*map(range, kernel.shape)):
        where = [
            position(o + t - k // 2, n, mode) for o, t, k, n in zip(at, tap, kernel.shape, image.shape, strict=True)
        ]
        if None not in where:
            products.append(float(kernel[tap]) * float(image[tuple(where)]))  # type: ignore[arg-type]
    return math.fsum(products)


def gamma(count: int, dtype: Any) -> float:
    """The relative error of ``count`` roundings in a row, count u / (1 - count u)."""
    u = float(np.finfo(dtype).eps) / 2
    return count * u / (1 - count * u)


def bound(weight: np.ndarray, roundings: int, accumulate: Any, out: Any, value: np.ndarray) -> np.ndarray:
    """How far a result may lie from the exact one: gamma of the sums, and one rounding to the result's dtype."""
    tiny = float(np.finfo(accumulate).tiny) * roundings
    allowed = gamma(roundings, accumulate) * weight + tiny
    if np.dtype(out).kind == "f":
        return allowed + gamma(1, out) * (abs(value) + allowed) + float(np.finfo(out).smallest_subnormal)
    return allowed + REAL(0.5)


def accumulates(image: Any, out: Any) -> np.dtype:
    """float32 for floats of at most 32 bits and integers of at most 16, unless image or result is wider."""
    names = ["bool", "int8", "uint8", "int16", "uint16", "float16", "float32"]
    return np.dtype("float32" if np.dtype(image).name in names and np.dtype(out).name in names else "float64")


def stored(value: np.ndarray, out: Any) -> np.ndarray:
    """What a result's dtype can hold of it: integers saturate (not rounded here), NaN is 0, bool is not zero."""
    dtype = np.dtype(out)
    if dtype.kind == "f":
        return value
    if dtype.kind == "b":
        return np.asarray(np.rint(value) != 0, REAL)
    info = np.iinfo(dtype)
    return np.clip(np.where(np.isnan(value), 0, value), REAL(info.min), REAL(info.max))


def agree(
    got: np.ndarray, answer: Answer, image_dtype: Any, roundings: int, *, spread: Callable[..., Any] | None = None
) -> None:
    """Assert that ``got`` lies within the bound; ``spread`` widens ``sum |w| |x|`` (np.max: to the whole image)."""
    assert got.shape == answer.value.shape
    weight = answer.weight if spread is None or not got.size else np.broadcast_to(spread(answer.weight), got.shape)
    allowed = bound(weight, roundings, accumulates(image_dtype, got.dtype), got.dtype, answer.value)
    wanted = stored(answer.value, got.dtype)
    if got.dtype.kind == "b":  # decided at one half: sums within the bound of it may go either way
        unsure = abs(abs(answer.value) - REAL(0.5)) <= allowed - REAL(0.5)
        assert np.array_equal(got[~unsure], wanted[~unsure] != 0)
        return
    with np.errstate(invalid="ignore"):
        distance = np.where(got == wanted, REAL(0), abs(got.astype(REAL) - wanted))
    worst = np.max(distance - allowed, initial=-np.inf)
    assert worst <= 0, f"off by {float(np.max(distance)):.3g}, {float(worst):.3g} more than allowed"
