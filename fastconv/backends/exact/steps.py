"""What a chain of 1-D passes is cut into: steps of one sweep each, none of which needs a full-size temporary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from .tables import NEAR

__all__ = ["Finish", "Line", "Step", "cut", "fold", "one_sweep"]

#: bytes of doubles that a plane worked on in place may take
PLANE_BYTES = 2 * 2**20
#: asymmetry that is rounding: this much in the greatest weight
ROUNDING = 64 * np.finfo(np.float64).eps


class Line(NamedTuple):
    """A 1-D correlation along ``axis``: float64 taps (as bytes), origin, and the border table's word."""

    axis: int
    weights: bytes
    origin: int
    mode: str

    @property
    def taps(self) -> np.ndarray:
        return np.frombuffer(self.weights)

    @property
    def size(self) -> int:
        return len(self.weights) // 8

    @property
    def before(self) -> int:
        """Padding in front of the axis."""
        return self.size // 2 + self.origin


class Finish(IntEnum):
    """What the last pass does with its result, in the output's dtype after every operation."""

    STORE = 0
    ADD = 1
    SQUARE = 2
    ADD_SQUARE = 3
    ADD_SQUARE_ROOT = 4


@dataclass(frozen=True)
class Step:
    """One sweep: a pass down an axis, one along the line, or both, in either order."""

    down: Line | None
    along: Line | None
    along_first: bool = False
    in_place: bool = False


def fold(taps: np.ndarray) -> int:
    """1 where SciPy sums symmetric pairs of samples, 2 where antisymmetric ones, else 0.

    SciPy calls weights equal that differ by at most 2.2e-16, however small they all are, and then uses the left ones
    only.  Here that difference must be a rounding of the greatest weight as well: else every tap counts.
    """
    n = len(taps)
    if n % 2 == 0:
        return 0
    left, right = taps[: n // 2], taps[: n // 2 : -1]
    limit = min(np.finfo(np.float64).eps, ROUNDING * float(np.max(np.abs(taps))))
    if np.all(np.abs(right - left) <= limit):
        return 1
    return 2 if np.all(np.abs(right + left) <= limit) else 0


def _runs_along(line: Line, shape: tuple[int, ...], strides: tuple[int, ...] | None) -> bool:
    """Whether a pass can run along a line: its axis and those behind it are short, and one run (None: they are)."""
    inner = 1
    for axis in range(len(shape) - 1, line.axis, -1):
        if strides is not None and strides[axis - 1] != strides[axis] * shape[axis]:
            return False
        inner *= shape[axis]
    return inner <= NEAR


def _plane_bytes(down: Line, along: Line, shape: tuple[int, ...]) -> int:
    size = 8 * (shape[down.axis] + down.size)
    inner = 1
    for n in shape[along.axis + 1 :]:
        inner *= n
    return size * (shape[along.axis] + along.size) * inner


def cut(lines: tuple[Line, ...], shape: tuple[int, ...], strides: tuple[int, ...]) -> list[Step]:
    """Steps for passes in their order: neighbours down an axis and along the line become one sweep.

    strides: the image's.  The first step reads the image, each further one what the step before it left in the output.
    """
    steps: list[Step] = []
    i = 0
    while i < len(lines):
        first = lines[i]
        second = lines[i + 1] if i + 1 < len(lines) else None
        in_place = bool(steps)
        read = None if in_place else strides  # what an earlier step has left is C-contiguous
        along = _runs_along(first, shape, read)
        both = second is not None and _runs_along(second, shape, read) != along and second.axis != first.axis
        if both and second is not None:
            pair = (second, first) if along else (first, second)
            # what is behind the filtered line must be the same for both
            if pair[0].axis < pair[1].axis and (not in_place or _plane_bytes(*pair, shape) <= PLANE_BYTES):
                steps.append(Step(*pair, along_first=along, in_place=in_place))
                i += 2
                continue
        steps.append(Step(None, first, in_place=in_place) if along else Step(first, None, in_place=in_place))
        i += 1
    return steps


def one_sweep(lines: tuple[Line, ...], shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether passes are one step: then the last of them may do more than store."""
    return len(lines) == 1 or (len(lines) == 2 and len(cut(lines, shape, strides)) == 1)
