"""Extra memory beyond the output: at most a tenth of the image for every method but FFT."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc
from fastconv.core.scratch import release_scratch

RANDOM = np.random.default_rng(5)
SHAPE = (2400, 2000)
KERNEL = RANDOM.standard_normal((5, 4))
LOG = fc.kernels.gaussian_laplace(2.0)


def gray(dtype: str) -> np.ndarray:
    return (RANDOM.random(SHAPE) * 200).astype(dtype)


CASES: dict[str, tuple[Callable[[], np.ndarray], Callable[[np.ndarray, np.ndarray], object]]] = {
    "sobel": (lambda: gray("f4"), lambda x, out: fc.sobel(x, axis=1, out=out)),
    "sobel magnitude": (lambda: gray("f4"), lambda x, out: fc.sobel(x, out=out)),
    "gaussian 10": (lambda: gray("f4"), lambda x, out: fc.gaussian(x, 10.0, method="separable", out=out)),
    "gaussian float64": (lambda: gray("f8"), lambda x, out: fc.gaussian(x, 3.0, out=out)),
    "gaussian wrap": (lambda: gray("f4"), lambda x, out: fc.gaussian(x, 3.0, mode="wrap", out=out)),
    "direct": (lambda: gray("f4"), lambda x, out: fc.correlate(x, KERNEL, method="direct", out=out)),
    "direct constant": (lambda: gray("u2"), lambda x, out: fc.correlate(x, KERNEL, mode="constant", cval=1, out=out)),
    "low rank": (lambda: gray("f4"), lambda x, out: fc.correlate(x, LOG, method="low_rank", out=out)),
    "difference of gaussians": (lambda: gray("f4"), lambda x, out: fc.difference_of_gaussians(x, 1.0, out=out)),
    "box": (lambda: gray("f4"), lambda x, out: fc.box(x, 21, out=out)),
    "float16": (lambda: gray("f2"), lambda x, out: fc.gaussian(x, 2.0, method="separable", out=out)),
    "byte-swapped": (lambda: gray(">f4"), lambda x, out: fc.correlate(x, KERNEL, out=out)),
    "fortran order": (lambda: np.asfortranarray(gray("f4")), lambda x, out: fc.gaussian(x, 2.0, out=out)),
    "colour": (
        lambda: (RANDOM.random((700, 801, 3))).astype("f4"),
        lambda x, out: fc.gaussian(x, 2.0, channel_axis=-1, out=out),
    ),
    "volume": (
        lambda: RANDOM.random((128, 127, 126)).astype("f4"),
        lambda x, out: fc.gaussian(x, 1.0, axes=(0, 1, 2), out=out),
    ),
    "volume direct": (
        lambda: RANDOM.random((128, 127, 126)).astype("f4"),
        lambda x, out: fc.correlate(x, np.ones((3, 3, 2)) + np.eye(3)[:, :, None], axes=(0, 1, 2), out=out),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_extra_memory_is_a_tenth_of_the_image(name: str) -> None:
    make, run = CASES[name]
    image = make()
    out = np.empty(image.shape, image.dtype.newbyteorder("=") if image.dtype.kind == "f" else np.float32)
    run(image, out)  # compile and plan; what is kept for the next call counts below as well
    fc.engine.clear_caches()
    release_scratch()
    tracemalloc.start()
    try:
        run(image, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 0.1 * max(image.nbytes, out.nbytes), f"{name}: {peak / image.nbytes:.3f} of the image"
