"""Volumes whose first filtered axis is summed into planes in the cache (`loops.cpu_planes`)."""

from __future__ import annotations

import numpy as np

from fastconv.backends.handoff import Written
from fastconv.backends.layout import Layout
from fastconv.backends.source import SLACK, Rows, address
from fastconv.core.scratch import scratch
from fastconv.loops import cpu_planes

from .common import Call, Target

__all__ = ["Planes"]

#: bytes of four planes' rows that are worked on at a time: a part of the second-level cache
ROOM_BYTES = 160 * 1024
#: and rows of a plane at least, so that the rows around them are not summed too often
LEAST_ROWS = 16
#: places of the arguments of `cpu_separable.fused` that change from plane to plane
CHANGING = ("src", "first_row", "out", "out_offset", "y1")


class Planes:
    """One row axis before the last one has taps: how its sums are made plane by plane."""

    def __init__(self, layout: Layout, axis: int) -> None:
        self.layout = layout
        last, far = layout.row_axes[-1], layout.row_axes[axis]
        self.height = last.n_out
        self.step = layout.steps[axis] * far.dilation
        self.reach = layout.row_reach
        neighbours = axis == len(layout.row_axes) - 2
        self.shared = int(neighbours and far.stride == 1 and far.dilation == 1)
        self.relative = np.arange(last.n_out, dtype=np.int64) * last.stride
        self.sample = layout.problem.accumulate.itemsize
        #: samples from a row to the next
        self.pitch = (layout.n_in + SLACK) // 16 * 16
        rows = ROOM_BYTES // (4 * self.pitch * self.sample) - self.reach
        self.chunk = min(self.height, max(LEAST_ROWS, (rows // last.stride) // 4 * 4))
        #: rows of a chunk of outputs
        self.rows = (self.chunk - 1) * last.stride + 1 + self.reach
        #: from any first row of a chunk on, as many rows as that
        count = int(self.relative[-1]) + 1 + self.reach
        self.offsets = np.arange(count, dtype=np.int64) * (self.pitch * self.sample)

    def room(self) -> Rows:
        """The planes' rows, as the source of what filters them."""
        memory = scratch("planes", 4 * self.rows * self.pitch + SLACK, self.layout.problem.accumulate)
        return Rows(address(memory), self.offsets, 0, memory.dtype, 0, memory)

    def call(
        self, rows: Rows, target: Target, y0: int, y1: int, taps: np.ndarray, vertical: tuple[int, int], plane: Call
    ) -> Call:
        """Output rows y0..y1; plane: the call that filters the rows of `room`; vertical: functions of 4 rows and 1."""
        written = Written()
        written(plane.driver, plane.source, *plane.before, plane.out, *plane.after)
        words = written.table()
        names = plane.driver.py_func.__code__.co_varnames  # type: ignore[attr-defined]
        # the words of a call begin behind those of `handoff`: what makes it, how many they are, the function
        places = np.array([written.places[names.index(name)] - 3 for name in CHANGING], np.int64)
        n = len(taps) + 7
        first = self.layout.first_row[y0:y1] - rows.start if rows.start else self.layout.first_row[y0:y1]
        before = (
            rows.offsets, rows.constant, first, y0 % self.height, self.height,
            self.chunk, self.reach, self.step, self.shared, taps, self.room().keep, self.pitch * self.sample,
            self.rows * self.pitch * self.sample, self.layout.n_in, scratch("planes_table", n, np.int64)[:n],
            self.relative,
        )  # fmt: skip
        after = (
            target.rows(y0, y1), _NOTHING, words[3:], places, int(words[2]), int(words[0]), *vertical,
        )  # fmt: skip
        driver = cpu_planes.planes.compiled(rows.base, *before, target.base, *after)
        return Call(driver, rows.base, before, target.base, after, written)


_NOTHING = np.zeros(1, np.uint8)
