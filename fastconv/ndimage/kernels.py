"""Correlation and convolution with kernels of any number of dimensions, SciPy's signatures and bits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv.engine import exact as engine

from .arguments import (
    as_array,
    border_mode,
    checked_axes,
    checked_origin,
    checked_real,
    get_output,
    settle,
    spread_over_axes,
)
from .passes import over_parts, with_complex_weights

__all__ = ["convolve", "correlate"]

_ORIGIN = "Invalid origin; origin must satisfy -(weights.shape[k] // 2) <= origin[k] <= (weights.shape[k]-1) // 2"


def correlate(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Any:  # fmt: skip
    """The correlation with a kernel in any number of dimensions, as `scipy.ndimage.correlate`.

    Sums are in double, over the weights that are not zero, in C order.  SciPy also leaves out weights of up to
    2.2e-16, however small the others are, and with kernels of four times an axis or more reads beside the input under
    reflect: this does neither.

    Parameters
    ----------
    input : array_like
        Any real or complex dtype but float16 and longdouble, any number of dimensions.
    weights : array_like
        An axis for each filtered one; complex ones are conjugated.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names.
    cval : scalar
        The value outside where mode is constant.
    origin : int or sequence of int
        Moves the kernel, along each axis from -(size // 2) to (size - 1) // 2.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        Weights of another number of dimensions, an unknown mode or one for each axis, a dtype that is not supported,
        an output of another shape.
    ValueError
        An origin outside its range; axes that are not there.

    Examples
    --------
    >>> correlate([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0, 1], [2, 3]]).tolist()
    [[6, 10, 16], [21, 25, 31], [39, 43, 49]]
    """
    return _filtered(input, weights, output, mode, cval, origin, axes, False)


def convolve(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Any:  # fmt: skip
    """The convolution with a kernel in any number of dimensions, as `scipy.ndimage.convolve`.

    Parameters
    ----------
    input, weights, output, mode, cval, origin, axes
        As `correlate` has them, but that the weights are mirrored and not conjugated, and that the origin moves them
        the other way.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> convolve([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0, 1], [2, 3]]).tolist()
    [[11, 17, 21], [29, 35, 39], [44, 50, 54]]
    """
    return _filtered(input, weights, output, mode, cval, origin, axes, True)


def _filtered(
    array: Any, weights: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, mirrored: bool
) -> np.ndarray:
    image, kernel = as_array(array), as_array(weights)

    def run(part: np.ndarray, taps: np.ndarray, target: Any, value: Any) -> np.ndarray:
        return _real(part, taps, target, mode, value, origin, axes, mirrored)

    if kernel.dtype.kind == "c":
        out = get_output(output, image, complex_output=True)
        return with_complex_weights(run, image, kernel if mirrored else kernel.conj(), out, cval)
    if image.dtype.kind == "c":
        out = get_output(output, image, complex_output=True)
        return over_parts(lambda part, target, value: run(part, kernel, target, value), image, out, cval)
    return run(image, kernel, output, cval)


def _real(
    image: np.ndarray, weights: np.ndarray, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, mirrored: bool
) -> np.ndarray:
    ndim = image.ndim
    filtered = checked_axes(axes, ndim)
    kernel = np.asarray(weights, np.float64)
    given = kernel.ndim
    wrong = f"weights.ndim ({given}) must match len(axes) ({len(filtered)})"
    if len(filtered) < ndim:
        if given != len(filtered):
            raise RuntimeError(wrong)
        kernel = np.expand_dims(kernel, tuple(i for i in range(ndim) if i not in filtered))
    origins = spread_over_axes(origin, filtered, ndim, 0, "origin")
    if sum(n > 0 for n in kernel.shape) != ndim:
        raise RuntimeError(wrong)
    if mirrored:
        kernel = np.flip(kernel)
        origins = [-o - (n % 2 == 0) for o, n in zip(origins, kernel.shape, strict=True)]
    before = tuple([n // 2 + checked_origin(o, n, _ORIGIN) for o, n in zip(origins, kernel.shape, strict=True)])
    out = get_output(output, image)
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise RuntimeError("A sequence of modes is not supported")
    modes = (border_mode(mode),) * ndim
    value = float(cval)
    if out.size:
        checked_real(image)
        checked_real(out)
        kernel = np.ascontiguousarray(kernel)
        settle(out, image, lambda target: engine.run_window(image, target, kernel, before, modes, value))
    return out
