"""What a method would cost: how often each piece of work happens, times what the piece costs here.

The counts follow from the problem; the nanoseconds stand in ``constants.json`` beside this file, for each
backend, method and accumulate dtype, and are measured by ``bench/fit_costs.py``.  A cost is in nanoseconds of
one core; those of "cuda" are not measured: they are instructions of its loops (tests/cuda/budget.json) at the rate
of one board (for spectra the bytes that transforms move), and serve to compare its methods.  The pieces:

call      one call, whatever its size                       pixel   one sample that a pass stores
row       one row of samples that a pass works through      tap     one tap of one such sample
band      one sample of a band's buffer: several terms      pair    two mirrored taps that share a multiplication
          are added there, strided columns dropped          lone    one tap of a window or of a pass down the rows
                                                                    whose rows share no loads
convert   one sample loaded in another dtype than the sums'
down      one tap of a pass along one axis, not the last    byte    one tap of a mean of bytes, summed in 16 bits
thin      one tap of a window of a single column, likewise
tile      one tile of a spectrum pass                       sample  one tile sample, times log2 of the tile / 16
moved     one sample of a tile in the lanes of vectors      butterfly  the same, times log2 of the tile / 16
from_*    one image sample brought to the sums' dtype       to_*    one output sample cast to a narrower dtype

Passes work on whole rows: a stride along the last filtered axis drops samples that were computed, one along an
earlier axis saves the work.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from fastconv.core.byte_means import is_byte_mean
from fastconv.core.ir import Caps, Problem
from fastconv.core.spectrum_tiles import tiles_needed

__all__ = [
    "TABLE",
    "Counts",
    "conversions",
    "estimate",
    "line_counts",
    "spectrum_counts",
    "sum_counts",
    "tile_counts",
    "window_counts",
]

#: the one table of constants: backend -> method -> accumulate dtype -> piece -> ns
TABLE = Path(__file__).with_name("constants.json")
#: whose constants serve a backend that has none of its own yet
REFERENCE = "cpu"

Counts = dict[str, float]


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def estimate(problem: Problem, method: str, counts: Counts, caps: Caps) -> float:
    """Nanoseconds of one core: the sum of counts times constants.

    ``caps.constants`` may override single constants, named "method.accumulate.piece" ("direct.float32.tap").
    """
    sums = str(problem.accumulate)
    constants = _table().get(caps.backend, _table()[REFERENCE])[method][sums]
    return sum(
        count * caps.constants.get(f"{method}.{sums}.{piece}", constants.get(piece, 0.0))
        for piece, count in counts.items()
    )


def conversions(problem: Problem, sweeps: int = 1) -> Counts:
    """The image's samples brought to the accumulate dtype (in each of ``sweeps``), and the output's cast."""
    dtype, out = problem.image_dtype, problem.out_dtype
    kind = "float" if dtype.kind == "f" else "int"
    counts: Counts = {"call": 1.0, f"from_{kind}{8 * dtype.itemsize}": float(_samples(problem.shape) * sweeps)}
    if out.kind != "f":
        counts["to_int"] = float(problem.pixels)
    elif out.itemsize < problem.accumulate.itemsize:
        counts[f"to_float{8 * out.itemsize}"] = float(problem.pixels)
    return counts


def window_counts(problem: Problem, kernel: np.ndarray) -> Counts:
    """One pass of a kernel's non-zero taps over every output sample.

    Neighbouring output rows share the samples that they load where the kernel has no zeros, at least four rows (fewer
    gain little), and no stride along the last axis but one.
    """
    shape = _swept(problem)
    taps = int(np.count_nonzero(kernel))
    shares = kernel.ndim > 1 and kernel.shape[-2] >= 4 and problem.stride[-2] == 1 and taps == kernel.size
    work = float(_samples(shape) * taps)
    counts = conversions(problem) | _band(problem, 1)
    column = kernel.shape[-1] == 1 if problem.axes[-1] == len(shape) - 1 else kernel.ndim == 1
    piece = "tap" if shares else "thin" if column and taps > 1 else "lone"
    counts |= {"row": _rows(problem, shape), "pixel": float(_samples(shape)), piece: work}
    if problem.image_dtype != problem.accumulate:  # samples are converted as they are loaded, tap by tap
        counts["convert"] = work
    return counts


def line_counts(problem: Problem, terms: Sequence[Sequence[np.ndarray]]) -> Counts:
    """One pass along each axis for each term, the first axis first; an axis whose taps are [1] costs nothing."""
    counts = (
        conversions(problem, len(terms))
        | _band(problem, len(terms))
        | {"row": 0.0, "pixel": 0.0, "tap": 0.0, "pair": 0.0}
    )
    swept = _swept(problem)
    for taps in terms:
        shape = list(problem.shape)
        bytes_only = len(taps) <= 2 and len(terms) == 1 and is_byte_mean(problem, taps)
        for axis, stride, t in zip(problem.axes, problem.stride, taps, strict=True):
            shape[axis] = swept[axis]
            if len(t) == 1 and t[0] == 1:
                continue
            counts["row"] += _rows(problem, shape)
            counts["pixel"] += _samples(shape)
            if bytes_only:
                counts["byte"] = counts.get("byte", 0.0) + _samples(shape) * len(t)
            elif axis == problem.axes[-1] and axis < len(shape) - 1 and sum(len(each) > 1 for each in taps) == 1:
                counts["down"] = counts.get("down", 0.0) + _samples(shape) * len(t)
            elif axis < problem.axes[-1] and stride > 1:
                counts["lone"] = counts.get("lone", 0.0) + _samples(shape) * len(t)
            elif len(t) > 2 and len(t) % 2 and (np.array_equal(t, t[::-1]) or np.array_equal(t, -t[::-1])):
                counts["pair"] += _samples(shape) * (len(t) // 2)
            else:
                counts["tap"] += _samples(shape) * len(t)
    return counts


def sum_counts(problem: Problem) -> Counts:
    """A running sum along the last axis and the one before it, whatever the size.

    Along earlier axes, and where a stride leaves no neighbour to slide from, the samples are added one by one.
    """
    counts = conversions(problem) | _band(problem, 1) | {"row": 0.0, "pixel": 0.0, "tap": 0.0}
    swept = _swept(problem)
    shape = list(problem.shape)
    last = len(problem.axes) - 1
    for i, axis in enumerate(problem.axes):
        shape[axis] = swept[axis]
        if problem.size[i] == 1:
            continue
        counts["row"] += _rows(problem, shape)
        counts["pixel"] += _samples(shape)
        if i < last - 1 or (i == last - 1 and problem.stride[i] > 1):
            counts["tap"] += _samples(shape) * problem.size[i]
    return counts


def spectrum_counts(problem: Problem, tile: tuple[int, ...]) -> Counts:
    """A transform, a product and a transform back for each tile; the kernel's own spectrum is one tile more.

    Tiles overlap by the kernel's reach; a stride drops samples only after their transform.
    """
    tiles = math.prod(
        -(-problem.shape[a] // (t - r)) for a, t, r in zip(problem.axes, tile, problem.reach, strict=True)
    )
    batch = _samples(problem.shape) / max(1, math.prod(problem.shape[a] for a in problem.axes))
    samples = math.prod(tile)
    return conversions(problem) | {
        "pixel": float(problem.pixels),
        "tile": tiles * batch + 1,
        "sample": (tiles * batch + 1) * samples * math.log2(max(2, samples)) / 16,
    }


def tile_counts(problem: Problem, tile: tuple[int, int]) -> Counts:
    """Tiles of spectra in the lanes of vectors; two of them are as much work as the kernel's own spectrum."""
    samples = tiles_needed(problem, tile) * math.prod(tile)
    return (
        conversions(problem)
        | _band(problem, 1)
        | {"moved": float(samples), "butterfly": samples * math.log2(math.prod(tile)) / 16}
    )


def _samples(shape: Sequence[int]) -> int:
    return math.prod(shape)


def _swept(problem: Problem) -> tuple[int, ...]:
    """The output's shape before a stride along the last filtered axis drops samples."""
    last = problem.axes[-1]
    return (*problem.out_shape[:last], problem.shape[last], *problem.out_shape[last + 1 :])


def _band(problem: Problem, terms: int) -> Counts:
    """Samples that go through a band's buffer on their way to the output."""
    if terms == 1 and problem.stride[-1] == 1:
        return {}
    return {"band": float(_samples(_swept(problem)) * terms)}


def _rows(problem: Problem, shape: Sequence[int]) -> float:
    """Runs of contiguous samples: the last filtered axis and all behind it count as one."""
    return float(math.prod(shape[: problem.axes[-1]]))
