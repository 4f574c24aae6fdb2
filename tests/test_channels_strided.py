"""Columns of stride 2 dealt out in registers, against sums over tap matrices."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import arrays, assert_close, conv, conv_problem, executed

from fastconv.backends.channels.strided import WIDE, StridedExecutor


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "rows", "dilation", "before", "after"), [
    ((3, 3), 2, 1, (1, 1), (1, 1)), ((2, 4), 1, 3, (0, 2), (2, 0)), ((5, 1), 3, 2, (4, 0), (0, 5)),
    ((7, 7), 2, 1, (3, 3), (3, 3)), ((1, 2), 2, 1, (0, 0), (0, 0)), ((4, 6), 2, 1, (9, 5), (1, 40)),
])  # fmt: skip
@pytest.mark.parametrize("width", [1, 2, 31, 34, 66, 131])
def test_every_width(size, rows, dilation, before, after, width, dtype):
    if width + before[1] + after[1] < size[1]:
        return
    p = conv_problem((11, width), size, batch=2, c_in=4, c_out=10, groups=2, stride=(rows, 2), dilation=(dilation, 1),
                     before=before, after=after, dtype=dtype)  # fmt: skip
    x, w, bias = arrays(p)
    assert_close(executed(StridedExecutor, p, x, w, bias), conv(x, w, p, bias), dtype)


@pytest.mark.parametrize("c_out", [1, 16, 28, 29, 61])
def test_blocks_of_channels_and_workers(c_out):
    p = conv_problem((120, 118), (3, 3), c_in=9, c_out=c_out, stride=(2, 2), before=(1, 1), after=(1, 1))
    x, w, bias = arrays(p)
    once = executed(StridedExecutor, p, x, w, bias)
    assert_close(once, conv(x, w, p, bias), np.float32)
    for workers in (2, 3):
        assert np.array_equal(executed(StridedExecutor, p, x, w, bias, workers), once)


@pytest.mark.parametrize(("pad", "width"), [(0, 40), (1, 64), (3, 33)])
def test_nothing_is_read_around_the_image(pad, width):
    p = conv_problem((6, width), (3, 3), c_in=2, c_out=3, stride=(2, 2), before=(pad, pad), after=(pad, pad))
    x, w, bias = arrays(p)
    want = executed(StridedExecutor, p, x, w, bias)
    room = np.full(x.size + 512, np.nan, np.float32)
    inner = room[256 : 256 + x.size].reshape(x.shape)
    inner[...] = x
    assert np.array_equal(executed(StridedExecutor, p, inner, w, bias), want)


def test_what_is_not_finite_stays_in_its_windows():
    p = conv_problem((12, 80), (3, 3), c_in=2, c_out=3, stride=(2, 2), before=(1, 1), after=(1, 1))
    x, w, _ = arrays(p)
    x[0, 1, 5, 63] = np.nan
    rows, columns = np.nonzero(np.isnan(executed(StridedExecutor, p, x, w)[0]).all(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 3, 31, 32)


def test_refusals():
    assert "stride" in StridedExecutor.serves(conv_problem((9, 9), (3, 3), stride=(2, 1)))
    assert "columns" in StridedExecutor.serves(conv_problem((9, 90), (1, WIDE + 1), stride=(1, 2)))
    border = conv_problem((9, 9), (3, 3), stride=(2, 2), before=(1, 1), after=(1, 1), mode="wrap")
    assert "zeros" in StridedExecutor.serves(border)
