"""What a method would cost: how often each piece of work happens, times what the piece costs here.

The counts follow from the problem; the nanoseconds stand in ``constants.json`` beside this file, for each
backend, method and accumulate dtype, and are measured by ``bench/fit_costs.py``.  A cost is in nanoseconds of
one core.  The pieces:

call      one call, whatever its size                       pixel   one sample that a pass stores
row       one row of samples that a pass works through      tap     one tap of one such sample
term      one sample added to an earlier term's             tile    one tile of a spectrum pass
sample    one tile sample, times log2 of the tile / 16      from_*  one image sample brought to the sums' dtype
to_*      one output sample cast to a narrower dtype
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from fastconv.core.ir import Caps, Problem

__all__ = [
    "TABLE",
    "Counts",
    "conversions",
    "estimate",
    "line_counts",
    "spectrum_counts",
    "sum_counts",
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


def window_counts(problem: Problem, taps: int) -> Counts:
    """One pass of ``taps`` coefficients over every output sample."""
    pixels = float(problem.pixels)
    return conversions(problem) | {
        "row": _rows(problem, problem.out_shape),
        "pixel": pixels,
        "tap": pixels * taps,
    }


def line_counts(problem: Problem, terms: Sequence[Sequence[np.ndarray]]) -> Counts:
    """One pass along each axis for each term, the first axis first; an axis whose taps are [1] costs nothing."""
    counts = conversions(problem, len(terms)) | {"row": 0.0, "pixel": 0.0, "tap": 0.0}
    sizes = [problem.out_shape[a] for a in problem.axes]
    for taps in terms:
        shape = list(problem.shape)
        for axis, size, t in zip(problem.axes, sizes, taps, strict=True):
            shape[axis] = size
            if len(t) == 1 and t[0] == 1:
                continue
            counts["row"] += _rows(problem, shape)
            counts["pixel"] += _samples(shape)
            counts["tap"] += _samples(shape) * int(np.count_nonzero(t))
    if len(terms) > 1:
        counts["term"] = float(problem.pixels * (len(terms) - 1))
    return counts


def sum_counts(problem: Problem) -> Counts:
    """A running sum along each axis: every sample along the axis is met once, whatever the size and the stride."""
    counts = conversions(problem) | {"row": 0.0, "pixel": 0.0}
    shape = list(problem.shape)
    for i, axis in enumerate(problem.axes):
        if problem.size[i] > 1:
            counts["row"] += _rows(problem, shape)
            counts["pixel"] += _samples(shape)
        shape[axis] = problem.out_shape[axis]
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


def _samples(shape: Sequence[int]) -> int:
    return math.prod(shape)


def _rows(problem: Problem, shape: Sequence[int]) -> float:
    """Runs of contiguous samples: the last filtered axis and all behind it count as one."""
    return float(math.prod(shape[: problem.axes[-1]]))
