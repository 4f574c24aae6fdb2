"""Rank filters on NumPy arrays: minimum, maximum, median and their kin, with SciPy's bits.

Each function fills ``out``: C-contiguous, native, of any real dtype, sharing no memory with the image.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.core.kept import Kept

from .casts import c_cast, fits
from .extremes import EXACT, BoxExtremes
from .geometry import Spec
from .lines import extremes_along
from .order import Ranks

__all__ = ["Spec", "box_extremes", "ranks", "tap_extremes"]

_jobs = Kept(64)


@lru_cache(maxsize=64)
def _outside(cval: str, dtype: np.dtype) -> tuple[bool, Any, bytes]:
    """Whether a value outside fits a dtype, the value as C casts it, and its bytes (-0.0 is not 0.0)."""
    number = float(cval)
    value = c_cast(np.array([number]), dtype)[0]
    return fits(number, dtype), value, value.tobytes()


def _bytes(array: np.ndarray) -> np.ndarray:
    """bool as the bytes that SciPy stores, which need not be 0 or 1."""
    return array.view(np.uint8) if array.dtype.kind == "b" else array


def _plain(image: np.ndarray) -> np.ndarray:
    """The image native and C-contiguous, copied only where it is not."""
    return np.ascontiguousarray(image, image.dtype.newbyteorder("="))


def box_extremes(
    image: np.ndarray, out: np.ndarray, spec: Spec, order: tuple[int, ...], cval: float, largest: bool,
    workers: int | None = None,
) -> None:  # fmt: skip
    """Minimum or maximum over boxes, one pass for each axis in ``order``, each stored in the output's dtype."""
    image, out = _bytes(image), _bytes(out)
    dtype = out.dtype
    same = image.dtype.newbyteorder("=") == dtype
    if _outside(repr(cval), dtype)[0] and (same or np.can_cast(image.dtype, dtype, "safe")):
        plain = _plain(image) if same else np.ascontiguousarray(image, dtype)
        if list(order) == sorted(order) or dtype.kind != "f":
            if _run_box(plain, out, spec, cval, largest, workers):
                return
        elif all(
            _run_box(a, b, alone, cval, largest, workers) for a, b, alone in _single_passes(plain, out, spec, order)
        ):
            return
    source = image
    for axis in order:
        extremes_along(
            source, out, axis, spec.size[axis], spec.before[axis], spec.mode[axis], cval, largest, workers
        )  # fmt: skip
        source = out


def _run_box(image: np.ndarray, out: np.ndarray, spec: Spec, cval: float, largest: bool, workers: int | None) -> bool:
    _, value, word = _outside(repr(cval), out.dtype)
    key = ("box", spec, out.dtype.char, word, largest)
    job = _jobs.get(key, lambda: BoxExtremes(spec, out.dtype, value, largest))
    return job.execute(image, out, workers)


def _single_passes(image: np.ndarray, out: np.ndarray, spec: Spec, order: tuple[int, ...]) -> Any:
    """Image, output and window of each axis alone: axes out of order, where that tells zeros of two signs apart."""
    source = image
    for axis in order:
        target = out if axis == order[-1] else np.empty_like(out)
        alone = [i == axis for i in range(len(spec.shape))]
        size = tuple(k if a else 1 for k, a in zip(spec.size, alone, strict=True))
        before = tuple(k if a else 0 for k, a in zip(spec.before, alone, strict=True))
        yield source, target, Spec(spec.shape, size, before, spec.mode)
        source = target


def tap_extremes(
    image: np.ndarray, out: np.ndarray, spec: Spec, footprint: np.ndarray, cval: float, largest: bool,
    workers: int | None = None,
) -> None:  # fmt: skip
    """Minimum or maximum over the taps of a footprint."""
    _over_taps(image, out, spec, footprint, cval, -1 if largest else -2, workers)


def ranks(
    image: np.ndarray, out: np.ndarray, spec: Spec, footprint: np.ndarray, rank: int, cval: float,
    workers: int | None = None, *, rounded: bool = True,
) -> None:  # fmt: skip
    """The sample of 0-based ``rank`` among the taps of a footprint.

    rounded: integers of 64 bits pass through float64, as SciPy has them in more than one dimension.
    """
    _over_taps(image, out, spec, footprint, cval, rank, workers, rounded)


def _over_taps(
    image: np.ndarray, out: np.ndarray, spec: Spec, footprint: np.ndarray, cval: float, rank: int,
    workers: int | None, rounded: bool = True,
) -> None:  # fmt: skip
    image, out = _bytes(image), _bytes(out)
    dtype = image.dtype.newbyteorder("=")
    plain = _plain(image)
    value = c_cast(np.array([cval], np.float64), dtype)[0]
    key = ("taps", spec, dtype.char, value.tobytes(), footprint.shape, footprint.tobytes(), rank)
    job = _jobs.get(key, lambda: Ranks(spec, footprint, rank, dtype, value))
    same = dtype == out.dtype
    found = out if same else np.empty(out.shape, dtype)
    job.execute(plain, found, workers)
    wide = dtype.kind in "iu" and dtype.itemsize == 8 and rounded
    if wide and found.size and (int(found.max()) > EXACT or int(found.min()) < -EXACT):
        values = c_cast(found.astype(np.float64), dtype, points=True)
        np.copyto(found, values)
    if not same:
        out[...] = c_cast(found.astype(np.float64), out.dtype, points=True)
