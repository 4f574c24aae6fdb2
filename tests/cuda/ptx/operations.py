"""What each opcode does to registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ptx import access, bits
from ptx.faults import Fault
from ptx.parse import Instruction
from ptx.words import BOOL, DTYPES, SIGNED, UNSIGNED

if TYPE_CHECKING:
    from ptx.machine import Frame

Operation = Callable[["Frame", Instruction], None]
U32 = np.dtype("u4")


def execute(frame: Frame, step: Instruction) -> None:
    """Run one instruction that is not a branch, for the threads of the frame."""
    operation = TABLE.get(step.name)
    if operation is None:
        raise Fault(f"opcode not implemented: {'.'.join(step.opcode)}")
    operation(frame, step)


def _dtype(step: Instruction) -> np.dtype:
    try:
        return DTYPES[step.opcode[-1]]
    except KeyError:
        raise Fault(f"type not implemented: {step.opcode[-1]}") from None


def _divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "f":
        return x / y
    if not np.all(y):
        raise Fault("division by zero")
    return (x - np.fmod(x, y)) // y


def _remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if not np.all(y):
        raise Fault("division by zero")
    return np.fmod(x, y)


def _least(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.fmin(x, y) if x.dtype.kind == "f" else np.minimum(x, y)


def _most(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.fmax(x, y) if x.dtype.kind == "f" else np.maximum(x, y)


BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "rem": _remainder,
    "min": _least,
    "max": _most,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


def _binary(frame: Frame, step: Instruction) -> None:
    dtype = _dtype(step)
    x, y = (frame.read(operand, dtype) for operand in step.operands[1:3])
    if step.name in ("min", "max") and "NaN" in step.opcode:
        value = (np.minimum if step.name == "min" else np.maximum)(x, y)
    elif step.name == "mul" and "wide" in step.opcode:
        value = _wide(x, y)
    elif step.name == "mul" and "hi" in step.opcode:
        value = _high(x, y)
    else:
        value = np.asarray(BINARY[step.name](x, y))
    if "sat" in step.opcode:
        if dtype.kind != "f":
            raise Fault("integer .sat is not implemented")
        value = np.clip(np.nan_to_num(value, nan=0.0), 0, 1).astype(dtype)
    frame.write(step.operands[0], np.asarray(value))


def _wide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    dtype = (SIGNED if x.dtype.kind == "i" else UNSIGNED)[2 * x.dtype.itemsize]
    return np.asarray(x.astype(dtype) * y.astype(dtype))


def _high(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.itemsize < 8:
        return (_wide(x, y) >> (8 * x.dtype.itemsize)).astype(x.dtype)
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b = x.view(np.uint64), y.view(np.uint64)
    middle = (a & low) * (b & low) >> half
    middle = middle + (a >> half) * (b & low)
    carry, middle = middle >> half, middle & low
    middle = middle + (a & low) * (b >> half)
    value = (a >> half) * (b >> half) + carry + (middle >> half)
    if x.dtype.kind == "i":
        value = value - np.where(x < 0, b, np.uint64(0)) - np.where(y < 0, a, np.uint64(0))
    return np.asarray(value).view(x.dtype)


def _multiply_add(frame: Frame, step: Instruction) -> None:
    dtype = _dtype(step)
    x, y = (frame.read(operand, dtype) for operand in step.operands[1:3])
    if "wide" in step.opcode:
        product = _wide(x, y)
        value = product + frame.read(step.operands[3], product.dtype)
    else:
        z = frame.read(step.operands[3], dtype)
        if dtype.kind == "f" and dtype.itemsize < 8:  # one rounding, but for the rare tie made by float64's own
            value = (x.astype(np.float64) * y + z).astype(dtype)
        else:
            value = (_high(x, y) if "hi" in step.opcode else x * y) + z
    frame.write(step.operands[0], np.asarray(value))


ORDERED = {
    **dict.fromkeys(("lt", "lo"), np.less),
    **dict.fromkeys(("le", "ls"), np.less_equal),
    **dict.fromkeys(("gt", "hi"), np.greater),
    **dict.fromkeys(("ge", "hs"), np.greater_equal),
    "eq": np.equal,
    "ne": np.not_equal,
}


def compare(word: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A comparison of PTX: plain words are false where a float is NaN, those that end in u are true there."""
    if x.dtype.kind != "f":
        return np.asarray(ORDERED[word](x, y))
    unordered = np.isnan(x) | np.isnan(y)
    if word in ("num", "nan"):
        return np.asarray(unordered if word == "nan" else ~unordered)
    if word in ORDERED:
        return np.asarray(ORDERED[word](x, y) & ~unordered)
    return np.asarray(ORDERED[word[:-1]](x, y) | unordered)


def _set_predicate(frame: Frame, step: Instruction) -> None:
    dtype = _dtype(step)
    value = compare(step.opcode[1], frame.read(step.operands[1], dtype), frame.read(step.operands[2], dtype))
    names = step.operands[0].split("|")
    answers = [value, ~value]
    joined = next((word for word in step.opcode[2:-1] if word in ("and", "or", "xor")), None)
    if joined:
        other = frame.read(step.operands[3], BOOL)
        answers = [BINARY[joined](one, other) for one in answers]
    for name, answer in zip(names, answers, strict=False):
        frame.write(name.strip(), np.asarray(answer))


def _select(frame: Frame, step: Instruction) -> None:
    dtype = _dtype(step)
    chosen = frame.read(step.operands[3], BOOL)
    frame.write(
        step.operands[0],
        np.asarray(np.where(chosen, frame.read(step.operands[1], dtype), frame.read(step.operands[2], dtype))),
    )


def _move(frame: Frame, step: Instruction) -> None:
    dtype = _dtype(step)
    target, source = step.operands[:2]
    if source.startswith("{"):
        frame.write(
            target,
            bits.packed([frame.read(s, UNSIGNED[dtype.itemsize // n]) for s, n in bits.parts(source)], frame.count),
        )
    elif target.startswith("{"):
        names = bits.parts(target)
        whole = np.broadcast_to(frame.read(source, UNSIGNED[dtype.itemsize]), (frame.count,))
        for k, (name, n) in enumerate(names):
            size = dtype.itemsize // n
            frame.write(name, (whole >> np.array(8 * size * k, whole.dtype)).astype(UNSIGNED[size]))
    else:
        frame.write(target, np.array(frame.read(source, dtype)))


def _unary(of: Callable[[np.ndarray], np.ndarray]) -> Operation:
    def run(frame: Frame, step: Instruction) -> None:
        frame.write(step.operands[0], np.asarray(of(frame.read(step.operands[1], _dtype(step)))))

    return run


def _convert(frame: Frame, step: Instruction) -> None:
    source, target = DTYPES[step.opcode[-1]], DTYPES[step.opcode[-2]]
    frame.write(step.operands[0], converted(frame.read(step.operands[1], source), target, set(step.opcode[1:-2])))


ROUNDINGS = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def converted(x: np.ndarray, target: np.dtype, words: set[str]) -> np.ndarray:
    """cvt: floats to integers round as stated and saturate (NaN is 0); integers wrap unless .sat."""
    if words & {"rz", "rm", "rp"}:
        raise Fault("only rounding to the nearest is implemented between floats")
    rounding = next((ROUNDINGS[word] for word in ROUNDINGS if word in words), None)
    if x.dtype.kind == "f" and target.kind != "f":
        if rounding is None:
            raise Fault("a float becomes an integer without a rounding")
        info = np.iinfo(target)
        whole = np.nan_to_num(rounding(x.astype(np.float64)), nan=0.0, posinf=np.inf, neginf=-np.inf)
        inside = np.where((whole >= info.min) & (whole < float(info.max) + (target.itemsize < 8)), whole, 0).astype(
            target
        )
        high = np.where(whole >= float(info.max), np.array(info.max, target), inside)
        return np.asarray(np.where(whole < info.min, np.array(info.min, target), high))
    if x.dtype.kind == "f":
        value = rounding(x) if rounding is not None else x
        return np.asarray(np.clip(np.nan_to_num(value, nan=0.0), 0, 1) if "sat" in words else value).astype(target)
    if target.kind != "f" and "sat" in words:
        info = np.iinfo(target)
        if x.dtype.kind == "i" and target.kind == "u":
            x = np.maximum(x, 0)
        low = max(int(info.min), int(np.iinfo(x.dtype).min))
        x = np.clip(x, low, min(int(info.max), int(np.iinfo(x.dtype).max)))
    return np.asarray(x).astype(target)


def _nothing(frame: Frame, step: Instruction) -> None:
    """Fences order what the interpreter runs in order anyway."""


TABLE: dict[str, Operation] = {
    **dict.fromkeys(BINARY, _binary),
    "mad": _multiply_add,
    "fma": _multiply_add,
    "setp": _set_predicate,
    "selp": _select,
    "mov": _move,
    "cvta": _move,
    "cvt": _convert,
    "neg": _unary(lambda x: -x),
    "abs": _unary(np.abs),
    "not": _unary(lambda x: ~x),
    "sqrt": _unary(np.sqrt),
    "rcp": _unary(lambda x: (1 / x).astype(x.dtype)),
    "membar": _nothing,
    "fence": _nothing,
    "ld": access.load,
    "ldu": access.load,
    "st": access.store,
    **bits.TABLE,
}
