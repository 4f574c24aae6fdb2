"""What a caller says about a convolution over channels, made integers: pairs, padding words, channels that fit.

"same" is PyTorch's rule, and with a stride ONNX's and TensorFlow's SAME_UPPER; "same_lower" is their SAME_LOWER.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import bad_type, bad_value
from .geometry import reach, strided_size

__all__ = [
    "checked_channels",
    "checked_kernel",
    "integer",
    "output_padding_of",
    "padding_of",
    "pair",
    "shape_of",
    "transposed_padding_of",
]

Pair = tuple[int, int]
_SEQUENCES = (list, tuple, range, np.ndarray)
#: largest integer that any of the parameters may be
MOST = 1 << 24
_WORDS = "'valid', 'same' or 'same_lower'"
_PADDING = f"an integer of at least 0, a pair (rows, columns), a pair of pairs (before, after), {_WORDS}"


def _several(value: Any) -> bool:
    """Whether a value is a sequence: an array without dimensions is a number."""
    return isinstance(value, _SEQUENCES) and not (isinstance(value, np.ndarray) and value.ndim == 0)


def integer(name: str, value: Any, least: int, allowed: str = "") -> int:
    """``value`` as an int from ``least`` to `MOST`; TypeError or ValueError otherwise."""
    allowed = allowed or f"an integer from {least} to {MOST}"
    if isinstance(value, bool | np.bool_):
        raise bad_type(name, value, allowed)
    try:
        number = operator.index(value)
    except TypeError:
        raise bad_type(name, value, allowed) from None
    if not least <= number <= MOST:
        raise bad_value(name, value, allowed)
    return number


def pair(name: str, value: Any, least: int) -> Pair:
    """One integer for both axes, or (rows, columns).

    >>> pair("stride", 2, 1), pair("stride", [1, 3], 1)
    ((2, 2), (1, 3))
    """
    allowed = f"an integer from {least} to {MOST}, or a pair of them (rows, columns)"
    if _several(value):
        if len(value) != 2:
            raise bad_value(name, value, allowed)
        return integer(name, value[0], least, allowed), integer(name, value[1], least, allowed)
    number = integer(name, value, least, allowed)
    return number, number


def shape_of(name: str, value: Any, lengths: tuple[int, ...], last: int = 0) -> tuple[int, ...]:
    """A shape as a tuple of ints; its last two entries are at least ``last``."""
    allowed = f"a shape of {' or '.join(map(str, lengths))} integers"
    if not isinstance(value, _SEQUENCES):
        raise bad_type(name, value, allowed)
    if len(value) not in lengths:
        raise bad_value(name, value, allowed)
    count = len(value)
    return tuple(integer(name, v, last if i >= count - 2 else 0, allowed) for i, v in enumerate(value))


def padding_of(padding: Any, size: Pair, stride: Pair, dilation: Pair, shape: Pair) -> tuple[Pair, Pair]:
    """``padding=`` of a convolution as ((before, after) of rows, (before, after) of columns).

    >>> padding_of("same", (3, 4), (1, 2), (1, 1), (7, 7)), padding_of((1, 2), (3, 3), (1, 1), (1, 1), (7, 7))
    (((1, 1), (1, 2)), ((1, 1), (2, 2)))
    """
    if isinstance(padding, str):
        _word(padding)
        totals = [
            max((strided_size(n, s) - 1) * s + reach(k, d) + 1 - n, 0) if n else 0
            for n, k, s, d in zip(shape, size, stride, dilation, strict=True)
        ]
        return _halves(padding, totals)
    return _pairs(padding)


def transposed_padding_of(padding: Any, size: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """``padding=`` of a transposed convolution; "same" gives outputs ``stride`` times the image, where taps reach."""
    if isinstance(padding, str):
        _word(padding)
        return _halves(padding, [max(reach(k, d) + 1 - s, 0) for k, s, d in zip(size, stride, dilation, strict=True)])
    return _pairs(padding)


def _word(padding: str) -> None:
    if padding not in ("valid", "same", "same_lower"):
        raise bad_value("padding", padding, _PADDING)


def _halves(word: str, totals: Sequence[int]) -> tuple[Pair, Pair]:
    if word == "valid":
        return (0, 0), (0, 0)
    low = [t // 2 if word == "same" else t - t // 2 for t in totals]
    return (low[0], totals[0] - low[0]), (low[1], totals[1] - low[1])


def _pairs(padding: Any) -> tuple[Pair, Pair]:
    if _several(padding):
        if len(padding) != 2:
            raise bad_value("padding", padding, _PADDING)
        found = []
        for each in padding:
            if _several(each):
                if len(each) != 2:
                    raise bad_value("padding", padding, _PADDING)
                found.append((integer("padding", each[0], 0, _PADDING), integer("padding", each[1], 0, _PADDING)))
            else:
                number = integer("padding", each, 0, _PADDING)
                found.append((number, number))
        return found[0], found[1]
    number = integer("padding", padding, 0, _PADDING)
    return (number, number), (number, number)


def checked_kernel(size: Pair, dilation: Pair) -> None:
    """A kernel has at least one tap, and one that a table can hold."""
    for k, d in zip(size, dilation, strict=True):
        if k < 1:
            raise bad_value("weight", f"a kernel of {size[0]} x {size[1]}", "of at least one tap along each axis")
        if reach(k, d) > MOST:
            raise bad_value("dilation", d, f"small enough that {k} taps reach {MOST} samples or fewer")


def output_padding_of(output_padding: Any, padding: Any, size: Pair, stride: Pair, dilation: Pair) -> Pair:
    """``output_padding=`` as a pair below max(stride, dilation); with a padding word it follows from the word."""
    extra = pair("output_padding", output_padding, 0)
    if isinstance(padding, str) and padding != "valid":
        if any(extra):
            raise bad_value("output_padding", output_padding, f"0 with padding={padding!r}, which settles the size")
        rest = [max(s - reach(k, d) - 1, 0) for k, s, d in zip(size, stride, dilation, strict=True)]
        return rest[0], rest[1]
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise bad_value("output_padding", output_padding, f"less than max(stride, dilation) = {max(s, d)}")
    return extra


def checked_channels(channels: int, weight: tuple[int, ...], groups: Any, transposed: bool) -> int:
    """``groups=`` as an int, or the ValueError that says which channels do not fit."""
    g = integer("groups", groups, 1)
    if channels % g:
        raise bad_value("groups", groups, f"a divisor of x's {channels} channels")
    if transposed:
        if weight[0] != channels:
            raise bad_value(
                "weight",
                f"a weight of shape {weight}",
                f"of shape ({channels}, C_out / groups, kH, kW) for x's channels",
            )
        return g
    if weight[1] != channels // g:
        allowed = f"of shape (C_out, {channels // g}, kH, kW): x has {channels} channels in {g} groups"
        raise bad_value("weight", f"a weight of shape {weight}", allowed)
    if weight[0] % g:
        raise bad_value("groups", groups, f"a divisor of the weight's {weight[0]} output channels")
    return g
