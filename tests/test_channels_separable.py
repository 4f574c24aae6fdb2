"""Depthwise then 1x1, fused, against the two parts worked out one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from channels_naive import Answer, assert_close, conv, conv_problem
from oracle import MODES

from fastconv import nn
from fastconv.backends.channels.separable import SeparableExecutor
from fastconv.backends.channels.separable_small import SmallSeparableExecutor, small
from fastconv.core.separable import SeparableProblem


def arrays(p, seed=0):
    d = p.depthwise
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((d.batch, d.c_in, *d.shape)).astype(d.dtype)
    w = rng.standard_normal((d.c_out, 1, *d.size)).astype(d.dtype)
    mixing = rng.standard_normal((p.c_out, d.c_out)).astype(d.dtype)
    return x, w, mixing, rng.standard_normal(p.c_out).astype(d.dtype)


def run(p, x, w, mixing, bias, workers=1, kind=SeparableExecutor):
    out = np.full((p.depthwise.batch, p.c_out, *p.depthwise.out_shape), np.nan, p.depthwise.dtype)
    kind(p, w, mixing).execute(x, out, bias, workers)
    return out


def check(p, kind=SeparableExecutor):
    x, w, mixing, bias = arrays(p)
    assert SeparableExecutor.serves(p) == ""
    first = conv(x, w, p.depthwise)
    value = np.einsum("oc,ncyx->noyx", mixing.astype(float), first.value) + bias[:, None, None]
    weight = np.einsum("oc,ncyx->noyx", abs(mixing.astype(float)), first.weight) + abs(bias[:, None, None])
    assert_close(run(p, x, w, mixing, bias, 1, kind), Answer(value, weight), p.depthwise.dtype, 12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (14, 14), (33, 40), (61, 5)])
def test_borders_and_shapes(mode, shape):
    d = conv_problem(shape, (3, 3), batch=2, c_in=5, c_out=10, groups=5, before=(1, 1), after=(1, 1), mode=mode)
    check(SeparableProblem(d, 17))


@pytest.mark.parametrize("c_out", [1, 11, 12, 24, 29])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_strides_and_dilations(c_out, dtype):
    for stride, dilation in (((2, 2), (1, 1)), ((1, 3), (3, 1)), ((1, 1), (2, 2))):
        d = conv_problem((29, 37), (5, 3), c_in=3, c_out=3, groups=3, stride=stride, dilation=dilation, before=(2, 1),
                         after=(4, 3), dtype=dtype)  # fmt: skip
        check(SeparableProblem(d, c_out))


def test_strips_of_a_larger_image():
    for channels in (3, 40):
        d = conv_problem((150, 90), (3, 3), batch=2, c_in=channels, c_out=channels, groups=channels, before=(1, 1),
                         after=(1, 1))  # fmt: skip
        p = SeparableProblem(d, 30)
        check(p)
        x, w, mixing, bias = arrays(p)
        one = run(p, x, w, mixing, bias)
        for workers in (2, 3, 7):
            np.testing.assert_array_equal(run(p, x, w, mixing, bias, workers), one)


def test_extra_memory_stays_small():
    for c_in, c_out, side in ((1, 8, 512), (8, 16, 512), (32, 32, 128), (128, 128, 32), (512, 512, 7)):
        d = conv_problem((side, side), (3, 3), c_in=c_in, c_out=c_in, groups=c_in, before=(1, 1), after=(1, 1))
        p = SeparableProblem(d, c_out)
        assert (SmallSeparableExecutor if small(p) else SeparableExecutor).scratch_bytes(p) <= p.memory_limit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "channels", "multiplier", "c_out", "stride"), [
    ((7, 7), 130, 1, 210, 1), ((14, 14), 70, 1, 90, 1), ((13, 18), 60, 2, 150, 2), ((4, 4), 120, 3, 190, 1),
    ((12, 30), 40, 1, 75, 1),
])  # fmt: skip
def test_small_images_of_many_channels(shape, channels, multiplier, c_out, stride, dtype):
    d = conv_problem(shape, (3, 3), batch=2, c_in=channels, c_out=channels * multiplier, groups=channels,
                     stride=(stride, stride), before=(1, 1), after=(1, 1), dtype=dtype)  # fmt: skip
    p = SeparableProblem(d, c_out)
    assert small(p)
    check(p, SmallSeparableExecutor)
    x, w, mixing, bias = arrays(p)
    one = run(p, x, w, mixing, bias, 1, SmallSeparableExecutor)
    for workers in (2, 3):
        np.testing.assert_array_equal(run(p, x, w, mixing, bias, workers, SmallSeparableExecutor), one)


def test_weights_that_change_in_place_are_seen():
    rng = np.random.default_rng(1)
    x, w, mixing = (rng.standard_normal(s).astype("f4") for s in ((1, 96, 9, 9), (96, 1, 3, 3), (160, 96, 1, 1)))
    for _ in range(3):
        found = nn.separable_conv2d(x, w, mixing, padding=1)
        want = nn.pointwise(nn.depthwise_conv2d(x.astype(float), w.astype(float), padding=1), mixing.astype(float))
        assert np.allclose(found, want, atol=1e-3)
        w[3] += 1
        mixing[:, 5] -= 1
