"""fastconv.ndimage against scipy.ndimage, and scikit-image under `accelerate` against scikit-image: the same bytes
first, then both in turn.

    python bench/ndimage.py                                     every row, two threads: about ten minutes
    python bench/ndimage.py --rows gaussian --shapes 2048x2048  some of them
    python bench/ndimage.py --json bench/results/ndimage/threads2.json    and keep the figures for the README

A ratio is SciPy's time over fastconv's: the least of each side's rounds, on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
import scipy.ndimage

import fastconv as fc
from fastconv import measure
from fastconv.core.threads import run as run_tasks

DTYPES = ("float32", "float64", "uint8", "uint16")
SHAPES = ("2048x2048", "128x128x128", "64x64")
_KERNEL = np.random.default_rng(3).standard_normal((5, 5))


def _sobel(image: np.ndarray, axis: int, output: Any, mode: str, cval: float) -> np.ndarray:
    return fc.ndimage.sobel(image, axis, output, mode, cval)


def _scipys_sobel(image: np.ndarray, axis: int, output: Any, mode: str, cval: float) -> np.ndarray:
    return scipy.ndimage.sobel(image, axis, output, mode, cval)


#: what a row calls: the function, its arguments behind the image, its options
CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "correlate1d 3, axis -1": ("correlate1d", ([1.0, 2.0, 4.0],), {}),
    "correlate1d 9, axis 0": ("correlate1d", (np.arange(1.0, 10.0),), {"axis": 0}),
    "convolve1d 9, axis -1": ("convolve1d", (np.arange(1.0, 10.0),), {}),
    "gaussian_filter1d 2, axis -1": ("gaussian_filter1d", (2.0,), {}),
    "gaussian_filter1d 2, axis 0": ("gaussian_filter1d", (2.0,), {"axis": 0}),
    "gaussian_filter 1": ("gaussian_filter", (1.0,), {}),
    "gaussian_filter 2": ("gaussian_filter", (2.0,), {}),
    "gaussian_filter 10": ("gaussian_filter", (10.0,), {}),
    "sobel": ("sobel", (), {}),
    "prewitt": ("prewitt", (), {}),
    "laplace": ("laplace", (), {}),
    "gaussian_laplace 2": ("gaussian_laplace", (2.0,), {}),
    "gaussian_gradient_magnitude 2": ("gaussian_gradient_magnitude", (2.0,), {}),
    "generic_laplace (sobel)": ("generic_laplace", (_sobel,), {}),
    "generic_gradient_magnitude (sobel)": ("generic_gradient_magnitude", (_sobel,), {}),
    "correlate 3": ("correlate", (_KERNEL[:3, :3],), {}),
    "correlate 5x5": ("correlate", (_KERNEL,), {}),
    "convolve 5x5": ("convolve", (_KERNEL,), {}),
    "uniform_filter1d 9, axis -1": ("uniform_filter1d", (9,), {}),
    "uniform_filter1d 9, axis 0": ("uniform_filter1d", (9,), {"axis": 0}),
    "uniform_filter 9": ("uniform_filter", (9,), {}),
    "minimum_filter1d 9, axis -1": ("minimum_filter1d", (9,), {}),
    "maximum_filter1d 9, axis 0": ("maximum_filter1d", (9,), {"axis": 0}),
    "minimum_filter 3": ("minimum_filter", (3,), {}),
    "maximum_filter 15": ("maximum_filter", (15,), {}),
    "minimum_filter disk 5": ("minimum_filter", (), {"footprint": "disk"}),
    "median_filter 3": ("median_filter", (3,), {}),
    "median_filter 5": ("median_filter", (5,), {}),
    "rank_filter 2 of 5": ("rank_filter", (2,), {"size": 5}),
    "percentile_filter 20 of 5": ("percentile_filter", (20,), {"size": 5}),
    "median_filter disk 5": ("median_filter", (), {"footprint": "disk"}),
}
#: least ratio meant, by the first word of the function's name and by shape
MEANT = {
    "2048x2048": {"minimum": 10.0, "maximum": 10.0, "median": 4.0, "rank": 4.0, "percentile": 4.0, "": 8.0},
    "128x128x128": {"": 3.0},
    "64x64": {"": 1.0},
}
#: scikit-image's functions under accelerate, float32 2048x2048 in the range 0 ... 1
SKIMAGE: dict[str, Callable[[np.ndarray], Any]] = {
    "skimage gaussian 2": lambda image: _skimage("filters").gaussian(image, 2),
    "skimage sobel": lambda image: _skimage("filters").sobel(image),
    "skimage laplace": lambda image: _skimage("filters").laplace(image),
    "skimage unsharp_mask 2": lambda image: _skimage("filters").unsharp_mask(image, 2),
    "skimage difference_of_gaussians": lambda image: _skimage("filters").difference_of_gaussians(image, 1, 3),
    "skimage canny 2": lambda image: _skimage("feature").canny(image, 2),
    "skimage structure_tensor": lambda image: np.stack(_skimage("feature").structure_tensor(image, 1)),
    "skimage hessian_matrix": lambda image: np.stack(
        _skimage("feature").hessian_matrix(image, 1, use_gaussian_derivatives=True)
    ),
    "skimage gabor 0.2": lambda image: np.stack(_skimage("filters").gabor(image[:512, :512], 0.2)),
    "skimage blob_dog": lambda image: _skimage("feature").blob_dog(image[:512, :512], max_sigma=8),
}


@dataclass(frozen=True)
class Figure:
    """One row: milliseconds of both sides, the ratio, and the ratio that is meant."""

    row: str
    shape: str
    dtype: str
    scipy_ms: float
    ours_ms: float
    meant: float

    @property
    def ratio(self) -> float:
        return self.scipy_ms / self.ours_ms


def _skimage(name: str) -> Any:
    import importlib

    return importlib.import_module(f"skimage.{name}")


def _image(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1.0)
    return (np.random.default_rng(7).random(shape) * top).astype(dtype)


def _disk(ndim: int) -> np.ndarray:
    grid = np.indices((5,) * ndim) - 2
    return (grid**2).sum(0) <= 5


def _meant(name: str, shape: str) -> float:
    found = MEANT.get(shape, {"": 1.0})
    return found.get(name.partition("_")[0], found[""])


def _pair(call: tuple[str, tuple[Any, ...], dict[str, Any]], image: np.ndarray) -> tuple[Callable, Callable]:
    name, arguments, options = call
    options = {k: _disk(image.ndim) if isinstance(v, str) else v for k, v in options.items()}
    if name in ("correlate", "convolve") and image.ndim == 3:
        arguments = (np.multiply.outer(arguments[0][0, :3], arguments[0][:3, :3]),)
    theirs = tuple(_scipys_sobel if a is _sobel else a for a in arguments)
    return (
        lambda: getattr(fc.ndimage, name)(image, *arguments, **options),
        lambda: getattr(scipy.ndimage, name)(image, *theirs, **options),
    )


def _same(ours: Any, theirs: Any) -> bool:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def _timed(title: str, shape: str, dtype: str, pair: tuple[Callable, Callable], meant: float, repeat: int) -> Figure:
    ours, theirs = pair
    if not _same(ours(), theirs()):
        raise SystemExit(f"{title}, {shape} {dtype}: other bytes than SciPy's")
    own, other = measure.time_in_turn(ours, theirs, repeat)
    return Figure(title, shape, dtype, min(other), min(own), meant)


def _accelerated(title: str, call: Callable[[np.ndarray], Any], image: np.ndarray, repeat: int) -> Figure:
    """Both sides by the same call; the acceleration is turned on and off outside the times."""
    times: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = []
    for _ in range(repeat + 1):
        for on in (True, False):
            acceleration = fc.accelerate() if on else None
            begin = time.perf_counter_ns()
            result = call(image)
            times[on].append((time.perf_counter_ns() - begin) / 1e6)
            if acceleration is not None:
                acceleration.undo()
            if len(results) < 2:
                results.append(result)
    if not _same(*results):
        raise SystemExit(f"{title}: other bytes than without accelerate")
    meant = 8.0 if title == "skimage gaussian 2" else 1.0
    return Figure(title, "scikit-image", str(image.dtype), min(times[0][1:]), min(times[1][1:]), meant)


def _copy_ms(image: np.ndarray, threads: int, repeat: int) -> float:
    """Milliseconds for a copy into a fresh array, shared out among the threads: what memory and pages cost alone."""
    rows = image.reshape(len(image), -1)

    def copy() -> None:
        fresh = np.empty_like(rows)
        parts = min(16, len(rows)) if image.nbytes > 1 << 18 else 1
        bands = np.linspace(0, len(rows), parts + 1).astype(int)
        run_tasks(lambda k: np.copyto(fresh[bands[k] : bands[k + 1]], rows[bands[k] : bands[k + 1]]), parts, threads)

    return min(measure.time_in_turn(copy, copy, repeat)[0])


def table(figures: list[Figure], copies: dict[str, float], machine: str, threads: int) -> str:
    """Ratios as Markdown: a line for each row, a column for each shape and dtype."""
    lines = [f"{machine}; {threads} threads.  SciPy's time over fastconv's:", ""]
    for shape in dict.fromkeys(f.shape for f in figures):
        of_shape = [f for f in figures if f.shape == shape]
        dtypes = list(dict.fromkeys(f.dtype for f in of_shape))
        lines += [f"| {shape} | " + " | ".join(dtypes) + " | meant |", "| :-- |" + " --: |" * (len(dtypes) + 1)]
        for row in dict.fromkeys(f.row for f in of_shape):
            found = {f.dtype: f for f in of_shape if f.row == row}
            cells = [f"{found[d].ratio:.1f}" if d in found else "" for d in dtypes]
            meant = next(iter(found.values())).meant
            lines.append(f"| {row} | " + " | ".join(cells) + f" | {meant:g} |")
        taken = [copies.get(f"{shape} {dtype}") for dtype in dtypes]
        if all(taken):
            cells = [f"{ms:.2g} ms" for ms in taken if ms]
            lines.append("| *a copy of the image into a fresh array* | " + " | ".join(cells) + " | |")
        ratios = [f.ratio for f in of_shape]
        short = [f for f in of_shape if f.ratio < f.meant]
        mean = f"geometric mean {geometric_mean(ratios):.1f}, least {min(ratios):.1f}"
        lines += ["", f"{shape}: {mean}; below what is meant: {len(short)} of {len(of_shape)}.", ""]
    return "\n".join(lines).rstrip()


def from_json(text: str) -> str:
    """The Markdown of a kept measurement."""
    kept = json.loads(text)
    return table([Figure(**each) for each in kept["figures"]], kept["copies"], kept["machine"], kept["threads"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="only rows whose name has this in it")
    parser.add_argument("--shapes", nargs="*", default=SHAPES, help=f"some of {' '.join(SHAPES)}")
    parser.add_argument("--dtypes", nargs="*", default=DTYPES, help=f"some of {' '.join(DTYPES)}")
    parser.add_argument("--threads", type=int, default=2, help="fastconv's threads (default 2; SciPy has one)")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    os.environ["FASTCONV_NUM_THREADS"] = str(options.threads)
    figures: list[Figure] = []
    copies: dict[str, float] = {}

    def add(figure: Figure) -> None:
        figures.append(figure)
        mark = "" if figure.ratio >= figure.meant else f"   below {figure.meant:g}"
        print(
            f"{figure.row:<36} {figure.shape:>12} {figure.dtype:<8} {figure.scipy_ms:10.3f} {figure.ours_ms:9.3f} ms "
            f"{figure.ratio:7.1f}x{mark}",
            flush=True,
        )

    for shape in options.shapes:
        for dtype in options.dtypes:
            image = _image(tuple(int(n) for n in shape.split("x")), dtype)
            copies[f"{shape} {dtype}"] = _copy_ms(image, options.threads, options.repeat)
            for title, call in CALLS.items():
                if options.rows in title:
                    add(_timed(title, shape, dtype, _pair(call, image), _meant(call[0], shape), options.repeat))
    if "2048x2048" in options.shapes and "float32" in options.dtypes:
        image = _image((2048, 2048), "float32")
        for title, run in SKIMAGE.items():
            if options.rows in title:
                add(_accelerated(title, run, image, options.repeat))
    machine = measure.machine(("scipy", "skimage"))
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    words = f"{machine['cpu']}, {machine['cores']} cores, {versions}, {machine['date']}"
    print("\n" + table(figures, copies, words, options.threads))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "machine": words,
            "threads": options.threads,
            "copies": copies,
            "figures": [asdict(f) for f in figures],
        }
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
