"""Operators with the caller's own coefficients: kernels of any shape, taps along axes."""

from __future__ import annotations

from fastconv.engine import kernel_weights, taps_weights
from fastconv.kernels.checks import integer

from . import makers
from .options import Array, ArrayLike, LineOptions, Options, Unpack, apply, described

__all__ = ["convolve", "convolve1d", "correlate", "correlate1d", "correlate_separable"]

_OWN_AXIS = ("axes", "channel_axis")
_REVERSED = (("reverse", True),)


@described()
def correlate(image: ArrayLike, kernel: ArrayLike, **options: Unpack[Options]) -> Array:
    """Correlate an image with a kernel: a weighted sum of the samples around each one.

    ``out[i] = sum over t of kernel[t] * image[stride * i + dilation * (t - size // 2 - origin)]``, in every filtered
    axis.

    Parameters
    ----------
    {image}
    kernel : array of finite real numbers with one dimension for each filtered axis.  Tap ``size // 2`` lies on the
        output sample, in even kernels too.  A constant kernel, a separable one or a sum of few separable ones is
        found out and computed the quick way; its zero taps cost nothing.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Sources: the definition of cross-correlation; centre and origin as in `scipy.ndimage.correlate`.

    >>> import numpy as np, fastconv as fc
    >>> image = np.zeros((3, 4), np.float32)
    >>> image[1, 1] = 1
    >>> fc.correlate(image, [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    array([[9., 8., 7., 0.],
           [6., 5., 4., 0.],
           [3., 2., 1., 0.]], dtype=float32)
    """
    return apply(image, kernel_weights, (kernel,), options)


@described()
def convolve(image: ArrayLike, kernel: ArrayLike, **options: Unpack[Options]) -> Array:
    """Convolve an image with a kernel: `correlate` with the kernel reversed along every axis.

    An impulse gives the kernel itself.

    Parameters
    ----------
    {image}
    kernel : array of finite real numbers with one dimension for each filtered axis.  An even kernel's tap
        ``size // 2`` is its centre.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Sources: the definition of convolution; centre and origin as in `scipy.ndimage.convolve`.

    >>> import numpy as np, fastconv as fc
    >>> image = np.zeros((3, 4), np.float32)
    >>> image[1, 1] = 1
    >>> fc.convolve(image, [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    array([[1., 2., 3., 0.],
           [4., 5., 6., 0.],
           [7., 8., 9., 0.]], dtype=float32)
    """
    return apply(image, kernel_weights, (kernel,), options, _REVERSED)


def _along(axis: int) -> tuple[tuple[str, int]]:
    return (("axes", axis if type(axis) is int else integer("axis", axis, least=-64)),)


@described(without=_OWN_AXIS)
def correlate1d(image: ArrayLike, taps: ArrayLike, axis: int = -1, **options: Unpack[LineOptions]) -> Array:
    """Correlate every line of an image along one axis with taps.

    ``out[i] = sum over t of taps[t] * image[stride * i + dilation * (t - size // 2 - origin)]`` along ``axis``; the
    other axes are carried along.

    Parameters
    ----------
    {image}
    taps : 1-D array of finite real numbers.
    axis : the filtered axis; negative ones count from the end.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Sources: the definition of cross-correlation; centre and origin as in `scipy.ndimage.correlate1d`.

    >>> import fastconv as fc
    >>> fc.correlate1d([[1.0, 2.0, 4.0], [0.0, 0.0, 8.0]], [-1, 1])
    array([[0., 1., 2.],
           [0., 0., 8.]])
    """
    return apply(image, taps_weights, (taps,), options, _along(axis), _OWN_AXIS)


@described(without=_OWN_AXIS)
def convolve1d(image: ArrayLike, taps: ArrayLike, axis: int = -1, **options: Unpack[LineOptions]) -> Array:
    """Convolve every line of an image along one axis with taps: `correlate1d` with the taps reversed.

    Parameters
    ----------
    {image}
    taps : 1-D array of finite real numbers.
    axis : the filtered axis; negative ones count from the end.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Sources: the definition of convolution; centre and origin as in `scipy.ndimage.convolve1d`.

    >>> import fastconv as fc
    >>> fc.convolve1d([0.0, 0.0, 1.0, 0.0, 0.0], [1, 2, 3])
    array([0., 1., 2., 3., 0.])
    """
    return apply(image, taps_weights, (taps,), options, (*_along(axis), *_REVERSED), _OWN_AXIS)


@described()
def correlate_separable(image: ArrayLike, taps: ArrayLike, **options: Unpack[Options]) -> Array:
    """Correlate an image with an outer product, given by its 1-D factors.

    The same as `correlate` with ``taps[0][:, None] * taps[1]`` for a 2-D image, without ever making it.

    Parameters
    ----------
    {image}
    taps : sequence of 1-D arrays of finite real numbers, one for each filtered axis.
    {options}

    Returns
    -------
    {returns}

    Raises
    ------
    {errors}

    Source: the correlation with an outer product is the correlations with its factors, one after the other.

    >>> import numpy as np, fastconv as fc
    >>> image = np.eye(3, 4, dtype=np.float32)
    >>> fc.correlate_separable(image, [[1, 2, 1], [-1, 0, 1]], mode="constant")
    array([[ 1., -2., -1.,  0.],
           [ 2.,  0., -2., -1.],
           [ 1.,  2., -1., -2.]], dtype=float32)
    """
    return apply(image, makers.separable, (taps,), options)
