"""A CUDA device made of the PTX interpreter: the real backend, with the compiled code run on NumPy memory.

`device()` replaces what `fastconv.loops.cuda_target` asks the driver for: memory, launches, facts about the board.
Everything else is the package's own: public call, planner, launches, and the PTX that numba-cuda makes of the loops.
`EmulatedArray` is an array that has only ``__cuda_array_interface__``, as a stranger's library would give it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import ptx
from ptx import Buffer, Counts, Memory

from fastconv import engine
from fastconv.backends import cuda as backend
from fastconv.backends.cuda import arrays, probe
from fastconv.backends.cuda.views import Library
from fastconv.loops import cuda_target

__all__ = ["Device", "EmulatedArray", "compiled_ptx", "device"]


class EmulatedArray:
    """A device array of no library that the package knows."""

    def __init__(self, buffer: Buffer, host: np.ndarray | None = None, **facts: Any) -> None:
        self.buffer, self.facts = buffer, facts
        self.host = buffer.array if host is None else host
        self.shape, self.dtype, self.ndim = self.host.shape, self.host.dtype, self.host.ndim

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        strides = None if self.host.flags.c_contiguous else self.host.strides
        data = (self.host.__array_interface__["data"][0] if self.host.size else 0, False)
        return {
            "shape": self.shape, "typestr": self.dtype.str, "data": data, "strides": strides, "version": 3,
        } | self.facts  # fmt: skip


@dataclass
class Launch:
    """One launch that was made: which loop, its grid, and what it did."""

    name: str
    kernel: Any
    blocks: tuple[int, int, int]
    threads: tuple[int, int, int]
    stream: int
    counts: Counts


@dataclass
class Device:
    """Memory, and the launches so far."""

    multiprocessors: int = 108
    memory: Memory = field(default_factory=Memory)
    launches: list[Launch] = field(default_factory=list)
    #: the stream that the arrays' library works on, and who was made to wait for whom
    stream: int = 0
    waits: list[tuple[int, int]] = field(default_factory=list)
    #: run only so many of the first and the last blocks of a launch; 0: all
    ends: int = 0

    def array(self, values: np.ndarray, *, offset: int = 0, pitch: int | None = None) -> EmulatedArray:
        """An image on the device that no launch may store to; offset and pitch in samples."""
        buffer = self.memory.copy_of(values, offset=offset, pitch=pitch)
        buffer.frozen = True
        return EmulatedArray(buffer)

    def empty(self, shape: Any, dtype: Any, *, offset: int = 0, pitch: int | None = None) -> EmulatedArray:
        """Memory full of NaN."""
        return EmulatedArray(self.memory.empty(shape, dtype, offset=offset, pitch=pitch))

    def launch(self, kernel: Any, blocks: Any, threads: Any, stream: int, arguments: list[Any]) -> None:
        """Interpret what a driver would have been given."""
        counts = ptx.run(_program(kernel), self.memory, blocks, threads, arguments, ends=self.ends)
        self.launches.append(Launch(kernel.name, kernel, tuple(blocks), tuple(threads), stream, counts))

    @property
    def last(self) -> Launch:
        return self.launches[-1]


@cache
def compiled_ptx(kernel: Any, arch: int = 80) -> str:
    """The PTX of one of our kernels, made without a driver."""
    from numba import cuda
    from numba.cuda import dispatcher

    capability = divmod(arch, 10)
    here = SimpleNamespace(compute_capability=capability)  # device functions ask for it at compile time
    with mock.patch.object(dispatcher, "get_current_device", return_value=here):
        return cuda.compile_ptx(kernel.function, kernel.signature, cc=capability)[0]


@cache
def _program(kernel: Any) -> ptx.Program:
    return ptx.parse(compiled_ptx(kernel))


@contextmanager
def device(**facts: Any) -> Iterator[Device]:
    """The backend's device is the interpreter inside this block."""
    made = Device(**facts)

    def upload(array: np.ndarray, stream: int = 0) -> EmulatedArray:
        return made.array(array)

    def allocate(shape: Any, dtype: Any, stream: int = 0) -> EmulatedArray:
        return made.empty(shape, dtype)

    library = Library(
        "emulated", lambda shape, dtype, like: made.empty(shape, dtype), lambda _: made.stream, lambda _: None
    )
    replaced: dict[str, Any] = {
        "launch": made.launch,
        "upload": upload,
        "allocate": allocate,
        "download": lambda array, stream=0: array.host.copy(),
        "synchronise": lambda stream: None,
        "wait_for": lambda stream, other: made.waits.append((stream, other)),
        "address_of": lambda array: array.buffer.address,
        "multiprocessors": lambda number=None: made.multiprocessors,
        "device": lambda number: nullcontext(),
    }
    with (
        mock.patch.multiple(cuda_target, **replaced),
        mock.patch.dict(arrays.LIBRARIES, emulated=library),
        mock.patch.object(probe, "devices", return_value=1),
    ):
        engine.clear_caches()
        backend.clear_programs()
        try:
            yield made
        finally:
            engine.clear_caches()
            backend.clear_programs()
