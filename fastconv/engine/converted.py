"""Images in memory that no loop reads as it lies: float16, integers and views are brought to the sums' dtype in pieces.

Integers are exact: sums that fit float64's integers are taken there, larger ones digit by digit, modulo 2**64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core.channels import ChannelProblem
from fastconv.core.errors import bad_value
from fastconv.core.scratch import scratch

from .executors import Prepared, array_of, backend, executor_of, make

__all__ = ["NO_LIMIT", "Room", "convolve_pieces", "pieces_of"]

#: every integer up to this is a float64
EXACT = 1 << 53

Room = tuple[int, int]
NO_LIMIT: Room = (0, 0)


def pieces_of(
    problem: ChannelProblem, method: str, x: np.ndarray, weight: Any, dtype: np.dtype, room: Room = NO_LIMIT
) -> Any:
    """How a convolution is cut: see `fastconv.backends.channels.pieces`.

    room: bytes of memory that may be taken (0: a quarter of x and output, and four times the weights), and the most
    output rows at once (0: any number).
    """
    stored = x.dtype.itemsize, weight.dtype.itemsize, dtype.itemsize
    integers = dtype.kind in "iu"
    return backend().cut(problem, method, stored, 8 if integers else 0, type(weight) is not Prepared, room)


def convolve_pieces(
    problem: ChannelProblem,
    method: str,
    x: np.ndarray,
    weight: np.ndarray | Prepared,
    bias: np.ndarray | None,
    out: np.ndarray,
    workers: int,
    room: Room = NO_LIMIT,
    bands: range | None = None,
) -> None:
    """Convolve x (N, C, H, W) into ``out``, both of any dtype and strides; integers where ``out`` is of them.

    bands: of the pieces; ``out`` is their rows only.
    """
    if problem.method == "separable":
        raise bad_value("method", problem.method, "another one for float16, integers and views")
    cut = pieces_of(problem, method, x, weight, out.dtype, room)
    if out.dtype.kind != "f":
        _integers(cut, method, x, array_of(weight), bias, out, workers, bands)
        return
    if bias is not None:
        bias = bias.astype(problem.dtype)
    p = cut.problem
    cut.execute(x, out, bias, workers, lambda block, sub: executor_of(sub, method, weight, (p, block)), bands=bands)


# integers --------------------------------------------------------------------------------------------------------
def _largest(array: np.ndarray) -> int:
    return max(abs(int(array.max())), abs(int(array.min()))) if array.size else 0


def _digits(largest: int, bits: int) -> list[Callable[[np.ndarray, np.ndarray], None]]:
    """How to bring integers to float64 in parts a0, a1, ...: they are ``a0 + a1 * 2**bits + ...`` modulo 2**64."""
    if largest < 1 << bits:
        return [_whole]

    def digit(shift: int) -> Callable[[np.ndarray, np.ndarray], None]:
        def load(target: np.ndarray, source: np.ndarray) -> None:
            part = scratch("integers_digits", source.size, np.uint64).reshape(source.shape)
            np.copyto(part, source, casting="unsafe")
            part >>= np.uint64(shift)
            part &= np.uint64((1 << bits) - 1)
            np.copyto(target, part, casting="unsafe")

        return load

    return [digit(shift) for shift in range(0, 64, bits)]


def _whole(target: np.ndarray, source: np.ndarray) -> None:
    np.copyto(target, source, casting="unsafe")


def _added(shift: int) -> Callable[[np.ndarray, np.ndarray], None]:
    """Adds sums times 2**shift to the output; what passes int64 wraps."""

    def store(target: np.ndarray, sums: np.ndarray) -> None:
        whole = scratch("integers_sums", sums.size, np.int64).reshape(sums.shape)
        np.copyto(whole, sums, casting="unsafe")
        if shift:
            whole <<= shift
        for channel, part in zip(target, whole, strict=True):  # what lies in one piece is added without a buffer
            channel += part

    return store


def _integers(
    cut: Any,
    method: str,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    out: np.ndarray,
    workers: int,
    bands: range | None,
) -> None:
    p: ChannelProblem = cut.problem
    terms = max(p.group_in, p.group_out) * p.taps
    if p.kind == "transposed":  # a border may fold many samples onto one
        terms *= (1 + max(p.before + p.after)) ** 2
    largest = _largest(x), _largest(weight)
    fits = terms * largest[0] * largest[1] < EXACT
    bits = 63 if fits else (53 - terms.bit_length()) // 2
    out[...] = 0 if bias is None else bias.astype(np.int64)[:, None, None]
    digits = [[_whole]] * 2 if fits else [_digits(n, bits) for n in largest]
    for j, part_of in enumerate(digits[1]):
        passes = tuple((part, _added(bits * (i + j))) for i, part in enumerate(digits[0]) if bits * (i + j) < 64)

        def executor(block: Any, sub: ChannelProblem, part_of: Any = part_of) -> Any:
            given = block.weights(p, weight)
            part = np.empty(given.shape, np.float64)
            part_of(part, given)
            return make(sub, method, part)

        cut.execute(x, out, None, workers, executor, passes, bands)
