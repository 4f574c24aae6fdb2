"""Kernels that are sums of others: sharpening, differences of Gaussians, Laplacian of Gaussian, Roberts, emboss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.core.errors import bad_value

from . import checks
from .dense import gaussian, laplace

__all__ = [
    "difference_of_gaussians",
    "emboss",
    "gaussian_laplace",
    "identity",
    "roberts",
    "sharpen",
    "unsharp",
]


def _embedded(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The kernel in the middle of zeros; ``shape`` and the kernel's sizes are odd."""
    out = np.zeros(shape)
    out[tuple(slice((n - k) // 2, (n + k) // 2) for n, k in zip(shape, kernel.shape, strict=True))] = kernel
    return out


def identity(ndim: int = 2) -> np.ndarray:
    """The kernel that changes nothing: a single 1.

    Parameters
    ----------
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(1,) * ndim``.

    Raises
    ------
    TypeError, ValueError : ``ndim`` is no integer from 1 to 32.

    Source: the unit of convolution.

    >>> identity().tolist()
    [[1.0]]
    """
    return np.ones((1,) * checks.dimensions(ndim))


def gaussian_laplace(
    sigma: float | Sequence[float],
    *,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    ndim: int | None = None,
) -> np.ndarray:
    """The Laplacian of a Gaussian: for each axis a Gaussian's second derivative along it, summed.

    ``sum over axes a of outer(g_2 along a, g along the others)`` with the taps of `gaussian_taps`: the kernel that
    `scipy.ndimage.gaussian_laplace` applies.  Its rank in 2-D is 2.

    Parameters
    ----------
    sigma : standard deviation in samples, more than 1e-15, one or one for each axis.
    truncate : where the Gaussian is cut, in standard deviations.
    radius : where it is cut, in samples, one or one for each axis; overrides ``truncate``.
    ndim : number of axes; by default as many as a sequence among the arguments has entries, else 2.

    Returns
    -------
    float64 array; sums to about 0 (exactly what the cut tails leave).  Negative at the centre.

    Raises
    ------
    TypeError, ValueError : as `gaussian`; a ``sigma`` of 0.

    Source: Marr and Hildreth, Theory of Edge Detection (1980).

    >>> k = gaussian_laplace(1.0)
    >>> k.shape, round(float(k[4, 4]), 4)
    ((9, 9), -0.3183)
    """
    n = checks.dimensions(ndim, sigma=sigma, radius=radius)
    sigmas = checks.per_axis("sigma", sigma, n, checks.sigma_number)
    if min(sigmas) <= checks.NO_BLUR:
        raise bad_value("sigma", sigma, "> 0 along every axis")
    total = gaussian(sigmas, order=[2] + [0] * (n - 1), truncate=truncate, radius=radius, ndim=n)
    for axis in range(1, n):
        order = [2 if a == axis else 0 for a in range(n)]
        total += gaussian(sigmas, order=order, truncate=truncate, radius=radius, ndim=n)
    return total


def difference_of_gaussians(
    low: float | Sequence[float],
    high: float | Sequence[float] | None = None,
    *,
    truncate: float = 4.0,
    ndim: int | None = None,
) -> np.ndarray:
    """The difference of two Gaussians, ``gaussian(low) - gaussian(high)``: a band-pass.

    Parameters
    ----------
    low : standard deviation of the narrower one in samples, one or one for each axis; 0 keeps the finest detail.
    high : that of the wider one; by default ``1.6 * low``.  Along no axis may it be below ``low``.
    truncate : where each Gaussian is cut, in its own standard deviations.
    ndim : number of axes; by default as many as ``low`` or ``high`` has entries, else 2.

    Returns
    -------
    float64 array of the wider Gaussian's shape; sums to 0.  Zero everywhere where ``high`` equals ``low``.

    Raises
    ------
    TypeError, ValueError : as `gaussian`; ``high`` below ``low`` along an axis.

    Source: Marr and Hildreth, Theory of Edge Detection (1980), where the ratio 1.6 comes from.

    >>> difference_of_gaussians(1.0, 2.0).shape
    (17, 17)
    >>> abs(float(difference_of_gaussians(1.0).sum())) < 1e-15
    True
    """
    n = checks.dimensions(ndim, low=low, high=high)
    lows = checks.per_axis("low", low, n, checks.sigma_number)
    wider = [1.6 * s for s in lows] if high is None else high
    highs = checks.per_axis("high", wider, n, checks.sigma_number)
    if any(h < s for s, h in zip(lows, highs, strict=True)):
        raise bad_value("high", high, f"at least low ({low!r}) along every axis")
    wide = gaussian(highs, truncate=truncate, ndim=n)
    return _embedded(gaussian(lows, truncate=truncate, ndim=n), wide.shape) - wide


def unsharp(
    radius: float | Sequence[float] = 1.0, amount: float = 1.0, *, truncate: float = 4.0, ndim: int | None = None
) -> np.ndarray:
    """Unsharp masking as one kernel: ``d + amount * (d - gaussian(radius))``, d the identity.

    Parameters
    ----------
    radius : standard deviation of the Gaussian in samples, one or one for each axis (so called in every image editor).
    amount : how much of the detail is added; 0 changes nothing, negative values blur.
    truncate : where the Gaussian is cut, in standard deviations.
    ndim : number of axes; by default as many as ``radius`` has entries, else 2.

    Returns
    -------
    float64 array of the Gaussian's shape; sums to 1.

    Raises
    ------
    TypeError, ValueError : as `gaussian`; ``amount`` is not finite.

    Source: the darkroom's unsharp mask, image plus amount times (image less its blur).

    >>> round(float(unsharp(1.0, amount=0.5).sum()), 12)
    1.0
    """
    n = checks.dimensions(ndim, radius=radius)
    sigmas = checks.per_axis("radius", radius, n, checks.sigma_number)
    strength = checks.real("amount", amount)
    blur = gaussian(sigmas, truncate=truncate, ndim=n)
    delta = _embedded(identity(n), blur.shape)
    return delta + strength * (delta - blur)


def sharpen(amount: float = 1.0, *, ndim: int = 2) -> np.ndarray:
    """Sharpening by the Laplacian: ``d - amount * laplace(ndim)``, d the identity.

    Parameters
    ----------
    amount : how much of the Laplacian is taken away; 1 is the common ``[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]``.
    ndim : number of axes.

    Returns
    -------
    float64 array of shape ``(3,) * ndim``; sums to 1.

    Raises
    ------
    TypeError, ValueError : ``amount`` is not finite; ``ndim`` is no integer >= 1, or too large.

    Source: Gonzalez and Woods, Digital Image Processing, sharpening with the Laplacian.

    >>> sharpen().tolist()
    [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]
    """
    strength = checks.real("amount", amount)
    edges = laplace(ndim)
    return _embedded(identity(ndim), edges.shape) - strength * edges


def emboss() -> np.ndarray:
    """Relief lit from the upper left: ``[[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]``.

    The identity plus a derivative along the main diagonal.

    Returns
    -------
    float64 array of shape ``(3, 3)``; sums to 1.

    Source: the emboss kernel of image editors.

    >>> emboss().tolist()
    [[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]
    """
    return np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


def roberts(axis: int = 0) -> np.ndarray:
    """One half of Roberts' cross: the 2 x 2 difference along a diagonal.

    Centred at ``size // 2`` like every even kernel: with ``origin=0`` the lower right coefficient lies on the output
    sample, with ``origin=-1`` the upper left one (as in scikit-image).

    Parameters
    ----------
    axis : 0 (or -2) for the main diagonal, from upper left to lower right; 1 (or -1) for the other one, from upper
        right to lower left.

    Returns
    -------
    float64 array of shape ``(2, 2)``, in correlation order: positive where the image rises downward along the
        diagonal.  Sums to 0.

    Raises
    ------
    TypeError, ValueError : ``axis`` is no integer from -2 to 1.

    Source: Roberts, Machine Perception of Three-Dimensional Solids (1963).

    >>> roberts(0).tolist(), roberts(1).tolist()
    ([[-1.0, 0.0], [0.0, 1.0]], [[0.0, -1.0], [1.0, 0.0]])
    """
    if checks.axis_number(axis, 2) == 0:
        return np.array([[-1.0, 0.0], [0.0, 1.0]])
    return np.array([[0.0, -1.0], [1.0, 0.0]])
