"""Small images by patches, and weights that nothing is made of, against sums over tap matrices."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import arrays, assert_close, conv, conv_problem, executed

from fastconv import nn
from fastconv.backends.channels.patches import PIXELS, PatchesExecutor
from fastconv.engine import executors
from fastconv.engine.channels import clear_executors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize(("shape", "size", "dilation", "before", "after"), [
    ((7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((14, 8), (3, 2), (1, 2), (2, 0), (0, 3)),
    ((5, 6), (5, 4), (1, 1), (2, 3), (3, 1)),
    ((6, 7), (2, 3), (2, 3), (9, 5), (1, 8)),
    ((4, 5), (1, 1), (1, 1), (0, 1), (2, 0)),
    ((3, 1), (3, 1), (1, 1), (1, 0), (1, 0)),
])  # fmt: skip
def test_small_images(shape, size, dilation, before, after, stride, dtype):
    p = conv_problem(shape, size, batch=2, c_in=10, c_out=22, groups=2, stride=stride, dilation=dilation, before=before,
                     after=after, dtype=dtype, mode="constant")  # fmt: skip
    if PatchesExecutor.serves(p):  # rows of float64 are longer than a vector earlier
        assert p.out_shape[1] > 4
        return
    x, w, bias = arrays(p)
    assert_close(executed(PatchesExecutor, p, x, w, bias), conv(x, w, p, bias), dtype)
    assert np.array_equal(executed(PatchesExecutor, p, x, w, None, 2), executed(PatchesExecutor, p, x, w))


@pytest.mark.parametrize("shape", [*((1, n) for n in range(1, 18)), (5, 5), (7, 7), (14, 14), (8, 12), (31, 33)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(3, 5, 1), (34, 29, 1), (36, 64, 2)])
def test_products_of_any_number_of_pixels(shape, c_in, c_out, groups):
    p = conv_problem(shape, (1, 1), batch=2, c_in=c_in, c_out=c_out, groups=groups)
    x, w, bias = arrays(p)
    assert_close(executed(PatchesExecutor, p, x, w, bias), conv(x, w, p, bias), np.float32)
    assert np.array_equal(executed(PatchesExecutor, p, x, w, None, 2), executed(PatchesExecutor, p, x, w))


@pytest.mark.parametrize(("shape", "size"), [((7, 7), 3), ((14, 14), 1), ((4, 4), 3)])
def test_work_is_shared_out_by_channels(shape, size):
    p = conv_problem(shape, (size, size), c_in=300, c_out=310, before=(size // 2,) * 2, after=(size // 2,) * 2)
    x, w, bias = arrays(p)
    once = executed(PatchesExecutor, p, x, w, bias)
    assert_close(once, conv(x, w, p, bias), np.float32)
    for workers in (2, 3):
        assert np.array_equal(executed(PatchesExecutor, p, x, w, bias, workers), once)


@pytest.mark.parametrize(("size", "pad", "shape"), [(1, 0, (3, 11)), (3, 1, (7, 9)), (2, 0, (4, 4))])
def test_nothing_is_read_around_image_and_weights(size, pad, shape):
    p = conv_problem(shape, (size, size), c_in=3, c_out=5, before=(pad, pad), after=(pad, pad), mode="constant")
    x, w, bias = arrays(p)
    want = executed(PatchesExecutor, p, x, w, bias)

    def amid_nan(a):
        room = np.full(a.size + 256, np.nan, a.dtype)
        room[128 : 128 + a.size] = a.reshape(-1)
        return room[128 : 128 + a.size].reshape(a.shape)

    assert np.array_equal(executed(PatchesExecutor, p, amid_nan(x), amid_nan(w), bias), want)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_windows(value):
    p = conv_problem((6, 7), (3, 3), c_in=4, c_out=3, before=(1, 1), after=(1, 1), mode="constant")
    x, w, _ = arrays(p)
    x[0, 2, 3, 1] = value
    rows, columns = np.nonzero(~np.isfinite(executed(PatchesExecutor, p, x, w)[0]).all(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 4, 0, 2)


def test_refusals():
    assert "pixels" in PatchesExecutor.serves(conv_problem((PIXELS, 2), (1, 1), c_in=2, c_out=2))
    assert "row" in PatchesExecutor.serves(conv_problem((3, 30), (2, 2), c_in=2, c_out=2))
    border = conv_problem((5, 5), (3, 3), c_in=2, c_out=2, before=(1, 1), after=(1, 1), mode="mirror")
    assert "zeros" in PatchesExecutor.serves(border)


@pytest.mark.parametrize(("shape", "method"), [((130, 140, 1, 1), "pointwise"), ((130, 140, 1, 1), "patches"),
                                               ((60, 140, 3, 3), "patches"), ((60, 140, 3, 3), "wide")])  # fmt: skip
def test_weights_that_change_in_place_are_seen_and_not_kept(shape, method):
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((1, shape[1], 6, 7)).astype("f4"), rng.standard_normal(shape).astype("f4")
    clear_executors()
    for _ in range(3):
        found = nn.conv2d(x, w, padding=shape[2] // 2, method=method)
        p = conv_problem((6, 7), shape[2:], c_in=shape[1], c_out=shape[0], before=(shape[2] // 2,) * 2,
                         after=(shape[2] // 2,) * 2)  # fmt: skip
        assert_close(found, conv(x, w, p), np.float32)
        w[3, 5] += 1
    assert not executors._repeated._found
    assert not executors._small._values


def test_outer_products_are_found_where_the_weights_of_others_are_not_kept():
    clear_executors()
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1, 160, 14, 14)).astype("f4")
    w = (rng.standard_normal((160, 160, 1, 1)) * np.outer([1, 2, 1], [1, 0, -1])).astype("f4")
    assert nn.explain(x, w, padding=1, method="separable").method == "separable"
    want = nn.conv2d(x.astype(float), w.astype(float), padding=1, method="deep")
    for method in ("auto", "separable", "patches"):
        for _ in range(3):
            assert np.allclose(nn.conv2d(x, w, padding=1, method=method), want, atol=1e-3)
