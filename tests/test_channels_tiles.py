"""Wide tiles, 1 x 1 products, and Winograd's algorithm for stride 2 and its adjoint, against sums over tap matrices."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import assert_close, conv, conv_problem, transposed, transposed_problem
from oracle import MODES

from fastconv.backends.channels.wide import PointwiseExecutor, WideExecutor
from fastconv.backends.channels.winograd import (
    GatheredExecutor,
    Winograd2Executor,
    Winograd3Executor,
    Winograd4Executor,
)

#: executor and the most that its tiles err, in eps of the greatest sum |w| |x|
HALVED = [(GatheredExecutor, 3, 4), (GatheredExecutor, 6, 4), (Winograd2Executor, 3, 4), (Winograd2Executor, 4, 4),
          (Winograd2Executor, 5, 4), (Winograd2Executor, 7, 16), (Winograd3Executor, 3, 4), (Winograd3Executor, 4, 4),
          (Winograd4Executor, 3, 16), (Winograd4Executor, 4, 16)]  # fmt: skip


def arrays(p, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(p.dtype)
    into = (p.c_in, p.group_out) if p.kind == "transposed" else (p.c_out, p.group_in)
    w = rng.standard_normal((*into, *p.size)).astype(p.dtype)
    return x, w, rng.standard_normal(p.c_out).astype(p.dtype)


def run(kind, p, x, w, bias=None, workers=1):
    out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, p.dtype)
    kind(p, w).execute(x, out, bias, workers)
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wide_on_every_border(mode, dtype):
    p = conv_problem((19, 45), (3, 4), batch=2, c_in=4, c_out=34, groups=2, stride=(2, 3), dilation=(3, 2), mode=mode,
                     before=(2, 3), after=(4, 1), dtype=dtype)  # fmt: skip
    x, w, bias = arrays(p)
    assert_close(run(WideExecutor, p, x, w, bias), conv(x, w, p, bias), dtype)
    assert np.array_equal(run(WideExecutor, p, x, w, bias, 2), run(WideExecutor, p, x, w, bias))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 7), (8, 12), (13, 40), (33, 64)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(3, 5, 1), (20, 29, 1), (12, 32, 2)])
def test_products_of_any_number_of_pixels(shape, c_in, c_out, groups):
    p = conv_problem(shape, (1, 1), batch=2, c_in=c_in, c_out=c_out, groups=groups)
    x, w, bias = arrays(p)
    assert PointwiseExecutor.serves(p) == ""
    assert_close(run(PointwiseExecutor, p, x, w, bias), conv(x, w, p, bias), np.float32)
    assert np.array_equal(run(PointwiseExecutor, p, x, w, None, 2), run(PointwiseExecutor, p, x, w))


def test_products_are_shared_out_by_pixels_and_by_channels():
    for shape, channels in (((160, 160), 24), ((8, 9), 400)):
        p = conv_problem(shape, (1, 1), c_in=channels, c_out=channels)
        x, w, bias = arrays(p)
        once = run(PointwiseExecutor, p, x, w, bias)
        assert_close(once, conv(x, w, p, bias), np.float32)
        for workers in (2, 3):
            assert np.array_equal(run(PointwiseExecutor, p, x, w, bias, workers), once)


def test_a_product_reads_nothing_behind_the_image():
    p = conv_problem((3, 11), (1, 1), c_in=2, c_out=3)
    x, w, _ = arrays(p)
    room = np.full(x.size + 64, np.nan, np.float32)
    room[: x.size] = x.reshape(-1)
    assert np.isfinite(run(PointwiseExecutor, p, room[: x.size].reshape(x.shape), w)).all()


@pytest.mark.parametrize(("kind", "size", "most"), HALVED)
def test_stride_two_in_tiles(kind, size, most):
    p = conv_problem((23, 41), (size, size), batch=2, c_in=20, c_out=36, groups=2, stride=(2, 2), before=(1, 2),
                     after=(1, 1), mode="reflect")  # fmt: skip
    x, w, bias = arrays(p)
    assert kind.serves(p) == ""
    exact = conv(x, w, p, bias)
    found = run(kind, p, x, w, bias)
    assert np.abs(found - exact.value).max() <= most * np.finfo(np.float32).eps * exact.weight.max()
    assert np.array_equal(run(kind, p, x, w, bias, 2), found)


@pytest.mark.parametrize("before", [(1, 1), (1, 2)])
@pytest.mark.parametrize(("kind", "size", "most"), [*HALVED[::3], HALVED[7]])
def test_adjoints_of_stride_two_in_tiles(kind, size, most, before):
    p = transposed_problem((11, 19), (size, size), extra=(1, 0), batch=2, c_in=20, c_out=36, groups=2, stride=(2, 2),
                           before=before, after=(1, 0))  # fmt: skip
    x, w, bias = arrays(p)
    assert kind.serves(p) == ""
    exact = transposed(x, w, p, bias)
    found = run(kind, p, x, w, bias)
    assert np.abs(found - exact.value).max() <= most * np.finfo(np.float32).eps * exact.weight.max()
    assert np.array_equal(run(kind, p, x, w, bias, 2), found)


def test_what_tiles_do_not_serve():
    some = {"c_in": 8, "c_out": 8, "stride": (2, 2)}
    dilated = conv_problem((20, 20), (3, 3), **some, dilation=(2, 2))
    folded = transposed_problem((9, 9), (3, 3), **some, before=(1, 1), after=(1, 1), mode="reflect")
    uneven = conv_problem((20, 20), (3, 3), c_in=8, c_out=8, stride=(2, 1))
    for p in (dilated, folded, uneven):
        assert Winograd2Executor.serves(p)
    assert PointwiseExecutor.serves(conv_problem((20, 20), (1, 1), before=(1, 0)))
