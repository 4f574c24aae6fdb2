"""Is the planner's choice the fastest method?  Every method that can serve is timed, in turn, on each case.

    python bench/choice.py [--rounds 5] [--only TEXT] [--workers 1] [--limit 1.3]
    python bench/choice.py --nn [--rows TEXT] [--sizes TEXT] ...

Prints, for each case, the method that "auto" takes, the fastest one measured, and the ratio of their times, the worst
case last; exit status 1 where a choice costs more than ``--limit`` times the best, or where two methods disagree.
Times are of `fastconv.correlate` into a given output, with ``--nn`` of the rows of bench/nn.py and their fresh
outputs; the least of several rounds, one worker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import nn
import numpy as np
from turns import least

#: a choice may cost this much more than the best method measured
LIMIT = 1.3
#: algorithms for channels are measured up to so many times the chosen one's estimate
FAR = 6.0


@dataclass(frozen=True, eq=False)
class Case:
    """One filter of one image: `options` are those of `fastconv.correlate`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kernel: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> np.ndarray:
        """Noise that uses the dtype's range (integers) or [0, 1)."""
        rng = np.random.default_rng(len(self.name))
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return rng.random(self.shape, dtype=np.float32 if dtype.itemsize < 8 else np.float64).astype(dtype)
        info = np.iinfo(dtype)
        return rng.integers(info.min, min(info.max, 2**20), self.shape, dtype=dtype, endpoint=True)


def gaussian(sigma: float, radius: int | None = None) -> np.ndarray:
    x = np.arange(-(radius or int(4 * sigma + 0.5)), (radius or int(4 * sigma + 0.5)) + 1)
    taps = np.exp(-x * x / (2 * sigma * sigma))
    return taps / taps.sum()


def square(taps: np.ndarray) -> np.ndarray:
    return np.multiply.outer(taps, taps)


def log(sigma: float) -> np.ndarray:
    radius = int(4 * sigma + 0.5)
    x = np.arange(-radius, radius + 1)
    r = np.add.outer(x * x, x * x)
    return (r - 2 * sigma**2) * np.exp(-r / (2 * sigma**2))


def noise(*shape: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def of_rank(k: int, rows: int, columns: int, seed: int = 7) -> np.ndarray:
    return noise(rows, k, seed=seed) @ noise(k, columns, seed=seed + 1)


SOBEL = np.outer([1.0, 2, 1], [-1.0, 0, 1])
SCHARR = np.outer([-1.0, 0, 1], [3.0, 10, 3])
SMALL, MIDDLE, HD, LARGE = (64, 80), (256, 320), (1080, 1920), (2048, 2048)


def cases() -> Iterable[Case]:
    """The cases; none of them is one that bench/fit_costs.py learns from."""
    for dtype in ("uint8", "float32"):
        for shape in (SMALL, MIDDLE, LARGE):
            yield Case("sobel", shape, dtype, SOBEL)
            yield Case("gaussian 1", shape, dtype, square(gaussian(1)))
            yield Case("random 3x3", shape, dtype, noise(3, 3))
            yield Case("random 15x15", shape, dtype, noise(15, 15))
            yield Case("box 15", shape, dtype, np.full((15, 15), 1 / 225))
    for dtype in ("uint8", "uint16", "float32", "float64"):
        yield Case("scharr y", HD, dtype, SCHARR)
        yield Case("gaussian 3", HD, dtype, square(gaussian(3)))
        yield Case("random 7x7", HD, dtype, noise(7, 7))
        yield Case("random 31x31", HD, dtype, noise(31, 31))
        yield Case("log 3", HD, dtype, log(3))
    for n in (4, 5, 9, 11, 19, 23):
        yield Case(f"random {n}x{n}", (1024, 1400), "float32", noise(n, n))
    yield Case("random 63x63", HD, "float32", noise(63, 63))
    yield Case("gaussian 10", LARGE, "float32", square(gaussian(10)))
    yield Case("gaussian 10", MIDDLE, "uint8", square(gaussian(10)))
    yield Case("log 1", MIDDLE, "float32", log(1))
    yield Case("log 5", HD, "float32", log(5))
    for k in (1, 2, 3, 4):
        yield Case(f"rank {k}, 15x15", HD, "float32", of_rank(k, 15, 15))
        yield Case(f"rank {k}, 21x13", MIDDLE, "float64", of_rank(k, 21, 13))
    for n in (3, 5, 41):
        yield Case(f"box {n}", HD, "uint8", np.ones((n, n)))
        yield Case(f"box {n}", HD, "float64", np.ones((n, n)))
    yield Case("box 7x31", MIDDLE, "uint16", np.ones((7, 31)))
    for d in (2, 4, 9):
        yield Case(f"random 3x3, dilated {d}", HD, "float32", noise(3, 3), {"dilation": d})
    yield Case("gaussian 1, dilated 3", HD, "uint8", square(gaussian(1)), {"dilation": 3})
    yield Case("random 15x15, dilated 2", MIDDLE, "float32", noise(15, 15), {"dilation": 2})
    yield Case("sparse 15x15", HD, "float32", np.where(noise(15, 15, seed=1) > 1.5, 1.0, 0.0))
    yield Case("roberts 2x2", HD, "float32", np.array([[1.0, 0], [0, -1]]))
    for n in (3, 31, 301):
        yield Case(f"{n} taps down", HD, "float32", noise(n), {"axes": (0,)})
        yield Case(f"{n} taps along", HD, "float32", noise(n), {"axes": (1,)})
    yield Case("gaussian 3, stride 2", LARGE, "float32", square(gaussian(3)), {"stride": 2})
    yield Case("random 5x5, stride 2", LARGE, "float32", noise(5, 5), {"stride": 2})
    yield Case("random 9x9, stride 4", LARGE, "uint8", noise(9, 9), {"stride": 4})
    yield Case("gaussian 2, colour", (512, 768, 3), "uint8", square(gaussian(2)), {"channel_axis": -1})
    yield Case("random 5x5, colour", (512, 768, 3), "float32", noise(5, 5), {"channel_axis": -1})
    yield Case("gaussian 1, uint8 out", HD, "uint8", square(gaussian(1)), {"dtype": "same"})
    yield Case("random 5x5, uint8 out", HD, "uint8", noise(5, 5), {"dtype": "same"})
    volume = (64, 128, 160)
    yield Case("random 3x3x3", volume, "float32", noise(3, 3, 3), {"axes": (0, 1, 2)})
    gauss = np.multiply.outer(gaussian(1), square(gaussian(1)))
    yield Case("gaussian 1, volume", volume, "float32", gauss, {"axes": (0, 1, 2)})
    yield Case("box 5, volume", volume, "uint16", np.ones((5, 5, 5)), {"axes": (0, 1, 2)})
    yield Case("random 11x11x11", volume, "float32", noise(11, 11, 11), {"axes": (0, 1, 2)})


@dataclass(frozen=True)
class Times:
    """Least nanoseconds a call of each method, and what "auto" takes."""

    chosen: str
    ns: dict[str, float]
    differing: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        return min(self.ns, key=self.ns.__getitem__)

    @property
    def ratio(self) -> float:
        return self.ns[self.chosen] / self.ns[self.best]


def measure(case: Case, rounds: int, workers: int, methods: tuple[str, ...] | None = None) -> Times:
    """The methods of one image filter: do they agree with each other, and which is fastest?"""
    import fastconv as fc

    image, kernel = case.image, case.kernel
    explained = {k: v for k, v in case.options.items() if k != "workers"}
    plan = fc.explain(image, kernel, **explained)
    names = methods or tuple(offer.method for offer in plan.offers)
    out = np.empty(plan.problem.out_shape, plan.problem.out_dtype)

    def call(method: str) -> np.ndarray:
        return fc.correlate(image, kernel, method=method, out=out, workers=workers, **case.options)

    def allowed(method: str) -> float:
        bound = fc.explain(image, kernel, method=method, **explained).error_bound + plan.error_bound
        most = bound * float(np.abs(kernel).sum()) * float(np.abs(image.astype(np.float64)).max())
        return most + (1.0 if out.dtype.kind in "iu" else 0.0)

    return compare(plan.method, {name: partial(call, name) for name in names}, allowed, rounds)


def measure_channels(case: nn.Case, rounds: int, workers: int, methods: tuple[str, ...] | None = None) -> Times:
    """The same for one row of bench/nn.py; algorithms that should take far longer than the best one are left out."""
    import fastconv as fc

    x, weight = case.arrays()
    explain = partial(fc.nn.explain, x, weight, transposed=case.kind.transposed, **case.options)
    plan = explain()
    names = methods or tuple(o.method for o in plan.offers if o.cost_ns < FAR * plan.cost_ns)
    calls = {name: partial(nn.ours(case, name), x, weight, workers=workers) for name in names}
    sums = nn.ours(case, "direct" if not case.kind.transposed else "polyphase")(
        np.abs(x), np.abs(weight), workers=workers
    )

    def allowed(method: str) -> float:
        return (explain(method=method).error_bound + plan.error_bound) * float(sums.max())

    return compare(plan.method, calls, allowed, rounds)


def compare(
    chosen: str, calls: dict[str, Callable[[], np.ndarray]], allowed: Callable[[str], float], rounds: int
) -> Times:
    """Check that the calls agree with the first of them within what is allowed, then time them in turn."""
    differing: list[str] = []
    first: np.ndarray | None = None
    for name, call in calls.items():
        result = call().astype(np.float64)
        first = result if first is None else first
        if result.size and not float(np.abs(result - first).max()) <= allowed(name):
            differing.append(name)
    return Times(chosen, least(calls, rounds), tuple(differing))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each method this often, in turn (default 5)")
    parser.add_argument("--only", "--rows", default="", help="only the cases whose name contains this text")
    parser.add_argument("--workers", type=int, default=1, help="threads (default 1)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"largest allowed ratio (default {LIMIT})")
    parser.add_argument("--nn", action="store_true", help="the rows of bench/nn.py in the place of image filters")
    parser.add_argument(
        "--sizes", default="", help="of those, only the sizes, such as 8->16@512, that contain this text"
    )
    options = parser.parse_args(arguments)
    jobs: list[tuple[str, Callable[[], Times]]] = []
    if options.nn:
        for row in nn.cases(options.only, options.sizes):
            if not row.kind.separable:  # there is one algorithm for these
                jobs.append((row.label, partial(measure_channels, row, options.rounds, options.workers)))
    else:
        for case in cases():
            if options.only in case.name:
                label = f"{case.name:<26} {' x '.join(map(str, case.shape)):<14} {case.dtype:<8}"
                jobs.append((label, partial(measure, case, options.rounds, options.workers)))
    return report(jobs, options.limit, options.only)


def report(jobs: list[tuple[str, Callable[[], Times]]], limit: float, only: str) -> int:
    """Run the jobs and print what was chosen and what was best, the worst choice last; 1 where one is too bad."""
    rows: list[tuple[float, str]] = []
    differing = []
    for i, (label, job) in enumerate(jobs):
        print(f"\r{i + 1}/{len(jobs)} {label}", end="", file=sys.stderr, flush=True)
        times = job()
        each = "  ".join(f"{m} {t / 1e6:.3g}" for m, t in sorted(times.ns.items(), key=lambda item: item[1]))
        rows.append((times.ratio, f"{label} {times.chosen:<12} {times.ratio:5.2f}   {each}"))
        differing += [f"{label} {name}" for name in times.differing]
    print(file=sys.stderr)
    if not rows:
        print(f"no case has {only!r} in its name")
        return 2
    print(f"{'case':<{len(jobs[0][0])}} {'chosen':<12} ratio   measured, ms")
    for _, row in sorted(rows):
        print(row)
    ratios = np.array([ratio for ratio, _ in rows])
    mean, worst = float(np.exp(np.log(ratios).mean())), float(ratios.max())
    print(f"{len(rows)} cases: the best method in {(ratios == 1).sum()}; {(ratios > limit).sum()} above {limit:g}")
    print(f"chosen / best at worst {worst:.2f}, on average {mean:.3f}")
    for text in differing:
        print(f"its answer differs: {text}")
    return int(worst > limit or bool(differing))


if __name__ == "__main__":
    sys.exit(main())
