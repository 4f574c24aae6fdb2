"""1-D coefficients: the factors that separable kernels are made of."""

from __future__ import annotations

import math

import numpy as np

from . import checks

__all__ = [
    "DERIVATIVES",
    "binomial_taps",
    "box_taps",
    "derivative_taps",
    "gaussian_taps",
    "laplace_taps",
    "smoothing_taps",
]

#: operator -> (smoothing taps, derivative taps), in correlation order
_PAIRS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "sobel": ((1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)),
    "prewitt": ((1.0, 1.0, 1.0), (-1.0, 0.0, 1.0)),
    "scharr": ((3.0, 10.0, 3.0), (-1.0, 0.0, 1.0)),
    "farid": (
        (0.0376593171958126, 0.249153396177344, 0.426374573253687, 0.249153396177344, 0.0376593171958126),
        (-0.109603762960254, -0.276690988455557, 0.0, 0.276690988455557, 0.109603762960254),
    ),
}
#: the derivative operators that `smoothing_taps` and `derivative_taps` know
DERIVATIVES = tuple(_PAIRS)


def gaussian_taps(sigma: float, *, order: int = 0, truncate: float = 4.0, radius: int | None = None) -> np.ndarray:
    """Taps of a sampled Gaussian, or of its derivative of order ``order``.

    With ``r = radius``, or ``int(truncate * sigma + 0.5)``, and x = -r ... r::

        g(x) = exp(-x^2 / (2 sigma^2)) / sum over x of the same        (order 0; sums to 1)
        g_n(x) = q_n(x) g(x),  q_0 = 1,  q_(n+1) = q_n' - q_n x / sigma^2

    returned as g_n(-x): in correlation order, so that a rising ramp gives a positive first derivative.
    Bit for bit what `scipy.ndimage.gaussian_filter1d` correlates with.

    Parameters
    ----------
    sigma : standard deviation in samples, 0 to 2**20.  At most 1e-15 gives the identity ``[1.0]``, whatever
        ``order``, ``truncate`` and ``radius`` say: SciPy leaves such an axis alone.
    order : 0 is the Gaussian; 1, 2 ... its derivatives, at most 32.
    truncate : where the Gaussian is cut, in standard deviations; > 0.
    radius : where it is cut, in samples; overrides ``truncate``.

    Returns
    -------
    float64 array of shape ``(2 * r + 1,)``.

    Raises
    ------
    TypeError, ValueError : an argument is no number, or outside the limits above; ``truncate * sigma`` above 2**20;
        a derivative so high of a Gaussian so narrow that float64 overflows.

    Source: Lindeberg, Scale-Space Theory in Computer Vision (1994), sampled Gaussian; Hermite's recursion.

    >>> gaussian_taps(1.0, radius=1).round(4).tolist()
    [0.2741, 0.4519, 0.2741]
    >>> gaussian_taps(1.0, order=1, radius=1).round(4).tolist()
    [-0.2741, 0.0, 0.2741]
    """
    sigma = checks.sigma_number(sigma)
    order = checks.order_number(order)
    r = checks.radius_of(sigma, checks.truncate_number(truncate), radius)
    if sigma <= checks.NO_BLUR:
        return np.ones(1)
    variance = sigma * sigma
    x = np.arange(-r, r + 1)
    bell = np.exp(-0.5 / variance * x**2)
    bell = bell / bell.sum()
    if order == 0:
        return bell
    with np.errstate(over="ignore", invalid="ignore"):
        q = np.zeros(order + 1)
        q[0] = 1.0
        # q -> q' - q x / sigma^2 on coefficients; a matrix product, because its rounding is part of SciPy's bits
        step = np.diag(np.arange(1.0, order + 1), 1) + np.diag(np.full(order, 1.0 / -variance), -1)
        for _ in range(order):
            q = step.dot(q)
        # integer powers are exact; where they would wrap, float powers are right to the last bit or two
        position = x if r**order < 2**63 else x.astype(np.float64)
        taps = (position[:, None] ** np.arange(order + 1)).dot(q) * bell
    if not np.isfinite(taps).all():
        raise ValueError(f"sigma must be larger for a derivative of order {order}: the taps overflow; got {sigma!r}")
    return np.ascontiguousarray(taps[::-1])


def box_taps(size: int) -> np.ndarray:
    """Taps of a moving average: ``size`` times ``1 / size``.

    Parameters
    ----------
    size : number of taps, 1 to 2**21 + 1.  Even sizes are centred at ``size // 2``.

    Returns
    -------
    float64 array of shape ``(size,)``.

    Raises
    ------
    TypeError, ValueError : ``size`` is no integer, or outside its limits.

    Source: the definition of the mean.

    >>> box_taps(4).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    size = checks.size_number(size)
    return np.full(size, 1.0 / size)


def binomial_taps(size: int) -> np.ndarray:
    """Taps of a binomial smoothing: a row of Pascal's triangle over its sum.

    ``w[t] = C(size - 1, t) / 2^(size - 1)``: ``[1, 1] / 2`` correlated with itself ``size - 2`` times.  Its variance
    is ``(size - 1) / 4`` samples squared, so it comes near a Gaussian of ``sigma = sqrt(size - 1) / 2``.

    Parameters
    ----------
    size : number of taps, 1 to 1024.

    Returns
    -------
    float64 array of shape ``(size,)``; exact up to ``size`` 54, rounded to the nearest above.

    Raises
    ------
    TypeError, ValueError : ``size`` is no integer, or outside its limits.

    Source: Jähne, Digital Image Processing, binomial filters.

    >>> (binomial_taps(5) * 16).tolist()
    [1.0, 4.0, 6.0, 4.0, 1.0]
    """
    n = checks.integer("size", size, least=1, most=1024) - 1
    return np.array([math.comb(n, t) / 2**n for t in range(n + 1)])


def smoothing_taps(operator: str = "sobel") -> np.ndarray:
    """Taps that a derivative operator applies across its derivative's direction, unscaled.

    =========  =========================================================================
    sobel      ``[1, 2, 1]``
    prewitt    ``[1, 1, 1]``
    scharr     ``[3, 10, 3]``
    farid      ``[0.03766, 0.24915, 0.42637, 0.24915, 0.03766]`` (to 15 digits; sums to 1)
    =========  =========================================================================

    Parameters
    ----------
    operator : one of ``"sobel"``, ``"prewitt"``, ``"scharr"``, ``"farid"``.

    Returns
    -------
    float64 array of shape ``(3,)``, ``(5,)`` for farid.

    Raises
    ------
    TypeError, ValueError : ``operator`` is no string, or none of these.

    Sources: Sobel and Feldman (1968); Prewitt (1970); Scharr (2000), the 3-tap integer form; Farid and Simoncelli,
    Differentiation of Discrete Multidimensional Signals, IEEE Trans. Image Processing 13 (2004), 5 taps.

    >>> smoothing_taps("scharr").tolist()
    [3.0, 10.0, 3.0]
    """
    return np.array(_PAIRS[checks.one_of("operator", operator, DERIVATIVES)][0])


def derivative_taps(operator: str = "sobel") -> np.ndarray:
    """Taps of a first derivative, in correlation order: positive on a rising ramp.

    ``[-1, 0, 1]`` for sobel, prewitt and scharr: twice the slope of a ramp.  Farid's
    ``[-0.10960, -0.27669, 0, 0.27669, 0.10960]`` (to 15 digits) gives 0.9918 times the slope.

    Parameters
    ----------
    operator : one of ``"sobel"``, ``"prewitt"``, ``"scharr"``, ``"farid"``.

    Returns
    -------
    float64 array of shape ``(3,)``, ``(5,)`` for farid.

    Raises
    ------
    TypeError, ValueError : ``operator`` is no string, or none of these.

    Sources: as for `smoothing_taps`.

    >>> derivative_taps("sobel").tolist()
    [-1.0, 0.0, 1.0]
    """
    return np.array(_PAIRS[checks.one_of("operator", operator, DERIVATIVES)][1])


def laplace_taps() -> np.ndarray:
    """Taps of the second difference, ``[1, -2, 1]``: x[i+1] - 2 x[i] + x[i-1].

    Returns
    -------
    float64 array of shape ``(3,)``.  On x[i] = i^2 it gives 2.

    Source: the second central difference.

    >>> laplace_taps().tolist()
    [1.0, -2.0, 1.0]
    """
    return np.array([1.0, -2.0, 1.0])
