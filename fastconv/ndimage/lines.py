"""1-D correlation and convolution, Gaussian, Sobel and Prewitt filters with SciPy's signatures and bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import as_array, axis_index, checked_axes, checked_origin, get_output, per_axis
from .passes import Pass, run_passes, with_complex_weights
from .taps import gaussian_radius, gaussian_weights

__all__ = [
    "convolve1d",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_passes",
    "prewitt",
    "sobel",
]

_ORIGIN = "Invalid origin; origin must satisfy -(len(weights) // 2) <= origin <= (len(weights)-1) // 2"
_DIFFERENCE = np.array([-1.0, 0.0, 1.0])
_SUM, _SMOOTH = np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 1.0])


def correlate1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """The correlation with 1-D weights along one axis, as `scipy.ndimage.correlate1d`.

    Sums are in double, in SciPy's order, and stored as C casts them: to an integer the fraction is dropped and the
    rest wraps.  Weights count as symmetric where they differ by a rounding of the greatest one; SciPy takes anything
    up to 2.2e-16 for that, however small all of them are.

    Parameters
    ----------
    input : array_like
        Any real or complex dtype but float16 and longdouble, any number of dimensions.
    weights : array_like
        1-D; complex ones are conjugated.
    axis : int
        The axis to filter.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names.
    cval : scalar
        The value outside where mode is constant.
    origin : int
        Moves the taps, from -(len(weights) // 2) to (len(weights) - 1) // 2.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        No weights, an unknown mode, a dtype that is not supported, an output of another shape, a real output for a
        complex result.
    ValueError
        An origin outside its range; no such axis (`numpy.exceptions.AxisError`).

    Examples
    --------
    >>> correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3]).tolist()
    [8, 26, 8, 12, 7, 28, 36, 9]
    """
    image, taps = as_array(input), as_array(weights)
    if image.dtype.kind == "c" or taps.dtype.kind == "c":
        out = get_output(output, image, complex_output=True)
        if taps.dtype.kind != "c":
            return _along(image, taps, axis, out, mode, cval, origin)
        taps = taps.conj().astype(np.complex128, copy=False)
        return with_complex_weights(
            lambda part, t, target, value: _along(part, t, axis, target, mode, value, origin), image, taps, out, cval
        )
    return _along(image, taps, axis, get_output(output, image), mode, cval, origin)


def _along(
    image: np.ndarray, weights: np.ndarray, axis: int, out: np.ndarray, mode: Any, cval: Any, origin: int
) -> np.ndarray:
    taps = np.asarray(weights, np.float64)
    if taps.ndim != 1 or not taps.size:
        raise RuntimeError("no filter weights given")
    axis = axis_index(axis, image.ndim)
    origin = checked_origin(origin, taps.size, _ORIGIN)
    run_passes(image, out, (Pass(axis, taps, origin, mode),), cval)
    return out


def convolve1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """The convolution with 1-D weights along one axis, as `scipy.ndimage.convolve1d`.

    Parameters
    ----------
    input, weights, axis, output, mode, cval, origin
        As `correlate1d` has them, but that the weights are mirrored and not conjugated, and that the origin moves
        them the other way.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3]).tolist()
    [14, 24, 4, 13, 12, 36, 27, 0]
    """
    taps = np.asarray(weights)[::-1]
    origin = -origin - (taps.shape[0] % 2 == 0)
    return correlate1d(input, taps.conj() if taps.dtype.kind == "c" else taps, axis, output, mode, cval, origin)


def gaussian_filter1d(
    input: Any, sigma: float, axis: int = -1, order: int = 0, output: Any = None, mode: str = "reflect",
    cval: Any = 0.0, truncate: float = 4.0, *, radius: int | None = None,
) -> Any:  # fmt: skip
    """A Gaussian, or its derivative of any order, along one axis, as `scipy.ndimage.gaussian_filter1d`.

    Parameters
    ----------
    input, axis, output, mode, cval
        As `correlate1d` has them.
    sigma : float
        Standard deviation in samples.
    order : int
        0 smooths; n gives the n-th derivative of the smoothed line.
    truncate : float
        The kernel ends after this many sigmas.
    radius : int, optional
        The kernel's samples on each side, instead of ``truncate``.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    ValueError
        A radius that is no count; a negative order.

    Examples
    --------
    >>> gaussian_filter1d([1.0, 2.0, 3.0, 4.0, 5.0], 1).round(3).tolist()
    [1.427, 2.068, 3.0, 3.932, 4.573]
    """
    taps = gaussian_weights(float(sigma), order, gaussian_radius(sigma, truncate, radius))
    return correlate1d(input, taps, axis, output, mode, cval, 0)


def gaussian_passes(
    ndim: int, sigma: Any, order: Any, mode: Any, truncate: float = 4.0, radius: Any = None, axes: Any = None
) -> list[Pass]:
    """A pass for each axis that a Gaussian filters; axes whose sigma is not above 1e-15 have none."""
    filtered = checked_axes(axes, ndim)
    count = len(filtered)
    orders, sigmas = per_axis(order, count, "order"), per_axis(sigma, count, "sigma")
    modes, radii = per_axis(mode, count, "mode"), per_axis(radius, count, "radius")
    return [
        Pass(axis, gaussian_weights(float(s), o, gaussian_radius(s, truncate, r)), 0, m)
        for axis, s, o, m, r in zip(filtered, sigmas, orders, modes, radii, strict=True)
        if s > 1e-15
    ]


def gaussian_filter(
    input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    truncate: float = 4.0, *, radius: Any = None, axes: Any = None,
) -> Any:  # fmt: skip
    """A Gaussian, or its derivatives, along several axes, as `scipy.ndimage.gaussian_filter`.

    Every pass is stored in the output's dtype before the next one reads it: bytes lose about one grey level.

    Parameters
    ----------
    input, output, cval, truncate
        As `gaussian_filter1d` has them.
    sigma, order, mode, radius : scalar, or sequence of one for each filtered axis
        As `gaussian_filter1d` has them; an axis whose sigma is not above 1e-15 is left alone.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> gaussian_filter([[0, 0, 0], [0, 90, 0], [0, 0, 0]], 1).tolist()
    [[7, 10, 7], [10, 14, 10], [7, 10, 7]]
    """
    image = as_array(input)
    out = get_output(output, image)
    run_passes(image, out, gaussian_passes(image.ndim, sigma, order, mode, truncate, radius, axes), cval)
    return out


def sobel(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    """A Sobel filter, as `scipy.ndimage.sobel`: [-1, 0, 1] along one axis, then [1, 2, 1] along each other.

    Parameters
    ----------
    input, axis, output, cval
        As `correlate1d` has them.
    mode : str or sequence of str
        For all axes, or one for each of the input's.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> sobel([[1, 1, 5], [1, 1, 5], [1, 1, 5]]).tolist()
    [[0, 16, 16], [0, 16, 16], [0, 16, 16]]
    """
    return _slope(input, axis, output, mode, cval, _SMOOTH)


def prewitt(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    """A Prewitt filter, as `scipy.ndimage.prewitt`: [-1, 0, 1] along one axis, then [1, 1, 1] along each other.

    Parameters
    ----------
    input, axis, output, mode, cval
        As `sobel` has them.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> prewitt([[1, 1, 5], [1, 1, 5], [1, 1, 5]]).tolist()
    [[0, 12, 12], [0, 12, 12], [0, 12, 12]]
    """
    return _slope(input, axis, output, mode, cval, _SUM)


def _slope(array: Any, axis: int, output: Any, mode: Any, cval: Any, across: np.ndarray) -> np.ndarray:
    image = as_array(array)
    axis = axis_index(axis, image.ndim)
    out = get_output(output, image)
    modes = per_axis(mode, image.ndim, "mode")
    passes = [Pass(axis, _DIFFERENCE, 0, modes[axis])]
    passes += [Pass(i, across, 0, modes[i]) for i in range(image.ndim) if i != axis]
    run_passes(image, out, passes, cval)
    return out
