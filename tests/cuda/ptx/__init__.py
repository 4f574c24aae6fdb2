"""An interpreter of PTX: what numba-cuda really emits, run on the CPU with NumPy and checked at every access.

    memory = Memory()
    image, out = memory.copy_of(array), memory.empty(array.shape, array.dtype)
    counts = run(parse(text), memory, blocks=(4, 8), threads=(32, 4), arguments=[image.address, out.address, ...])
    out.array                      # the answer
    counts.per_pixel(array.size)   # thread instructions

It holds a loop to: every global, shared and local access inside its allocation and aligned to its width; no register
and no shared word read before it is written; no two threads on one shared word, one of them writing, without a barrier
between; every thread of a block at each barrier; no read-only load (ld.global.nc) from what the launch writes.

It counts instructions, 32-byte sectors a request and shared-memory wavefronts a request.

It does not know atomics, warp votes, textures, or races in global memory; a fused multiply-add rounds through float64.
"""

from ptx.counts import Counts
from ptx.faults import Fault
from ptx.machine import run
from ptx.memory import Buffer, Memory
from ptx.parse import Program, parse

__all__ = ["Buffer", "Counts", "Fault", "Memory", "Program", "parse", "run"]
