"""Minimum, maximum, median, rank and percentile filters with SciPy's signatures and bits."""

from __future__ import annotations

import operator
from typing import Any

from .windows import along, extreme, ranked

__all__ = [
    "maximum_filter",
    "maximum_filter1d",
    "median_filter",
    "minimum_filter",
    "minimum_filter1d",
    "percentile_filter",
    "rank_filter",
]


def minimum_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: float = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """The smallest sample of a window that slides along one axis, as `scipy.ndimage.minimum_filter1d`.

    The cost does not depend on ``size``: windows double, or are the suffix and the prefix of two blocks [1]_.

    Parameters
    ----------
    input : array_like
        Any real dtype but float16 and longdouble.
    size : int
        Samples of the window, at least 1.
    axis : int
        The axis to filter.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names.
    cval : float
        The value outside where mode is constant.
    origin : int
        Moves the window, from -(size // 2) to (size - 1) // 2.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        A size below 1, an unknown mode, a dtype that is not supported, an output of another shape.
    ValueError, TypeError
        An origin outside its range; complex input.

    References
    ----------
    .. [1] M. van Herk, A fast algorithm for local minimum and maximum filters, Pattern Recognition Letters 13 (1992).

    Examples
    --------
    >>> minimum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3).tolist()
    [2, 0, 0, 0, 1, 1, 0, 0]
    """
    return along(input, size, axis, output, mode, cval, origin, False)


def maximum_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: float = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """The largest sample of a window that slides along one axis, as `scipy.ndimage.maximum_filter1d`.

    Parameters
    ----------
    input, size, axis, output, mode, cval, origin
        As `minimum_filter1d` has them.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> maximum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3).tolist()
    [8, 8, 8, 4, 9, 9, 9, 9]
    """
    return along(input, size, axis, output, mode, cval, origin, True)


def minimum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: float = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The smallest sample of a window in any number of dimensions, as `scipy.ndimage.minimum_filter`.

    Parameters
    ----------
    input : array_like
        Any real dtype but float16 and longdouble.
    size : int or sequence of int, optional
        Samples of a box, for all filtered axes or for each; the cost does not depend on it.
    footprint : array_like of bool, optional
        The window's samples, where it is no box; one of ``size`` and ``footprint`` is needed.
    output : array or dtype, optional
        The array to fill (it may be the input), or the dtype of the result; by default the input's.
    mode : str or sequence of str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names; for boxes one for each
        axis is allowed.
    cval : float
        The value outside where mode is constant.
    origin : int or sequence of int
        Moves the window, from -(size // 2) to (size - 1) // 2.
    axes : tuple of int, optional
        The filtered axes; by default all.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        Neither size nor footprint; sequences of a wrong length; an unknown mode; a dtype that is not supported.
    ValueError, TypeError
        An origin outside its range, a footprint without samples; complex input.

    Examples
    --------
    >>> minimum_filter([[5, 6, 7], [8, 1, 9], [4, 3, 2]], size=2).tolist()
    [[5, 5, 6], [5, 1, 1], [4, 1, 1]]
    """
    return extreme(input, size, footprint, output, mode, cval, origin, axes, False)


def maximum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: float = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The largest sample of a window in any number of dimensions, as `scipy.ndimage.maximum_filter`.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As `minimum_filter` has them.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> maximum_filter([[5, 6, 7], [8, 1, 9], [4, 3, 2]], footprint=[[0, 1], [1, 1]]).tolist()
    [[5, 6, 7], [8, 8, 9], [8, 4, 9]]
    """
    return extreme(input, size, footprint, output, mode, cval, origin, axes, True)


def rank_filter(
    input: Any, rank: int, size: Any = None, footprint: Any = None, output: Any = None, mode: str = "reflect",
    cval: float = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The sample of a given rank in every window, as `scipy.ndimage.rank_filter`.

    Where SciPy 1.17 is wrong, this is right: in one dimension it takes a footprint with gaps for a box, writes
    garbage where the output's dtype is not the input's (float32 or float64), takes uint64 beyond 2**63 for negative,
    reads past short arrays, and misplaces windows that are even or have an origin in some modes.  In one dimension
    NaN and -0.0 go to SciPy itself, whose choice among them depends on the whole line
    (`fastconv.ndimage.fallback.counts` counts such calls); in more, they land where SciPy has them.

    Parameters
    ----------
    input : array_like
        Any real dtype but float16 (which one dimension takes) and longdouble.
    rank : int
        0 is the smallest sample; negative ranks count from the largest, -1.
    size, footprint, output, cval, origin, axes
        As `minimum_filter` has them.
    mode : str
        What lies outside: reflect, mirror, nearest, wrap, constant, or SciPy's grid- names.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        A rank outside the window; and as `minimum_filter`.

    Examples
    --------
    >>> rank_filter([[5, 6, 7], [8, 1, 9], [4, 3, 2]], 1, size=3).tolist()
    [[5, 5, 6], [3, 2, 2], [3, 2, 2]]
    """
    place = operator.index(rank)
    return ranked(input, lambda taps: place, size, footprint, output, mode, cval, origin, axes)


def median_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: str = "reflect",
    cval: float = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The median of every window (of an even number the upper one), as `scipy.ndimage.median_filter`.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As `rank_filter` has them, and so what is said there of NaN and of where SciPy is wrong.

    Returns
    -------
    ndarray
        Of the input's shape.

    Examples
    --------
    >>> median_filter([[5, 6, 7], [8, 1, 9], [4, 3, 2]], size=3).tolist()
    [[5, 6, 7], [5, 5, 6], [4, 3, 2]]
    """
    return ranked(input, lambda taps: taps // 2, size, footprint, output, mode, cval, origin, axes)


def percentile_filter(
    input: Any, percentile: float, size: Any = None, footprint: Any = None, output: Any = None,
    mode: str = "reflect", cval: float = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """The sample at a percentile of every window, as `scipy.ndimage.percentile_filter`.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As `rank_filter` has them, and so what is said there of NaN and of where SciPy is wrong.
    percentile : float
        From 0 to 100: rank ``int(samples * percentile / 100)``; negative ones count down from 100.

    Returns
    -------
    ndarray
        Of the input's shape.

    Raises
    ------
    RuntimeError
        A percentile outside -100 ... 100; and as `rank_filter`.

    Examples
    --------
    >>> percentile_filter([[5, 6, 7], [8, 1, 9], [4, 3, 2]], 25, size=3).tolist()
    [[5, 5, 6], [4, 3, 2], [3, 2, 2]]
    """

    def place(taps: int) -> int:
        share = percentile + 100.0 if percentile < 0.0 else percentile
        if share < 0 or share > 100:
            raise RuntimeError("invalid percentile")
        return taps - 1 if share == 100.0 else int(float(taps) * share / 100.0)

    return ranked(input, place, size, footprint, output, mode, cval, origin, axes)
