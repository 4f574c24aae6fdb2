"""Means of bytes summed in 16 bits are the exact means, rounded once."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv as fc
from fastconv.core.byte_means import byte_divisor

WORDS = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


def exact(image: np.ndarray, size: tuple[int, int], mode: str, cval: int = 0) -> np.ndarray:
    """Means by whole numbers from an array that NumPy has padded; no mean of an odd number lies half-way."""
    widths = [(k // 2, k - 1 - k // 2) for k in size] + [(0, 0)] * (image.ndim - 2)
    options = {"constant_values": cval} if mode == "constant" else {}
    padded = np.pad(image.astype(np.int64), widths, WORDS[mode], **options)
    total = sum(padded[i : i + image.shape[0], j : j + image.shape[1]] for i in range(size[0]) for j in range(size[1]))
    n = size[0] * size[1]
    return ((2 * total + n) // (2 * n)).astype(np.uint8)


@pytest.mark.parametrize("mode", WORDS)
@pytest.mark.parametrize("size", [(3, 3), (5, 3), (1, 9), (7, 1), (15, 15), (3, 7)])
def test_every_border(mode: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[0] * 31 + size[1])
    for shape in ((64, 83), (9, 300), (3, 5), (1, 1), (40, 1031)):
        image = rng.choice(np.array([0, 1, 254, 255, 128, 77], np.uint8), shape)
        ours = fc.box(image, size, mode=mode, cval=77, dtype="same", method="separable")
        assert np.array_equal(ours, exact(image, size, mode, 77)), (shape, size, mode)


def test_colours_workers_and_crops() -> None:
    image = np.random.default_rng(1).integers(0, 256, (301, 407, 3), np.uint8)
    expected = exact(image, (5, 5), "reflect")
    for workers in (1, 2, 3):
        assert np.array_equal(fc.box(image, 5, channel_axis=-1, dtype="same", workers=workers), expected)
    crop = image[7:200, 11:390, 1]
    assert np.array_equal(fc.box(crop, 3, dtype="same"), exact(crop, (3, 3), "reflect"))


@pytest.mark.parametrize("cval", [0.5, -1.0, 300.0])
def test_a_constant_that_is_no_byte_is_summed_as_it_is(cval: float) -> None:
    image = np.random.default_rng(2).integers(0, 256, (20, 30), np.uint8)
    whole = fc.box(image, 3, mode="constant", cval=cval)
    assert np.array_equal(fc.box(image, 3, mode="constant", cval=cval, dtype="same"), np.clip(np.rint(whole), 0, 255))


def test_the_divisors_are_exact() -> None:
    for n in range(3, 258, 2):
        found = byte_divisor(n)
        if found is not None:
            half, multiplier, shift = found
            sums = np.arange(255 * n + 1) + half
            assert np.array_equal((sums * multiplier >> 16) >> shift, sums // n)
    assert all(byte_divisor(n * n) for n in (3, 5, 7, 9, 11, 13, 15))


@pytest.mark.parametrize("shape", [(40, 200), (33, 131), (9, 64), (64, 513), (5, 70, 3), (50, 99, 3), (41, 160, 4)])
@pytest.mark.parametrize("size", [(3, 3), (5, 3), (3, 5), (7, 7), (9, 9), (1, 5), (5, 1), (9, 5)])
def test_means_that_march(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Rows of every length, with channels, at every border, against whole numbers; the same on several threads."""
    image = np.random.default_rng(8).integers(0, 256, shape, dtype=np.uint8)
    channels = len(shape) == 3
    for mode in WORDS:
        options = {"mode": mode, "cval": 9, "dtype": "same", "channel_axis": -1 if channels else None}
        got = fc.box(image, size, workers=1, **options)
        np.testing.assert_array_equal(got, exact(image, size, mode, 9))
        np.testing.assert_array_equal(fc.box(image, size, workers=3, **options), got)
