"""Sizes: how many samples come out, and how far a kernel reaches past an axis."""

from __future__ import annotations

__all__ = ["MOST_CHANNELS", "centre", "origin_range", "padding_after", "reach", "strided_size"]

#: more samples than this behind the last filtered axis are a row of their own; fewer are channels in its rows
MOST_CHANNELS = 16


def centre(size: int) -> int:
    """The tap that lies on the output sample when origin is 0: ``size // 2``, as in SciPy and OpenCV.

    >>> centre(3), centre(4)
    (1, 2)
    """
    return size // 2


def origin_range(size: int) -> tuple[int, int]:
    """Smallest and largest legal origin of a kernel axis of ``size`` taps.

    >>> origin_range(4)
    (-2, 1)
    """
    return -(size // 2), (size - 1) // 2


def reach(size: int, dilation: int) -> int:
    """Samples between the first and the last tap: ``dilation * (size - 1)``.

    >>> reach(3, 4)
    8
    """
    return dilation * (size - 1)


def strided_size(n: int, stride: int) -> int:
    """Outputs along an axis of ``n`` samples when every ``stride``-th is kept: ``ceil(n / stride)``.

    >>> strided_size(7, 2)
    4
    """
    return -(-n // stride)


def padding_after(n_out: int, stride: int, size: int, dilation: int, before: int, n: int) -> int:
    """Samples needed behind an axis of ``n`` (negative: that many of its last samples are never read).

    >>> padding_after(n_out=5, stride=1, size=3, dilation=1, before=1, n=5)
    1
    """
    if n_out == 0:
        return -before - n if before + n < 0 else 0
    return (n_out - 1) * stride + reach(size, dilation) + 1 - before - n
