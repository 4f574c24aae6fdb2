"""Tiles of spectra: seams of tiles, pairs and planes, against SciPy and sums of our own in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import oracle
import pytest
from scipy import ndimage

import fastconv as fc
from fastconv.core.ir import Problem
from fastconv.core.scratch import release_scratch, scratch
from fastconv.core.spectrum_tiles import EDGES, in_tiles, rows_kept, tiles_needed
from fastconv.engine import clear_caches
from fastconv.engine.dispatch import watch
from fastconv.plan.algorithms.fft import whole_tile

RANDOM = np.random.default_rng(311)
F32 = np.dtype("float32")
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]


def noise(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return (RANDOM.random(shape) * 250 - (0 if dtype.startswith("u") else 120)).astype(dtype)


def near(got: np.ndarray, image: np.ndarray, kernel: np.ndarray, exact: np.ndarray, largest: float = 0.0) -> None:
    """Within the plan's bound: relative to sum |w| times the largest |x|."""
    bound = fc.explain(image, kernel, method="fft").error_bound if image.ndim == 2 else 1e-5
    scale = np.abs(kernel).sum() * max(largest, float(np.abs(image.astype(float)).max()))
    assert np.abs(got - exact).max() <= bound * scale
    assert np.abs(exact).max() > 100 * bound * scale  # the comparison says something


def tiled(image: np.ndarray, kernel: np.ndarray, **options: Any) -> np.ndarray:
    with watch() as calls:
        got = fc.correlate(image, kernel, method="fft", **options)
    assert all(p.kind == "tiles" for plans in calls for plan in plans for p in plan.passes)
    return got


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (300, 5), (67, 131), (129, 257), (260, 517)])
@pytest.mark.parametrize("size", [(9, 14), (33, 6), (1, 12), (12, 1), (40, 41)])
def test_every_seam(shape: tuple[int, int], size: tuple[int, int], mode: str) -> None:
    image, kernel = noise(shape), RANDOM.standard_normal(size) + 0.3
    got = tiled(image, kernel, mode=mode, cval=3.0)
    if min(shape) < max(size):  # there SciPy's reflect reads memory that holds anything
        exact = np.asarray(oracle.correlate(image, kernel, mode=mode, cval=3.0).value, float)
    else:
        exact = ndimage.correlate(image.astype(float), kernel, mode=mode, cval=3.0)
    near(got, image, kernel, exact, 3.0)


@pytest.mark.parametrize("edges", [(a, b) for a in EDGES for b in EDGES if a * b <= 2**17])
def test_every_size_of_tile(edges: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastconv.plan.algorithms.fft.whole_tile", lambda problem: edges)
    clear_caches()
    image, kernel = noise((131, 150)), RANDOM.standard_normal((7, 11)) + 0.3
    for dtype in ("float32", "float64"):
        got = tiled(image.astype(dtype), kernel)
        exact = ndimage.correlate(image.astype(float), kernel)
        u = 2.0**-24 if dtype == "float32" else 2.0**-53
        assert np.abs(got - exact).max() <= 60 * u * np.abs(kernel).sum() * 130
    clear_caches()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("out", [None, "same", "uint8"])
def test_every_dtype(dtype: str, out: str | None) -> None:
    image = noise((70, 93), dtype) if dtype != "bool" else RANDOM.random((70, 93)) > 0.4
    kernel = RANDOM.random((11, 9))
    kernel /= kernel.sum()
    got = tiled(image, kernel, dtype=out)
    exact = ndimage.correlate(image.astype(float), kernel)
    assert got.dtype == fc.correlate(image, [[1]], dtype=out).dtype
    if got.dtype.kind == "f":
        np.testing.assert_allclose(got, exact, rtol=2e-3 if got.dtype == np.float16 else 0, atol=250 * 2e-5)
    elif got.dtype != bool:
        info = np.iinfo(got.dtype)  # only a sum that lies half way may be rounded either way
        assert np.abs(got - np.clip(exact, info.min, info.max)).max() <= 0.5 + 250 * 2e-5
    else:
        np.testing.assert_array_equal(got[np.abs(exact) > 1e-3], (np.rint(exact) != 0)[np.abs(exact) > 1e-3])


def test_strides_dilation_channels_and_planes() -> None:
    kernel = RANDOM.standard_normal((9, 6)) + 0.3
    image = noise((150, 170))
    for options in (
        {"stride": (3, 2)},
        {"dilation": (3, 5)},
        {"stride": (7, 1), "dilation": (1, 4)},
        {"origin": (4, -3)},
    ):
        got = tiled(image, kernel, **options)
        near(got, image, kernel, np.asarray(oracle.correlate(image, kernel, **options).value, float))
    colours = noise((90, 110, 3))
    got = tiled(colours, kernel, channel_axis=-1)
    for c in range(3):
        near(got[..., c], colours[..., c], kernel, ndimage.correlate(colours[..., c].astype(float), kernel))
    planes = noise((5, 67, 90))
    got = tiled(planes, kernel, axes=(1, 2))
    for each, plane in zip(got, planes, strict=True):
        near(each, plane, kernel, ndimage.correlate(plane.astype(float), kernel))


def test_same_bits_for_any_number_of_workers() -> None:
    kernel = RANDOM.standard_normal((15, 13))
    for shape, options in (((700, 900), {}), ((4, 130, 300), {"axes": (1, 2)}), ((500, 600), {"stride": 3})):
        image = noise(shape)
        one = tiled(image, kernel, workers=1, **options)
        for workers in (2, 3, 5):
            for _ in range(3):
                np.testing.assert_array_equal(tiled(image, kernel, workers=workers, **options), one)


def test_what_is_not_finite_stays_in_its_tiles() -> None:
    image = noise((600, 700))
    image[2, 3] = np.nan
    kernel = RANDOM.standard_normal((15, 15))
    problem = fc.explain(image, kernel, method="fft").problem
    got = tiled(image, kernel)
    height, width = whole_tile(problem)
    touched = np.isnan(got)
    assert touched[:10, :11].all()
    assert not touched[height:].any()
    assert not touched[:, 2 * width :].any()


def test_scratch_memory_left_by_others_does_not_matter() -> None:
    image, kernel = noise((90, 70)), RANDOM.standard_normal((11, 13))
    clean = tiled(image, kernel, workers=1)
    for slot in ("tile_panels", "tile_work", "tile_line"):
        scratch(slot, 1, np.float32)
        whole = scratch(slot, 4096, np.float32)
        whole[:] = np.nan
    np.testing.assert_array_equal(tiled(image, kernel, workers=1), clean)
    release_scratch()


def test_which_problems_are_served() -> None:
    image = Problem((480, 640), (0, 1), (31, 31), (15, 15), (1, 1), (1, 1), ("reflect",) * 2, 0.0, F32, F32, F32)
    assert in_tiles(image)
    assert in_tiles(replace(image, shape=(480, 640, 16), size=(31, 16)))
    assert not in_tiles(replace(image, shape=(480, 640, 17), size=(31, 3)))
    assert not in_tiles(replace(image, shape=(480, 3, 640), axes=(0, 2)))
    assert in_tiles(replace(image, size=(257, 256)))
    assert not in_tiles(replace(image, size=(31, 258)))
    assert not in_tiles(replace(image, shape=(480, 640, 9)))  # nine samples from one pixel to the next: 270 in all
    assert fc.explain((480, 640), np.ones((3, 600)), method="fft").passes[0].kind == "spectrum"
    for height in EDGES:
        assert rows_kept(image, height) == (height - 30) // 4 * 4
    assert tiles_needed(image, (32, 64)) == 0
    assert tiles_needed(image, (64, 64)) == 15 * 20
    assert tiles_needed(image, (128, 64)) == 5 * 20


def test_long_kernels_take_large_tiles() -> None:
    image = Problem((3000, 4000), (0, 1), (9, 9), (4, 4), (1, 1), (1, 1), ("reflect",) * 2, 0.0, F32, F32, F32)
    areas = [np.prod(whole_tile(replace(image, size=(n, n)))) for n in (9, 21, 61, 121, 221)]
    assert areas == sorted(areas)
    assert areas[0] < areas[-1]
