"""2-D and N-D kernels that are outer products of taps, or sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import checks, taps

__all__ = [
    "binomial",
    "box",
    "farid",
    "gaussian",
    "laplace",
    "prewitt",
    "scharr",
    "sobel",
]


def outer(factors: Sequence[np.ndarray]) -> np.ndarray:
    """The kernel with these 1-D factors, one for each axis.

    >>> outer([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    checks.coefficients([len(f) for f in factors])
    full = factors[0]
    for f in factors[1:]:
        full = np.multiply.outer(full, f)
    return full


def gaussian(
    sigma: float | Sequence[float],
    *,
    order: int | Sequence[int] = 0,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    ndim: int | None = None,
) -> np.ndarray:
    """A sampled Gaussian, or its derivatives: the outer product of `gaussian_taps`.

    Parameters
    ----------
    sigma, order, radius : as in `gaussian_taps`, each one number or one for each axis.
    truncate : where the Gaussian is cut, in standard deviations.
    ndim : number of axes; by default as many as a sequence among the arguments has entries, else 2.

    Returns
    -------
    float64 array with ``2 * r + 1`` coefficients along an axis of radius r, in correlation order.  Sums to 1 where
    ``order`` is 0, to about 0 elsewhere.

    Raises
    ------
    TypeError, ValueError : as `gaussian_taps`; a sequence of the wrong length; more than 2**24 coefficients.

    Source: as for `gaussian_taps`.

    >>> gaussian(1.0, radius=1).round(4).tolist()
    [[0.0751, 0.1238, 0.0751], [0.1238, 0.2042, 0.1238], [0.0751, 0.1238, 0.0751]]
    >>> gaussian((1.0, 0.0)).shape
    (9, 1)
    """
    n = checks.dimensions(ndim, sigma=sigma, order=order, radius=radius)
    sigmas = checks.per_axis("sigma", sigma, n, checks.sigma_number)
    orders = checks.per_axis("order", order, n, checks.order_number)
    cut = checks.truncate_number(truncate)
    radii: tuple[Any, ...] = (None,) * n
    if radius is not None:
        radii = checks.per_axis("radius", radius, n, checks.radius_number)
    checks.coefficients([2 * checks.radius_of(s, cut, r) + 1 for s, r in zip(sigmas, radii, strict=True)])
    return outer(
        [taps.gaussian_taps(s, order=o, truncate=cut, radius=r) for s, o, r in zip(sigmas, orders, radii, strict=True)]
    )


def box(size: int | Sequence[int], *, ndim: int | None = None) -> np.ndarray:
    """A mean over a rectangle: every coefficient is 1 over their number.

    Parameters
    ----------
    size : number of coefficients along each axis, one integer >= 1 or one for each axis.
    ndim : number of axes; by default as many as ``size`` has entries, else 2.

    Returns
    -------
    float64 array of shape ``size``; sums to 1.

    Raises
    ------
    TypeError, ValueError : a size that is no integer >= 1; a sequence of the wrong length; more than 2**24
        coefficients.

    Source: the definition of the mean.

    >>> box((2, 4))[0].tolist()
    [0.125, 0.125, 0.125, 0.125]
    """
    sizes = checks.per_axis("size", size, checks.dimensions(ndim, size=size), checks.size_number)
    checks.coefficients(sizes)
    return np.full(sizes, 1.0 / np.prod(sizes))


def binomial(size: int | Sequence[int], *, ndim: int | None = None) -> np.ndarray:
    """A binomial smoothing: the outer product of `binomial_taps`.

    Parameters
    ----------
    size : number of coefficients along each axis, 1 to 1024, one integer or one for each axis.
    ndim : number of axes; by default as many as ``size`` has entries, else 2.

    Returns
    -------
    float64 array of shape ``size``; sums to 1.

    Raises
    ------
    TypeError, ValueError : as `binomial_taps`; a sequence of the wrong length; more than 2**24 coefficients.

    Source: as for `binomial_taps`.

    >>> (binomial(3) * 16).tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    sizes = checks.per_axis("size", size, checks.dimensions(ndim, size=size), checks.size_number)
    return outer([taps.binomial_taps(s) for s in sizes])


def _derivative(operator: str, axis: Any, ndim: Any) -> np.ndarray:
    n = checks.dimensions(ndim)
    along = checks.axis_number(axis, n)
    smooth, derive = taps.smoothing_taps(operator), taps.derivative_taps(operator)
    checks.coefficients([len(smooth)] * n)
    return outer([derive if a == along else smooth for a in range(n)])


def sobel(axis: int = -1, ndim: int = 2) -> np.ndarray:
    """Sobel's derivative along ``axis``: ``[-1, 0, 1]`` along it, ``[1, 2, 1]`` along every other axis.

    Unscaled, as in SciPy and OpenCV: on a ramp of slope 1 it gives 8 in 2-D (``2 * 4**(ndim - 1)``).

    Parameters
    ----------
    axis : the derivative's axis; negative ones count from the end (-1 is d/dx of an image).
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(3,) * ndim``, in correlation order: positive where the image rises along ``axis``.

    Raises
    ------
    TypeError, ValueError : ``axis`` is no integer from ``-ndim`` to ``ndim - 1``; ``ndim`` is no integer >= 1.

    Source: Sobel and Feldman, A 3x3 Isotropic Gradient Operator for Image Processing (1968).

    >>> sobel(axis=1).tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    return _derivative("sobel", axis, ndim)


def prewitt(axis: int = -1, ndim: int = 2) -> np.ndarray:
    """Prewitt's derivative along ``axis``: ``[-1, 0, 1]`` along it, ``[1, 1, 1]`` along every other axis.

    Unscaled: on a ramp of slope 1 it gives 6 in 2-D (``2 * 3**(ndim - 1)``).

    Parameters
    ----------
    axis : the derivative's axis; negative ones count from the end.
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(3,) * ndim``, in correlation order.

    Raises
    ------
    TypeError, ValueError : as `sobel`.

    Source: Prewitt, Object Enhancement and Extraction (1970).

    >>> prewitt(axis=0).tolist()
    [[-1.0, -1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    return _derivative("prewitt", axis, ndim)


def scharr(axis: int = -1, ndim: int = 2) -> np.ndarray:
    """Scharr's derivative along ``axis``: ``[-1, 0, 1]`` along it, ``[3, 10, 3]`` along every other axis.

    Unscaled, as in OpenCV: on a ramp of slope 1 it gives 32 in 2-D (``2 * 16**(ndim - 1)``).

    Parameters
    ----------
    axis : the derivative's axis; negative ones count from the end.
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(3,) * ndim``, in correlation order.

    Raises
    ------
    TypeError, ValueError : as `sobel`.

    Source: Scharr, Optimale Operatoren in der Digitalen Bildverarbeitung (2000), the 3-tap integer form.

    >>> scharr(axis=1).tolist()
    [[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]]
    """
    return _derivative("scharr", axis, ndim)


def farid(axis: int = -1, ndim: int = 2) -> np.ndarray:
    """Farid and Simoncelli's 5-tap derivative along ``axis``, with their smoothing along every other axis.

    On a ramp of slope 1 it gives 0.9918, in any number of dimensions.

    Parameters
    ----------
    axis : the derivative's axis; negative ones count from the end.
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(5,) * ndim``, in correlation order: positive where the image rises along ``axis``.

    Raises
    ------
    TypeError, ValueError : as `sobel`.

    Source: Farid and Simoncelli, Differentiation of Discrete Multidimensional Signals, IEEE Trans. Image Processing
    13 (2004), the 5-tap first-derivative pair.

    >>> farid(axis=1)[2].round(4).tolist()
    [-0.0467, -0.118, 0.0, 0.118, 0.0467]
    """
    return _derivative("farid", axis, ndim)


def laplace(ndim: int = 2, *, diagonals: bool = False) -> np.ndarray:
    """The Laplacian's second differences: ``[1, -2, 1]`` along every axis, summed.

    Parameters
    ----------
    ndim : number of axes.
    diagonals : True counts the diagonal neighbours too: 1 everywhere, ``1 - 3**ndim`` at the centre (the 8-neighbour
        Laplacian in 2-D, 3 times the Laplacian of a parabola rather than once).

    Returns
    -------
    float64 array of shape ``(3,) * ndim``; sums to 0.

    Raises
    ------
    TypeError, ValueError : ``ndim`` is no integer >= 1, or too large; ``diagonals`` is no bool.

    Source: the second central difference along each axis.

    >>> laplace().tolist()
    [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]
    >>> laplace(diagonals=True).tolist()
    [[1.0, 1.0, 1.0], [1.0, -8.0, 1.0], [1.0, 1.0, 1.0]]
    """
    n = checks.dimensions(ndim)
    diagonal = checks.flag("diagonals", diagonals)
    checks.coefficients([3] * n)
    middle = (1,) * n
    if diagonal:
        kernel = np.ones((3,) * n)
        kernel[middle] = 1.0 - 3.0**n
        return kernel
    kernel = np.zeros((3,) * n)
    for axis in range(n):
        line: list[Any] = list(middle)
        line[axis] = slice(None)
        kernel[tuple(line)] += taps.laplace_taps()
    return kernel
