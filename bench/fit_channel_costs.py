"""Measure this machine and rewrite the table of constants for convolutions over channels.

    python bench/fit_channel_costs.py [--rounds 5] [--method NAME] [--dry-run]

Each algorithm is forced on every case that it serves, sizes and kernels that are none of bench/nn.py's.  The planner
says how many pieces of work a case holds (fastconv/plan/channels.py); for each algorithm and dtype the constants are
the non-negative numbers that bring pieces times constants closest to the measured times, in relative terms.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import product

import numpy as np
from fit_costs import fit
from nn import Case, Kind, ours
from turns import least

#: channels in, channels out, pixels along each side
SIZES = ((1, 4, 400), (2, 12, 330), (4, 8, 440), (6, 24, 300), (8, 16, 360), (12, 24, 230), (24, 40, 130), (32, 64, 90),
         (48, 48, 72), (96, 80, 44), (128, 192, 26), (192, 160, 18), (256, 256, 12), (384, 448, 8))  # fmt: skip
KINDS = {
    "3x3": Kind(),
    "5x5": Kind(size=5, padding=2),
    "1x1": Kind(size=1, padding=0),
    "7x7": Kind(size=7, padding=3),
    "3x3 stride 2": Kind(stride=2),
    "7x7 stride 2": Kind(size=7, padding=3, stride=2),
    "3x3 dilation 3": Kind(dilation=3, padding=3),
    "3x3 in 2 groups": Kind(divide=2),
    "3x3 in 4 groups": Kind(divide=4),
    "depthwise 3x3": Kind(depthwise=True),
    "depthwise 3x3 stride 2": Kind(stride=2, depthwise=True),
    "depthwise 5x5": Kind(size=5, padding=2, depthwise=True),
    "transposed 3x3 stride 2": Kind(stride=2, output_padding=1, transposed=True),
    "transposed 4x4 stride 2": Kind(size=4, stride=2, transposed=True),
}
#: a case slower than this (by the old table) teaches no more than a smaller one
LONGEST_NS = 30_000_000


def cases(dtype: str) -> Iterable[Case]:
    # float64: every second size
    for (name, kind), (c_in, c_out, pixels) in product(KINDS.items(), SIZES if dtype == "float32" else SIZES[::2]):
        if c_in % kind.divide == 0 and c_out % kind.divide == 0:
            values = {**vars(kind), "dtype": dtype}
            yield Case(f"{name} {dtype}", c_in, c_out, pixels, Kind(**values))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each case this often (default 5)")
    parser.add_argument("--method", action="append", help="only these algorithms")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="only this one (default both)")
    parser.add_argument("--dry-run", action="store_true", help="print the constants, write nothing")
    options = parser.parse_args(arguments)

    import fastconv as fc
    from fastconv.plan.channels import SUMMED_TILES, TABLE, counts

    table = json.loads(TABLE.read_text(encoding="utf-8"))
    found: dict[tuple[str, str], tuple[list[dict[str, float]], list[float]]] = {}
    for dtype in (options.dtype,) if options.dtype else ("float32", "float64"):
        for case in cases(dtype):
            x, weight = case.arrays()
            plan = fc.nn.explain(x, weight, transposed=case.kind.transposed, **case.options)
            names = [o.method for o in plan.offers if o.cost_ns < LONGEST_NS and o.method in (options.method or table)]
            if case.kind.depthwise:  # of no use there, and unlike anything else
                names = [name for name in names if name not in SUMMED_TILES]
            calls = {}
            for name in names:
                call = ours(case, name)
                calls[name] = lambda call=call, x=x, weight=weight: call(x, weight, workers=1)
            for name, ns in least(calls, options.rounds).items():
                rows, times = found.setdefault((name, dtype), ([], []))
                rows.append(counts(plan.problem, name))
                times.append(ns)
            print(f"\r{case.label}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for (method, dtype), (rows, times) in found.items():
        new = fit(rows, times, {})
        table.setdefault(method, {})[dtype] = new
        ratios = np.array([sum(new[p] * c for p, c in row.items()) / t for row, t in zip(rows, times, strict=True)])
        spread = np.exp(np.abs(np.log(ratios)).mean())
        print(f"{method}, {dtype}: {len(times)} cases, estimate / measured off by {spread:.2f} x on average,")
        print(f"  between {ratios.min():.2f} and {ratios.max():.2f}")
        print("  " + "  ".join(f"{piece} {value:g}" for piece, value in new.items()), flush=True)
    if not options.dry_run:
        TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(f"written: {TABLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
