"""Driver calls that a thread makes again and again for arrays that lie alike: one short call from Python.

What leads to the loops takes longer than the loops on a small image.  Here their arguments are written down once; what
is left is to hand over the two arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from fastconv.core.address import address
from fastconv.loops import again as loops

from .handoff import Calls, Written, wanted
from .sweeps import Call

__all__ = ["Again", "Shared", "Step", "ready", "worth"]

#: calls in a process that are not worth it: to load what makes them so takes as long as it saves on ten thousand
FIRST = 1000

#: bytes of an object's head
_HEAD = object.__basicsize__
#: NumPy's flags of memory that is aligned, and of such that may be written too
_ALIGNED, _WRITABLE = 0x0100, 0x0100 | 0x0400


@dataclass
class Step:
    """One call of a compiled driver; the image's and the output's address are added to the arguments at these places.

    Calls for arrays that lie alike differ in nothing else.
    """

    driver: Callable[..., None]
    args: tuple[Any, ...]
    image: int | None = None
    out: int | None = None
    keep: Any = None  # what owns memory that only its address stands for

    @classmethod
    def of(cls, call: Call, writes_out: bool = True, keep: Any = None) -> Step:
        """A sweep's call; writes_out: whether it writes to the output, or to memory of its own."""
        args = (call.source, *call.before, call.out, *call.after)
        return cls(call.driver, args, 0, 1 + len(call.before) if writes_out else None, (call.keep, keep))

    def __call__(self, image: int, out: int) -> None:
        args = list(self.args)
        if self.image is not None:
            args[self.image] += image
        if self.out is not None:
            args[self.out] += out
        self.driver(*args)


class Again:
    """Steps for arrays that lie like ``image`` and ``out``; falsy where they cannot be made so here.

    ``make(id(image), id(out))`` makes them, or is False where the output overlaps the image, is read-only or not
    aligned: nothing has been done then.  By the thread whose scratch memory the steps use, and only by it.
    """

    def __init__(self, steps: list[Step], image: np.ndarray, out: np.ndarray) -> None:
        self.usable = _readable()
        if not self.usable:
            return
        written = Written()
        images: list[tuple[int, int]] = []
        outs: list[tuple[int, int]] = []
        for step in steps:
            first = len(written.places)
            written(step.driver, *step.args)
            for place, found in ((step.image, images), (step.out, outs)):
                if place is not None:
                    found.append((written.places[first + place], step.args[place]))
        words = [_HEAD, _WRITABLE, *_extent(image), *_extent(out), len(images), len(outs)]
        table = np.array([*words, *(0,) * 2 * (len(images) + len(outs)), *written.table()], np.int64)
        calls = len(table) - len(written.table())
        for k, (place, added) in enumerate(images + outs):
            table[8 + 2 * k : 10 + 2 * k] = address(table) + 8 * (calls + place), added
        self.held = table, written, steps
        self.make = partial(_entry(), address(table))

    def __bool__(self) -> bool:
        return self.usable


class Shared:
    """Bands of a sweep, each a driver call, to be made by as many threads at once."""

    def __init__(self, bands: list[Call]) -> None:
        self.bands = bands
        lanes = [Written() for _ in bands]
        for lane, band in zip(lanes, bands, strict=True):
            lane(band.driver, band.source, *band.before, band.out, *band.after)
        self.calls = Calls(lanes)
        source, out = lanes[0].places[0], lanes[0].places[1 + len(bands[0].before)]
        self.places = [(table, source, out) for table in self.calls.tables]

    def __call__(self, source: int, out: int, ns: float) -> None:
        for band, (table, source_at, out_at) in zip(self.bands, self.places, strict=True):
            table[source_at] = band.source + source
            table[out_at] = band.out + out
        self.calls.make(wanted(ns))


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
