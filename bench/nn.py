"""fastconv.nn against PyTorch on the CPU: every kind of convolution over every size, in turn, with equal answers.

    python bench/nn.py [--threads 1] [--rows TEXT] [--sizes TEXT] [--rounds 7] [--json FILE]
    python bench/nn.py --first [--json FILE]

Each row first checks both results against PyTorch's float64 result: ours must lie within the plan's stated bound.
Both sides then make a fresh output at each call and are timed in turn; the least of the rounds counts, since PyTorch
is bistable for outputs over 8 MB and its fast state is the one to beat.  Weights are plain arrays: nothing is prepared.
``--rows Gaussian`` or ``Sobel`` asks for rows of weights that are outer products, which are not among the others.
``--first`` times the first result of a new process instead, with an empty cache of compiled loops and with a full one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from turns import least

#: channels in, channels out, pixels along each side
SIZES = ((1, 8, 512), (3, 16, 512), (8, 16, 512), (16, 32, 256), (32, 32, 128), (64, 64, 64), (128, 128, 32),
         (256, 256, 14), (512, 512, 7))  # fmt: skip
#: what no row may fall below, and what all rows together mean to reach
LEAST, MEAN = 1.1, 3.0

FIRST = """
import time, numpy as np
rng = np.random.default_rng(0)
x, w = rng.random({x}, dtype=np.float32), rng.random({w}, dtype=np.float32)
t = time.perf_counter()
import fastconv as fc
fc.nn.{call}
seconds = time.perf_counter() - t
from fastconv.loops import jit
print(seconds, jit.stats()["specialisations"])
"""
FIRST_CALLS = {
    "conv2d 3x3, 3 -> 16": ((1, 3, 512, 512), (16, 3, 3, 3), "conv2d(x, w, padding=1)"),
    "conv2d 3x3, 64 -> 64": ((1, 64, 64, 64), (64, 64, 3, 3), "conv2d(x, w, padding=1)"),
    "conv2d 3x3 stride 2, 16 -> 32": ((1, 16, 256, 256), (32, 16, 3, 3), "conv2d(x, w, padding=1, stride=2)"),
    "conv2d 1x1, 64 -> 64": ((1, 64, 64, 64), (64, 64, 1, 1), "conv2d(x, w)"),
    "depthwise 3x3": ((1, 32, 128, 128), (32, 1, 3, 3), "depthwise_conv2d(x, w, padding=1)"),
    "transposed 3x3 stride 2": ((1, 16, 128, 128), (16, 16, 3, 3), "conv_transpose2d(x, w, stride=2, padding=1)"),
}


@dataclass(frozen=True)
class Kind:
    """One kind of convolution: kernel size, options, and groups as a function of the input channels."""

    size: int = 3
    stride: int = 1
    dilation: int = 1
    padding: int = 1
    output_padding: int = 0
    divide: int = 1
    depthwise: bool = False
    separable: bool = False
    transposed: bool = False
    dtype: str = "float32"
    #: "random", or a kernel whose slices are outer products: "gaussian" or "sobel"
    weights: str = "random"


KINDS = {
    "3x3": Kind(),
    "5x5": Kind(size=5, padding=2),
    "7x7 stride 2": Kind(size=7, stride=2, padding=3),
    "1x1": Kind(size=1, padding=0),
    "3x3 stride 2": Kind(stride=2),
    "3x3 dilation 2": Kind(dilation=2, padding=2),
    "3x3 in 4 groups": Kind(divide=4),
    "depthwise 3x3": Kind(depthwise=True),
    "depthwise separable": Kind(separable=True),
    "transposed 3x3 stride 2": Kind(stride=2, output_padding=1, transposed=True),
    "transposed 4x4 stride 2": Kind(size=4, stride=2, transposed=True),
    "3x3 float64": Kind(dtype="float64"),
}
#: weights that are outer products: not among the rows of layers that are learned, so not in their geometric mean
FACTORED = {
    "depthwise Gaussian 7x7": Kind(size=7, padding=3, depthwise=True, weights="gaussian"),
    "depthwise Gaussian 15x15": Kind(size=15, padding=7, depthwise=True, weights="gaussian"),
    "plain Gaussian 7x7": Kind(size=7, padding=3, weights="gaussian"),
    "plain Sobel": Kind(weights="sobel"),
}


@dataclass(frozen=True)
class Case:
    """One row: a kind at one size."""

    name: str
    c_in: int
    c_out: int
    pixels: int
    kind: Kind = field(repr=False)

    @property
    def label(self) -> str:
        return f"{self.name:<24} {self.c_in:>3} -> {self.c_out:<3} @ {self.pixels:<3}"

    @property
    def groups(self) -> int:
        return self.c_in if self.kind.depthwise or self.kind.separable else self.kind.divide

    @property
    def options(self) -> dict[str, Any]:
        k = self.kind
        options = {"stride": k.stride, "padding": k.padding, "dilation": k.dilation}
        if k.transposed:
            options["output_padding"] = k.output_padding
        return options if k.separable else options | {"groups": self.groups}

    def arrays(self) -> tuple[np.ndarray, ...]:
        """x, weight, and for a separable convolution the second weight."""
        k = self.kind
        rng = np.random.default_rng(self.c_in * self.pixels + k.size)
        shapes = [(1, self.c_in, self.pixels, self.pixels)]
        if k.separable or k.depthwise:
            shapes.append((self.c_in, 1, k.size, k.size))
        elif k.transposed:
            shapes.append((self.c_in, self.c_out // self.groups, k.size, k.size))
        else:
            shapes.append((self.c_out, self.c_in // self.groups, k.size, k.size))
        if k.separable:
            shapes.append((self.c_out, self.c_in, 1, 1))
        made = [rng.standard_normal(shape).astype(k.dtype) for shape in shapes]
        if k.weights != "random":
            t = np.arange(k.size) - k.size // 2
            bell = np.exp(-t * t / (2 * (k.size / 5) ** 2))
            kernel = np.outer(bell, t if k.weights == "sobel" else bell) / bell.sum() ** 2
            made[1] = (made[1][:, :, :1, :1] * kernel).astype(k.dtype)
        return tuple(made)


def cases(rows: str = "", sizes: str = "") -> Iterable[Case]:
    """Every kind over every size; groups only where they divide the channels.  Those of `FACTORED`: by name only."""
    every = KINDS | FACTORED if rows else KINDS
    for name, kind in every.items():
        for c_in, c_out, pixels in SIZES:
            case = Case(name, c_in, c_out, pixels, kind)
            divides = kind.divide == 1 or (c_in % kind.divide == 0 and c_out % kind.divide == 0)
            if divides and rows in name and sizes in f"{c_in}->{c_out}@{pixels}":
                yield case


def ours(case: Case, method: str = "auto") -> Callable[..., np.ndarray]:
    """The call of fastconv.nn on the case's arrays."""
    import fastconv as fc

    options = dict(case.options)
    if case.kind.separable:
        return lambda *a, workers: fc.nn.separable_conv2d(*a, workers=workers, **options)
    call = fc.nn.conv_transpose2d if case.kind.transposed else fc.nn.conv2d
    return lambda *a, workers: call(*a, workers=workers, method=method, **options)


def theirs(case: Case) -> Callable[..., Any]:
    """The same in PyTorch."""
    import torch.nn.functional as f

    options = case.options
    if case.kind.separable:
        return lambda x, w, v: f.conv2d(f.conv2d(x, w, groups=case.groups, **options), v)
    call = f.conv_transpose2d if case.kind.transposed else f.conv2d
    return lambda x, w: call(x, w, **options)


def bound(case: Case, arrays: tuple[np.ndarray, ...], method: str = "auto") -> tuple[float, bool]:
    """What our result may differ from the exact one, relative to sum |w| |x|, and whether that sum is a tile's."""
    import fastconv as fc

    x, weight = arrays[:2]
    if case.kind.separable:
        first = fc.nn.explain(x, weight, groups=case.c_in, **case.options)
        return first.error_bound + fc.nn.explain(x, arrays[2]).error_bound, False
    plan = fc.nn.explain(x, weight, transposed=case.kind.transposed, method=method, **case.options)
    return plan.error_bound, plan.method.startswith("winograd")


def differs(case: Case, arrays: tuple[np.ndarray, ...], result: np.ndarray, allowed: tuple[float, bool]) -> float:
    """Largest difference from PyTorch's float64 result over what is allowed: above 1 is wrong."""
    import torch

    with torch.no_grad():
        exact = theirs(case)(*(torch.from_numpy(a.astype(np.float64)) for a in arrays)).numpy()
        sums = theirs(case)(*(torch.from_numpy(np.abs(a).astype(np.float64)) for a in arrays)).numpy()
    if result.shape != exact.shape:
        return math.inf
    # Winograd's error follows the tile: the largest sum stands for that
    limit = allowed[0] * (sums.max() if allowed[1] else np.maximum(sums, 1e-30))
    return float((np.abs(result - exact) / limit).max())


def measure(case: Case, rounds: int, threads: int) -> dict[str, Any]:
    """One row."""
    import torch

    arrays = case.arrays()
    tensors = [torch.from_numpy(a) for a in arrays]
    call, peer = ours(case), theirs(case)
    error = differs(case, arrays, call(*arrays, workers=threads), bound(case, arrays))
    with torch.inference_mode():
        ns = least(
            {"ours": lambda: call(*arrays, workers=threads), "torch": lambda: peer(*tensors)},
            rounds,
            0.02 if threads > 1 else 0.0,
        )
    return {
        "row": case.name, "channels in": case.c_in, "channels out": case.c_out, "pixels": case.pixels,
        "ours ms": ns["ours"] / 1e6, "torch ms": ns["torch"] / 1e6, "ratio": ns["torch"] / ns["ours"],
        "error over bound": error,
    }  # fmt: skip


def report(rows: list[dict[str, Any]]) -> None:
    """Geometric means, the worst row, and how many fall short."""
    ratios = np.array([row["ratio"] for row in rows])

    def mean(values: Iterable[float]) -> float:
        return float(np.exp(np.mean(np.log(list(values)))))

    print()
    for name in dict.fromkeys(row["row"] for row in rows):
        own = [row["ratio"] for row in rows if row["row"] == name]
        print(f"{name:<24} {'  '.join(f'{r:5.2f}' for r in own):<62}  mean {mean(own):5.2f}")
    worst = rows[int(ratios.argmin())]
    print(f"\n{len(rows)} rows, geometric mean {mean(ratios):.2f} (aim {MEAN:g})")
    print(f"under {LEAST:g}: {(ratios < LEAST).sum()} rows")
    print(f"worst: {worst['row']}, {worst['channels in']} -> {worst['channels out']} @ {worst['pixels']}: "
          f"{worst['ratio']:.2f}")  # fmt: skip
    for row in rows:
        if row["error over bound"] > 1:
            print(f"differs by {row['error over bound']:.2f} of what is allowed: {row['row']} @ {row['pixels']}")


def first(repeat: int) -> dict[str, dict[str, float]]:
    """Seconds from before the import to the first result, least of several new processes: cold and warm caches.

    Beside them, how many specialisations of loops the call needed.
    """
    found = {}
    for name, (x, w, call) in FIRST_CALLS.items():
        code = FIRST.format(x=x, w=w, call=call)

        def seconds(cache: str, code: str = code) -> tuple[float, int]:
            env = {**os.environ, "FASTCONV_CACHE_DIR": cache}
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
            took, compiled = done.stdout.split()
            return float(took), int(compiled)

        with tempfile.TemporaryDirectory() as cache:
            cold, compiled = seconds(cache)
            warm = min(seconds(cache)[0] for _ in range(repeat))
        found[name] = {"cold": cold, "warm": warm, "compiled": compiled}
        print(f"{name:<32} cold {cold:5.2f} s   warm {warm:5.2f} s   {compiled} loops compiled", flush=True)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of each side (default 1)")
    parser.add_argument("--rows", default="", help="only the kinds whose name contains this text")
    parser.add_argument("--sizes", default="", help="only the sizes, such as 8->16@512, that contain this text")
    parser.add_argument("--rounds", type=int, default=7, help="times each side this often, in turn (default 7)")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--first", action="store_true", help="time first results in new processes instead")
    options = parser.parse_args(arguments)
    if options.first:
        found: Any = first(max(1, options.rounds // 2))
    else:
        import torch

        torch.set_num_threads(options.threads)
        found = []
        print(f"{'row':<41} ours, ms  torch, ms  ratio  error/bound")
        for case in cases(options.rows, options.sizes):
            row = measure(case, options.rounds, options.threads)
            found.append(row)
            print(f"{case.label} {row['ours ms']:9.3f}  {row['torch ms']:9.3f}  {row['ratio']:5.2f}  "
                  f"{row['error over bound']:.3f}", flush=True)  # fmt: skip
        if not found:
            print("no such row")
            return 2
        report(found)
    if options.json:
        options.json.write_text(json.dumps({"threads": options.threads, "rows": found}, indent=1) + "\n")
    return 0 if options.first else int(any(row["ratio"] < LEAST or row["error over bound"] > 1 for row in found))


if __name__ == "__main__":
    sys.exit(main())
