"""With exact=False: fastconv's own functions, for floating-point images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["function"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def function(name: str, words: dict[str, Any]) -> Callable[..., Any] | None:
    """What answers a call by fastconv's sums, where they can: real weights, float images, the same dtype out."""
    image = words["input"]
    if not isinstance(image, np.ndarray) or image.dtype not in _FLOATS or not image.size:
        return None
    output = words.get("output")
    if isinstance(output, np.ndarray):
        if output.dtype != image.dtype or output.shape != image.shape:
            return None
    elif output is not None and np.dtype(output) != image.dtype:
        return None
    if name not in _MAKERS or np.asarray(words.get("weights", 0.0)).dtype.kind not in "biuf":
        return None
    call = _MAKERS[name](words)
    if call is None:
        return None
    out = output if isinstance(output, np.ndarray) else None
    return lambda *args, **options: call(out)


def _weighted(words: dict[str, Any], flip: bool) -> Callable[[Any], Any]:
    from fastconv import filters

    image = words["input"]
    door = filters.convolve if flip else filters.correlate
    axes = words.get("axes")
    options = {"mode": words["mode"], "cval": float(words["cval"]), "origin": words["origin"]}
    axes = tuple(range(image.ndim)) if axes is None else axes
    return lambda out: door(image, np.asarray(words["weights"]), axes=axes, out=out, **options)


def _gaussian(words: dict[str, Any]) -> Callable[[Any], Any] | None:
    from fastconv import filters

    image = words["input"]
    axes = words.get("axes")
    axes = tuple(range(image.ndim)) if axes is None else axes
    options = {name: words[name] for name in ("order", "mode", "truncate", "radius")}
    return lambda out: filters.gaussian(image, words["sigma"], axes=axes, cval=float(words["cval"]), out=out, **options)


_MAKERS: dict[str, Callable[[dict[str, Any]], Callable[[Any], Any] | None]] = {
    "convolve": lambda words: _weighted(words, True),
    "correlate": lambda words: _weighted(words, False),
    "gaussian_filter": _gaussian,
}
