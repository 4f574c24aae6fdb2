"""Who answers a call, and the record of it."""

from __future__ import annotations

import inspect
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from . import quick

__all__ = ["NAMES", "Serving"]

NAMES = (
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "laplace",
    "maximum_filter",
    "maximum_filter1d",
    "median_filter",
    "minimum_filter",
    "minimum_filter1d",
    "percentile_filter",
    "prewitt",
    "rank_filter",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
)
#: these call the caller's own functions, which must not be called twice
_CALLBACKS = frozenset({"generic_gradient_magnitude", "generic_laplace"})
_RANKS = frozenset({"median_filter", "percentile_filter", "rank_filter"})
_READ_AGAIN = frozenset({"gaussian_gradient_magnitude", "gaussian_laplace", "laplace"})
#: SciPy drops weights up to a rounding of 1 here
_DROPPING = frozenset({"convolve", "correlate"})
_EPSILON = float(np.finfo(np.float64).eps)


@lru_cache(maxsize=64)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


@dataclass
class _Row:
    served: int = 0
    fell: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    saved: float = 0.0


class Serving:
    """One acceleration's choices and its record of calls."""

    def __init__(self, exact: bool, timed: bool) -> None:
        self.exact, self.timed = exact, timed
        self._rows: dict[str, _Row] = {}
        self._rates: dict[tuple, float] = {}  # kind of call -> SciPy's seconds a sample
        self._lock = threading.Lock()

    def call(self, name: str, original: Callable[..., Any], args: tuple, options: dict[str, Any]) -> Any:
        """fastconv's answer, or SciPy's where it would not be the same."""
        try:
            given = _signature(original).bind(*args, **options)
            given.apply_defaults()
            words = given.arguments
            reason = _differs(name, words)
            if name in _DROPPING:
                words["weights"] = _without_dropped(words["weights"])
                args, options = given.args, given.kwargs
        except Exception as error:  # SciPy says what is wrong with the call
            words, reason = {}, f"{type(error).__name__} in the arguments"
        ours = None if reason else self._ours(name, words)
        if ours is None:
            return self._fall(name, original, args, options, reason or "not among fastconv's functions")
        rate = self._rate(name, original, words) if self.timed and name not in _CALLBACKS else 0.0
        start = time.perf_counter()
        try:
            result = ours(*args, **options)
        except MemoryError:
            raise
        except Exception as error:
            if name in _CALLBACKS:
                raise
            return self._fall(name, original, args, options, f"{type(error).__name__}: {error}"[:60])
        spent = time.perf_counter() - start
        with self._lock:
            row = self._rows.setdefault(name, _Row())
            row.served += 1
            row.seconds += spent
            if rate:
                row.saved += rate * np.size(words["input"]) - spent
        return result

    def _ours(self, name: str, words: dict[str, Any]) -> Callable[..., Any] | None:
        from fastconv import ndimage

        if not self.exact:
            found = quick.function(name, words)
            if found is not None:
                return found
        return getattr(ndimage, name) if name in ndimage.__all__ else None

    def _fall(self, name: str, original: Callable[..., Any], args: tuple, options: dict[str, Any], reason: str) -> Any:
        start = time.perf_counter()
        try:
            return original(*args, **options)
        finally:
            spent = time.perf_counter() - start
            with self._lock:
                row = self._rows.setdefault(name, _Row())
                row.fell[reason] += 1
                row.seconds += spent

    def _rate(self, name: str, original: Callable[..., Any], words: dict[str, Any]) -> float:
        """SciPy's seconds a sample for calls of this kind, from timing the first one of them."""
        image = np.asarray(words["input"])
        if not image.size:
            return 0.0
        key = (name, image.dtype.str, image.ndim, *(repr(v) for k, v in words.items() if k not in ("input", "output")))
        with self._lock:
            found = self._rates.get(key)
        if found is None:
            output = words.get("output")
            fresh = {**words, "output": output.dtype if isinstance(output, np.ndarray) else output}
            call = inspect.BoundArguments(_signature(original), fresh)
            start = time.perf_counter()
            try:
                original(*call.args, **call.kwargs)
            except Exception:  # our own call will say so
                return 0.0
            found = (time.perf_counter() - start) / image.size
            with self._lock:
                self._rates[key] = found
        return found

    def counts(self) -> dict[str, tuple[int, int]]:
        """Function -> calls served, calls that fell through."""
        with self._lock:
            return {name: (row.served, sum(row.fell.values())) for name, row in sorted(self._rows.items())}

    def table(self) -> str:
        """The record as lines of text."""
        head = f"{'function':<28} {'calls':>6} {'served':>6} {'SciPy':>6} {'seconds':>9} {'saved':>9}  why SciPy"
        lines = [head]
        with self._lock:
            rows = sorted(self._rows.items())
            for name, row in rows:
                fell = sum(row.fell.values())
                why = "; ".join(f"{reason} ({n})" for reason, n in row.fell.most_common())
                saved = f"{row.saved:9.3f}" if self.timed else f"{'-':>9}"
                numbers = f"{row.served + fell:>6} {row.served:>6} {fell:>6} {row.seconds:9.3f} {saved}"
                lines.append(f"{name:<28} {numbers}  {why}".rstrip())
        if not rows:
            lines.append("no calls")
        if self.timed:
            lines.append("saved: SciPy timed on the first call of each kind, scaled by samples, less our own time")
        return "\n".join(lines)


def _differs(name: str, words: dict[str, Any]) -> str:
    """Why fastconv.ndimage would rightly give other bits than SciPy does, or nothing."""
    image = np.asarray(words["input"])
    if name in _RANKS and image.ndim == 1:
        return "ranks in one dimension, where SciPy has faults"
    output = words.get("output")
    over = isinstance(output, np.ndarray) and np.may_share_memory(output, image)
    if over and name in _READ_AGAIN:
        return "an output over the input, which SciPy reads again"
    weights = words.get("weights")
    if weights is not None:
        weights = np.asarray(weights)
        if over and weights.dtype.kind == "c":
            return "an output over the input, which SciPy reads again"
        if name.endswith("1d"):
            return _nearly_symmetric(weights)
        sizes: Any = weights.shape
    elif words.get("footprint") is not None:
        sizes = np.shape(words["footprint"])
    elif name in _RANKS:
        sizes = np.atleast_1d(words["size"])
    else:
        return ""  # passes along lines
    # half a window and its origin may reach a whole window: past that SciPy reflects wrongly
    if image.size and max(sizes, default=0) > min(image.shape) * 2:
        return "a window far larger than the image"
    return ""


def _without_dropped(weights: Any) -> Any:
    """Weights for which `fastconv.ndimage` has the bits of SciPy, which drops the smallest: zeros in their places."""
    array = np.asarray(weights)
    if array.dtype.kind == "c":
        return _without_dropped(array.real) + 1j * _without_dropped(array.imag)
    small = (np.abs(array) <= _EPSILON) & (array != 0)
    return np.where(small, 0.0, array) if small.any() else weights


def _nearly_symmetric(weights: np.ndarray) -> str:
    """Why 1-D weights are symmetric (or antisymmetric) to SciPy only: all of them are of the size of a rounding."""
    parts = (weights.real, weights.imag) if weights.dtype.kind == "c" else (np.asarray(weights, np.float64),)
    for taps in parts:
        limit = 64 * _EPSILON * float(np.abs(taps).max(initial=0.0))
        for gap in (np.abs(taps - taps[::-1]), np.abs(taps + taps[::-1])):
            if taps.ndim == 1 and taps.size and limit < float(gap.max()) <= _EPSILON:
                return "weights that only SciPy takes for symmetric"
    return ""
