"""What NumPy does to the results of passes, in the output's dtype after every operation, in bands on the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core.threads import run, worker_count
from fastconv.engine.exact import Finish

__all__ = ["finish_with", "root"]

#: samples that are worked on at a time, while they are in the cache
_BAND = 1 << 15


def finish_with(out: np.ndarray, result: Any, finish: Finish) -> None:
    """Store, add or square ``result`` (whose samples may change) into ``out``, and take the root as ``finish`` says.

    ``result`` may be ``out`` itself, where it is stored or squared.
    """

    def on(target: np.ndarray, part: np.ndarray) -> None:
        if finish in (Finish.SQUARE, Finish.ADD_SQUARE, Finish.ADD_SQUARE_ROOT):
            np.multiply(part, part, part)
        if finish in (Finish.ADD, Finish.ADD_SQUARE, Finish.ADD_SQUARE_ROOT):
            np.add(target, part, target)
        elif target is not part:
            target[...] = part
        if finish is Finish.ADD_SQUARE_ROOT:
            _root(target)

    if result is out and finish is Finish.STORE:
        return
    _in_bands(on, out, result)


def root(out: np.ndarray) -> None:
    """The square roots in place, stored as C casts them."""
    _in_bands(lambda target, part: _root(target), out, out)


def _root(target: np.ndarray) -> None:
    # NumPy's roots of bytes are in half precision, which is slow; truncated they are the same as single ones
    loop = np.dtype(np.float32) if target.dtype == np.uint8 else None
    np.sqrt(target, target, dtype=loop, casting="unsafe")


def _in_bands(on: Callable[[np.ndarray, np.ndarray], None], out: np.ndarray, result: Any) -> None:
    whole = isinstance(result, np.ndarray) and result.flags.c_contiguous and result.shape == out.shape
    if out.size <= 2 * _BAND or not whole or not out.flags.c_contiguous:
        on(out, result)
        return
    flat, parts = out.reshape(-1), result.reshape(-1)

    def task(k: int) -> None:
        band = slice(k * _BAND, (k + 1) * _BAND)
        target = flat[band]
        on(target, target if result is out else parts[band])

    run(task, -(-out.size // _BAND), worker_count(None))
