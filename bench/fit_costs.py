"""Measure this machine and rewrite the planner's table of constants (fastconv/plan/constants.json).

    python bench/fit_costs.py [--rounds 5] [--method NAME] [--dry-run]

Each method is forced on its own set of cases, sizes and dtypes (none of them one of bench/choice.py's).  The planner
itself says how many pieces of work a case holds (fastconv/plan/cost.py); for each method and accumulate dtype the
constants are the non-negative numbers that bring pieces times constants closest to the measured times, in relative
terms.  Constants that the cases say little about stay near what they were.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import product

import numpy as np
from choice import Case, gaussian, measure, noise, of_rank, square

#: weight of the old constants: as much as this part of one measured case each
INERTIA = 0.02
BACKEND = "cpu"
SIZES = ((48, 56), (120, 160), (400, 512), (900, 1400), (1700, 2300))
#: image dtype, output dtype; the first of each accumulate dtype is run on every size and kernel, the others on a few
DTYPES = {
    "float32": (("float32", None), ("uint8", None), ("uint16", None), ("uint8", "same"), ("float16", None)),
    "float64": (("float64", None), ("int32", None), ("int64", None), ("uint8", "float64"), ("float64", "float32")),
}
#: kernels of each method: (name, kernel, options)
KERNELS: dict[str, list[tuple[str, np.ndarray, dict]]] = {
    "direct": [(f"{n}x{m}", noise(n, m, seed=3), {}) for n, m in ((2, 3), (3, 3), (5, 4), (6, 6), (10, 10), (17, 17))]
    + [(f"{n} taps", noise(n, seed=3), {"axes": (a,)}) for n in (7, 25) for a in (0, 1)],
    "separable": [(f"radius {r}", square(gaussian(r / 4, r)), {}) for r in (1, 2, 5, 8, 16, 32)]
    + [(f"{n}x{m}", np.outer(noise(n, seed=3), noise(m, seed=4)), {}) for n, m in ((3, 3), (6, 9), (20, 11))]
    + [(f"{n} taps", noise(n, seed=3), {"axes": (a,)}) for n in (4, 7, 25, 201) for a in (0, 1)]
    + [(f"mean {n}x{n}", np.full((n, n), 1 / n**2), {}) for n in (3, 5, 9, 15)],
    "low_rank": [
        (f"rank {k}, {n}x{m}", of_rank(k, n, m, seed=5), {})
        for k, n, m in ((2, 7, 9), (2, 18, 18), (2, 33, 29), (3, 12, 10), (3, 25, 25), (5, 27, 27))
    ],
    "running_sum": [(f"box {n}x{m}", np.ones((n, m)), {}) for n, m in ((3, 3), (6, 6), (11, 11), (25, 35), (61, 61))]
    + [("13 taps", np.ones(13), {"axes": (1,)}), ("13 taps", np.ones(13), {"axes": (0,)})],
    "fft": [(f"{n}x{m}", noise(n, m, seed=3), {}) for n, m in ((6, 6), (12, 14), (25, 27), (41, 41), (75, 75))],
}  # fmt: skip


def cases(method: str, accumulate: str) -> Iterable[Case]:
    """Cases for one method and accumulate dtype."""
    kernels = KERNELS[method]
    for (dtype, out), (i, (name, kernel, options)), (j, shape) in product(
        DTYPES[accumulate], enumerate(kernels), enumerate(SIZES)
    ):
        # every dtype but the first: each second kernel on one size
        if (dtype, out) == DTYPES[accumulate][0] or (i % 2 == 1 and j == len(SIZES) - 2):
            yield Case(name, shape, dtype, kernel, options | ({"dtype": out} if out else {}))


def nonnegative(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least squares with non-negative unknowns: what turns negative is set to 0, the most negative first."""
    used = np.ones(a.shape[1], bool)
    x = np.zeros(a.shape[1])
    while used.any():
        x[:] = 0
        x[used] = np.linalg.lstsq(a[:, used], y, rcond=None)[0]
        if (x >= 0).all():
            break
        used[np.argmin(x)] = False
    return np.maximum(x, 0)


def fit(counts: list[dict[str, float]], ns: list[float], old: dict[str, float]) -> dict[str, float]:
    """Constants for the pieces that occur in ``counts``; the other old ones as they are."""
    pieces = sorted({piece for row in counts for piece in row})
    a = np.array([[row.get(piece, 0.0) / t for piece in pieces] for row, t in zip(counts, ns, strict=True)])
    y = np.ones(len(ns))
    known = [i for i, piece in enumerate(pieces) if old.get(piece, 0) > 0]
    if known:
        pull = np.zeros((len(known), len(pieces)))
        for row, i in enumerate(known):
            pull[row, i] = INERTIA**0.5 / old[pieces[i]]
        a, y = np.vstack([a, pull]), np.concatenate([y, np.full(len(known), INERTIA**0.5)])
    scale = np.linalg.norm(a, axis=0)
    scale[scale == 0] = 1
    found = nonnegative(a / scale, y) / scale
    return old | {piece: float(f"{value:.4g}") for piece, value in zip(pieces, found, strict=True)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each case this often (default 5)")
    parser.add_argument("--method", choices=sorted(KERNELS), action="append", help="only these methods")
    parser.add_argument("--dry-run", action="store_true", help="print the constants, write nothing")
    options = parser.parse_args(arguments)

    import fastconv as fc
    from fastconv.backends.cpu import CAPS
    from fastconv.plan.algorithms import ALGORITHMS
    from fastconv.plan.candidate import Refusal
    from fastconv.plan.cost import TABLE

    table = json.loads(TABLE.read_text(encoding="utf-8"))
    constants = table.setdefault(BACKEND, {})
    for method, accumulate in product(options.method or KERNELS, DTYPES):
        counts, ns = [], []
        for case in cases(method, accumulate):
            plan = fc.explain(case.image, case.kernel, **case.options)
            offer = ALGORITHMS[method](plan.problem, plan.weights, CAPS)
            if isinstance(offer, Refusal):
                print(f"{method} refuses {case.name}: {offer.reason}", file=sys.stderr)
                continue
            counts.append(offer.counts)
            ns.append(measure(case, options.rounds, workers=1, methods=(method,)).ns[method])
        old = constants.setdefault(method, {}).get(accumulate, {})
        new = constants[method][accumulate] = fit(counts, ns, old)
        ratios = np.array([sum(new[p] * c for p, c in row.items()) / t for row, t in zip(counts, ns, strict=True)])
        spread = np.exp(np.abs(np.log(ratios)).mean())
        print(f"{method}, {accumulate}: {len(ns)} cases, estimate / measured off by {spread:.2f} x on average,")
        print(f"  between {ratios.min():.2f} and {ratios.max():.2f}")
        print("  " + "  ".join(f"{piece} {value:g}" for piece, value in new.items()), flush=True)
    if not options.dry_run:
        TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(f"written: {TABLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
