"""A plan as a list of launches: kernels, grids and arguments, made ready once for arrays of given shapes and strides.

Arguments are numbers, device tables and `Slot`s, which stand for the buffers of a call (the image, the output and
the temporaries between launches) until it comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.loops import cuda_target

from .serves import MOST_BLOCKS
from .views import View, contiguous

__all__ = ["MOST_BLOCKS", "Operand", "Program", "Slot"]

#: threads of a block of the loops that compute one sample each
THREADS = 256


@dataclass(frozen=True)
class Slot:
    """Buffer number ``buffer`` of a call, ``offset`` samples in."""

    buffer: int
    offset: int = 0


@dataclass(frozen=True)
class Operand:
    """What a launch reads or writes: a buffer, its shape, its strides in samples, its dtype."""

    slot: Slot
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype

    @property
    def is_contiguous(self) -> bool:
        """Whether it is C-contiguous (axes of one sample may have any stride)."""
        whole = contiguous(self.shape)
        return all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, whole, strict=True))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def moved(self, offset: int) -> Slot:
        """The slot of the part that begins ``offset`` samples in."""
        return Slot(self.slot.buffer, self.slot.offset + offset)


@dataclass(frozen=True)
class _Call:
    """A function of a buffer, whose result is another buffer."""

    function: Callable[[View], View]
    source: int
    result: int


@dataclass(frozen=True)
class _Step:
    kernel: Any
    blocks: tuple[int, int, int]
    threads: tuple[int, int, int]
    arguments: tuple[Any, ...]


class Program:
    """The launches of one job, in their order."""

    def __init__(self, image: View, out: View) -> None:
        self.device = image.device
        self.image = Operand(Slot(0), image.shape, image.strides, image.dtype)
        self.out = Operand(Slot(1), out.shape, out.strides, out.dtype)
        #: whether rows of both may be read and written 16 bytes at a time, as far as their addresses go
        self.aligned = aligned(image) and aligned(out)
        self.fourier = image.library.fourier
        self.steps: list[_Step | _Call] = []
        #: shapes and dtypes; None: a call makes it
        self.temporaries: list[tuple[tuple[int, ...], np.dtype] | None] = []
        self._calls: dict[int, _Call] = {}
        self._kept: list[Any] = []

    # ---- what launches are made of

    def temporary(self, shape: Sequence[int], dtype: np.dtype) -> Operand:
        """A C-contiguous buffer that lives from this call's first launch to its last."""
        self.temporaries.append((tuple(shape), np.dtype(dtype)))
        shape = tuple(shape)
        return Operand(Slot(1 + len(self.temporaries)), shape, contiguous(shape), np.dtype(dtype))

    def called(self, function: Callable[[View], View], source: Operand) -> Operand:
        """The C-contiguous buffer, like ``source``, that the function makes of it whenever `call` says so."""
        self.temporaries.append(None)
        made = Operand(Slot(1 + len(self.temporaries)), source.shape, contiguous(source.shape), source.dtype)
        self._calls[made.slot.buffer] = _Call(function, source.slot.buffer, made.slot.buffer)
        return made

    def call(self, made: Operand) -> None:
        """Make the buffer anew from what its source holds by now."""
        self.steps.append(self._calls[made.slot.buffer])

    def table(self, values: Any, dtype: Any = np.int64) -> Any:
        """A small array on the device, kept with the program."""
        array = np.ascontiguousarray(values, dtype).reshape(-1)
        if not array.size:
            array = np.zeros(1, dtype)
        with cuda_target.device(self.device):
            made = cuda_target.upload(array)
        self._kept.append(made)
        return cuda_target.address_of(made)

    def add(self, kernel: Any, blocks: tuple[int, ...], threads: tuple[int, ...], *arguments: Any) -> None:
        """One launch."""
        (x, y, z), (u, v, w) = (*blocks, 1, 1)[:3], (*threads, 1, 1)[:3]
        self.steps.append(_Step(kernel, (x, y, z), (u, v, w), arguments))

    def each(self, kernel: Any, total: int, *arguments: Any) -> None:
        """One launch of ``total`` threads in a line."""
        threads = THREADS if total > 4 * THREADS else 32
        self.add(kernel, (-(-total // threads),), (threads,), *arguments)

    # ---- a call

    def run(self, image: View, out: View, *others: View) -> None:
        """Put the launches on the image's stream; others: buffers that slots count from the end, -1 the last one."""
        buffers = [image, out, *(image if t is None else image.empty(*t) for t in self.temporaries), *others]
        with cuda_target.device(self.device):
            for step in self.steps:
                if isinstance(step, _Call):
                    buffers[step.result] = step.function(buffers[step.source])
                    continue
                arguments = [buffers[a.buffer].at(a.offset) if isinstance(a, Slot) else a for a in step.arguments]
                cuda_target.launch(step.kernel, step.blocks, step.threads, image.stream, arguments)


def aligned(view: View) -> bool:
    """Whether a view begins at a multiple of 16 bytes."""
    if cuda_target.SIMULATED:
        return view.first * view.dtype.itemsize % 16 == 0
    return view.memory % 16 == 0
