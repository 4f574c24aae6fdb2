"""Depthwise convolution against matrices that share nothing with it."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import assert_close, conv, conv_problem
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import MODES

from fastconv.backends.channels.depthwise import DepthwiseExecutor


def run(p, x, w, bias=None, workers=1):
    out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, p.dtype)
    DepthwiseExecutor(p, w).execute(x, out, bias, workers)
    return out


def arrays(p, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(p.dtype)
    w = rng.standard_normal((p.c_out, 1, *p.size)).astype(p.dtype)
    return x, w, rng.standard_normal(p.c_out).astype(p.dtype)


def check(p, workers=1):
    x, w, bias = arrays(p)
    assert DepthwiseExecutor.serves(p) == ""
    assert_close(run(p, x, w, bias, workers), conv(x, w, p, bias), p.dtype)
    assert_close(run(p, x, w, None, workers), conv(x, w, p), p.dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [1, 7, 16, 21, 40, 67])
@pytest.mark.parametrize(("size", "before"), [((3, 3), (1, 1)), ((5, 5), (2, 2)), ((2, 4), (0, 2))])
def test_widths_and_borders(mode, width, size, before):
    check(conv_problem((11, width), size, batch=2, c_in=3, c_out=6, groups=3, before=before, after=before, mode=mode))


@pytest.mark.parametrize("stride", [(1, 2), (2, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize("width", [5, 14, 33, 64, 71])
def test_strides(stride, width):
    for dilation in ((1, 1), (2, 3)):
        check(
            conv_problem((19, width), (3, 3), c_in=2, c_out=2, groups=2, stride=stride, before=(2, 4), after=(3, 3),
                         dilation=dilation)
        )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "dilation"), [((1, 1), (1, 1)), ((7, 7), (1, 1)), ((3, 3), (2, 2)), ((3, 3), (5, 20)), ((9, 8), (1, 2))]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes_and_dilations(size, dilation, dtype):
    pad = tuple(d * (k - 1) // 2 for k, d in zip(size, dilation, strict=True))
    for width in (9, 50):
        check(
            conv_problem((23, width), size, c_in=2, c_out=2, groups=2, before=pad, after=pad, dilation=dilation,
                         dtype=dtype)
        )  # fmt: skip


def test_kernel_that_reaches_past_the_image_on_every_side():
    check(conv_problem((2, 3), (7, 6), c_in=2, c_out=4, groups=2, before=(6, 5), after=(6, 5)))
    check(conv_problem((1, 1), (3, 3), c_in=2, c_out=2, groups=2, before=(1, 1), after=(1, 1), mode="reflect"))
    check(conv_problem((1, 1), (5, 5), before=(9, 9), after=(9, 9), mode="wrap"))


@st.composite
def problems(draw):
    pair = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * 2))  # noqa: E731
    size, dilation, before, after = pair(1, 4), pair(1, 3), pair(0, 4), pair(0, 4)
    least = [max(1, d * (k - 1) + 1 - a - b) for k, d, a, b in zip(size, dilation, before, after, strict=True)]
    shape = tuple(n + draw(st.integers(0, 40)) for n in least)
    c, m = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return conv_problem(shape, size, batch=draw(st.integers(0, 2)), c_in=c, c_out=c * m, groups=c,
                        stride=pair(1, 3), dilation=dilation, before=before, after=after,
                        mode=draw(st.sampled_from(MODES)))  # fmt: skip


@settings(max_examples=15, deadline=None, derandomize=True)
@given(problems())
def test_any_problem(p):
    check(p)


@pytest.mark.fuzz
@settings(max_examples=1500, deadline=None)
@given(problems())
def test_any_problem_at_length(p):
    check(p)


@pytest.mark.parametrize("mode", ["constant", "mirror"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_same_bits_for_any_number_of_workers(mode, stride):
    for c, side in ((2, 900), (40, 90)):
        p = conv_problem((side, side + 3), (5, 5), c_in=c, c_out=c, groups=c, before=(2, 2), after=(2, 2), mode=mode,
                         stride=stride)  # fmt: skip
        x, w, bias = arrays(p)
        one = run(p, x, w, bias, 1)
        for workers in (2, 3, 7):
            np.testing.assert_array_equal(run(p, x, w, bias, workers), one)


def test_zeros_outside_are_zeros_beside_inf_and_nan():
    """What lies in other rows, planes and lanes never reaches an output that no tap joins to it."""
    p = conv_problem((9, 37), (3, 3), c_in=3, c_out=3, groups=3, before=(1, 1), after=(1, 1))
    x, w, _ = arrays(p)
    for bad in (np.inf, np.nan):
        y = x.copy()
        y[0, 1, 4, 0] = y[0, 1, 4, 36] = bad
        touched = np.zeros(x.shape, bool)
        touched[0, 1, 3:6, :2] = touched[0, 1, 3:6, -2:] = True
        with np.errstate(invalid="ignore"):
            found = run(p, y, w)
        np.testing.assert_array_equal(~np.isfinite(found), touched)
        np.testing.assert_array_equal(found[~touched], run(p, x, w)[~touched])


def test_extra_memory_stays_small():
    for mode in ("constant", "reflect"):
        for stride in ((1, 1), (2, 2)):
            for c, side, k in ((1, 512, 7), (16, 256, 3), (64, 64, 5)):
                pad = (k // 2, k // 2)
                p = conv_problem((side, side), (k, k), c_in=c, c_out=c, groups=c, before=pad, after=pad, mode=mode,
                                 stride=stride)  # fmt: skip
                assert DepthwiseExecutor.scratch_bytes(p) <= p.memory_limit


def test_says_what_it_cannot_do():
    assert "channel" in DepthwiseExecutor.serves(conv_problem((5, 5), (3, 3), c_in=4, c_out=4, groups=2))
