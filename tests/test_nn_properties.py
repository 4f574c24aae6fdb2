"""Every parameter of the convolutions over channels at once, against sums over tap matrices in float64.

``pytest -m fuzz`` runs the same with many more examples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from channels_naive import Answer, conv, conv_problem, transposed, transposed_problem
from hypothesis import given
from hypothesis import strategies as st
from oracle import MODES

from fastconv import nn
from fastconv.core.channels import ChannelProblem

both = pytest.mark.parametrize("often", [False, pytest.param(True, marks=pytest.mark.fuzz)])
FLOATS, INTEGERS = ["float16", "float32", "float64"], ["bool", "uint8", "int16", "int64"]
VIEWS = ["plain", "plain", "fortran", "every second", "turned", "swapped bytes", "unaligned", "read-only"]
OUTS = ["none", "none", "plain", "view", "turned", "over x"]
FACTORS = ["none", "none", "none", "slices", "one kernel"]


class Work(NamedTuple):
    """One call and the problem that the oracle solves."""

    p: ChannelProblem
    x: np.ndarray
    w: np.ndarray
    b: np.ndarray | None
    options: dict[str, Any]
    out: str
    prepared: bool
    unbatched: bool


def seen(array: np.ndarray, view: str) -> np.ndarray:
    """The same numbers, lying otherwise."""
    if view == "fortran":
        return np.asfortranarray(array)
    if view == "every second":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if view == "turned":
        return np.ascontiguousarray(array[..., ::-1, ::-1])[..., ::-1, ::-1]
    if view == "swapped bytes":
        return array.astype(array.dtype.newbyteorder(">"))
    if view == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        raw[...] = array
        return raw
    array = array.copy()
    array.flags.writeable = view != "read-only"
    return array


@st.composite
def works(draw: st.DrawFn) -> Work:
    kind = draw(st.sampled_from(["conv", "transposed"]))
    many = draw(st.sampled_from([1, 1, 1, 20]))
    depthwise = draw(st.booleans())
    groups = draw(st.integers(1, 4)) * (many if depthwise else 1)
    each_in = 1 if depthwise else draw(st.integers(1, 3)) * many
    each_out = draw(st.integers(1, 3)) * (1 if depthwise else many)
    size = draw(st.sampled_from([(1, 1), (3, 3), (3, 3), (5, 5), (4, 4), (2, 3), (1, 4), (7, 2), (7, 7)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 2), (1, 3), (3, 2)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 2), (3, 1), (1, 2)]))
    before, after = (draw(st.tuples(st.integers(0, 4), st.integers(0, 4))) for _ in range(2))
    mode = draw(st.sampled_from(MODES))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    longest = draw(st.sampled_from([3, 12, 12, 40]))
    shape, extra = [], []
    for a in range(2):
        least = 1 if kind == "transposed" else max(1, span[a] - before[a] - after[a])
        if kind == "transposed":  # an output must remain
            extra.append(draw(st.integers(0, max(stride[a], dilation[a]) - 1)))
            least = max(1, -(-(1 + before[a] + after[a] - span[a] - extra[a]) // stride[a]) + 1)
        shape.append(least + draw(st.integers(0, longest)))
    made = {
        "batch": draw(st.integers(1, 3)), "c_in": groups * each_in, "c_out": groups * each_out, "groups": groups,
        "stride": stride, "dilation": dilation, "before": before, "after": after, "mode": mode,
    }  # fmt: skip
    dtype = np.dtype(draw(st.sampled_from(FLOATS + ["float32"] * 3 + INTEGERS)))
    sums = np.dtype("f4" if dtype in ("f2", "f4") else "f8")
    if kind == "transposed":
        p = transposed_problem(tuple(shape), size, extra=tuple(extra), dtype=sums, **made)
    else:
        p = conv_problem(tuple(shape), size, dtype=sums, **made)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))

    def numbers(*shape: int) -> np.ndarray:
        if dtype.kind == "f":
            return rng.standard_normal(shape).astype(dtype)
        return rng.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)

    x = numbers(p.batch, p.c_in, *p.shape)
    w = numbers(*((p.c_in, each_out) if kind == "transposed" else (p.c_out, each_in)), *size)
    factors = draw(st.sampled_from(FACTORS))
    if dtype in ("f4", "f8") and factors != "none":
        w = w[:, :, :, :1] * w[:, :, :1, :] if factors == "slices" else w[:, :, :1, :1] * w[:1, :1]
    b = numbers(p.c_out) if draw(st.booleans()) else None
    methods = ["auto", "auto", "auto"] + (["direct"] if kind == "conv" else [])
    options: dict[str, Any] = {
        "stride": stride, "dilation": dilation, "groups": groups, "padding_mode": mode,
        "padding": tuple(zip(before, after, strict=True)), "method": draw(st.sampled_from(methods)),
        "workers": draw(st.sampled_from([1, 2, None])),
    }  # fmt: skip
    if kind == "transposed":
        options["output_padding"] = tuple(extra)
    x, w = seen(x, draw(st.sampled_from(VIEWS))), seen(w, draw(st.sampled_from(VIEWS)))
    unbatched = p.batch == 1 and draw(st.booleans())
    return Work(p, x, w, b, options, draw(st.sampled_from(OUTS)), draw(st.booleans()), unbatched)


def into(work: Work, x: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    if work.out == "none":
        return None
    if work.out == "view":
        return np.full((*shape[:-1], 2 * shape[-1]), 7, dtype)[..., ::2]
    if work.out == "turned":
        return np.full(shape, 7, dtype)[..., ::-1, ::-1]
    if work.out == "over x" and x.shape == shape and x.dtype == dtype and x.flags.writeable:
        return x
    return np.full(shape, 7, dtype)


def check(work: Work) -> None:
    p = work.p
    answer: Answer = (transposed if p.kind == "transposed" else conv)(work.x, work.w, p, work.b)
    x = work.x[0] if work.unbatched else work.x
    call: Any = nn.conv_transpose2d if p.kind == "transposed" else nn.conv2d
    w = nn.prepare(work.w) if work.prepared else work.w
    shape = answer.value.shape[1:] if work.unbatched else answer.value.shape
    dtype = work.x.dtype.newbyteorder("=") if work.x.dtype.kind == "f" else np.dtype(np.int64)
    plan = nn.explain(
        x, w, transposed=p.kind == "transposed", **{k: v for k, v in work.options.items() if k != "workers"}
    )
    again = x.copy()  # an output may lie over x
    out = into(work, x, shape, dtype)
    found = call(x, w, work.b, out=out, **work.options)
    assert out is None or found is out
    assert found.shape == shape
    assert found.dtype == dtype
    if dtype.kind == "i":
        assert np.array_equal(found.reshape(answer.value.shape), answer.value)
        return
    weight = answer.weight.max() if plan.method.startswith("winograd") else answer.weight
    allowed = (plan.error_bound + 2 * np.finfo(p.dtype).eps) * weight + np.finfo(p.dtype).tiny
    if dtype.itemsize == 2:
        allowed = allowed + 2.0**-11 * np.abs(answer.value) + 2.0**-25
    error = np.abs(found.reshape(answer.value.shape).astype(np.float64) - answer.value)
    assert (error <= allowed).all(), f"{plan.method}: {(error / allowed).max()} of what is allowed"
    if work.options["workers"] != 1 and out is not x:
        again = into(work, x, shape, dtype)
        assert np.array_equal(call(x, w, work.b, out=again, **work.options | {"workers": 1}), found)


@both
@given(work=works())
def test_every_parameter(often: bool, work: Work) -> None:
    check(work)


@both
@given(work=works())
def test_the_dot_product_identity(often: bool, work: Work) -> None:
    p = work.p
    x, w = np.asarray(work.x, float), np.asarray(work.w, float)
    options = {k: v for k, v in work.options.items() if k not in ("method", "output_padding")}
    if p.kind == "transposed":
        if any(e >= s for e, s in zip(work.options["output_padding"], p.stride, strict=True)):
            return  # a convolution of so large an image has more outputs
        y = nn.conv_transpose2d(x, w, output_padding=work.options["output_padding"], **options)
        g = np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)
        back = nn.conv2d(g, w, **options)
    else:
        y = nn.conv2d(x, w, **options)
        g = np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)
        extra = [
            p.shape[a] - ((p.out_shape[a] - 1) * p.stride[a] - p.before[a] - p.after[a] + p.reach[a] + 1)
            for a in range(2)
        ]
        if any(e >= max(s, d) for e, s, d in zip(extra, p.stride, p.dilation, strict=True)):
            return
        back = nn.conv_transpose2d(g, w, output_padding=extra, **options)
    assert back.shape == x.shape
    left, right = np.vdot(y, g), np.vdot(x, back)
    most = np.abs(x).max() * np.abs(w).sum() * g.size
    assert abs(left - right) <= 1e-12 * max(most, 1e-300)
