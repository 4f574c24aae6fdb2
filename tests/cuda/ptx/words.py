"""PTX types as NumPy dtypes, and bits seen through another type of the same or a smaller width."""

from __future__ import annotations

import numpy as np

from ptx.faults import Fault

#: where addresses of shared, local and constant memory begin
SHARED, LOCAL, TABLES = 1 << 60, 1 << 61, 1 << 62
BOOL = np.dtype(np.bool_)
DTYPES = {
    name: np.dtype(kind)
    for name, kind in {
        **{f"u{8 * n}": f"u{n}" for n in (1, 2, 4, 8)},
        **{f"b{8 * n}": f"u{n}" for n in (1, 2, 4, 8)},
        **{f"s{8 * n}": f"i{n}" for n in (1, 2, 4, 8)},
        "f16": "f2",
        "f32": "f4",
        "f64": "f8",
        "pred": "?",
    }.items()
}
UNSIGNED = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}
SIGNED = {n: np.dtype(f"i{n}") for n in (1, 2, 4, 8)}


def seen_as(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The low bits of ``value`` read as ``dtype``; a register is never read as something wider."""
    if value.dtype == dtype:
        return value
    if value.dtype == BOOL or dtype == BOOL:
        raise Fault(f"a predicate read as bits, or bits as a predicate ({value.dtype} as {dtype})")
    if value.dtype.itemsize == dtype.itemsize:
        return value.view(dtype)
    if value.dtype.itemsize < dtype.itemsize:
        raise Fault(f"a {value.dtype.itemsize}-byte register read as {dtype}")
    return value.view(UNSIGNED[value.dtype.itemsize]).astype(UNSIGNED[dtype.itemsize]).view(dtype)


def widened(value: np.ndarray, size: int) -> np.ndarray:
    """A result in a register of ``size`` bytes: signed values extend their sign, all others are padded with zeros."""
    have = value.dtype.itemsize
    if value.dtype == BOOL or have == size:
        return value
    if have > size:
        raise Fault(f"a {have}-byte result in a {size}-byte register")
    if value.dtype.kind == "i":
        return value.astype(SIGNED[size])
    return value.view(UNSIGNED[have]).astype(UNSIGNED[size])


def literal(text: str, dtype: np.dtype) -> np.ndarray:
    """A constant operand: 0f and 0d are the bits of a float, everything else is an integer of the width asked for."""
    head = text[:2].lower()
    if head in ("0f", "0d"):
        bits = np.array(int(text[2:], 16), np.uint32 if head == "0f" else np.uint64)
        number = bits.view(np.float32 if head == "0f" else np.float64)
        return number.astype(dtype) if dtype.kind == "f" else seen_as(number, dtype)
    number = int(text, 0)
    if dtype == BOOL:
        return np.array(number != 0)
    if dtype.kind == "f":
        return np.array(number, dtype)
    width = dtype.itemsize
    return np.array(number & ((1 << 8 * width) - 1), UNSIGNED[width]).view(dtype)
