"""Long taps along the row, summed on lines turned over: groups of rows, tiles, slabs and the ring, against SciPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

import fastconv as fc
from fastconv.backends.sweeps import line
from fastconv.loops import cpu_transposed
from fastconv.loops.vec import vector_bytes

RANDOM = np.random.default_rng(92)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]


@pytest.fixture(autouse=True)
def any_width(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows of every width are turned over here, where it pays or not."""
    monkeypatch.setattr(line, "WIDE", 1)
    fc.engine.clear_caches()
    yield
    fc.engine.clear_caches()


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (RANDOM.random(shape) * 250 - (0 if dtype.startswith("u") else 120)).astype(dtype)


def check(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, **options: object) -> np.ndarray:
    """The result, within the bound of the two passes' sums from SciPy's in float64."""
    kernel = np.outer(rows, columns)
    wide = image.astype(np.float64)
    want = ndimage.correlate(wide, kernel, **options)
    magnitude = ndimage.correlate(np.abs(wide), np.abs(kernel), **options)
    got = fc.correlate(image, kernel, method="separable", **options)
    unit = 2.0**-53 if got.dtype == np.float64 else 2.0**-24
    assert np.all(np.abs(got - want) <= 2 * (len(rows) + len(columns) + 4) * unit * magnitude)
    return got


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "uint16"])
@pytest.mark.parametrize("size", [(5, 33), (12, 34), (11, 41), (3, 60)])
def test_widths_and_borders(size: tuple[int, int], dtype: str) -> None:
    rows, columns = (RANDOM.standard_normal(n) for n in size)
    for width in (41, 64, 97, 255, 256, 257, 300, 531):
        image = noise((37, width), dtype)
        for mode in MODES:
            check(image, rows, columns, mode=mode, cval=2.0)


@pytest.mark.parametrize("fold", [1, -1])
def test_symmetric_taps(fold: int) -> None:
    half = RANDOM.standard_normal(17)
    columns = np.concatenate([half, [0.5 if fold == 1 else 0.0], fold * half[::-1]])
    check(noise((50, 700), "float32"), RANDOM.standard_normal(3), columns, mode="mirror")


def test_colour_takes_steps() -> None:
    photo = noise((40, 300, 3), "uint8")
    got = fc.gaussian(photo, 4.5, channel_axis=-1)
    assert np.allclose(got, ndimage.gaussian_filter(photo.astype(np.float64), (4.5, 4.5, 0)), atol=2e-4)
    planes = [fc.gaussian(photo[..., c].copy(), 4.5) for c in range(3)]
    assert np.array_equal(got, np.stack(planes, -1))


@pytest.mark.skipif(vector_bytes() < 64, reason="loads at any alignment are cheap there")
def test_long_taps_are_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        line.cpu_transposed, "transposed", lambda *a, run=cpu_transposed.transposed: seen.append(run(*a))
    )
    fc.gaussian(noise((64, 300), "float32"), 4.5, workers=1)
    assert seen


def test_workers_and_groups_change_no_bit() -> None:
    image = noise((301, 800), "float32")
    want = fc.gaussian(image, 4.0, workers=1)
    assert np.array_equal(fc.gaussian(image, 4.0, workers=2), want)
    part = fc.gaussian(image[13:200], 4.0, workers=1)
    assert np.array_equal(part[20:-20], want[33:180])


def test_slabs_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise((120, 2048), "float32")
    whole = fc.gaussian(image, 6.0, mode="mirror")
    monkeypatch.setattr(line, "SLAB_BYTES", 60_000)
    for mode in ("mirror", "reflect", "constant"):
        narrow = fc.gaussian(image, 6.0, mode=mode)
        assert np.allclose(narrow, ndimage.gaussian_filter(image.astype(np.float64), 6.0, mode=mode), atol=2e-4)
    assert np.array_equal(fc.gaussian(image, 6.0, mode="mirror"), whole)


def test_volume() -> None:
    volume = noise((20, 50, 130), "float32")
    got = fc.gaussian(volume, 3.0, axes=(0, 1, 2))
    assert np.allclose(got, ndimage.gaussian_filter(volume.astype(np.float64), 3.0), atol=1e-3)
