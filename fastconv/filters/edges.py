"""Operators that find edges: first and second derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from . import makers
from .options import Array, ArrayLike, Options, Unpack, apply, described

__all__ = ["farid", "gaussian_laplace", "gradient_magnitude", "laplace", "prewitt", "roberts", "scharr", "sobel"]

_MAGNITUDE = (("combine", "magnitude"),)


@described()
def sobel(image: ArrayLike, axis: int | None = None, **options: Unpack[Options]) -> Array:
    """Sobel's derivative along an axis, or the gradient's magnitude.

    ``[-1, 0, 1]`` along the derivative's axis, ``[1, 2, 1]`` along every other filtered axis, unscaled: a ramp of
    slope 1 in an image gives 8.

    Parameters
    ----------
    {image}
    axis : the derivative's axis, one of the filtered ones; positive where the image rises along it.  None gives the
        magnitude, the root of the sum over all filtered axes of the squared derivatives.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Sobel and Feldman, A 3x3 Isotropic Gradient Operator for Image Processing (1968).

    >>> import numpy as np, fastconv as fc
    >>> image = np.array([[0, 0, 5, 5]] * 3, np.uint8)
    >>> fc.sobel(image, axis=1)[1], fc.sobel(image)[1], fc.sobel(image, axis=0)[1]
    (array([ 0., 20., 20.,  0.], dtype=float32),
     array([ 0., 20., 20.,  0.], dtype=float32),
     array([0., 0., 0., 0.], dtype=float32))
    """
    return apply(image, makers.derivative, ("sobel", axis), options, _MAGNITUDE if axis is None else ())


@described()
def scharr(image: ArrayLike, axis: int | None = None, **options: Unpack[Options]) -> Array:
    """Scharr's derivative along an axis, or the gradient's magnitude.

    ``[-1, 0, 1]`` along the derivative's axis, ``[3, 10, 3]`` along every other filtered axis, unscaled: a ramp of
    slope 1 in an image gives 32.  Its direction errs less than Sobel's.

    Parameters
    ----------
    {image}
    axis : as in `sobel`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Scharr, Optimale Operatoren in der Digitalen Bildverarbeitung (2000), the 3-tap integer form.

    >>> import numpy as np, fastconv as fc
    >>> fc.scharr(np.arange(20.0).reshape(4, 5), axis=0)[1]
    array([160., 160., 160., 160., 160.])
    """
    return apply(image, makers.derivative, ("scharr", axis), options, _MAGNITUDE if axis is None else ())


@described()
def prewitt(image: ArrayLike, axis: int | None = None, **options: Unpack[Options]) -> Array:
    """Prewitt's derivative along an axis, or the gradient's magnitude.

    ``[-1, 0, 1]`` along the derivative's axis, ``[1, 1, 1]`` along every other filtered axis, unscaled: a ramp of
    slope 1 in an image gives 6.

    Parameters
    ----------
    {image}
    axis : as in `sobel`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Prewitt, Object Enhancement and Extraction (1970).

    >>> import numpy as np, fastconv as fc
    >>> fc.prewitt(np.arange(20.0).reshape(4, 5), axis=0)[1]
    array([30., 30., 30., 30., 30.])
    """
    return apply(image, makers.derivative, ("prewitt", axis), options, _MAGNITUDE if axis is None else ())


@described()
def farid(image: ArrayLike, axis: int | None = None, **options: Unpack[Options]) -> Array:
    """Farid and Simoncelli's derivative along an axis, or the gradient's magnitude.

    Five taps along every filtered axis (`fastconv.kernels.farid`): a ramp of slope 1 gives 0.9918.  Of the four
    operators of this kind its direction errs least.

    Parameters
    ----------
    {image}
    axis : as in `sobel`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Farid and Simoncelli, Differentiation of Discrete Multidimensional Signals, IEEE Trans. Image Processing
    13 (2004), the 5-tap first-derivative pair.

    >>> import numpy as np, fastconv as fc
    >>> fc.farid(np.arange(30.0).reshape(5, 6), axis=1)[2, 2:4].round(4)
    array([0.9918, 0.9918])
    """
    return apply(image, makers.derivative, ("farid", axis), options, _MAGNITUDE if axis is None else ())


@described()
def roberts(image: ArrayLike, **options: Unpack[Options]) -> Array:
    """Magnitude of Roberts' cross: the root of the two squared diagonal differences of a 2 x 2 block.

    The block's first corner is the output sample.  Unscaled.  Two filtered axes.

    Parameters
    ----------
    {image}
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Roberts, Machine Perception of Three-Dimensional Solids (1963); `skimage.filters.roberts` is this over
    the root of 2.

    >>> import numpy as np, fastconv as fc
    >>> fc.roberts(np.array([[0, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0]], np.uint8))
    array([[0., 3., 3., 0.],
           [0., 3., 3., 0.],
           [0., 0., 0., 0.]], dtype=float32)
    """
    return apply(image, makers.two_diagonals, (), options, (*_MAGNITUDE, ("reverse", True)))


@described()
def laplace(image: ArrayLike, **options: Unpack[Options]) -> Array:
    """Laplacian: the second differences ``[1, -2, 1]`` along every filtered axis, summed.

    Negative on a bright spot.

    Parameters
    ----------
    {image}
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: the second central difference along each axis; as `scipy.ndimage.laplace`.

    >>> import numpy as np, fastconv as fc
    >>> fc.laplace(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8))
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]], dtype=float32)
    """
    return apply(image, makers.laplacian, (), options)


@described()
def gaussian_laplace(
    image: ArrayLike,
    sigma: float | Sequence[float],
    *,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    **options: Unpack[Options],
) -> Array:
    """Laplacian of a Gaussian: a Gaussian's second derivatives along every filtered axis, summed.

    Computed in one go: no result is rounded in between.

    Parameters
    ----------
    {image}
    sigma : standard deviation in samples, > 0, one number or one for each filtered axis.
    truncate, radius : as in `gaussian`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Marr and Hildreth, Theory of Edge Detection (1980); taps as in `scipy.ndimage.gaussian_laplace`.

    >>> import numpy as np, fastconv as fc
    >>> bright = np.zeros((9, 9))
    >>> bright[4, 4] = 1
    >>> fc.gaussian_laplace(bright, 1.0)[4, 3:6].round(4)
    array([-0.0965, -0.3183, -0.0965])
    """
    return apply(image, makers.gaussian_laplace, (sigma, truncate, radius), options)


@described()
def gradient_magnitude(
    image: ArrayLike,
    sigma: float | Sequence[float],
    *,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    **options: Unpack[Options],
) -> Array:
    """Magnitude of a smoothed image's gradient: the root of the squared first derivatives of a Gaussian, summed.

    Parameters
    ----------
    {image}
    sigma : standard deviation in samples, > 0, one number or one for each filtered axis.
    truncate, radius : as in `gaussian`.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: Lindeberg, Scale-Space Theory in Computer Vision (1994); as
    `scipy.ndimage.gaussian_gradient_magnitude`.

    >>> import numpy as np, fastconv as fc
    >>> y, x = np.mgrid[:20, :30].astype(float)
    >>> round(float(fc.gradient_magnitude(3 * y + 4 * x, 1.0)[10, 15]), 2)
    5.0
    """
    return apply(image, makers.gradient, (sigma, truncate, radius), options, _MAGNITUDE)
