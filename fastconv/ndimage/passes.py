"""What the doors of the linear filters share: real and complex arrays, empty ones, and the calls down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.core.errors import bad_value
from fastconv.engine import exact as engine
from fastconv.engine.exact import Finish

from .arguments import border_mode, checked_real, settle
from .finishing import finish_with

__all__ = ["Finish", "Pass", "over_parts", "run_passes", "with_complex_weights"]


class Pass(NamedTuple):
    """A 1-D correlation with float64 taps along an axis (counted from the front)."""

    axis: int
    taps: np.ndarray
    origin: int
    mode: Any


def run_passes(
    image: np.ndarray, out: np.ndarray, passes: Sequence[Pass], cval: Any, finish: Finish = Finish.STORE
) -> None:
    """Passes in their order into ``out``, which may overlap the image, may be complex as it is, and may be empty.

    finish: what the last pass does with its result, in the output's dtype after every operation; with one of these
    ``out`` must be apart from the image.  No passes: the image itself.
    """
    lines = tuple([engine.Line(p.axis, p.taps.tobytes(), p.origin, border_mode(p.mode)) for p in passes])
    both = image.dtype.kind == "c"
    if both and lines and out.dtype.kind != "c":
        raise RuntimeError("output must have complex dtype")
    if finish is not Finish.STORE:
        plain = lines and not both and out.size and out.flags.c_contiguous and out.dtype.isnative
        if plain and engine.finishes(lines, image, out):
            engine.run_lines(checked_real(image), out, lines, float(cval), finish)
            return
        result = np.empty(out.shape, out.dtype.newbyteorder("="))
        run_passes(image, result, passes, cval)
        finish_with(out, result, finish)
    elif not lines:
        out[...] = image
    elif both:
        over_parts(lambda part, target, value: run_passes(part, target, passes, value), image, out, cval)
    else:
        value = float(cval)
        checked_real(image)
        checked_real(out)
        if out.size:
            settle(out, image, lambda target: engine.run_lines(image, target, lines, value))


def over_parts(
    run: Callable[[np.ndarray, np.ndarray, Any], Any], image: np.ndarray, out: np.ndarray, cval: Any
) -> np.ndarray:
    """``run(part, target, cval)`` for the real and the imaginary part of a complex image; the output."""
    if np.may_share_memory(image, out) and out is not image:
        image = image.copy()
    run(image.real, out.real, np.real(cval))
    run(image.imag, out.imag, np.imag(cval))
    return out


def with_complex_weights(
    run: Callable[[np.ndarray, np.ndarray, np.ndarray, Any], Any],
    image: np.ndarray, weights: np.ndarray, out: np.ndarray, cval: Any,
) -> np.ndarray:  # fmt: skip
    """``run(part, weights, target, cval)`` of real parts, combined to the complex result."""
    if np.may_share_memory(image, out):
        image = image.copy()
    real, imag = weights.real, weights.imag
    if image.dtype.kind != "c":
        if np.iscomplexobj(cval):
            raise bad_value("cval", cval, "a real number where the input is real")
        run(image, real, out.real, cval)
        run(image, imag, out.imag, cval)
        return out
    low, high = np.real(cval), np.imag(cval)
    other = np.empty(image.shape, image.imag.dtype.name)
    run(image.real, real, out.real, low)
    run(image.imag, imag, other, high)
    out.real -= other
    run(image.real, imag, out.imag, low)
    run(image.imag, real, other, high)
    out.imag += other
    return out
