"""Operators that smooth, or compare an image with its smoothed self."""

from __future__ import annotations

from collections.abc import Sequence

from . import makers
from .options import Array, ArrayLike, Options, PairOptions, Unpack, apply, described

__all__ = ["box", "difference_of_gaussians", "gabor", "gaussian", "unsharp_mask"]


@described()
def gaussian(
    image: ArrayLike,
    sigma: float | Sequence[float],
    *,
    order: int | Sequence[int] = 0,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    **options: Unpack[Options],
) -> Array:
    """Smooth an image with a Gaussian, or take a Gaussian's derivatives of it.

    The taps are the sampled Gaussian ``exp(-x^2 / (2 sigma^2))``, normalised to the sum 1, and its derivatives
    (`fastconv.kernels.gaussian_taps`), one pass along each filtered axis.

    Parameters
    ----------
    {image}
    sigma : standard deviation in samples, >= 0, one number or one for each filtered axis.  0 leaves its axis alone.
    order : 0 smooths; 1, 2 ... take that derivative; one integer or one for each filtered axis.
    truncate : where the Gaussian is cut, in standard deviations, > 0.
    radius : where it is cut, in samples, one integer or one for each filtered axis; overrides ``truncate``.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Sources: Lindeberg, Scale-Space Theory in Computer Vision (1994), sampled Gaussian; taps and radius as in
    `scipy.ndimage.gaussian_filter`.

    >>> import numpy as np, fastconv as fc
    >>> image = np.zeros((3, 5))
    >>> image[1, 2] = 1
    >>> fc.gaussian(image, (0.5, 1.0), radius=1).round(2)
    array([[0.  , 0.03, 0.05, 0.03, 0.  ],
           [0.  , 0.22, 0.36, 0.22, 0.  ],
           [0.  , 0.03, 0.05, 0.03, 0.  ]])
    """
    return apply(image, makers.gaussian, (sigma, order, truncate, radius), options)


@described()
def box(image: ArrayLike, size: int | Sequence[int], **options: Unpack[Options]) -> Array:
    """Mean over a rectangle around each sample.

    Parameters
    ----------
    {image}
    size : of the rectangle in samples, one integer >= 1 or one for each filtered axis.  Sample ``size // 2`` lies on
        the output sample, in even rectangles too.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: the definition of the mean; as `scipy.ndimage.uniform_filter`.

    >>> import fastconv as fc
    >>> fc.box([[1.0, 2.0, 6.0], [1.0, 2.0, 6.0]], (1, 3)).round(3)
    array([[1.333, 3.   , 4.667],
           [1.333, 3.   , 4.667]])
    """
    return apply(image, makers.box, (size,), options)


@described()
def difference_of_gaussians(
    image: ArrayLike,
    low_sigma: float | Sequence[float],
    high_sigma: float | Sequence[float] | None = None,
    *,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    **options: Unpack[Options],
) -> Array:
    """Difference of two Gaussians, ``gaussian(low_sigma) - gaussian(high_sigma)``: a band-pass.

    Computed in one go: no result is rounded in between.

    Parameters
    ----------
    {image}
    low_sigma : standard deviation of the narrower Gaussian in samples, >= 0, one number or one for each filtered axis.
    high_sigma : that of the wider one, nowhere below ``low_sigma``; None is ``1.6 * low_sigma``.
    truncate, radius : of both Gaussians, as in `gaussian`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Marr and Hildreth, Theory of Edge Detection (1980), where the ratio 1.6 comes from.

    >>> import numpy as np, fastconv as fc
    >>> fc.difference_of_gaussians(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), 0.5, 1.0, radius=1).round(3)
    array([ 0.   , -0.168,  0.335, -0.168,  0.   ])
    """
    return apply(image, makers.difference_of_gaussians, (low_sigma, high_sigma, truncate, radius), options)


@described()
def unsharp_mask(
    image: ArrayLike,
    radius: float | Sequence[float] = 1.0,
    amount: float = 1.0,
    *,
    truncate: float = 4.0,
    **options: Unpack[Options],
) -> Array:
    """Sharpen an image: ``image + amount * (image - gaussian(image, radius))``.

    Nothing is rescaled or clipped: beside an edge the result passes the image's own range, unless an integer dtype
    saturates it (``dtype="same"`` for a photograph of integers).

    Parameters
    ----------
    {image}
    radius : standard deviation of the Gaussian in samples, >= 0, one number or one for each filtered axis (so called
        in every image editor).
    amount : how much of the detail is added: 0 changes nothing, negative values blur.
    truncate : where the Gaussian is cut, in standard deviations, > 0.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: the darkroom's unsharp mask; the formula of `skimage.filters.unsharp_mask`, without its rescaling.

    >>> import numpy as np, fastconv as fc
    >>> fc.unsharp_mask(np.array([10.0, 10.0, 20.0, 20.0]), 0.5, amount=2).round(1)
    array([10. ,  7.9, 22.1, 20. ])
    """
    return apply(image, makers.unsharp, (radius, amount, truncate), options)


@described(without=("out",))
def gabor(
    image: ArrayLike,
    frequency: float,
    theta: float = 0.0,
    bandwidth: float = 1.0,
    sigma_x: float | None = None,
    sigma_y: float | None = None,
    n_stds: float = 3.0,
    offset: float = 0.0,
    **options: Unpack[PairOptions],
) -> tuple[Array, Array]:
    """Both parts of an image's answer to a Gabor wave, a plane wave under a Gaussian.

    `fastconv.kernels.gabor` has the formula.  Two filtered axes, y and x in this order.

    Parameters
    ----------
    {image}
    frequency : of the wave, in cycles per sample, > 0.
    theta : direction of the wave in radians: 0 is along x, pi/2 along y.
    bandwidth : of the Gaussian, in octaves; gives those of ``sigma_x`` and ``sigma_y`` that are None.
    sigma_x, sigma_y : the Gaussian's standard deviations along and across the wave, in samples, > 0.
    n_stds : where the Gaussian is cut, in standard deviations, > 0.
    offset : the wave's phase in radians.
    {options}

    Returns
    -------
    real, imag : two new arrays of the image's shape (``ceil(n / stride)`` samples along a filtered axis).

    Raises
    ------
    {errors}

    Sources: Daugman, Uncertainty Relation for Resolution in Space, Spatial Frequency, and Orientation (1985);
    parameters and result as in `skimage.filters.gabor`.

    >>> import numpy as np, fastconv as fc
    >>> wave = np.cos(2 * np.pi * 0.25 * np.arange(32)) * np.ones((32, 1))
    >>> real, imag = fc.gabor(wave, 0.25)
    >>> bool(np.hypot(real, imag)[16, 16] > 5 * np.hypot(*fc.gabor(wave.T, 0.25))[16, 16])
    True
    """
    wave = (frequency, theta, bandwidth, sigma_x, sigma_y, n_stds, offset)
    real, imag = (apply(image, makers.gabor, (*wave, part), options, (), ("out",)) for part in ("real", "imag"))
    return real, imag
