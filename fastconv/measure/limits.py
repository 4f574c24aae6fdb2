"""What the machine allows at most: the time of a copy, and of a plan's multiply-adds at the rate of registers.

Memory: a copy that reads as many bytes as the image has and writes as many as the result, the fastest of several:
stores that pass the caches by and stores that do not, all the run's threads and one of them (a small copy is done
before a second thread has begun).  It is timed in turn with the filter, on its image, so that it finds in the caches
what the filter finds.

Arithmetic: the multiply-adds of the plan, over the rate at which the run's threads do fused multiply-adds of the
accumulate dtype without any memory.  What counts for one multiply-add:

line, window    a tap that is not 0 (two mirrored taps that share a multiplication stay two)
sum             an addition: two for each axis that a sum slides along, and one for the scale
spectrum, tiles two of the 2.5 n log2 n operations of a real transform of n samples; two transforms a tile

Sums that are exact in 16-bit whole numbers go two or more times as fast as a multiply-add: a fraction of such a row's
arithmetic limit may lie above 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from fastconv.core.address import address
from fastconv.core.ir import Pass, Plan, Problem
from fastconv.core.spectrum_tiles import tiles_needed
from fastconv.core.threads import run

from .table import Limit
from .turns import in_turn

__all__ = ["copy_call", "measure_limit", "multiply_adds", "peak_call"]

#: parts of a copy, and calls of the multiply-adds, for each thread
PARTS = 4
#: rounds of one call of the multiply-adds: about a millisecond
ROUNDS = 300_000
_LINE = 64


def multiply_adds(plan: Plan) -> float:
    """Multiply-adds of a whole plan, counted as this module's text says.

    >>> from fastconv import explain
    >>> multiply_adds(explain((10, 20), [[1, 2, 3], [4, 5, 9], [7, 0, 9]], method="direct"))
    1600.0
    """
    return sum(_COUNTS[sweep.kind](plan.problem, sweep) for sweep in plan.passes)


def _line(problem: Problem, sweep: Pass) -> float:
    each = (np.count_nonzero(t) for t in sweep.taps if not (len(t) == 1 and t[0] == 1))
    return float(problem.pixels * sum(each))


def _window(problem: Problem, sweep: Pass) -> float:
    assert sweep.kernel is not None
    return float(problem.pixels * np.count_nonzero(sweep.kernel))


def _sum(problem: Problem, sweep: Pass) -> float:
    return problem.pixels * (2 * sum(n > 1 for n in sweep.size) + (sweep.scale != 1))


def _spectrum(problem: Problem, sweep: Pass) -> float:
    samples = math.prod(sweep.size)
    filtered = math.prod(problem.shape[a] for a in problem.axes)
    tiles = math.prod(problem.shape) / max(1, filtered)
    for a, tile, reach in zip(problem.axes, sweep.size, problem.reach, strict=True):
        tiles *= -(-problem.shape[a] // (tile - reach))
    return tiles * 2.5 * samples * math.log2(max(2, samples))


def _tiles(problem: Problem, sweep: Pass) -> float:
    samples = math.prod(sweep.size)
    return tiles_needed(problem, (sweep.size[0], sweep.size[1])) * 2.5 * samples * math.log2(samples)


_COUNTS: dict[str, Callable[[Problem, Pass], float]] = {
    "line": _line,
    "window": _window,
    "sum": _sum,
    "spectrum": _spectrum,
    "tiles": _tiles,
}


def copy_call(source: np.ndarray, target: np.ndarray, passing: bool, workers: int = 1) -> Callable[[], None]:
    """A call that reads all of ``source`` and writes all of ``target``, arrays of bytes.

    Where one is larger, it is so a whole number of times: each vector is written that often, or the exclusive or of
    so many.  Less than a step of it, at the end, is copied as it is.  ``passing``: the stores pass the caches by;
    the target then begins at a multiple of 64 bytes.
    """
    from fastconv.loops import machine_limits as loops
    from fastconv.loops.vec import vector_bytes

    read, written = max(1, source.size // max(1, target.size)), max(1, target.size // max(1, source.size))
    vector = vector_bytes()
    near, far = loops.STEP * read * vector, loops.STEP * written * vector
    steps = min(source.size // near, target.size // far)
    rest = min(source.size - steps * near, target.size - steps * far)
    tokens = {"READ": (None,) * read, "WRITTEN": (None,) * written, "PASSING": (None,) * passing}
    function = loops.copy_bytes.address(**tokens, VECTOR=vector)
    call = loops.call_copy.compiled(function, 0, 0, 0, 0)
    begin, end = address(source), address(target)
    parts = PARTS * workers if workers > 1 else 1
    cuts = [steps * i // parts for i in range(parts + 1)]

    def part(i: int) -> None:
        a, b = cuts[i], cuts[i + 1]
        call(function, begin + a * near, end + a * far, b - a, rest if i == parts - 1 else 0)

    return lambda: run(part, parts, workers)


def peak_call(dtype: np.dtype, workers: int) -> tuple[Callable[[], None], float]:
    """A call of fused multiply-adds that stay in registers, and how many it does."""
    from fastconv.loops import machine_limits as loops
    from fastconv.loops.vec import lanes, vector_bytes

    parts = PARTS * workers
    numbers = np.array([0.5, 1.0], dtype)
    sums = np.empty((parts, loops.SUMS * vector_bytes()), np.uint8)
    function = loops.multiply_adds.address(ACC=dtype.type)
    call = loops.call_multiply_adds.compiled(function, 0, 0, 0)

    def part(i: int) -> None:
        call(function, address(numbers), address(sums[i]), ROUNDS)

    return lambda: run(part, parts, workers), float(parts * ROUNDS * loops.SUMS * lanes(dtype.itemsize))


def measure_limit(
    plans: Sequence[Plan], image: np.ndarray, out: str, mine: Callable[[], object], threads: int, repeat: int
) -> Limit:
    """The two limits of a call ``mine`` that follows ``plans``: from ``image`` to as many samples of dtype ``out``."""
    source = image.reshape(-1).view(np.uint8)
    room = np.zeros(image.size * np.dtype(out).itemsize + _LINE, np.uint8)
    begin = -address(room) % _LINE
    target = room[begin : begin + room.size - _LINE]
    copies = [
        copy_call(source, target, passing, workers) for passing in (False, True) for workers in sorted({1, threads})
    ]
    peak, done = peak_call(plans[0].problem.accumulate, threads)
    for call in (*copies, peak, mine):
        call()
    ours, *copied = in_turn((mine, *copies), repeat, alike=True)
    (counted,) = in_turn((peak,), repeat)
    whole = sum(multiply_adds(plan) for plan in plans)
    return Limit(ours, min(copied, key=min), [whole * t / done for t in counted])
