"""A driver call that a thread makes again and again for arrays that lie alike: one short call from Python.

What leads to the loop takes longer than the loop on a small image.  Here its arguments are written down once; what is
left is to hand over the two arrays.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial
from typing import Any

import numpy as np

from fastconv.core.address import address
from fastconv.loops import again as loops

from .handoff import Written
from .sweeps import Call

__all__ = ["Again", "ready", "worth"]

#: calls in a process that are not worth it: to load what makes them so takes as long as it saves on ten thousand
FIRST = 1000

#: bytes of an object's head
_HEAD = object.__basicsize__
#: NumPy's flags of memory that is aligned, and of such that may be written too
_ALIGNED, _WRITABLE = 0x0100, 0x0100 | 0x0400


class Again:
    """A call for arrays that lie like ``image`` and ``out``; falsy where such calls cannot be made here.

    ``make(id(image), id(out))`` makes it, or is False where the output overlaps the image, is read-only or not
    aligned: nothing has been done then.  By the thread whose scratch memory the call uses, and only by it.
    """

    def __init__(self, call: Call, image: np.ndarray, out: np.ndarray) -> None:
        self.usable = _readable()
        if not self.usable:
            return
        written = Written()
        written(call.driver, call.source, *call.before, call.out, *call.after)
        places = written.places[0], written.places[1 + len(call.before)]
        words = (_HEAD, _WRITABLE, *_extent(image), *_extent(out), *places, call.source, call.out)
        self.held: Any = np.array([*words, *written.table()], np.int64), written
        self.make = partial(_entry(), address(self.held[0]))

    def __bool__(self) -> bool:
        return self.usable


_asked = 0


def worth() -> bool:
    """Whether one more call of a small image is worth loading this for."""
    global _asked
    _asked += 1
    return _asked > FIRST


def ready() -> None:
    """Load it: from now on it is worth it."""
    global _asked
    _asked = max(_asked, FIRST)
    _entry()


def _extent(array: np.ndarray) -> tuple[int, int]:
    """From the first sample, the first byte and the one behind the last that an array that is not empty covers."""
    spans = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    return sum(s for s in spans if s < 0), sum(s for s in spans if s > 0) + array.itemsize


@lru_cache(maxsize=1)
def _entry() -> Any:
    return loops.entry(loops.again.compiled(0, 0, 0))


@lru_cache(maxsize=1)
def _readable() -> bool:
    """Whether arrays lie as the loop reads them: seen in two, one of them read-only."""
    seen = []
    for writable in (True, False):
        array = np.zeros((2, 3))[:, 1:]
        array.flags.writeable = writable
        at = id(array) + _HEAD
        flags = ctypes.c_int32.from_address(at + loops.FLAGS).value
        seen.append(ctypes.c_int64.from_address(at).value == array.ctypes.data)
        seen.append(flags & _WRITABLE == (_WRITABLE if writable else _ALIGNED))
    return all(seen)
