"""Opcodes that move bits about: shifts, fields, bytes, and words between the lanes of a warp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ptx.faults import Fault
from ptx.parse import Instruction, split
from ptx.words import DTYPES, UNSIGNED

if TYPE_CHECKING:
    from ptx.machine import Frame

U32, U64 = np.dtype("u4"), np.dtype("u8")


def parts(operand: str) -> list[tuple[str, int]]:
    """The registers of a braced operand, each with how many there are."""
    names = split(operand.strip("{} "))
    return [(name, len(names)) for name in names]


def packed(values: list[np.ndarray], count: int) -> np.ndarray:
    """Equal parts joined, the first one lowest."""
    size = values[0].dtype.itemsize
    whole = UNSIGNED[size * len(values)]
    result = np.zeros(count, whole)
    for k, value in enumerate(values):
        result |= value.astype(whole) << np.array(8 * size * k, whole)
    return result


def _shift(frame: Frame, step: Instruction) -> None:
    dtype = DTYPES[step.opcode[-1]]
    x = frame.read(step.operands[1], dtype)
    n = frame.read(step.operands[2], U32).astype(np.int64)
    width = 8 * dtype.itemsize
    bounded = np.minimum(n, width - 1).astype(dtype)
    value = x << bounded if step.name == "shl" else x >> bounded
    if step.name == "shl" or dtype.kind == "u":
        value = np.where(n >= width, np.array(0, dtype), value)
    frame.write(step.operands[0], np.asarray(value))


def _funnel(frame: Frame, step: Instruction) -> None:
    low, high = (frame.read(operand, U32).astype(U64) for operand in step.operands[1:3])
    n = frame.read(step.operands[3], U32)
    n = (n & U32.type(31) if "wrap" in step.opcode else np.minimum(n, U32.type(32))).astype(U64)
    both = high << U64.type(32) | low
    value = both >> n if "r" in step.opcode else both << n >> U64.type(32)
    frame.write(step.operands[0], np.asarray(value).astype(U32))


def _fields(frame: Frame, step: Instruction, names: tuple[str, ...]) -> list[np.ndarray]:
    return [frame.read(name, UNSIGNED[DTYPES[step.opcode[-1]].itemsize]).astype(U64) for name in names]


def _place(frame: Frame, step: Instruction) -> np.ndarray:
    at, length = (frame.read(name, U32).astype(U64) & U64.type(255) for name in step.operands[-2:])
    if np.any(at + length > 64):
        raise Fault("a bit field that leaves its word")
    return at, length


def _insert(frame: Frame, step: Instruction) -> None:
    value, base = _fields(frame, step, step.operands[1:3])
    at, length = _place(frame, step)
    mask = ((U64.type(1) << length) - U64.type(1)) << at
    result = base & ~mask | value << at & mask
    frame.write(step.operands[0], np.asarray(result).astype(UNSIGNED[DTYPES[step.opcode[-1]].itemsize]))


def _extract(frame: Frame, step: Instruction) -> None:
    dtype = DTYPES[step.opcode[-1]]
    (value,) = _fields(frame, step, step.operands[1:2])
    at, length = _place(frame, step)
    result = value >> at & ((U64.type(1) << length) - U64.type(1))
    if dtype.kind == "i":
        sign = np.where(length > 0, U64.type(1) << (np.maximum(length, U64.type(1)) - U64.type(1)), U64.type(0))
        result = (result ^ sign) - sign
    frame.write(step.operands[0], np.asarray(result).astype(UNSIGNED[dtype.itemsize]))


def _permute(frame: Frame, step: Instruction) -> None:
    a, b, selector = (frame.read(name, U32).astype(U64) for name in step.operands[1:4])
    both = b << U64.type(32) | a
    result = np.zeros(np.broadcast(both, selector).shape, U64)
    for k in range(4):
        pick = selector >> U64.type(4 * k) & U64.type(15)
        byte = both >> (pick & U64.type(7)) * U64.type(8) & U64.type(255)
        sign = np.where(byte & U64.type(128), U64.type(255), U64.type(0))
        result = result | np.where(pick & U64.type(8), sign, byte) << U64.type(8 * k)
    frame.write(step.operands[0], np.asarray(result).astype(U32))


def _logic3(frame: Frame, step: Instruction) -> None:
    a, b, c = (frame.read(name, U32) for name in step.operands[1:4])
    table = int(step.operands[4], 0)
    value = np.zeros(np.broadcast(a, b, c).shape, U32)
    for row in range(8):
        if table >> row & 1:
            value = value | (a if row & 4 else ~a) & (b if row & 2 else ~b) & (c if row & 1 else ~c)
    frame.write(step.operands[0], np.asarray(value))


def _per_value(of: Callable[[int, int], int]) -> Callable[[Frame, Instruction], None]:
    def run(frame: Frame, step: Instruction) -> None:
        dtype = UNSIGNED[DTYPES[step.opcode[-1]].itemsize]
        values = np.atleast_1d(frame.read(step.operands[1], dtype))
        result = np.array([of(int(v), 8 * dtype.itemsize) for v in values], np.uint64)
        out = dtype if step.name == "brev" else U32
        frame.write(step.operands[0], np.broadcast_to(result.astype(out), (frame.count,)))

    return run


def _dot4(frame: Frame, step: Instruction) -> None:
    kinds = [np.dtype("u1" if word == "u32" else "i1") for word in step.opcode[1:3]]
    a, b = (np.broadcast_to(frame.read(name, U32), (frame.count,)) for name in step.operands[1:3])
    total = np.broadcast_to(frame.read(step.operands[3], np.dtype("i4")), (frame.count,)).astype(np.int64)
    for k in range(4):
        x, y = ((word >> U32.type(8 * k)).astype(np.uint8).view(kind) for word, kind in zip((a, b), kinds, strict=True))
        total = total + x.astype(np.int64) * y
    frame.write(step.operands[0], total.astype(np.int32))


def _shuffle(frame: Frame, step: Instruction) -> None:
    chunk, threads = frame.chunk, frame.threads
    value = np.broadcast_to(frame.read(step.operands[1], U32), (frame.count,))
    n = frame.read(step.operands[2], U32).astype(np.int64)
    if int(step.operands[3], 0) & 0x1F00:
        raise Fault("shuffles within a part of a warp are not implemented")
    lane = chunk.lane[threads]
    ways = {"up": lane - n, "down": lane + n, "bfly": lane ^ n, "idx": n + 0 * lane}
    source = next(way for word, way in ways.items() if word in step.opcode)
    inside = (source >= 0) & (source < 32)
    at = np.where(inside, threads - lane + source, threads)
    whole = np.zeros(chunk.count + 32, np.uint32)
    present = np.zeros(chunk.count + 32, bool)
    whole[threads], present[threads] = value, True
    if not present[at].all():
        raise Fault("a shuffle reads a lane that does not take part")
    names = step.operands[0].split("|")
    frame.write(names[0].strip(), whole[at])
    if len(names) > 1:
        frame.write(names[1].strip(), inside)


TABLE = {
    "shl": _shift,
    "shr": _shift,
    "shf": _funnel,
    "bfi": _insert,
    "bfe": _extract,
    "prmt": _permute,
    "lop3": _logic3,
    "popc": _per_value(lambda v, _: v.bit_count()),
    "clz": _per_value(lambda v, width: width - v.bit_length()),
    "brev": _per_value(lambda v, width: int(format(v, f"0{width}b")[::-1], 2)),
    "dp4a": _dot4,
    "shfl": _shuffle,
}
