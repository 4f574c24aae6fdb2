"""Filters with SciPy's bits: passes and windows made definite, then the CPU backend's jobs, kept for the next call."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends import exact
from fastconv.backends.exact import Box, Finish, Line
from fastconv.core.kept import Kept

__all__ = ["Box", "Finish", "Line", "finishes", "run_boxes", "run_lines", "run_window"]

_jobs = Kept(128)
#: dtypes in which the passes themselves add, square and take roots
_FINISHED = frozenset("BHfd")


def finishes(lines: tuple[Line, ...], image: np.ndarray, out: np.ndarray) -> bool:
    """Whether `run_lines` can do more than store the result: one sweep, and an output that its rows add in."""
    return out.dtype.char in _FINISHED and exact.one_sweep(lines, image.shape, image.strides)


def run_lines(
    image: np.ndarray, out: np.ndarray, lines: tuple[Line, ...], cval: float, finish: Finish = Finish.STORE
) -> None:
    """1-D passes in their order, each stored in the dtype of ``out`` (C-contiguous, native, apart from the image)."""
    image = _native(image)
    key = (lines, image.shape, image.strides, image.dtype.char, out.dtype.char, _told_apart(cval), finish)

    def make() -> Any:
        return exact.LinesJob(lines, image.shape, image.strides, image.dtype, out.dtype, cval, finish)

    _jobs.get(key, make).execute(image, out)


def run_boxes(image: np.ndarray, out: np.ndarray, boxes: tuple[Box, ...], cval: float) -> None:
    """Running means in their order, each stored in the dtype of ``out`` (as `run_lines` has it)."""
    image = _native(image)
    key = (boxes, image.shape, image.strides, image.dtype.char, out.dtype.char, _told_apart(cval))

    def make() -> Any:
        return exact.RunningJob(boxes, image.shape, image.strides, image.dtype, out.dtype, cval)

    _jobs.get(key, make).execute(image, out)


def run_window(
    image: np.ndarray, out: np.ndarray, weights: np.ndarray, before: tuple[int, ...], modes: tuple[str, ...],
    cval: float,
) -> None:  # fmt: skip
    """The correlation with an N-D kernel (float64, an axis for each of the image's) into ``out`` as `run_lines`."""
    image = _native(image)
    key = (weights.tobytes(), weights.shape, before, modes, image.shape, image.strides, image.dtype.char,
           out.dtype.char, _told_apart(cval))  # fmt: skip

    def make() -> Any:
        return exact.WindowJob(weights, before, modes, image.shape, image.strides, image.dtype, out.dtype, cval)

    _jobs.get(key, make).execute(image, out)


def _told_apart(value: float) -> float | str:
    """A number as part of a key: the zeros of two signs differ, and NaN equals itself."""
    return value if value and value == value else repr(value)


def _native(image: np.ndarray) -> np.ndarray:
    return image if image.dtype.isnative else image.astype(image.dtype.newbyteorder("="))
