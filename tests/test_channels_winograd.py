"""Winograd's tiles against tap matrices in float64, within the error that is stated for them."""

from __future__ import annotations

import channels_naive
import numpy as np
import pytest

from fastconv import nn

#: method, kernel size, most of its error in unit roundoffs (times two) of the greatest sum |w| |x|
CASES = [("winograd2", 3, 2), ("winograd2", 5, 8), ("winograd4", 3, 16)]
BORDERS = ["constant", "reflect", "mirror", "nearest", "wrap"]


@pytest.mark.parametrize("mode", BORDERS)
@pytest.mark.parametrize(("method", "size", "most"), CASES)
def test_within_the_stated_error(method: str, size: int, most: int, mode: str) -> None:
    random = np.random.default_rng(size)
    x = random.standard_normal((2, 16, 93, 130)).astype(np.float32)
    w = random.standard_normal((12, 8, size, size)).astype(np.float32)
    bias = random.standard_normal(12).astype(np.float32)
    around = {"before": (2, 1), "after": (1, 3)}
    problem = channels_naive.conv_problem(
        (93, 130), (size, size), batch=2, c_in=16, c_out=12, groups=2, dilation=(1, 2), mode=mode, **around
    )
    exact = channels_naive.conv(x, w, problem, bias)
    options = {"padding": ((2, 1), (1, 3)), "groups": 2, "dilation": (1, 2), "padding_mode": mode}
    found = nn.conv2d(x, w, bias, method=method, workers=1, **options)
    allowed = most * np.finfo(np.float32).eps * exact.weight.max()
    assert np.abs(found - exact.value).max() <= allowed
    assert np.array_equal(found, nn.conv2d(x, w, bias, method=method, workers=2, **options))
    assert np.array_equal(found, nn.conv2d(x, nn.prepare(w), bias, method=method, **options))


@pytest.mark.parametrize(("method", "size", "most"), CASES)
def test_double(method: str, size: int, most: int) -> None:
    random = np.random.default_rng(size)
    x, w = random.standard_normal((1, 16, 93, 130)), random.standard_normal((8, 16, size, size))
    problem = channels_naive.conv_problem((93, 130), (size, size), c_in=16, c_out=8, dtype=np.float64)
    exact = channels_naive.conv(x, w, problem)
    found = nn.conv2d(x, w, method=method)
    assert np.abs(found - exact.value).max() <= most * np.finfo(np.float64).eps * exact.weight.max() + 1e-14
