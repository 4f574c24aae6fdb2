"""Laplace filters and gradient magnitudes with SciPy's signatures and bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import as_array, checked_axes, get_output, per_axis, spread_over_axes
from .finishing import finish_with, root
from .lines import gaussian_passes
from .passes import Finish, Pass, run_passes

__all__ = [
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "laplace",
]

_SECOND = np.array([1.0, -2.0, 1.0])


def generic_laplace(
    input: Any, derivative2: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Any = None, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The sum of second derivatives that a function computes, as `scipy.ndimage.generic_laplace`.

    Parameters
    ----------
    input : array_like
        What ``derivative2`` takes.
    derivative2 : callable
        Called as ``derivative2(input, axis, output, mode, cval, *extra_arguments, **extra_keywords)`` for each axis;
        ``output`` is the array to fill for the first axis, and for the others the dtype of the array to return.
    output : array or dtype, optional
        The array to fill, or the dtype of the result; by default the input's.
    mode : str or sequence of str
        What lies outside, for all filtered axes or one for each.
    cval : scalar
        The value outside where mode is constant.
    extra_arguments, extra_keywords : sequence, dict
        Passed on to the function.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> def second(array, axis, output, mode, cval):
    ...     from fastconv.ndimage import correlate1d
    ...     return correlate1d(array, [1, -2, 1], axis, output, mode, cval)
    >>> generic_laplace([[0, 0, 0], [0, 5, 0], [0, 0, 0]], second).tolist()
    [[0, 5, 0], [5, -20, 5], [0, 5, 0]]
    """
    return _called(input, derivative2, output, mode, cval, extra_arguments, extra_keywords, axes, False)


def generic_gradient_magnitude(
    input: Any, derivative: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Any = None, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The root of the sum of squares of a function's derivatives, as `scipy.ndimage.generic_gradient_magnitude`.

    Parameters
    ----------
    input, output, mode, cval, extra_arguments, extra_keywords, axes
        As `generic_laplace` has them.
    derivative : callable
        Called as `generic_laplace` calls its function.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> from fastconv.ndimage import sobel
    >>> generic_gradient_magnitude([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]], sobel).round(2).tolist()
    [[4.24, 6.0, 4.24], [6.0, 0.0, 6.0], [4.24, 6.0, 4.24]]
    """
    return _called(input, derivative, output, mode, cval, extra_arguments, extra_keywords, axes, True)


def _called(
    array: Any, derivative: Callable[..., Any], output: Any, mode: Any, cval: Any, arguments: Sequence[Any],
    keywords: Any, axes: Any, squares: bool,
) -> np.ndarray:  # fmt: skip
    """The sum of what ``derivative`` returns for each axis; squares: of squares, and its root."""
    image = as_array(array)
    out = get_output(output, image)
    filtered = checked_axes(axes, image.ndim)
    if not filtered:
        out[...] = image
        return out
    for i, (axis, word) in enumerate(zip(filtered, per_axis(mode, len(filtered), "mode"), strict=True)):
        result = derivative(image, axis, out.dtype if i else out, word, cval, *arguments, **(keywords or {}))
        if not i:
            finish = Finish.SQUARE if squares else Finish.STORE
        elif not squares:
            finish = Finish.ADD
        else:
            finish = Finish.ADD_SQUARE_ROOT if i == len(filtered) - 1 else Finish.ADD_SQUARE
        finish_with(out, result if i else out, finish)
    if squares and len(filtered) == 1:
        root(out)
    return out


def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None
) -> Any:  # fmt: skip
    """The sum of second differences [1, -2, 1], as `scipy.ndimage.laplace`.

    With ``output`` over the input SciPy reads what it has written; this gives the same as into another array.

    Parameters
    ----------
    input : array_like
        Any real or complex dtype but float16 and longdouble, any number of dimensions.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str or sequence of str
        What lies outside, for all filtered axes or one for each.
    cval : scalar
        The value outside where mode is constant.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> laplace([[0, 0, 0], [0, 5, 0], [0, 0, 0]]).tolist()
    [[0, 5, 0], [5, -20, 5], [0, 5, 0]]
    """
    image = as_array(input)
    out = get_output(output, image)
    filtered = checked_axes(axes, image.ndim)
    modes = per_axis(mode, len(filtered), "mode") if filtered else []
    chains = [[Pass(axis, _SECOND, 0, word)] for axis, word in zip(filtered, modes, strict=True)]
    return _summed(image, out, chains, cval, False)


def gaussian_laplace(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """The sum of a Gaussian's second derivatives, as `scipy.ndimage.gaussian_laplace`.

    Parameters
    ----------
    input, output, mode, cval, axes
        As `laplace` has them, its word about an output over the input too.
    sigma : scalar or sequence of scalar
        Standard deviation in samples, for all filtered axes or one for each.
    kwargs
        ``truncate`` and ``radius`` of `gaussian_filter`.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> gaussian_laplace([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]], 1, radius=1).round(2).tolist()
    [[0.0, -1.11, 0.0], [-1.11, -3.68, -1.11], [0.0, -1.11, 0.0]]
    """
    image = as_array(input)
    out = get_output(output, image)
    filtered = checked_axes(axes, image.ndim)
    sigmas = spread_over_axes(sigma, filtered, image.ndim, 0, "sigma")
    return _summed(image, out, _derived(image.ndim, filtered, sigmas, 2, mode, kwargs), cval, False)


def gaussian_gradient_magnitude(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """The root of the sum of squares of a Gaussian's derivatives, as `scipy.ndimage.gaussian_gradient_magnitude`.

    Every operation is in the output's dtype: squares of bytes wrap.

    Parameters
    ----------
    input, output, mode, cval
        As `laplace` has them, its word about an output over the input too.
    sigma : scalar or sequence of scalar
        Standard deviation in samples, for all axes or one for each of the input's.
    axes : tuple of int, optional
        The axes that are differentiated; all are smoothed.
    kwargs
        ``truncate`` and ``radius`` of `gaussian_filter`.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> gaussian_gradient_magnitude([[0.0, 4.0], [0.0, 4.0]], 1).round(3).tolist()
    [[0.915, 0.915], [0.915, 0.915]]
    """
    image = as_array(input)
    out = get_output(output, image)
    filtered = checked_axes(axes, image.ndim)
    return _summed(image, out, _derived(image.ndim, filtered, sigma, 1, mode, kwargs), cval, True)


def _derived(
    ndim: int, filtered: tuple[int, ...], sigma: Any, order: int, mode: Any, options: dict[str, Any]
) -> list[list[Pass]]:
    """For each axis the passes of a Gaussian's derivative along it; all of them under that axis' mode."""
    modes = per_axis(mode, len(filtered), "mode") if filtered else []
    return [
        gaussian_passes(ndim, sigma, [order if i == axis else 0 for i in range(ndim)], word, **options)
        for axis, word in zip(filtered, modes, strict=True)
    ]


def _summed(
    image: np.ndarray, out: np.ndarray, chains: Sequence[Sequence[Pass]], cval: Any, squares: bool
) -> np.ndarray:
    """The sum of chains of passes; squares: of their squares, and its root.  No chains: the image."""
    if not chains:
        out[...] = image
        return out
    apart = not np.may_share_memory(image, out)
    target = out if apart else np.empty(out.shape, out.dtype)
    last = len(chains) - 1
    for i, passes in enumerate(chains):
        if not squares:
            finish = Finish.ADD if i else Finish.STORE
        elif not i:
            finish = Finish.SQUARE
        else:
            finish = Finish.ADD_SQUARE if i < last else Finish.ADD_SQUARE_ROOT
        run_passes(image, target, passes, cval, finish)
    if squares and not last:
        root(target)
    if not apart:
        out[...] = target
    return out
