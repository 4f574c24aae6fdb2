"""Rows a power of two bytes apart, under many taps, go through a ring: the same bits as where they do not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

import fastconv as fc
from fastconv.core.border import MODES


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
@pytest.mark.parametrize("mode", list(MODES))
def test_the_bits_do_not_depend_on_the_width_of_the_array(dtype: str, mode: str) -> None:
    rng = np.random.default_rng(4)
    wide = (rng.random((90, 2048 + 64)) * 200).astype(dtype)
    taps = [rng.standard_normal(25), rng.standard_normal(5)]
    image = np.ascontiguousarray(wide[:, :2048])
    expected = fc.correlate_separable(wide[:, :2048], taps, mode=mode, cval=3.0)  # rows 2112 samples apart: no ring
    for workers in (1, 3):
        assert np.array_equal(fc.correlate_separable(image, taps, mode=mode, cval=3.0, workers=workers), expected)


def test_planes_of_a_volume() -> None:
    rng = np.random.default_rng(5)
    volume = rng.random((3, 60, 1024), dtype=np.float32)
    ours = fc.gaussian(volume, (3.0, 1.0), axes=(1, 2))
    for plane, smooth in zip(volume, ours, strict=True):
        assert np.array_equal(fc.gaussian(plane, (3.0, 1.0)), smooth)
    exact = fc.gaussian(volume.astype(np.float64), (3.0, 1.0), axes=(1, 2))
    assert np.allclose(ours, exact, atol=1e-6)


@pytest.mark.parametrize("width", [301, 1024])
@pytest.mark.parametrize("across", [1, 5])
def test_very_many_taps(width: int, across: int) -> None:
    rng = np.random.default_rng(6)
    image = rng.random((120, width), dtype=np.float32)
    taps = [rng.random(81) / 81, rng.random(across) + 0.5]
    ours = fc.correlate_separable(image, taps, mode="mirror")
    exact = scipy.ndimage.correlate1d(image.astype(np.float64), taps[0], 0, mode="mirror")
    exact = scipy.ndimage.correlate1d(exact, taps[1], 1, mode="mirror")
    assert np.allclose(ours, exact, rtol=2e-5)
