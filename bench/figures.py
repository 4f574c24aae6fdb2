"""The figures beside the tables: import time, first result warm and cold, extra memory, worst error over bound.

    python bench/figures.py [--json FILE]

Every figure is taken in new processes (import, first result) or on a photograph-sized array (memory, error).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
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
        "gaussian 10": lambda: fc.gaussian(image, 10.0, out=out),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        over_numpy = median(seconds(IMPORT, cache) for _ in range(args.repeat))
    figures = {
        "import over NumPy, ms": over_numpy * 1e3,
        "first result, s": first_results(args.repeat),
        "extra memory, of the image": extra_memory(),
        "worst error over bound": worst_error(),
    }
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
