"""fastconv.nn against seven plain loops, its own matrix, SciPy, PyTorch where it is, and the dot-product identity."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from fastconv import nn

PAD = {"constant": "constant", "reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}
MODES = sorted(PAD)


def naive(x, w, b, stride, padding, dilation, groups, mode):
    """Seven loops over a padded image."""
    p = np.pad(x, [(0, 0), (0, 0), *padding], PAD[mode])
    n, _, h, wd = p.shape
    o, per, kh, kw = w.shape
    ho = (h - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    wo = (wd - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, o, ho, wo), np.result_type(x, w))
    for i, f, y, z in itertools.product(range(n), range(o), range(ho), range(wo)):
        total = 0 if b is None else b[f]
        for c, r, q in itertools.product(range(per), range(kh), range(kw)):
            channel = f // (o // groups) * per + c
            total += w[f, c, r, q] * p[i, channel, y * stride[0] + r * dilation[0], z * stride[1] + q * dilation[1]]
        out[i, f, y, z] = total
    return out


def near(found, x, w, exact, dtype, units=64):
    scale = np.abs(w).sum(axis=(1, 2, 3)).max() * np.abs(x).max() if w.size and x.size else 1.0
    np.testing.assert_allclose(found, exact, rtol=0, atol=units * np.finfo(dtype).eps * max(scale, 1e-30))


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADS = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    groups = draw(st.integers(1, 3))
    per, each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation, padding = draw(PAIRS), draw(PAIRS), draw(PADS)
    span = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    least = [max(4, s - sum(p)) for s, p in zip(span, padding, strict=True)]
    shape = [n + draw(st.integers(0, 6)) for n in least]
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = np.random.default_rng(draw(st.integers(0, 2**31)))
    return {
        "x": seed.standard_normal((draw(st.integers(1, 2)), groups * per, *shape)).astype(dtype),
        "w": seed.standard_normal((groups * each, per, *size)).astype(dtype),
        "b": seed.standard_normal(groups * each).astype(dtype) if draw(st.booleans()) else None,
        "stride": stride, "dilation": dilation, "padding": padding, "groups": groups,
        "mode": draw(st.sampled_from(MODES)),
    }  # fmt: skip


def options(p: dict[str, Any]) -> dict[str, Any]:
    return {k: p[k] for k in ("stride", "dilation", "padding", "groups")} | {"padding_mode": p["mode"]}


@given(problems(), st.sampled_from(["auto", "direct"]))
def test_conv2d_is_seven_loops(p: dict[str, Any], method: str) -> None:
    x, w, b = p["x"], p["w"], p["b"]
    exact = naive(*(None if a is None else a.astype(np.float64) for a in (x, w, b)), p["stride"], p["padding"],
                  p["dilation"], p["groups"], p["mode"])  # fmt: skip
    found = nn.conv2d(x, w, b, method=method, **options(p))
    assert found.dtype == x.dtype
    near(found, x, w, exact, x.dtype)
    plain = {k: v for k, v in options(p).items() if k != "padding_mode"}
    assert nn.output_shape(x.shape, w.shape, **plain) == found.shape


@given(problems())
def test_the_matrix_is_the_convolution_and_its_transpose_the_adjoint(p: dict[str, Any]) -> None:
    x, w = p["x"][0].astype(np.float64), p["w"].astype(np.float64)
    c = nn.conv_matrix(w, x.shape, **options(p))
    y = nn.conv2d(x, w, **options(p))
    near((c @ x.ravel()).reshape(y.shape), x, w, y, np.float64)
    g = np.random.default_rng(1).standard_normal(y.shape)
    extra = [
        n - ((m - 1) * s - sum(q) + d * (k - 1) + 1)
        for n, m, s, q, d, k in zip(x.shape[1:], y.shape[1:], p["stride"], p["padding"], p["dilation"], w.shape[2:],
                                    strict=True)
    ]  # fmt: skip
    if any(e >= max(s, d) for e, s, d in zip(extra, p["stride"], p["dilation"], strict=True)):
        return
    back = nn.conv_transpose2d(g, w, output_padding=extra, **options(p))
    assert back.shape == x.shape
    near((c.T @ g.ravel()).reshape(x.shape), g, w, back, np.float64, 1000)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dot_product_identity_for_every_border(mode: str, dtype: str) -> None:
    random = np.random.default_rng(3)
    x = random.standard_normal((2, 4, 11, 14)).astype(dtype)
    w = random.standard_normal((6, 2, 3, 4)).astype(dtype)
    shared = {"stride": (2, 1), "padding": ((2, 1), (3, 4)), "dilation": (1, 2), "groups": 2, "padding_mode": mode}
    y = nn.conv2d(x, w, **shared)
    g = random.standard_normal(y.shape).astype(dtype)
    back = nn.conv_transpose2d(g, w, output_padding=(1, 0), **shared)
    left, right = (np.vdot(a.astype(np.float64), b.astype(np.float64)) for a, b in ((y, g), (x, back)))
    assert abs(left - right) < 1e3 * np.finfo(dtype).eps * np.abs(y * g).sum()


def test_scipy_correlates_the_same() -> None:
    random = np.random.default_rng(4)
    x, w = random.standard_normal((3, 17, 23)), random.standard_normal((2, 3, 4, 5))
    exact = [sum(signal.correlate2d(x[c], w[o, c], "valid") for c in range(3)) for o in range(2)]
    near(nn.conv2d(x, w), x, w, np.array(exact), np.float64)


SHAPES = [((1, 16, 33, 29), (40, 16, 3, 3)), ((1, 64, 7, 7), (64, 64, 3, 3)), ((2, 5, 40, 70), (8, 5, 5, 5)),
          ((1, 48, 14, 14), (33, 48, 1, 1)), ((1, 600, 5, 5), (20, 600, 3, 3))]  # fmt: skip


@pytest.mark.parametrize(("shape", "weight"), SHAPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_many_channels(shape: tuple[int, ...], weight: tuple[int, ...], stride: int) -> None:
    random = np.random.default_rng(5)
    x, w = random.standard_normal(shape).astype("f4"), random.standard_normal(weight).astype("f4")
    k = weight[2]
    matrix = nn.conv_matrix(w.astype(np.float64), shape[1:], stride=stride, padding=k // 2)
    exact = np.array([matrix @ sample.ravel() for sample in x.astype(np.float64)])
    one = None
    for workers in (1, 2):
        found = nn.conv2d(x, w, stride=stride, padding=k // 2, workers=workers)
        near(found, x, w, exact.reshape(found.shape), np.float32)
        assert one is None or np.array_equal(one, found)
        one = found


def test_integers_are_exact() -> None:
    random = np.random.default_rng(6)
    for dtype in ("uint8", "int16", "int64", "uint64"):
        info = np.iinfo(dtype)
        x = random.integers(info.min, info.max, (2, 3, 6, 7), dtype, endpoint=True)
        w = random.integers(info.min, info.max, (2, 3, 3, 2), dtype, endpoint=True)
        with np.errstate(over="ignore"):
            exact = naive(x.astype(np.int64).view(np.uint64), w.astype(np.int64).view(np.uint64), None, (1, 1),
                          ((1, 1), (1, 1)), (1, 1), 1, "constant").view(np.int64)  # fmt: skip
        found = nn.conv2d(x, w, padding=1)
        assert found.dtype == np.int64
        assert np.array_equal(found, exact), dtype


def test_float16_sums_in_float32() -> None:
    x = np.full((1, 64, 5, 5), 0.1, np.float16)
    w = np.full((1, 64, 3, 3), 0.1, np.float16)
    found = nn.conv2d(x, w)
    assert found.dtype == np.float16
    assert np.array_equal(found, np.full((1, 1, 3, 3), 576 * float(x[0, 0, 0, 0]) ** 2, np.float16))


def test_strides_order_and_out() -> None:
    random = np.random.default_rng(7)
    x, w = random.standard_normal((1, 4, 9, 12)), random.standard_normal((4, 4, 3, 3))
    exact = nn.conv2d(x, w, padding="same")
    for other in (np.asfortranarray(x), x.astype(">f8"), np.repeat(x, 2, -1)[..., ::2]):
        assert np.array_equal(nn.conv2d(other, w, padding="same"), exact)
    out = np.empty_like(x)
    assert nn.conv2d(x, w, padding="same", out=out) is out
    assert np.array_equal(out, exact)
    wide = np.zeros((1, 4, 9, 24))
    nn.conv2d(x, nn.prepare(w), padding="same", out=wide[..., ::2])
    assert np.array_equal(wide[..., ::2], exact)
    nn.conv2d(x, w, padding="same", out=x)
    assert np.array_equal(x, exact)


def test_same_with_a_stride() -> None:
    x = np.arange(1.0, 7.0).reshape(1, 1, 6)
    w = np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3)
    assert nn.conv2d(x, w, padding="same", stride=(1, 2)).ravel().tolist() == [321.0, 543.0, 65.0]
    assert nn.conv2d(x, w, padding="same_lower", stride=(1, 2)).ravel().tolist() == [210.0, 432.0, 654.0]
    for s in (1, 2, 3):
        assert nn.conv_transpose2d(x, w, padding="same", stride=(1, s)).shape == (1, 1, 6 * s)


def test_depthwise_and_separable() -> None:
    random = np.random.default_rng(8)
    x = random.standard_normal((2, 3, 10, 11))
    d, p, b = random.standard_normal((6, 1, 3, 3)), random.standard_normal((4, 6, 1, 1)), random.standard_normal(4)
    middle = naive(x, d, None, (2, 2), ((1, 1), (1, 1)), (1, 1), 3, "wrap")
    near(nn.depthwise_conv2d(x, d, stride=2, padding=1, padding_mode="wrap"), x, d, middle, np.float64)
    exact = np.einsum("op,nphw->nohw", p[:, :, 0, 0], middle) + b[:, None, None]
    found = nn.separable_conv2d(x, d, p, b, stride=2, padding=1, padding_mode="wrap")
    np.testing.assert_allclose(found, exact, atol=1e-12)
    options = {"stride": 2, "padding": 1, "padding_mode": "wrap"}
    # one after the other, in float32, by a view, from integers, of one sample, into an output of the caller's
    np.testing.assert_allclose(nn.separable_conv2d(x, d, p, b, method="direct", **options), exact, atol=1e-12)
    narrow = [a.astype(np.float32) for a in (x, d, p, b)]
    np.testing.assert_allclose(nn.separable_conv2d(*narrow, **options), exact, atol=1e-4)
    np.testing.assert_allclose(nn.separable_conv2d(x[::-1], d, p, b, **options), exact[::-1], atol=1e-12)
    np.testing.assert_allclose(nn.separable_conv2d(x[1], d, p, b, **options), exact[1], atol=1e-12)
    out = np.zeros((2, 4, 5, 12))[..., ::2]
    assert nn.separable_conv2d(x, d, p, b, out=out, **options) is out
    np.testing.assert_array_equal(out, found)
    whole = [np.rint(a * 4).astype(np.int16) for a in (x, d, p)]
    np.testing.assert_array_equal(
        nn.separable_conv2d(*whole, **options),
        nn.separable_conv2d(*(a.astype(np.float64) for a in whole), **options),
    )
    assert nn.separable_conv2d(x[:0], d, p, b, **options).shape == (0, 4, 5, 6)
    for wrong, name in ((p[:, :5], "weight"), (np.ones((4, 6, 3, 3)), "pointwise"), (p[0], "pointwise")):
        with pytest.raises(ValueError, match=f"{name} must be"):
            nn.separable_conv2d(x, d, wrong, b, **options)
    with pytest.raises(ValueError, match="bias must be"):
        nn.separable_conv2d(x, d, p, b[:3], **options)
    assert np.array_equal(nn.pointwise(x, p[:, :3, 0, 0]), nn.conv2d(x, np.ascontiguousarray(p[:, :3])))


def test_empty_batches_and_images() -> None:
    w, b = np.ones((2, 3, 3, 3)), np.array([1.0, 2.0])
    assert nn.conv2d(np.ones((0, 3, 5, 5)), w).shape == (0, 2, 3, 3)
    assert nn.conv2d(np.ones((3, 0, 4)), w, b, padding=2)[1].tolist() == [[2.0] * 6] * 2
    assert nn.conv_transpose2d(np.ones((0, 3, 5, 5)), w.transpose(1, 0, 2, 3)).shape == (0, 2, 7, 7)
    assert nn.conv2d(np.ones((0, 5, 5)), np.ones((2, 0, 3, 3)), b)[0].tolist() == [[1.0] * 3] * 3
    assert nn.conv2d(np.ones((3, 5, 5)), np.ones((0, 3, 3, 3))).shape == (0, 3, 3)
    assert nn.conv2d(np.ones((0, 3, 5, 5), "f2"), w.astype("f2")).dtype == np.float16
    assert nn.conv2d(np.ones((0, 3, 5, 5), int), w.astype(int)).shape == (0, 2, 3, 3)
    assert nn.separable_conv2d(np.ones((0, 2, 5, 5)), np.ones((2, 1, 3, 3)), np.ones((4, 2, 1, 1))).shape == (
        0,
        4,
        3,
        3,
    )


def test_unbatched_images_are_batches_of_one() -> None:
    random = np.random.default_rng(10)
    x, w, d, p = (random.standard_normal(s) for s in ((4, 9, 8), (4, 4, 3, 3), (8, 1, 3, 3), (5, 8, 1, 1)))
    for found, batch in (
        (nn.conv2d(x, w, padding=1), nn.conv2d(x[None], w, padding=1)),
        (nn.conv_transpose2d(x, w, stride=2), nn.conv_transpose2d(x[None], w, stride=2)),
        (nn.depthwise_conv2d(x, d), nn.depthwise_conv2d(x[None], d)),
        (nn.separable_conv2d(x, d, p), nn.separable_conv2d(x[None], d, p)),
        (nn.pointwise(x, w[..., 0, 0]), nn.pointwise(x[None], w[..., 0, 0])),
        (nn.conv2d(x.astype("f2"), w.astype("f2")), nn.conv2d(x[None].astype("f2"), w.astype("f2"))),
    ):
        assert found.shape == batch.shape[1:]
        assert np.array_equal(found, batch[0])


X, W = np.ones((1, 4, 6, 6)), np.ones((4, 4, 3, 3))
BAD = [
    (ValueError, "x must be", lambda: nn.conv2d(X[0, 0], W)),
    (ValueError, "weight must be", lambda: nn.conv2d(X, W[0])),
    (ValueError, "weight must be", lambda: nn.conv2d(X, W[:, :3])),
    (ValueError, "groups must be", lambda: nn.conv2d(X, W, groups=3)),
    (ValueError, "groups must be", lambda: nn.conv2d(X, W, groups=0)),
    (ValueError, "groups must be", lambda: nn.conv2d(X, np.ones((3, 2, 3, 3)), groups=2)),
    (ValueError, "padding must be", lambda: nn.conv2d(X, W, padding=-1)),
    (ValueError, "padding must be", lambda: nn.conv2d(X, W, padding="full")),
    (TypeError, "padding must be", lambda: nn.conv2d(X, W, padding=1.0)),
    (ValueError, "stride must be", lambda: nn.conv2d(X, W, stride=0)),
    (ValueError, "stride must be", lambda: nn.conv2d(X, W, stride=(1, 2, 3))),
    (ValueError, "dilation must be", lambda: nn.conv2d(X, W, dilation=0)),
    (ValueError, "larger than the padded", lambda: nn.conv2d(X, W, dilation=3)),
    (ValueError, "weight must be", lambda: nn.conv2d(X, np.ones((4, 4, 0, 3)))),
    (TypeError, "weight must be", lambda: nn.conv2d(X, W.astype("f4"))),
    (TypeError, "weight must be", lambda: nn.conv2d(X, W.astype(int))),
    (TypeError, "bias must be", lambda: nn.conv2d(X, W, np.ones(4, "f4"))),
    (ValueError, "bias must be", lambda: nn.conv2d(X, W, np.ones(3))),
    (TypeError, "x must be", lambda: nn.conv2d(X.astype(complex), W)),
    (ValueError, "padding_mode|mode must be", lambda: nn.conv2d(X, W, padding_mode="zeros")),
    (ValueError, "method must be", lambda: nn.conv2d(X, W, method="fft")),
    (ValueError, "method must be", lambda: nn.conv2d(X, W, stride=2, method="winograd")),
    (ValueError, "backend must be", lambda: nn.conv2d(X, W, backend="tpu")),
    (ValueError, "workers must be", lambda: nn.conv2d(X, W, workers=0)),
    (ValueError, "out must be", lambda: nn.conv2d(X, W, out=np.ones((1, 4, 4, 5)))),
    (TypeError, "out must be", lambda: nn.conv2d(X, W, out=np.ones((1, 4, 4, 4), "f4"))),
    (ValueError, "output_padding must be", lambda: nn.conv_transpose2d(X, W, stride=2, output_padding=2)),
    (ValueError, "padding must be", lambda: nn.conv_transpose2d(X, W, padding=5)),
    (ValueError, "weight must be", lambda: nn.conv_transpose2d(X, W[:3])),
    (ValueError, "weight must be", lambda: nn.depthwise_conv2d(X, W)),
    (ValueError, "weight must be", lambda: nn.pointwise(X, W)),
    (ValueError, "x must be", lambda: nn.conv2d(X[None], W)),
    (ValueError, "x must be", lambda: nn.conv_transpose2d(X[0, 0], W)),
    (ValueError, "x must be", lambda: nn.conv_transpose2d(np.ones((1, 4, 0, 5)), W)),
    (ValueError, "weight must be", lambda: nn.conv_transpose2d(X, W[0])),
    (ValueError, "weight must be", lambda: nn.depthwise_conv2d(X, np.ones((6, 1, 3, 3)))),
    (ValueError, "padding must be", lambda: nn.conv2d(X, W, padding=((1, -1), (0, 0)))),
    (ValueError, "padding must be", lambda: nn.conv2d(X, W, padding=((1, 2, 3), (0, 0)))),
    (ValueError, "padding must be", lambda: nn.conv2d(X, W, padding=((1, 2), (3,)))),
    (TypeError, "stride must be", lambda: nn.conv2d(X, W, stride=((1, 2), (3,)))),
    (ValueError, "padding must be", lambda: nn.conv_transpose2d(X, W, padding=-1)),
    (ValueError, "output_padding must be", lambda: nn.conv_transpose2d(X, W, output_padding=-1)),
    (ValueError, "output_padding must be", lambda: nn.conv_transpose2d(X, W, output_padding=1)),
    (ValueError, "output_padding must be", lambda: nn.conv_transpose2d(X, W, dilation=(1, 3), output_padding=(1, 2))),
    (TypeError, "weight must be", lambda: nn.conv_transpose2d(X, W.astype("f4"))),
    (TypeError, "depthwise must be|weight must be", lambda: nn.separable_conv2d(X, W[:, :1].astype("f4"), W)),
    (TypeError, "pointwise must be", lambda: nn.separable_conv2d(X, W[:, :1], W[..., :1, :1].astype("f4"))),
    (ValueError, "input_shape must be", lambda: nn.conv_matrix(W, (1, 4, 6, 6))),
    (ValueError, "weight must be", lambda: nn.conv_matrix(W, (3, 6, 6))),
    (ValueError, "larger than the padded", lambda: nn.conv_matrix(W, (4, 2, 6))),
    (ValueError, "weight", lambda: nn.output_shape((1, 4, 6, 6), (4, 3, 3, 3))),
    (ValueError, "output_padding must be", lambda: nn.transposed_output_shape(X.shape, W.shape, output_padding=1)),
    (TypeError, "layers must be", lambda: nn.receptive_field(3)),
    (ValueError, "groups must be", lambda: nn.parameter_count(3, 4, 3, groups=2)),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(BAD)))
def test_bad_input_is_named(row: int) -> None:
    error, text, call = BAD[row]
    with pytest.raises(error, match=text):
        call()


def test_torch_agrees() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(9)
    x = random.standard_normal((2, 6, 15, 18))
    for groups, stride, dilation in itertools.product((1, 2, 3), (1, 2), (1, 2)):
        w = random.standard_normal((6, 6 // groups, 3, 2))
        args = {"stride": stride, "padding": 1, "dilation": dilation, "groups": groups}
        theirs = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), **args).numpy()
        np.testing.assert_allclose(nn.conv2d(x, w, **args), theirs, atol=1e-12)
        args["output_padding"] = max(stride, dilation) - 1
        theirs = torch.nn.functional.conv_transpose2d(torch.from_numpy(x), torch.from_numpy(w), **args).numpy()
        np.testing.assert_allclose(nn.conv_transpose2d(x, w, **args), theirs, atol=1e-12)
