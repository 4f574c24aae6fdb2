"""Runs a program: threads grouped by where they are, the one furthest back first, so that branches meet again.

A chunk of whole blocks runs at a time, every thread of it in one NumPy operation; the registers that live only inside a
basic block never leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ptx import access, operations
from ptx.counts import Counts
from ptx.faults import Fault
from ptx.memory import Memory
from ptx.parse import Block, Instruction, Program
from ptx.words import BOOL, LOCAL, SHARED, TABLES, UNSIGNED, literal, seen_as, widened

#: threads that run together: their registers stay in the cache
CHUNK = 1 << 14


def run(
    program: Program,
    memory: Memory,
    blocks: Sequence[int],
    threads: Sequence[int],
    arguments: Iterable[Any],
    *,
    dynamic_shared: int = 0,
    ends: int = 0,
) -> Counts:
    """Launch a kernel.  Arguments are numbers, addresses and tuples of them (laid out flat), as the params are.

    ends: run only so many of the first and of the last blocks; 0: all of them.
    """
    grid, block = (tuple(int(n) for n in (*size, 1, 1)[:3]) for size in (blocks, threads))
    if min(*grid, *block) < 1 or np.prod(block) > 1024 or grid[1] > 65535 or grid[2] > 65535 or grid[0] >= 1 << 31:
        raise Fault(f"a launch of {grid} blocks of {block} threads is not legal")
    params = _params(program, list(arguments))
    counts = Counts()
    memory.start_launch()
    per_block = int(np.prod(block))
    count = int(np.prod(grid))
    step = max(1, CHUNK // per_block)
    with np.errstate(all="ignore"):
        chosen = range(count) if not ends or 2 * ends >= count else (*range(ends), *range(count - ends, count))
        for first in range(0, len(chosen), step):
            numbers = np.array(chosen[first : first + step])
            Chunk(program, memory, params, counts, grid, block, numbers, dynamic_shared).run()
    return counts


def _params(program: Program, arguments: list[Any]) -> dict[str, np.ndarray]:
    """The bytes of each parameter."""
    flat: list[Any] = []
    for argument in arguments:
        flat.extend(argument if isinstance(argument, tuple | list) else [argument])
    wanted = sum(count for _, _, count in program.params)
    if wanted != len(flat):
        raise Fault(f"{len(flat)} arguments, {wanted} parameters")
    values: dict[str, np.ndarray] = {}
    for name, dtype, count in program.params:
        values[name] = np.array([flat.pop(0) for _ in range(count)]).astype(dtype).view(np.uint8)
    return values


class Chunk:
    """The threads of some blocks and everything that they own."""

    def __init__(
        self,
        program: Program,
        memory: Memory,
        params: dict[str, np.ndarray],
        counts: Counts,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        numbers: np.ndarray,
        dynamic_shared: int,
    ) -> None:
        self.program, self.memory, self.params, self.counts = program, memory, params, counts
        per_block = int(np.prod(block))
        self.count = len(numbers) * per_block
        lane = np.tile(np.arange(per_block), len(numbers))
        self.home = np.repeat(np.arange(len(numbers)), per_block)
        self.per_block = per_block
        warps = -(-per_block // 32)
        self.warp = self.home * warps + lane // 32
        self.lane = lane % 32
        number = np.repeat(numbers, per_block)
        self.special: dict[str, np.ndarray] = {"%laneid": self._word(lane % 32), "%warpid": self._word(lane // 32)}
        for i, axis in enumerate("xyz"):
            inner, outer = int(np.prod(block[:i])), int(np.prod(grid[:i]))
            self.special[f"%tid.{axis}"] = self._word(lane // inner % block[i])
            self.special[f"%ctaid.{axis}"] = self._word(number // outer % grid[i])
            self.special[f"%ntid.{axis}"] = self._word(block[i])
            self.special[f"%nctaid.{axis}"] = self._word(grid[i])
        self.shared = access.Shared(program, len(numbers), program.shared_bytes + dynamic_shared)
        self.local = np.full((self.count, program.local_bytes), 255, np.uint8)
        self.registers: dict[str, np.ndarray] = {}
        #: which threads have written a register, where not all have
        self.written: dict[str, np.ndarray] = {}
        self.place = np.zeros(self.count, np.int64)
        self.waits = np.zeros(self.count, bool)
        counts.threads += self.count

    @staticmethod
    def _word(value: Any) -> np.ndarray:
        return np.asarray(value).astype(np.uint32)

    def run(self) -> None:
        """Until every thread has returned."""
        end = len(self.program.code)
        while True:
            ready = (self.place < end) & ~self.waits
            if not ready.any():
                if self.waits.any():
                    raise Fault("divergent barrier: threads wait at it and others of their block never come")
                return
            here = int(self.place[ready].min())
            chosen = np.nonzero(ready & (self.place == here))[0]
            Frame(self, self.program.blocks[here], chosen).run()
            if self.waits.any():
                self._release()

    def _release(self) -> None:
        waiting = self.waits.reshape(-1, self.per_block)
        free = waiting.all(axis=1)
        if free.any():
            places = self.place.reshape(-1, self.per_block)[free]
            if (places != places[:, :1]).any():
                raise Fault("divergent barrier: threads of a block wait at two different ones")
            waiting[free] = False
            self.shared.next_epoch(free)


class Frame:
    """One basic block, run by the threads that stand at its start."""

    def __init__(self, chunk: Chunk, block: Block, chosen: np.ndarray) -> None:
        self.chunk, self.block, self.chosen = chunk, block, chosen
        self.full = len(chosen) == chunk.count
        self.values: dict[str, np.ndarray] = {}
        self.changed: dict[str, None] = {}
        #: positions in ``chosen`` that a guarded instruction runs for; None: all of them
        self.mask: np.ndarray | None = None
        self.warps = 1 + int(np.count_nonzero(np.diff(chunk.warp[chosen])))

    # -- who runs ------------------------------------------------------------------------------------------------------
    @property
    def threads(self) -> np.ndarray:
        """The numbers (in the chunk) of the threads that run this instruction."""
        return self.chosen if self.mask is None else self.chosen[self.mask]

    @property
    def count(self) -> int:
        return len(self.chosen) if self.mask is None else len(self.mask)

    # -- operands ------------------------------------------------------------------------------------------------------
    def _whole(self, register: str) -> np.ndarray:
        """A register's values in all threads of the frame."""
        value = self.values.get(register)
        if value is None:
            chunk = self.chunk
            if register not in chunk.registers:
                raise Fault(f"read of uninitialised register {register}")
            written = chunk.written.get(register)
            if written is not None and not written[self.chosen].all():
                raise Fault(f"read of register {register}, uninitialised in some threads")
            stored = chunk.registers[register]
            value = self.values[register] = stored if self.full else stored[self.chosen]
        return value

    def read(self, operand: str, dtype: np.dtype) -> np.ndarray:
        """An operand as ``dtype``: an array with one value a thread, or a scalar where all threads have the same."""
        chunk = self.chunk
        if operand[0] == "!":
            return ~self.read(operand[1:], dtype)
        if operand[0] == "%":
            value = chunk.special.get(operand)
            if value is None:
                value = self._whole(operand)
                if self.mask is not None:
                    value = value[self.mask]
            elif value.ndim:
                value = value[self.threads]
            if dtype.itemsize > value.dtype.itemsize and operand in chunk.special:
                value = value.astype(UNSIGNED[dtype.itemsize])
            return seen_as(value, dtype)
        program = chunk.program
        if operand in program.shared:
            base = SHARED if dtype.itemsize == 8 else 0
            return np.array(program.shared[operand] + base, dtype)
        if operand in program.local:
            return np.array(program.local[operand] + LOCAL, dtype)
        if operand in program.tables:
            return np.array((list(program.tables).index(operand) << 32) + TABLES, dtype)
        return literal(operand, dtype)

    def write(self, register: str, value: np.ndarray) -> None:
        """Set a register, in the threads that run this instruction."""
        if register == "_":
            return
        declared = self.chunk.program.width(register)
        if (declared == BOOL) != (value.dtype == BOOL):
            raise Fault(f"a {value.dtype} result in {register}, which holds {declared}")
        value = widened(np.broadcast_to(value, (self.count,)) if value.ndim == 0 else value, declared.itemsize)
        if self.mask is not None:
            if register in self.values or register in self.chunk.registers:
                whole = np.array(self._whole(register))
            elif len(self.mask) == len(self.chosen):
                whole = np.zeros(len(self.chosen), value.dtype)
            else:
                raise Fault(f"register {register} is first written under a guard")
            whole.view(value.dtype)[self.mask] = value
            value = whole
        self.values[register] = value
        if register not in self.block.local:
            self.changed[register] = None

    def _leave(self) -> None:
        """Hand the registers that others may read back to the chunk."""
        chunk = self.chunk
        for register in self.changed:
            value = self.values[register]
            if self.full:
                chunk.registers[register] = value
                chunk.written.pop(register, None)
                continue
            stored = chunk.registers.get(register)
            if stored is None:
                stored = np.zeros(chunk.count, value.dtype)
                chunk.written[register] = np.zeros(chunk.count, bool)
            elif not stored.flags.writeable:
                stored = np.array(stored)
            chunk.registers[register] = stored
            stored.view(value.dtype)[self.chosen] = value
            if register in chunk.written:
                chunk.written[register][self.chosen] = True

    # -- running -------------------------------------------------------------------------------------------------------
    def run(self) -> None:
        chunk, block = self.chunk, self.block
        code, counts, n = chunk.program.code, chunk.counts, len(self.chosen)
        for at in range(block.start, block.end):
            step = code[at]
            counts.thread_instructions += n
            counts.warp_instructions += self.warps
            counts.opcodes[step.name] += self.warps
            try:
                if self._leap(step, at):
                    return
                self._one(step)
            except Fault as fault:
                raise Fault(f"{fault}\n  at: {step.text}") from None
        self._leave()
        chunk.place[self.chosen] = block.end

    def _guard(self, step: Instruction) -> np.ndarray | None:
        if step.guard is None:
            return None
        value = self.read(step.guard, BOOL)
        return ~value if step.negated else value

    def _leap(self, step: Instruction, at: int) -> bool:
        """Branches, returns and barriers end the block; anything else is no leap."""
        chunk = self.chunk
        if step.name not in {"bra", "ret", "exit", "bar", "barrier"}:
            return False
        guard = self._guard(step)
        self._leave()
        if step.name in {"bar", "barrier"}:
            if guard is not None or ("sync" not in step.opcode) or "warp" in step.opcode:
                raise Fault("this kind of barrier is not implemented")
            chunk.place[self.chosen] = at + 1
            chunk.waits[self.chosen] = True
            return True
        target = chunk.program.labels[step.operands[-1]] if step.name == "bra" else len(chunk.program.code)
        chunk.place[self.chosen] = target if guard is None else np.where(guard, target, at + 1)
        return True

    def _one(self, step: Instruction) -> None:
        guard = self._guard(step)
        if guard is not None:
            self.mask = np.nonzero(guard)[0]
        try:
            if self.count:
                operations.execute(self, step)
        finally:
            self.mask = None
