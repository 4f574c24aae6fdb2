"""The figures beside the tables: import time, first result warm and cold, compiled signatures, extra memory, worst
error over bound, call overhead, and what two threads and a busy core make of a call's time.

    python bench/figures.py [--json FILE] [--only WORD ...]

Figures are taken in new processes (import, first result, signatures), on photograph-sized arrays (memory, error,
threads) or on small images (overhead).  Times want an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

IMPORT = "import time, numpy; t = time.perf_counter(); import fastconv; print(time.perf_counter() - t)"
FIRST = """
import time, numpy as np
image = (np.random.default_rng(0).random((2048, 2048)) * 200).astype("{dtype}")
t = time.perf_counter()
import fastconv as fc
{call}
print(time.perf_counter() - t)
"""
CALLS = {
    "sobel float32": ("float32", "fc.sobel(image, axis=1)"),
    "sobel magnitude float32": ("float32", "fc.sobel(image)"),
    "gaussian 2 float32": ("float32", "fc.gaussian(image, 2.0)"),
    "gaussian 2 uint8 -> uint8": ("uint8", "fc.gaussian(image, 2.0, dtype='same')"),
    "3 x 3 uint8": ("uint8", "fc.correlate(image, [[1, 2, 0], [3, 4, 5], [1, 7, 2]])"),
    "box 15 float32": ("float32", "fc.box(image, 15)"),
}

SIGNATURES = """
import json, numpy as np, fastconv as fc
from fastconv.loops.jit import cache_size
random = np.random.default_rng(0)
image = random.random((512, 701), dtype=np.float32)
found = {}
def added(name, call):
    before = cache_size()[0]
    call()
    found[name] = cache_size()[0] - before
added("gaussian 1", lambda: fc.gaussian(image, 1.0))
added("then 5 more sigmas of its radius", lambda: [fc.gaussian(image, s) for s in (0.9, 0.95, 1.05, 1.1, 1.124)])
added("then gaussian 1.3, of more than 9 taps", lambda: fc.gaussian(image, 1.3))
added("then gaussian 1.35 and 2", lambda: [fc.gaussian(image, s) for s in (1.35, 2.0)])
added("then gaussian 3, of 25 taps or more", lambda: fc.gaussian(image, 3.0))
added("then gaussian 4, 5 and 10", lambda: [fc.gaussian(image, s) for s in (4.0, 5.0, 10.0)])
added("then 5 x 5", lambda: fc.correlate(image, random.random((5, 5))))
added("then another 5 x 5", lambda: fc.correlate(image, random.random((5, 5))))
print(json.dumps(found))
"""
SPIN = """
import os
os.sched_setaffinity(0, {{{core}}})
print("here", flush=True)
while True:
    pass
"""


def seconds(code: str, cache: str) -> float:
    env = {**os.environ, "FASTCONV_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def first_results(repeat: int) -> dict[str, dict[str, float]]:
    found = {}
    for name, (dtype, call) in CALLS.items():
        code = FIRST.format(dtype=dtype, call=call)
        cold = []
        for _ in range(max(1, repeat // 2)):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(seconds(code, cache))
        with tempfile.TemporaryDirectory() as cache:
            seconds(code, cache)
            warm = [seconds(code, cache) for _ in range(repeat)]
        found[name] = {"cold": median(cold), "warm": median(warm)}
    return found


def extra_memory() -> dict[str, float]:
    import fastconv as fc
    from fastconv.core.scratch import release_scratch

    image = np.random.default_rng(0).random((2400, 3200), dtype=np.float32)
    out = np.empty_like(image)
    kernel = np.random.default_rng(1).standard_normal((7, 7))
    calls: dict[str, Callable[[], Any]] = {
        "sobel magnitude": lambda: fc.sobel(image, out=out),
        "gaussian 10, separable": lambda: fc.gaussian(image, 10.0, method="separable", out=out),
        "gaussian 10, fft": lambda: fc.gaussian(image, 10.0, method="fft", out=out),
        "direct 7 x 7": lambda: fc.correlate(image, kernel, method="direct", out=out),
        "low rank 25 x 25": lambda: fc.correlate(image, fc.kernels.gaussian_laplace(3.0), method="low_rank", out=out),
        "box 15": lambda: fc.box(image, 15, out=out),
        "fft 7 x 7": lambda: fc.correlate(image, kernel, method="fft", out=out),
    }
    found = {}
    for name, call in calls.items():
        call()
        fc.engine.clear_caches()
        release_scratch()
        tracemalloc.start()
        call()
        found[name] = tracemalloc.get_traced_memory()[1] / image.nbytes
        tracemalloc.stop()
    return found


def worst_error() -> dict[str, float]:
    """Largest |result - exact| over the plan's own bound, the exact sums taken in float64 by SciPy."""
    from scipy import ndimage

    import fastconv as fc

    random = np.random.default_rng(2)
    image = (random.random((700, 901)) * 2 - 1).astype(np.float32)
    kernels = {
        "direct": random.standard_normal((7, 6)),
        "separable": np.outer(random.standard_normal(31), random.standard_normal(9)),
        "low_rank": fc.kernels.gaussian_laplace(3.0),
        "running_sum": np.full((31, 17), 1 / (31 * 17)),
        "fft": random.standard_normal((41, 33)),
    }
    found = {}
    for method, kernel in kernels.items():
        plan = fc.explain(image, kernel, method=method)
        exact = ndimage.correlate(image.astype(np.float64), kernel)
        allowed = plan.error_bound * ndimage.correlate(np.abs(image).astype(np.float64), np.abs(kernel))
        if method not in ("direct", "separable"):
            allowed = np.full_like(allowed, plan.error_bound * np.abs(kernel).sum())
        error = np.abs(fc.correlate(image, kernel, method=method) - exact)
        found[method] = float((error / allowed).max())
    return found


def import_time(repeat: int) -> float:
    with tempfile.TemporaryDirectory() as cache:
        return median(seconds(IMPORT, cache) for _ in range(repeat)) * 1e3


def compiled_signatures() -> dict[str, int]:
    """Loops added to an empty cache by each call of a list, in one process."""
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "FASTCONV_CACHE_DIR": cache}
        done = subprocess.run([sys.executable, "-c", SIGNATURES], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def call_overhead(repeat: int) -> dict[str, dict[str, float]]:
    """Microseconds of a repeated call on small images, of the one loop call in it, and of OpenCV's call; one thread."""
    import fastconv as fc
    from fastconv import measure

    cv = importlib.import_module("cv2") if "opencv" in measure.installed() else None
    kernel = np.random.default_rng(4).random((3, 3))
    single = kernel.astype(np.float32)
    small: dict[str, tuple[str, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
        "sobel": (
            "float32",
            lambda image, out: fc.sobel(image, axis=1, out=out, workers=1),
            lambda image, out: cv.Sobel(image, cv.CV_32F, 1, 0, dst=out),
        ),
        "gaussian 1": (
            "float32",
            lambda image, out: fc.gaussian(image, 1.0, out=out, workers=1),
            lambda image, out: cv.GaussianBlur(image, (9, 9), 1.0, dst=out),
        ),
        "box 3, uint8": (
            "uint8",
            lambda image, out: fc.box(image, 3, out=out, workers=1),
            lambda image, out: cv.blur(image, (3, 3), dst=out),
        ),
        "3 x 3": (
            "float32",
            lambda image, out: fc.correlate(image, kernel, out=out, workers=1),
            lambda image, out: cv.filter2D(image, cv.CV_32F, single, dst=out),
        ),
    }
    found = {}
    with measure.peer_threads(measure.installed(), 1):
        for edge in (8, 64, 256):
            image = np.random.default_rng(edge).random((edge, edge)) * 200
            for name, (dtype, ours, theirs) in small.items():
                key = f"{name}, {edge} x {edge}"
                found[key] = _overhead(image.astype(dtype), ours, theirs if cv else None, 20 * repeat)
    return found


def _overhead(
    image: np.ndarray, ours: Callable[[Any, Any], Any], theirs: Callable[[Any, Any], Any] | None, rounds: int
) -> dict[str, float]:
    import fastconv as fc
    from fastconv import measure
    from fastconv.backends import again, cpu

    out = np.empty_like(image)
    fc.engine.clear_caches()
    cpu._jobs.clear()
    again.ready()  # as after some calls
    for _ in range(4):
        ours(image, out)
    (job,) = cpu._jobs.values()
    assert isinstance(job, cpu._Job)
    loop = job.kept.alone  # the driver call that is kept for a small image
    assert loop(id(image), id(out))
    timed: dict[str, Callable[[], Any]] = {
        "call": partial(ours, image, out),
        "loop": partial(loop, id(image), id(out)),
    }
    if theirs is not None:
        timed["opencv"] = partial(theirs, image, out)
        timed["opencv"]()
    times = measure.in_turn(tuple(timed.values()), rounds)
    each = {side: median(t) * 1e3 for side, t in zip(timed, times, strict=True)}
    return {"overhead": each["call"] - each["loop"], **each}


def _calls(rows: list[str], threads: int) -> dict[str, Callable[[], Any]]:
    """Our calls of these rows of the benchmark at 2048 x 2048, each made once."""
    from fastconv import measure

    found = {}
    for row in (row for row in measure.ROWS if row.name in rows):
        found[row.name] = measure.ours(row, row.image((2048, 2048)), threads)
        found[row.name]()
    return found


def two_threads_over_one(repeat: int) -> dict[str, float]:
    """How many times as fast two threads are where arithmetic bounds: least times, taken in turn."""
    from fastconv import measure

    rows = ["dense 15x15, float32", "dense 7x7, float32", "gaussian 10, float32", "gaussian 10, uint8"]
    one, two = _calls(rows, 1), _calls(rows, 2)
    found = {}
    for name in rows:
        alone, both = measure.time_in_turn(one[name], two[name], 4 * repeat)
        found[name] = min(alone) / min(both)
    return found


def one_core_busy(repeat: int) -> dict[str, float] | None:
    """Two-thread time with another process busy on one core, over the time without; medians.  None on one core."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        return None
    from fastconv import measure

    calls = _calls(["sobel x, float32", "gaussian 1, uint8", "gaussian 3, float32", "dense 7x7, float32"], 2)
    idle: dict[str, list[float]] = {name: [] for name in calls}
    busy: dict[str, list[float]] = {name: [] for name in calls}
    core = max(os.sched_getaffinity(0))
    for _ in range(max(2, repeat // 2)):  # in turn: with, without
        for name, call in calls.items():
            idle[name] += measure.in_turn((call,), 20)[0]
        other = subprocess.Popen([sys.executable, "-c", SPIN.format(core=core)], stdout=subprocess.PIPE)
        try:
            assert other.stdout is not None
            other.stdout.readline()
            for name, call in calls.items():
                busy[name] += measure.in_turn((call,), 20)[0]
        finally:
            other.kill()
            other.wait()
            other.stdout.close()
    return {name: median(busy[name]) / median(idle[name]) for name in calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--only", nargs="+", default=[""], help="figures whose names hold one of these words")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    makers: dict[str, Callable[[], Any]] = {
        "import over NumPy, ms": lambda: import_time(args.repeat),
        "first result, s": lambda: first_results(args.repeat),
        "compiled signatures": compiled_signatures,
        "extra memory, of the image": extra_memory,
        "worst error over bound": worst_error,
        "call overhead, us": lambda: call_overhead(args.repeat),
        "two threads over one": lambda: two_threads_over_one(args.repeat),
        "one core busy over idle, two threads": lambda: one_core_busy(args.repeat),
    }
    figures = {name: make() for name, make in makers.items() if any(word in name for word in args.only)}
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
