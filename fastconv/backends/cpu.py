"""The CPU backend: executes plans on NumPy arrays, band by band, on the package's own workers.

`execute` cuts the output rows into bands of a few milliseconds.  One term whose output dtype a loop can store is
written in place; everything else (sums of terms, magnitudes, column strides, rare dtypes) goes through a strip of
scratch rows in the accumulate dtype that stays in the cache, and is combined, cast and stored from there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv.core.dtypes import cast_into
from fastconv.core.ir import Caps, Plan
from fastconv.core.scratch import scratch, use_lane
from fastconv.core.threads import SERIAL_NS, worker_count
from fastconv.core.threads import run as run_tasks
from fastconv.loops import cpu_combine
from fastconv.loops.vec import lanes

from . import handoff
from .again import Again, Shared, Step, worth
from .layout import Layout
from .source import NATIVE, SLACK, Rows, address, band_rows, in_place
from .spectrum import Spectrum
from .sweeps import SWEEPS, Call, Target
from .sweeps.common import nones, table_rows, token

__all__ = ["CAPS", "execute", "ready"]

SPECTRUM = "spectrum"
CAPS = Caps("cpu", frozenset((*SWEEPS, SPECTRUM)))

#: the longest band (Ctrl-C is heard between bands), in nanoseconds
BAND_NS = 4_000_000
#: bytes of scratch rows worked on at a time: a part of the second-level cache
SCRATCH_BYTES = 512 * 1024
#: and no more than this fraction of the output for each worker, or so many bytes
SCRATCH_SHARE = 32
SCRATCH_LEAST = 64 * 1024
#: output rows that a sweep computes together: strips and bands hold whole blocks
ROW_BLOCK = 4


def _never(image: int, out: int) -> bool:
    return False


class _Kept(threading.local):
    """What a thread keeps: of a small image the driver calls that filter it, of a larger one a call a worker."""

    steps: list[Step] | None = None
    #: the same without what leads to it
    again: Again | None = None
    #: what makes it so for one worker, and for any number of them where the work is too short to be shared
    alone: Callable[[int, int], bool] = staticmethod(_never)
    always: Callable[[int, int], bool] = staticmethod(_never)
    shared: Shared | None = None


class _Term:
    """One sweep of one plan on an image of given strides."""

    def __init__(self, layout: Layout, sweep: Any, image: np.ndarray, target: np.dtype) -> None:
        self.layout = layout
        self.sweep = sweep
        problem = layout.problem
        self.dtype = np.dtype(np.uint8) if image.dtype.kind == "b" else image.dtype
        self.offsets = self.constant = None
        source = problem.accumulate
        if in_place(layout, image.dtype, image.strides):
            source = self.dtype
            self.offsets = layout.row_offsets(image.strides)
            size = layout.n_in + SLACK if problem.reads_constant else 1
            self.constant = np.full(size, problem.cval if problem.reads_constant else 0, self.dtype)
        self.constant_at = 0 if self.constant is None else address(self.constant)
        self.ready = sweep.prepare(source, target)

    def rows(self, image: np.ndarray) -> Rows | None:
        """The image's own rows, where loops can read them."""
        if self.offsets is None:
            return None
        return Rows(address(image), self.offsets, self.constant_at, self.dtype, 0, image)

    def run(self, image: np.ndarray, rows: Rows | None, target: Target, y0: int, y1: int) -> None:
        if rows is None:
            rows = band_rows(self.layout, image, *self.sweep.rows_needed(y0, y1))
        self.sweep.run(self.ready, rows, target, y0, y1)


class _Job:
    """Plans made ready for arrays of given strides: tables, compiled functions, bands."""

    def __init__(self, plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray) -> None:
        layouts = [Layout(plan.problem) for plan in plans]
        self.layout = layout = layouts[0]
        self.accumulate = layout.problem.accumulate
        terms = [(layout, term.passes[0]) for layout, plan in zip(layouts, plans, strict=True) for term in plan.terms]
        storable = out.dtype in NATIVE[self.accumulate] and out.flags.c_contiguous and layout.column.stride == 1
        single = len(terms) == 1 and combine == "sum"
        self.writes_out = single and storable
        self.target = target = out.dtype if self.writes_out else self.accumulate
        self.terms = [_Term(layout, SWEEPS[p.kind](layout, p), image, target) for layout, p in terms]
        #: terms of one plan are added before a magnitude squares them
        self.groups = [len(plan.terms) for plan in plans] if combine == "magnitude" else [1] * len(terms)
        self.out_offsets = table_rows(layout.rows_out, layout.n_out * out.itemsize)
        self.align = max(t.sweep.align for t in self.terms)
        self.cost = sum(plan.cost_ns for plan in plans)
        self.warm = False
        self.kept = _Kept()
        #: a few calls of drivers may be all that a small image needs; what leads to them costs more than they do
        self.small = self.cost <= SERIAL_NS and storable
        #: whether its bands may be single calls: asked once
        self.shares = self.writes_out
        self.whole = [(0, layout.rows_out)]
        #: output rows worked on at a time: as many as fit the scratch; all where none is used
        self.strip_rows = layout.rows_out
        copied = [t.layout for t in self.terms if t.offsets is None]
        if copied or not self.writes_out:
            row = max(1, len(self.terms) * layout.n_full + sum(each.n_in for each in copied))
            budget = max(SCRATCH_LEAST, min(SCRATCH_BYTES, out.nbytes // SCRATCH_SHARE)) // (2 if copied else 1)
            rows = max(8, budget // (row * self.accumulate.itemsize), *(each.row_reach for each in copied))
            step = max(self.align, ROW_BLOCK)
            self.strip_rows = -(-rows // step) * step
        if self.writes_out:
            return
        self.strip_offsets = table_rows(self.strip_rows, layout.n_full * self.accumulate.itemsize)
        self.stores = storable
        stored = out.dtype if storable else self.accumulate
        self.add = self._combiner(self.accumulate, False)
        self.finish = self._combiner(stored, combine == "magnitude")
        # of a single term nothing is left to combine but a cast that NumPy does
        self.combines = not single or storable

    def _combiner(self, stored: np.dtype, root: bool) -> int:
        acc = self.accumulate
        return cpu_combine.combine_row.address(
            ACC=token(acc),
            OUT=token(stored),
            ACC_SIZE=acc.itemsize,
            OUT_SIZE=stored.itemsize,
            LANES=lanes(acc.itemsize),
            ROOT=nones(int(root)),
        )

    def again(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> bool:
        """Do what `execute` does where one short call is all of it; False, and nothing done, elsewhere.

        An output that is read-only, not aligned or overlaps the image is noticed.
        """
        kept = self.kept
        return (kept.alone if workers == 1 else kept.always)(id(image), id(out))

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> None:
        kept = self.kept
        if self.small and self.warm and kept.steps is None:
            kept.steps = self._steps(image)
            self.small = kept.steps is not None
        if kept.steps is not None and self.cost <= handoff.LEAST_NS:
            self._repeat(kept.steps, image, out)
            return
        # how many workers there may be is asked of the system: not for a small image
        workers = worker_count(workers) if self.cost > handoff.LEAST_NS else 1
        if self.shares and self.warm and handoff.short(self.cost, workers):
            parts = handoff.lanes_of(self.cost, workers)
            shared = kept.shared
            if shared is None or len(shared.bands) != parts:
                shared = kept.shared = self._shared(image, parts)
            if shared is not None:
                shared(address(image), address(out), self.cost)
                return
        if kept.steps is not None:
            self._repeat(kept.steps, image, out)
            return
        bands = self._bands(workers) if self.cost > SERIAL_NS else self.whole
        if not self.warm:  # whatever is still to be compiled is compiled on the caller's thread
            self._run(image, out, *bands[0])
            self.warm = True
            bands = bands[1:]
        if len(bands) == 1:
            self._run(image, out, *bands[0])
        elif bands:
            run_tasks(lambda i: self._run(image, out, *bands[i]), len(bands), workers)

    def _repeat(self, steps: list[Step], image: np.ndarray, out: np.ndarray) -> None:
        kept = self.kept
        if kept.alone(id(image), id(out)):
            return
        for step in steps:
            step(address(image), address(out))
        if kept.again is None and worth():
            kept.again = Again(steps, image, out)
            if kept.again:
                kept.alone = kept.again.make
                if self.cost <= handoff.LEAST_NS or not self.shares:
                    kept.always = kept.alone

    def _steps(self, image: np.ndarray) -> list[Step] | None:
        """All that `_run` does for images that lie like this one, as calls; None where it is more than calls."""
        target = Target(0, self.out_offsets, self.target)
        rows: list[Rows] = []
        for term in self.terms:
            source = term.rows(image)
            if source is None:
                return None
            source.base, source.keep = 0, None
            rows.append(source)
        if self.writes_out:
            call = self.terms[0].sweep.call(self.terms[0].ready, rows[0], target, 0, self.layout.rows_out)
            return None if call is None else [Step.of(call)]
        room, parts = self._parts(0, self.layout.rows_out)
        steps: list[Step] = []
        for a in range(0, self.layout.rows_out, self.strip_rows):
            b = min(self.layout.rows_out, a + self.strip_rows)
            for term, source, part in zip(self.terms, rows, parts, strict=True):
                part.start = a
                call = term.sweep.call(term.ready, source, part, a, b)
                if call is None:
                    return None
                steps.append(Step.of(call, writes_out=False, keep=room))
            steps += self._combined(target, [part.base for part in parts], a, b)
        return steps

    def _shared(self, image: np.ndarray, workers: int) -> Shared | None:
        """A band for each worker, as calls for images that lie like this one; None where they are not single calls."""
        term, step = self.terms[0], max(self.align, ROW_BLOCK)
        rows = self.layout.rows_out // step
        cuts = [rows * k // workers * step for k in range(workers)] + [self.layout.rows_out]
        source = term.rows(image)
        self.shares = source is not None and all(a < b for a, b in pairwise(cuts))
        bands: list[Call] = []
        if source is not None and self.shares:
            source.base, source.keep = 0, None
            try:
                for lane, (a, b) in enumerate(pairwise(cuts)):
                    use_lane(lane)
                    call = term.sweep.call(term.ready, source, Target(0, self.out_offsets, self.target), a, b)
                    if call is not None:
                        bands.append(call)
            finally:
                use_lane(0)
            self.shares = len(bands) == workers
        return Shared(bands) if self.shares else None

    def _bands(self, workers: int) -> list[tuple[int, int]]:
        rows = self.layout.rows_out
        wanted = 1
        if self.cost > SERIAL_NS:
            wanted = -(-int(self.cost) // BAND_NS)
            if workers > 1:
                wanted = max(wanted, workers, min(4 * workers, int(self.cost) // SERIAL_NS))
        step = max(self.align, ROW_BLOCK)
        # rather a few more bands than one that is longer by a whole step, for which the other workers wait
        each = max(1, rows // wanted // step) * step
        return [(y, min(rows, y + each)) for y in range(0, rows, each)]

    def _run(self, image: np.ndarray, out: np.ndarray, y0: int, y1: int) -> None:
        rows = [term.rows(image) for term in self.terms]
        target = Target(address(out), self.out_offsets, out.dtype)
        if self.writes_out:
            for a in range(y0, y1, self.strip_rows):
                self.terms[0].run(image, rows[0], target, a, min(y1, a + self.strip_rows))
            return
        room, parts = self._parts(y0, y1)
        for a in range(y0, y1, self.strip_rows):
            b = min(y1, a + self.strip_rows)
            for term, source, each in zip(self.terms, rows, parts, strict=True):
                each.start = a
                term.run(image, source, each, a, b)
            for step in self._combined(target, [each.base for each in parts], a, b):
                step(0, 0)
            if not self.stores:
                sums = room[: (b - a) * self.layout.n_full].reshape(b - a, -1, self.layout.channels)
                _store_rows(out, self.layout, sums[:, :: self.layout.column.stride], a, b)

    def _parts(self, y0: int, y1: int) -> tuple[np.ndarray, list[Target]]:
        """Scratch memory, and in it a strip for each term."""
        part = min(y1 - y0, self.strip_rows) * self.layout.n_full
        room = scratch("terms", len(self.terms) * part + SLACK, self.accumulate)
        bases = [address(room) + i * part * self.accumulate.itemsize for i in range(len(self.terms))]
        return room, [Target(base, self.strip_offsets, self.accumulate, y0) for base in bases]

    def _combined(self, target: Target, parts: list[int], y0: int, y1: int) -> list[Step]:
        """What makes the terms' rows y0..y1 one, and stores them where a loop can."""
        n, width = y1 - y0, self.layout.n_full
        step = width * self.accumulate.itemsize
        calls: list[tuple[Any, ...]] = []
        heads, i = [], 0
        for group in self.groups:
            heads.append(parts[i])
            if group > 1:
                some = np.array(parts[i : i + group], np.int64)
                calls.append((some, step, heads[-1], self.strip_offsets, n, width, self.add))
            i += group
        table = np.array(heads, np.int64)
        if self.stores:
            calls.append((table, step, target.base, target.rows(y0, y1), n, width, self.finish))
        elif self.combines:
            calls.append((table, step, parts[0], self.strip_offsets, n, width, self.finish))
        steps = [Step(cpu_combine.combine_rows.compiled(*args), args) for args in calls]
        if self.stores:
            steps[-1].out = 2
        return steps


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

    def again(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> bool:
        """Never: a transform is no single call."""
        return False

    def execute(self, image: np.ndarray, out: np.ndarray, workers: int | None) -> None:
        if len(self.plans) == 1 and self.combine == "sum":
            assert self.spectra[0] is not None
            self.spectra[0].execute(image, out, worker_count(workers))
            return
        total = np.zeros(out.shape, self.plans[0].problem.accumulate)
        part = np.empty_like(total)
        for plan, spectrum in zip(self.plans, self.spectra, strict=True):
            if spectrum is None:
                execute((plan,), "sum", image, part, workers)
            else:
                spectrum.execute(image, part, worker_count(workers))
            if self.combine == "magnitude":
                np.multiply(part, part, out=part)
            np.add(total, part, out=total)
        if self.combine == "magnitude":
            np.sqrt(total, out=total)
        cast_into(out, total)


_jobs: OrderedDict[tuple, _Job | _Transforms] = OrderedDict()
_lock = threading.Lock()
_KEPT = 128


def ready(plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray) -> _Job | _Transforms:
    """What executes plans on arrays of their shapes and dtypes that lie like these: kept, for `execute` too."""
    key = (plans, combine, image.strides, image.dtype.str, out.strides, out.dtype.str)
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


def execute(plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray, workers: int | None) -> None:
    """Fill ``out`` with the plans' results combined: "sum", or "magnitude" (root of the sum of their squares).

    image: of the problems' shape and dtype, any strides and byte order; out: writable, native, of the problems'
    output shape and dtype, not overlapping the image; workers: the most there may be, None: as many as there are.
    """
    ready(plans, combine, image, out).execute(image, out, workers)
