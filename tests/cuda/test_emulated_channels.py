"""Convolutions over channels: the compiled loop, interpreted, against the CPU backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import EmulatedArray, device

import fastconv as fc

RANDOM = np.random.default_rng(11)
Case = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], dict[str, Any]]
CONV, BACK = fc.nn.conv2d, fc.nn.conv_transpose2d
#: what is called, the shapes of x and weight, parameters
CASES: dict[str, Case] = {
    "3x3": (CONV, (2, 3, 31, 141), (5, 3, 3, 3), {}),
    "padded": (CONV, (1, 4, 20, 33), (8, 4, 3, 5), {"padding": (1, 2)}),
    "same, reflect": (CONV, (1, 2, 17, 35), (3, 2, 4, 3), {"padding": "same", "padding_mode": "reflect"}),
    "strided": (CONV, (2, 3, 33, 140), (9, 3, 3, 3), {"stride": (2, 3), "padding": 1}),
    "dilated": (CONV, (1, 2, 25, 40), (2, 2, 3, 2), {"dilation": (2, 5), "padding": ((2, 1), (0, 4))}),
    "groups": (CONV, (2, 6, 15, 34), (4, 3, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": (CONV, (1, 5, 19, 66), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    "depthwise, wide": (CONV, (2, 3, 21, 140), (3, 1, 5, 3), {"groups": 3, "padding": ((0, 2), (1, 3))}),
    "depthwise, valid": (CONV, (1, 4, 30, 136), (4, 1, 3, 4), {"groups": 4, "dilation": (2, 1)}),
    "depthwise, wrapped": (CONV, (1, 2, 9, 52), (2, 1, 3, 9), {"groups": 2, "padding": 4, "padding_mode": "wrap"}),
    "depthwise, two each": (CONV, (1, 3, 19, 36), (6, 1, 3, 2), {"groups": 3, "stride": 2}),
    "pointwise": (CONV, (2, 7, 9, 40), (17, 7, 1, 1), {}),
    "one image": (CONV, (3, 12, 40), (4, 3, 2, 2), {}),
    "no channels in": (CONV, (1, 0, 6, 7), (2, 0, 3, 3), {}),
    "many channels": (CONV, (1, 17, 12, 23), (41, 17, 2, 3), {"padding": 1, "padding_mode": "mirror"}),
    "many channels, strided": (CONV, (2, 8, 17, 30), (66, 8, 3, 3), {"stride": (2, 3), "padding": (2, 1)}),
    "many channels, groups": (CONV, (1, 20, 14, 16), (64, 10, 3, 3), {"groups": 2, "dilation": (2, 1)}),
    "many channels, 1x1": (CONV, (72, 9, 12), (130, 72, 1, 1), {}),
    "transposed": (BACK, (2, 4, 9, 33), (4, 5, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    "transposed, uneven": (BACK, (1, 2, 11, 7), (2, 3, 4, 2), {"stride": (3, 1), "dilation": (2, 3)}),
    "transposed, gaps": (BACK, (1, 2, 5, 6), (2, 3, 1, 2), {"stride": 3, "output_padding": (2, 1)}),
    "transposed, groups": (BACK, (1, 4, 8, 21), (4, 3, 3, 3), {"stride": 2, "groups": 2}),
    "transposed, reflect": (BACK, (2, 2, 7, 19), (2, 3, 3, 4), {"padding": (1, 2), "padding_mode": "reflect"}),
    "transposed, mirror": (
        BACK,
        (3, 6, 11),
        (3, 2, 5, 3),
        {"stride": (1, 2), "padding": 2, "padding_mode": "mirror", "output_padding": (0, 1)},
    ),
    "transposed, nearest": (BACK, (1, 2, 9, 9), (2, 1, 3, 3), {"padding": ((1, 0), (0, 2)), "padding_mode": "nearest"}),
    "transposed, far wrap": (BACK, (1, 2, 8, 30), (2, 2, 9, 3), {"padding": (6, 1), "padding_mode": "wrap"}),
}


def numbers(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return (RANDOM.random(shape) - 0.4).astype(dtype)


def held(got: np.ndarray, expected: np.ndarray, dtype: str = "float32") -> None:
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    step = {"float16": 2.0**-10, "float32": 4e-6, "float64": 1e-13}[dtype]
    assert np.abs(got.astype(np.float64) - expected).max(initial=0.0) <= step * scale


@pytest.mark.parametrize("name", CASES)
def test_convolutions(name: str) -> None:
    call, shape, filters, options = CASES[name]
    x, weight = numbers(shape), numbers(filters)
    expected = call(x, weight, **options)
    bias = numbers((expected.shape[-3],))
    with device() as there:
        made = call(there.array(x), there.array(weight), **options)
        assert type(made) is EmulatedArray
        held(made.host, expected)
        if name.startswith("many"):
            assert [launch.name for launch in there.launches] == ["copy", "gemm"]
            counts = there.last.counts
            assert counts.conflicts() == 1.0
            assert all(key[0] != "global" or key[2] <= 16 for key in counts.requests)
            wide = [key for key in counts.requests if key[:2] == ("global", "st") and key[2] == 16]
            assert bool(wide) == (np.prod(expected.shape[-2:]) % 4 == 0)
        out = there.empty(expected.shape, "float32", offset=3, pitch=expected.shape[-1] + 5)
        assert (
            call(there.array(x, pitch=shape[-1] + 1), there.array(weight), there.array(bias), out=out, **options) is out
        )
    held(out.host, call(x, weight, bias, **options))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("call", [CONV, BACK])
def test_dtypes(call: Callable[..., Any], dtype: str) -> None:
    x, weight, bias = numbers((1, 2, 13, 40), dtype), numbers((2, 2, 3, 3), dtype), numbers((2,), dtype)
    options: dict[str, Any] = {"stride": 2, "padding": 1, "padding_mode": "reflect"}
    with device() as there:
        made = call(*map(there.array, (x, weight, bias)), **options)
        held(made.host, call(x, weight, bias, **options), dtype)
        if call is CONV and dtype == "float16":  # many channels
            x, weight, bias = numbers((1, 16, 9, 12), dtype), numbers((36, 16, 2, 3), dtype), numbers((36,), dtype)
            made = call(*map(there.array, (x, weight, bias)))
            assert there.last.name == "gemm"
            held(made.host, call(x, weight, bias), dtype)


#: dtypes of x, of weight, and of bias
INTEGERS = [
    ("uint8", "int16", "int32"),
    ("int64", "int64", "int64"),
    ("uint64", "uint8", "bool"),
    ("bool", "int8", "int8"),
]


@pytest.mark.parametrize("dtypes", INTEGERS)
def test_integers_are_exact_and_wrap(dtypes: tuple[str, str, str]) -> None:
    """Sums of 64-bit samples pass int64 many times over."""

    def whole(shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if dtype == "bool":
            return RANDOM.random(shape) < 0.5
        info = np.iinfo(dtype)
        return RANDOM.integers(info.min, info.max, shape, dtype, endpoint=True)

    x, weight, bias = map(whole, ((1, 4, 9, 35), (4, 2, 3, 2), (4,)), dtypes)
    calls: list[Callable[..., Any]] = [
        lambda *a: CONV(*a, groups=2, padding=1, padding_mode="reflect"),
        lambda *a: BACK(*a[:2], stride=2, padding=1, padding_mode="wrap"),
        lambda x, w, b: fc.nn.depthwise_conv2d(x, w, b),
    ]
    deep = whole((4, 1, 2, 3), dtypes[1])
    for call, filters in zip(calls, (weight, weight, deep), strict=True):
        with device() as there:
            made = call(*map(there.array, (x, filters, bias))).host
        assert made.dtype == np.int64
        assert np.array_equal(made, call(x, filters, bias))


def test_plans_of_device_arrays() -> None:
    cases: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], str]] = [
        ((1, 3, 20, 30), (8, 3, 3, 3), {}, "wide"),
        ((1, 8, 20, 30), (8, 1, 3, 3), {"groups": 8}, "depthwise"),
        ((1, 8, 20, 30), (8, 1, 3, 3), {"groups": 8, "stride": 2}, "wide"),
        ((1, 8, 20, 30), (8, 1, 11, 3), {"groups": 8}, "wide"),
        ((1, 8, 20, 30), (8, 3, 3, 3), {"transposed": True}, "polyphase"),
        ((1, 8, 20, 30), (32, 8, 3, 3), {}, "gemm"),
        ((1, 8, 20, 30), (32, 8, 3, 3), {"method": "wide"}, "wide"),
        ((1, 8, 20, 30), (24, 8, 3, 3), {"method": "direct"}, "wide"),
        ((1, 64, 20, 30), (64, 64, 1, 1), {}, "gemm"),
        ((1, 3, 40, 40), (64, 3, 7, 7), {}, "gemm"),
    ]
    with device() as there:
        for shape, filters, options, method in cases:
            x, weight = there.array(numbers(shape)), there.array(numbers(filters))
            plan = fc.nn.explain(x, weight, **options)
            assert plan.method == method
            assert method in str(plan)
            assert fc.nn.explain(shape, filters, backend="cuda", **options).method == method
        whole = there.array(np.ones((8, 20, 30), np.uint8))
        plan = fc.nn.explain(whole, (8, 1, 3, 3), groups=8)
        assert (plan.method, plan.error_bound) == ("wide", 0.0)
        with pytest.raises(TypeError, match="backend 'cpu'"):
            fc.nn.explain(whole, (8, 1, 3, 3), groups=8, backend="cpu")
        with pytest.raises(TypeError, match="on the host"):
            fc.nn.prepare(there.array(numbers((2, 2, 3, 3))))


def test_depthwise_separable() -> None:
    x, deep, point, bias = numbers((1, 3, 14, 37)), numbers((6, 1, 3, 3)), numbers((4, 6, 1, 1)), numbers((4,))
    expected = fc.nn.separable_conv2d(x, deep, point, bias, padding=1)
    with device() as there:
        made = fc.nn.separable_conv2d(*map(there.array, (x, deep, point, bias)), padding=1)
    held(made.host, expected)


def test_from_the_host_and_back() -> None:
    x, weight, bias = numbers((1, 2, 9, 10)), numbers((3, 2, 3, 3)), numbers((3,))
    out = np.zeros((1, 3, 7, 8), np.float32)
    with device():
        made = CONV(x, weight, bias, backend="cuda")
        assert CONV(x, weight, bias, backend="cuda", out=out) is out
    assert type(made) is np.ndarray
    held(made, CONV(x, weight, bias))
    held(out, made)


def test_in_place() -> None:
    x, weight, x3 = numbers((1, 2, 9, 40)), numbers((2, 2, 3, 3)), numbers((3, 3, 3, 3))
    with device() as there:
        both = EmulatedArray(there.memory.copy_of(x))
        assert CONV(both, there.array(weight), padding=1, out=both) is both
        filters = numbers((3, 3, 3, 3))
        also = EmulatedArray(there.memory.copy_of(filters))
        assert CONV(there.array(x3), also, padding=1, out=also) is also
    held(both.host, CONV(x, weight, padding=1))
    held(also.host, CONV(x3, filters, padding=1))


def test_what_is_refused() -> None:
    x, weight = numbers((1, 2, 9, 10)), numbers((3, 2, 3, 3))
    with device() as there:
        a, b = there.array(x), there.array(weight)
        with pytest.raises(TypeError, match="weight must be on the device"):
            CONV(a, weight)
        with pytest.raises(TypeError, match="weight"):
            CONV(x, b, backend="cuda")
        with pytest.raises(TypeError, match="out must be on the device"):
            CONV(a, b, out=np.zeros((1, 3, 7, 8), np.float32))
        with pytest.raises(TypeError, match="backend 'cpu'"):
            CONV(a, b, backend="cpu")
        with pytest.raises(ValueError, match=r"method must be one of auto, wide .*cuda has no such algorithm"):
            CONV(a, b, method="winograd")
        with pytest.raises(ValueError, match=r"method must be one of auto, wide .*more than one channel"):
            CONV(a, b, method="depthwise")
        with pytest.raises(TypeError, match="weight must be of x's dtype int32 or other integers"):
            CONV(there.array(x.astype(np.int32)), b)
        with pytest.raises(ValueError, match="of four dimensions"):
            CONV(a, there.array(weight[0]))
        with pytest.raises(ValueError, match=r"pointwise must be .* 1, 1\)"):
            fc.nn.separable_conv2d(a, there.array(weight[:2, :1]), there.array(numbers((2, 2, 3, 1))))
        with pytest.raises(ValueError, match="shape"):
            CONV(a, b, out=there.empty((1, 3, 7, 9), "float32"))
        with pytest.raises(ValueError, match="bias"):
            CONV(a, b, there.array(numbers((2,))))
        assert not there.launches
