"""Transposed convolution: the adjoint of convolution for every border, against matrices that share nothing with it."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import assert_close, conv, conv_problem, transposed, transposed_problem
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import MODES

from fastconv.backends.channels.polyphase import PolyphaseExecutor


def run(p, x, w, bias=None, workers=1):
    out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, p.dtype)
    PolyphaseExecutor(p, w).execute(x, out, bias, workers)
    return out


def arrays(p, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(p.dtype)
    w = rng.standard_normal((p.c_in, p.c_out // p.groups, *p.size)).astype(p.dtype)
    return x, w, rng.standard_normal(p.c_out).astype(p.dtype)


def check(p, workers=1):
    x, w, bias = arrays(p)
    assert PolyphaseExecutor.serves(p) == ""
    assert_close(run(p, x, w, bias, workers), transposed(x, w, p, bias), p.dtype, 12)
    assert_close(run(p, x, w, None, workers), transposed(x, w, p), p.dtype, 12)


@pytest.mark.parametrize("width", [1, 2, 7, 14, 33, 40])
@pytest.mark.parametrize(("size", "extra"), [((3, 3), (1, 1)), ((4, 4), (0, 0)), ((2, 5), (0, 1))])
def test_stride_two(width, size, extra):
    check(transposed_problem((5, width), size, extra=extra, batch=2, c_in=3, c_out=7, stride=(2, 2), before=(1, 1),
                             after=(0, 1)))  # fmt: skip


@pytest.mark.parametrize("stride", [(1, 1), (1, 3), (3, 4), (2, 5), (6, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_strides_and_dilations(stride, dilation):
    extra = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
    check(transposed_problem((4, 23), (3, 2), extra=extra, c_in=4, c_out=6, groups=2, stride=stride,
                             dilation=dilation, before=(1, 2), after=(2, 0)))  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_is_the_adjoint_for_every_border(mode, stride, dtype):
    """<conv(x), y> = <x, transposed(y)>, with conv from the matrices: padding beyond the image too."""
    for shape, before, after in (((6, 19), (1, 2), (2, 1)), ((2, 3), (5, 4), (3, 7)), ((1, 1), (2, 2), (2, 2))):
        c = conv_problem(shape, (3, 4), batch=2, c_in=4, c_out=6, groups=2, stride=stride, before=before, after=after,
                         dilation=(2, 1), mode=mode, dtype=dtype)  # fmt: skip
        extra = tuple(
            n - ((o - 1) * s - a - b + d * (k - 1) + 1)
            for n, o, s, a, b, d, k in zip(shape, c.out_shape, stride, before, after, c.dilation, c.size, strict=True)
        )
        p = transposed_problem(c.out_shape, (3, 4), extra=extra, batch=2, c_in=6, c_out=4, groups=2, stride=stride,
                               before=before, after=after, dilation=(2, 1), mode=mode, dtype=dtype)  # fmt: skip
        assert p.out_shape == shape
        y, w, _ = arrays(p)
        x = np.random.default_rng(5).standard_normal((2, 4, *shape)).astype(dtype)
        forward = conv(x, w, c)
        left, right = np.sum(forward.value * y), np.sum(x.astype(float) * run(p, y, w))
        assert abs(left - right) <= 20 * np.finfo(dtype).eps * np.sum(forward.weight * abs(y))
        check(p)


@st.composite
def problems(draw):
    pair = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * 2))  # noqa: E731
    size, dilation, stride = pair(1, 4), pair(1, 3), pair(1, 3)
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 40)))
    full = [(n - 1) * s + d * (k - 1) + e for n, s, d, k, e in zip(shape, stride, dilation, size, extra, strict=True)]
    before = tuple(draw(st.integers(0, min(3, n))) for n in full)
    after = tuple(draw(st.integers(0, min(3, n - b))) for n, b in zip(full, before, strict=True))
    g = draw(st.integers(1, 2))
    return transposed_problem(shape, size, extra=extra, batch=draw(st.integers(0, 2)), groups=g, stride=stride,
                              c_in=g * draw(st.integers(1, 2)), c_out=g * draw(st.integers(1, 3)), dilation=dilation,
                              before=before, after=after, mode=draw(st.sampled_from(MODES)))  # fmt: skip


@settings(max_examples=12, deadline=None, derandomize=True)
@given(problems())
def test_any_problem(p):
    check(p)


@pytest.mark.fuzz
@settings(max_examples=1000, deadline=None)
@given(problems())
def test_any_problem_at_length(p):
    check(p)


@pytest.mark.parametrize("mode", ["constant", "mirror"])
def test_same_bits_for_any_number_of_workers(mode):
    p = transposed_problem((60, 61), (3, 3), extra=(1, 1), batch=2, c_in=8, c_out=20, stride=(2, 2), before=(1, 1),
                           after=(1, 1), mode=mode)  # fmt: skip
    x, w, bias = arrays(p)
    one = run(p, x, w, bias, 1)
    for workers in (2, 3, 7):
        np.testing.assert_array_equal(run(p, x, w, bias, workers), one)


def test_extra_memory_stays_small():
    for c_in, c_out, side in ((1, 8, 512), (16, 32, 256), (64, 64, 64), (128, 128, 32), (256, 256, 14)):
        for mode in ("constant", "reflect"):
            p = transposed_problem((side, side), (3, 3), extra=(1, 1), c_in=c_in, c_out=c_out, stride=(2, 2),
                                   before=(1, 1), after=(1, 1), mode=mode)  # fmt: skip
            assert PolyphaseExecutor.scratch_bytes(p) <= p.memory_limit


def test_says_what_it_cannot_do():
    assert "transposed" in PolyphaseExecutor.serves(conv_problem((5, 5), (3, 3)))


def test_blocks_of_two_sizes_where_rows_are_folded():
    for c_out in (40, 17, 7):  # blocks of 6 and 5 channels, say, and images of more rows than a strip holds
        p = transposed_problem((90, 12), (5, 5), batch=2, c_in=60, c_out=c_out, dilation=(2, 2), before=(2, 1),
                               after=(0, 1), mode="reflect", dtype=np.float64)  # fmt: skip
        rng = np.random.default_rng(c_out)
        x, w = rng.standard_normal((2, 60, 90, 12)), rng.standard_normal((60, c_out, 5, 5))
        out = np.full((2, c_out, *p.out_shape), np.nan)
        PolyphaseExecutor(p, w).execute(x, out, None, 1)
        assert_close(out, transposed(x, w, p), np.float64)
