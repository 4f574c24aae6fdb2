"""How C casts a double, as SciPy's compiled loops do when they store one."""

from __future__ import annotations

import numpy as np

__all__ = ["c_cast", "fits"]


def c_cast(values: np.ndarray, dtype: np.dtype, *, points: bool = False) -> np.ndarray:
    """float64 ``values`` as ``dtype``: integers drop the fraction and wrap; out of int64's range as on x86.

    points: as the loops over points (footprints, ranks) store unsigned 64-bit integers, not those over lines.

    >>> c_cast(np.array([-1.5, 300.7, 5e9]), np.dtype("uint8")).tolist()
    [255, 44, 0]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if dtype.kind == "b":
            return values.astype(np.uint8).view(np.bool_)
        if dtype == np.uint32:
            return values.astype(np.int64).astype(np.uint32)
        if dtype == np.uint64:
            plain = _unsigned(values)
            return np.where(values > -1, plain, np.uint64(0) - _unsigned(-values)) if points else plain
        return values.astype(dtype)


def _unsigned(values: np.ndarray) -> np.ndarray:
    top = 2.0**63
    low = values.astype(np.int64).view(np.uint64)
    high = (values - top).astype(np.int64).view(np.uint64) ^ np.uint64(2**63)
    return np.where(values >= top, high, low)


def fits(value: float, dtype: np.dtype) -> bool:
    """Whether a value outside can stand among samples of ``dtype``, cast to it, without changing any extreme.

    Dropping a fraction, or rounding, leaves the order of stored results as it is; wrapping would not.
    """
    if dtype.kind == "f":
        return value == value
    if dtype.kind == "b":
        return value in (0, 1)
    info = np.iinfo(dtype)
    return info.min - 1 < value < info.max + 1 and abs(value) < 2**53
