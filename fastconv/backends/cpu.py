"""The CPU backend: executes plans on NumPy arrays, band by band, on the package's own workers.

`execute` cuts the output rows into bands of at most about 10 ms.  A plan of one term whose output dtype a loop can
store writes its rows in place; every other one (sums of terms, magnitudes, column strides, exotic dtypes) works on a
band of scratch in the accumulate dtype and is cast once at the end.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

from ..core.dtypes import cast_into
from ..core.ir import Caps, Plan
from ..core.threads import run as run_tasks
from ..core.threads import scratch
from .layout import Layout
from .source import NATIVE, SLACK, Rows, address, band_rows, in_place
from .spectrum import Spectrum
from .sweeps import LineSweep, SumSweep, Sweep, Target, WindowSweep

__all__ = ["CAPS", "execute"]

SWEEPS = {"line": LineSweep, "window": WindowSweep, "sum": SumSweep}
SPECTRUM = "spectrum"
CAPS = Caps("cpu", frozenset((*SWEEPS, SPECTRUM)))

#: work that is not worth handing out, and the longest band (Ctrl-C is heard between bands), in nanoseconds
SERIAL_NS = 150_000
BAND_NS = 4_000_000
#: rows of a band of scratch: it should stay in the second-level cache
SCRATCH_BYTES = 512 * 1024


class _Job:
    """Plans made ready for arrays of given strides: tables, compiled functions, bands."""

    def __init__(self, plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray) -> None:
        self.plans = plans
        self.combine = combine
        self.sweeps: list[Sweep] = []
        self.layouts: list[Layout] = []
        for plan in plans:
            layout = Layout(plan.problem)
            for term in plan.terms:
                (sweep,) = term.passes
                self.layouts.append(layout)
                self.sweeps.append(SWEEPS[sweep.kind](layout, sweep))
        #: which plan's result each sweep belongs to: a magnitude squares whole results
        self.owner = [i for i, plan in enumerate(plans) for _ in plan.terms]
        layout = self.layouts[0]
        problem = layout.problem
        self.accumulate = problem.accumulate
        self.native = []
        self.offsets = []
        self.constant = []
        for each in self.layouts:
            ok = in_place(each, image.dtype, image.strides)
            self.native.append(ok)
            self.offsets.append(each.row_offsets(image.strides) if ok else None)
            self.constant.append(_constant_row(each, image.dtype) if ok else None)
        self.out_shape = (layout.rows_out, layout.column.n_out, layout.channels)
        self.in_band = not self._writes_in_place(layout, out)
        target = self.accumulate if self.in_band else out.dtype
        self.target = target
        self.ready = [
            s.prepare(image.dtype if ok else self.accumulate, target, False)
            for s, ok in zip(self.sweeps, self.native, strict=True)
        ]
        self.align = max((getattr(s, "restart", 0) for s in self.sweeps), default=0) or 1
        self.cost = sum(p.cost_ns for p in plans)
        self.warm = False

    def _writes_in_place(self, layout: Layout, out: np.ndarray) -> bool:
        dtypes = (*NATIVE[self.accumulate], self.accumulate)
        plain = len(self.sweeps) == 1 and layout.column.stride == 1 and out.dtype in dtypes and out.dtype.isnative
        return plain and self.combine == "sum" and out.flags.c_contiguous

    def bands(self, workers: int) -> list[tuple[int, int]]:
        rows = self.out_shape[0]
        wanted = 1
        if self.cost > SERIAL_NS:
            wanted = max(workers, -(-int(self.cost) // BAND_NS))
            if workers > 1:
                wanted = max(wanted, min(4 * workers, int(self.cost) // SERIAL_NS))
        each = -(-rows // wanted)
        each = -(-each // self.align) * self.align
        return [(y, min(rows, y + each)) for y in range(0, rows, each)]

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int) -> None:
        bands = self.bands(workers)
        if not self.warm:  # whatever is still to be compiled is compiled on the caller's thread
            self.run(image, out, *bands[0])
            self.warm = True
            bands = bands[1:]
        if len(bands) == 1:
            self.run(image, out, *bands[0])
        elif bands:
            run_tasks(lambda i: self.run(image, out, *bands[i]), len(bands), workers)

    def run(self, image: np.ndarray, out: np.ndarray, y0: int, y1: int) -> None:
        if not self.in_band:
            layout = self.layouts[0]
            pitch = layout.n_out * out.itemsize
            target = Target(address(out), np.arange(layout.rows_out, dtype=np.int64) * pitch, out.dtype)
            self._sweep(0, image, target, y0, y1)
            return
        layout = self.layouts[0]
        pitch = layout.n_full * self.accumulate.itemsize * max(1, len(self.sweeps))
        rows = max(1, SCRATCH_BYTES // max(1, pitch))
        rows = -(-rows // self.align) * self.align
        for a in range(y0, y1, rows):
            self._band(image, out, a, min(y1, a + rows))

    def _band(self, image: np.ndarray, out: np.ndarray, y0: int, y1: int) -> None:
        layout = self.layouts[0]
        total = None
        result = None
        previous = -1
        for i, owner in enumerate([*self.owner, -1]):
            if owner != previous and result is not None:
                if self.combine == "magnitude":
                    np.multiply(result, result, out=result)
                if total is None:
                    total = scratch("total", result.size, self.accumulate)[: result.size].reshape(result.shape)
                    np.copyto(total, result)
                else:
                    np.add(total, result, out=total)
                result = None
            if owner < 0:
                break
            part = self._into_scratch(i, "result" if result is None else "part", image, y0, y1)
            if result is None:
                result = part
            else:
                np.add(result, part, out=result)
            previous = owner
        assert total is not None
        if self.combine == "magnitude":
            np.sqrt(total, out=total)
        stride = layout.column.stride
        total = total.reshape(y1 - y0, -1, layout.channels)[:, ::stride]
        _store_rows(out, layout, total, y0, y1)

    def _into_scratch(self, i: int, slot: str, image: np.ndarray, y0: int, y1: int) -> np.ndarray:
        layout = self.layouts[i]
        n, width = y1 - y0, layout.n_full
        room = scratch(slot, n * width + SLACK, self.accumulate)
        offsets = np.zeros(y1, np.int64)
        offsets[y0:] = np.arange(n) * (width * room.itemsize)
        self._sweep(i, image, Target(address(room), offsets, self.accumulate), y0, y1)
        return room[: n * width].reshape(n, width)

    def _sweep(self, i: int, image: np.ndarray, target: Target, y0: int, y1: int) -> None:
        sweep, layout = self.sweeps[i], self.layouts[i]
        if self.native[i]:
            offsets, constant = self.offsets[i], self.constant[i]
            dtype = np.dtype(np.uint8) if image.dtype.kind == "b" else image.dtype
            rows = Rows(address(image), offsets, address(constant), dtype, 0, (image, constant))
        else:
            rows = band_rows(layout, image, *sweep.rows_needed(y0, y1))
        sweep.run(self.ready[i], rows, target, y0, y1)


def _constant_row(layout: Layout, dtype: np.dtype) -> np.ndarray:
    if "constant" not in layout.problem.mode:
        return np.zeros(1, dtype)
    return np.full(layout.n_in + SLACK, layout.problem.cval, dtype)


def _store_rows(out: np.ndarray, layout: Layout, sums: np.ndarray, y0: int, y1: int) -> None:
    """Cast rows y0..y1 (rows, columns, channels) into the output, whatever its strides."""
    shape = out.shape[layout.row_dims :]
    if not layout.row_axes:
        cast_into(out, sums.reshape(shape))
        return
    lead = out.shape[: layout.row_dims]
    last = lead[-1]
    y = y0
    while y < y1:
        end = min(y1, (y // last + 1) * last)
        index = np.unravel_index(y, lead)
        part = out[index[:-1]][int(index[-1]) : int(index[-1]) + end - y]
        cast_into(part, sums[y - y0 : end - y0].reshape(end - y, *shape))
        y = end


class _Transforms:
    """Plans some of which take spectra: one whole result for each plan, combined at the end."""

    def __init__(self, plans: tuple[Plan, ...], combine: str) -> None:
        self.plans = plans
        self.combine = combine
        self.spectra = [
            Spectrum(plan.problem, plan.passes[0]) if plan.passes[0].kind == SPECTRUM else None for plan in plans
        ]

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int) -> None:
        if len(self.plans) == 1 and self.combine == "sum":
            assert self.spectra[0] is not None
            self.spectra[0].execute(image, out, workers)
            return
        total = np.zeros(out.shape, self.plans[0].problem.accumulate)
        part = np.empty_like(total)
        for plan, spectrum in zip(self.plans, self.spectra, strict=True):
            if spectrum is None:
                execute((plan,), "sum", image, part, workers)
            else:
                spectrum.execute(image, part, workers)
            if self.combine == "magnitude":
                np.multiply(part, part, out=part)
            np.add(total, part, out=total)
        if self.combine == "magnitude":
            np.sqrt(total, out=total)
        cast_into(out, total)


_jobs: OrderedDict[tuple, _Job | _Transforms] = OrderedDict()
_lock = Lock()
_KEPT = 128


def _job(plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray) -> _Job | _Transforms:
    key = (*map(id, plans), combine, image.strides, image.dtype.str, out.strides, out.dtype.str)
    with _lock:
        found = _jobs.get(key)
        if found is not None:
            _jobs.move_to_end(key)
            return found
    spectra = any(p.kind == SPECTRUM for plan in plans for p in plan.passes)
    made = _Transforms(plans, combine) if spectra else _Job(plans, combine, image, out)
    with _lock:
        _jobs[key] = made
        while len(_jobs) > _KEPT:
            _jobs.popitem(last=False)
    return made


def execute(plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray, workers: int) -> None:
    """Fill ``out`` with the plans' results combined: "sum", or "magnitude" (root of the sum of their squares).

    image: of the problems' shape and dtype, any strides and byte order; out: writable, native, of the problems'
    output shape and dtype, not overlapping the image.
    """
    _job(plans, combine, image, out).execute(image, out, workers)
