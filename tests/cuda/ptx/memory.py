"""The device's global memory: NumPy buffers at their own addresses, with guard space between them.

Buffers of gigabytes are pages that exist once they are touched, and hold zeros until then.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ptx.faults import Fault

#: what cudaMalloc aligns to
ALIGN = 256
#: bytes from which on a buffer is made of untouched pages
SPARSE = 1 << 30


def _untouched(size: int) -> np.ndarray:
    """Zeros that take no memory until they are written to."""
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.zeros(size, np.uint8)
    unreserved = getattr(mmap, "MAP_NORESERVE", 0x4000)
    return np.frombuffer(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | unreserved), np.uint8)


@dataclass
class Buffer:
    """One allocation: ``array`` is the caller's view of it, ``data`` its bytes; ``frozen`` forbids stores."""

    address: int
    data: np.ndarray
    array: np.ndarray
    frozen: bool = False
    constant_reads: bool = False
    stored: bool = False


class Memory:
    """Allocations, found by address."""

    def __init__(self) -> None:
        self._buffers: list[Buffer] = []
        self._bases = np.zeros(0, np.uint64)

    def empty(self, shape: Any, dtype: Any, *, offset: int = 0, pitch: int | None = None) -> Buffer:
        """A buffer of 0xFF bytes (NaN as float, the largest unsigned integer).

        ``offset`` samples past an aligned address; ``pitch`` samples from one row to the next where that is more.
        """
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        row = shape[-1] if shape else 1
        pitch = row if pitch is None else pitch
        rows = int(np.prod(shape[:-1])) if shape else 1
        count = 0 if 0 in shape else (rows - 1) * pitch + row
        size = count * dtype.itemsize
        whole = size + 2 * ALIGN + offset * dtype.itemsize
        raw = np.full(whole, 255, np.uint8) if size < SPARSE else _untouched(whole)
        start = -raw.ctypes.data % ALIGN + offset * dtype.itemsize
        data = raw[start : start + size]
        flat = data.view(dtype)
        strides = [dtype.itemsize]
        for n in (pitch, *shape[-2:0:-1]):
            strides.insert(0, strides[0] * max(n, 1))
        filled = count and shape
        view = np.ndarray(shape, dtype, raw, start, strides[-len(shape) :]) if filled else flat.reshape(shape)
        return self.add(Buffer(raw.ctypes.data + start, data, view))

    def copy_of(self, array: np.ndarray, *, offset: int = 0, pitch: int | None = None) -> Buffer:
        """A buffer with the values of ``array``."""
        buffer = self.empty(array.shape, array.dtype, offset=offset, pitch=pitch)
        buffer.array[...] = array
        return buffer

    def add(self, buffer: Buffer) -> Buffer:
        """Make a buffer reachable; an empty one has no address that a thread could use."""
        if buffer.data.size:
            self._buffers = sorted([*self._buffers, buffer], key=lambda b: b.address)
            self._bases = np.array([b.address for b in self._buffers], np.uint64)
        return buffer

    def remove(self, buffer: Buffer) -> None:
        """Forget a buffer."""
        self._buffers = [b for b in self._buffers if b is not buffer]
        self._bases = np.array([b.address for b in self._buffers], np.uint64)

    def start_launch(self) -> None:
        """Forget which buffers the last launch read and wrote."""
        for buffer in self._buffers:
            buffer.constant_reads = buffer.stored = False

    def find(self, addresses: np.ndarray, size: int) -> Iterator[tuple[Buffer, np.ndarray | slice, np.ndarray]]:
        """Each buffer that is touched, which of the accesses touch it, and their byte offsets."""
        if not self._buffers:
            raise Fault("a global access, and no memory allocated")
        at = np.searchsorted(self._bases, addresses, side="right") - 1
        first = int(at.flat[0])
        if bool((at == first).all()):
            yield self._inside(first, addresses, size, slice(None))
        else:
            for one in np.unique(at):
                chosen = np.nonzero(at == one)[0]
                yield self._inside(int(one), addresses[chosen], size, chosen)

    def _inside(self, at: int, addresses: np.ndarray, size: int, chosen: Any) -> tuple[Buffer, Any, np.ndarray]:
        buffer = self._buffers[max(at, 0)]
        offsets = (addresses - np.uint64(buffer.address)).astype(np.int64)
        low, high = int(offsets.min()), int(offsets.max()) + size
        if low < 0 or high > buffer.data.size:
            outside = low if low < 0 else high
            raise Fault(
                f"global access outside its buffer: byte {outside} of {buffer.data.size} "
                f"({buffer.array.dtype} {buffer.array.shape})"
            )
        return buffer, chosen, offsets
