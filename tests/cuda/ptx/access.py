"""Loads and stores: which memory an address is in, whether it may be touched so, and what the request costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ptx.faults import Fault
from ptx.parse import Instruction, Program, split
from ptx.words import DTYPES, LOCAL, SHARED, TABLES

if TYPE_CHECKING:
    from ptx.machine import Frame

_ADDRESS = re.compile(r"\[\s*([%\w$.]+)\s*(?:\+\s*(-?\w+))?\s*\]$")
SPACES = {"global", "shared", "local", "param", "const"}
#: in a cell's reader: more than one thread
MANY = 0xFFFFFFFF


class Shared:
    """Shared memory of some blocks: bytes, and who touched a cell since the last barrier."""

    def __init__(self, program: Program, blocks: int, size: int) -> None:
        self.grain = min(
            (
                DTYPES[step.opcode[-1]].itemsize
                for step in program.code
                if "shared" in step.opcode and step.name in ("ld", "st")
            ),
            default=4,
        )
        self.size = -(-size // 16) * 16
        self.data = np.full((blocks, self.size), 255, np.uint8)
        cells = self.size // self.grain
        self.writer = np.zeros((blocks, cells), np.uint64)
        self.reader = np.zeros((blocks, cells), np.uint64)
        self.epoch = np.ones(blocks, np.uint64)

    def next_epoch(self, blocks: np.ndarray) -> None:
        """A barrier: what happened before can no longer race with what follows."""
        self.epoch[blocks] += np.uint64(1)

    def check(self, kind: str, home: np.ndarray, offsets: np.ndarray, size: int, threads: np.ndarray) -> None:
        """Bounds, words that nobody has written, and two threads at one cell between the same barriers."""
        if int(offsets.min()) < 0 or int(offsets.max()) + size > self.size:
            raise Fault(
                f"shared access outside its {self.size} bytes: {int(offsets.min())} to {int(offsets.max()) + size}"
            )
        first = offsets // self.grain
        epoch = self.epoch[home] << np.uint64(32)
        mine = epoch | (threads + 1).astype(np.uint64)
        for k in range(max(1, size // self.grain)):
            at = (home, first + k)
            writer, reader = self.writer[at], self.reader[at]
            if kind == "ld":
                if not writer.all():
                    raise Fault("read of shared memory that no thread has written")
                if bool(((writer >= epoch) & (writer != mine)).any()):
                    raise Fault("race in shared memory: read of what another thread wrote since the last barrier")
                self.reader[at] = np.where((reader >= epoch) & (reader != mine), epoch | np.uint64(MANY), mine)
                twice = self.reader[at] < mine
                others = (self.reader[at] != mine) | twice
                if others.any():
                    chosen = (home[others], at[1][others])
                    self.reader[chosen] = epoch[others] | np.uint64(MANY)
            else:
                if bool(((writer >= epoch) & (writer != mine)).any()):
                    raise Fault("race in shared memory: two threads write one word between the same barriers")
                if bool(((reader >= epoch) & (reader != mine)).any()):
                    raise Fault("race in shared memory: write of what another thread read since the last barrier")
                self.writer[at] = mine
                if bool((self.writer[at] != mine).any()):
                    raise Fault("race in shared memory: two threads write one word at once")


def _target(frame: Frame, operand: str) -> tuple[str, np.ndarray]:
    """The base word of an address operand and the addresses, one a thread."""
    found = _ADDRESS.match(operand)
    if not found:
        raise Fault(f"cannot parse address {operand}")
    width = frame.chunk.program.width(found[1]).itemsize if found[1][0] == "%" else 8
    base = frame.read(found[1], DTYPES[f"u{8 * width}"]).astype(np.uint64)
    shift = np.uint64(int(found[2] or "0", 0) & (2**64 - 1))
    return found[1], np.broadcast_to(base + shift, (frame.count,))


def _space(stated: set[str], addresses: np.ndarray) -> str:
    """Where the addresses lie, which must be where the instruction says that they do."""
    low, high = int(addresses.min()), int(addresses.max())
    spaces = []
    for address in (low, high):
        if address >= TABLES:
            spaces.append("const")
        elif address >= LOCAL:
            spaces.append("local")
        elif address >= SHARED or "shared" in stated:
            spaces.append("shared")
        else:
            spaces.append("global")
    if spaces[0] != spaces[1]:
        raise Fault("wild address: one request in two kinds of memory (a negative offset?)")
    if stated and spaces[0] not in stated and not (spaces[0] == "const" and "global" in stated):
        raise Fault(f"a {'/'.join(stated)} access to {spaces[0]} memory (0x{low:x})")
    return spaces[0]


def _count(frame: Frame, space: str, kind: str, size: int, addresses: np.ndarray) -> None:
    chunk, threads = frame.chunk, frame.threads
    counts, key = chunk.counts, (space, kind, size)
    warps = chunk.warp[threads]
    counts.requests[key] += 1 + int(np.count_nonzero(np.diff(warps)))
    counts.accesses[key] += len(threads)
    if space == "global":
        sectors = np.sort(
            warps.astype(np.uint64) << np.uint64(48) | (addresses & np.uint64(2**48 - 1)) // np.uint64(32)
        )
        counts.sectors[key] += 1 + int(np.count_nonzero(np.diff(sectors)))
    elif space == "shared":
        turns, least = _wavefronts(chunk.warp[threads], chunk.lane[threads], size, addresses)
        counts.wavefronts[key] += turns
        counts.least_wavefronts[key] += least


def _wavefronts(warps: np.ndarray, lanes: np.ndarray, size: int, addresses: np.ndarray) -> tuple[int, int]:
    """Turns of the 32 banks, and the fewest that these words could take.

    128-bit requests go by quarter warps, 64-bit ones by halves; one word serves many threads in one turn.
    """
    part = {16: 8, 8: 16}.get(size, 32)
    groups = (warps * (32 // part) + lanes // part).astype(np.int64)
    words = (addresses & np.uint64(2**40 - 1)).astype(np.int64)[:, None] // 4 + np.arange(max(1, size // 4))
    keys = np.unique((groups[:, None] << 40 | words).ravel())  # each word of a group once
    group, bank = keys >> 40, keys & 31
    _, first = np.unique(group, return_inverse=True)
    load = np.bincount(first * 32 + bank, minlength=32 * (int(first.max()) + 1)).reshape(-1, 32)
    return int(load.max(axis=1).sum()), int((-(-load.sum(axis=1) // 32)).sum())


def _vector(step: Instruction) -> int:
    return next((int(word[1]) for word in step.opcode if word in ("v2", "v4", "v8")), 1)


def _names(operand: str, count: int) -> list[str]:
    names = split(operand.strip("{} ")) if count > 1 or operand.startswith("{") else [operand]
    if len(names) != count:
        raise Fault(f"{len(names)} registers for a vector of {count}")
    return names


def load(frame: Frame, step: Instruction) -> None:
    """ld, ld.global.nc, ldu, from any space."""
    dtype = DTYPES[step.opcode[-1]]
    names = _names(step.operands[0], _vector(step))
    if "param" in step.opcode:
        found = _ADDRESS.match(step.operands[1])
        if not found or found[1] not in frame.chunk.params:
            raise Fault(f"unknown parameter {step.operands[1]}")
        data = frame.chunk.params[found[1]]
        start = int(found[2] or "0", 0)
        for name in names:
            frame.write(name, data[start : start + dtype.itemsize].copy().view(dtype)[0:1].reshape(()))
            start += dtype.itemsize
        return
    for name, value in zip(names, _move(frame, step, "ld", dtype, len(names), None), strict=True):
        frame.write(name, value)


def store(frame: Frame, step: Instruction) -> None:
    """st to any space."""
    dtype = DTYPES[step.opcode[-1]]
    names = _names(step.operands[1], _vector(step))
    values = [np.broadcast_to(frame.read(name, dtype), (frame.count,)) for name in names]
    _move(frame, step, "st", dtype, len(names), values)


def _move(
    frame: Frame, step: Instruction, kind: str, dtype: np.dtype, count: int, values: list[np.ndarray] | None
) -> list[np.ndarray]:
    chunk, each = frame.chunk, dtype.itemsize
    size = each * count
    _, addresses = _target(frame, step.operands[1] if kind == "ld" else step.operands[0])
    if (addresses & np.uint64(size - 1)).any():
        raise Fault(f"misaligned {size}-byte access")
    space = _space(SPACES & set(step.opcode), addresses)
    _count(frame, space, kind, size, addresses)
    threads = frame.threads
    result = [np.empty(frame.count, dtype) for _ in range(count)] if values is None else values
    if space == "global":
        for buffer, chosen, offsets in chunk.memory.find(addresses, size):
            if kind == "st":
                if buffer.frozen:
                    raise Fault("store to a buffer that is only to be read")
                buffer.stored = True
            elif "nc" in step.opcode:
                buffer.constant_reads = True
            if buffer.stored and buffer.constant_reads:
                raise Fault("read-only load (nc) from a buffer that the same launch stores to")
            shift = buffer.address % each
            if shift:
                raise Fault("a buffer that is not aligned to its own dtype")
            whole = buffer.data[: buffer.data.size // each * each].view(dtype)
            _transfer(kind, whole, (offsets // each,), chosen, result)
    elif space == "shared":
        offsets = (addresses & np.uint64(SHARED - 1)).astype(np.int64)
        home = chunk.home[threads]
        chunk.shared.check(kind, home, offsets, size, threads)
        _transfer(kind, chunk.shared.data.view(dtype), (home, offsets // each), slice(None), result)
    elif space == "local":
        offsets = (addresses - np.uint64(LOCAL)).astype(np.int64)
        if int(offsets.max()) + size > chunk.program.local_bytes:
            raise Fault("local access outside its bytes")
        _transfer(kind, chunk.local.view(dtype), (threads, offsets // each), slice(None), result)
    else:
        if kind == "st":
            raise Fault("store to constant memory")
        number = int(addresses.flat[0] - np.uint64(TABLES)) >> 32
        table = list(chunk.program.tables.values())[number]
        offsets = (addresses - np.uint64(TABLES + (number << 32))).astype(np.int64)
        if int(offsets.max()) + size > table.size:
            raise Fault("constant access outside its table")
        _transfer(kind, table.view(dtype), (offsets // each,), slice(None), result)
    return result


def _transfer(
    kind: str, whole: np.ndarray, at: tuple[np.ndarray, ...], chosen: np.ndarray | slice, result: list[np.ndarray]
) -> None:
    for k, value in enumerate(result):
        where = (*at[:-1], at[-1] + k)
        if kind == "ld":
            value[chosen] = whole[where]
        else:
            whole[where] = value[chosen]
