"""Weights that are outer products run as shorter convolutions: every form, on every border, against tap matrices."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from channels_naive import conv, conv_problem
from oracle import MODES

from fastconv import nn
from fastconv.backends.channels.factored import FactoredExecutor
from fastconv.core.channels import LEAST_BYTES, ChannelProblem
from fastconv.core.scratch import release_scratch
from fastconv.engine.channels import clear_executors
from fastconv.plan.channel_factors import FORMS, find_stages

RANDOM = np.random.default_rng(1)


def of(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape)


#: form -> weights (g, o, i, y, x) of groups, output and input channels
MADE = {
    "slices": lambda g, o, i, y, x: of(g, o, i, y, 1) * of(g, o, i, 1, x),
    "kernel of input": lambda g, o, i, y, x: of(g, o, i, 1, 1) * of(g, 1, i, y, x),
    "kernel of output": lambda g, o, i, y, x: of(g, o, i, 1, 1) * of(g, o, 1, y, x),
    "row of output": lambda g, o, i, y, x: of(g, o, i, y, 1) * of(g, o, 1, 1, x),
    "column of output": lambda g, o, i, y, x: of(g, o, i, 1, x) * of(g, o, 1, y, 1),
    "column of input": lambda g, o, i, y, x: of(g, o, i, 1, x) * of(g, 1, i, y, 1),
    "row of input": lambda g, o, i, y, x: of(g, o, i, y, 1) * of(g, 1, i, 1, x),
    "all at once": lambda g, o, i, y, x: of(g, o, i, 1, 1) * of(1, 1, 1, y, 1) * of(1, 1, 1, 1, x),
}
OPTIONS: dict[str, Any] = {"batch": 2, "stride": (2, 3), "dilation": (3, 2), "before": (3, 5), "after": (7, 0)}


def check(p: ChannelProblem, w: np.ndarray, workers: int = 1) -> int:
    x, bias = of(p.batch, p.c_in, *p.shape).astype(p.dtype), of(p.c_out).astype(p.dtype)
    w = w.reshape(p.c_out, p.group_in, *p.size).astype(p.dtype)
    found = find_stages(p, w, math.inf)
    assert found is not None
    exact = conv(x, w, p, bias)
    executor = FactoredExecutor(p, found.stages)
    out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, p.dtype)
    executor.execute(x, out, bias, workers)
    assert (np.abs(out - exact.value) <= found.error_bound * exact.weight).all()
    return len(found.stages)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", MADE)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_every_form(form: str, mode: str, dtype: str) -> None:
    groups, each_out, each_in = (5, 2, 1) if form == "slices" else (2, 3, 4)
    p = conv_problem((29, 23), (3, 4), c_in=groups * each_in, c_out=groups * each_out, groups=groups, mode=mode,
                     dtype=dtype, **OPTIONS)  # fmt: skip
    w = MADE[form](groups, each_out, each_in, *p.size)
    assert check(p, w) == 2


@pytest.mark.parametrize(("c", "n", "k"), [(70, 41, 7), (3, 400, 15), (40, 9, 15), (130, 7, 7)])
def test_channels_and_bands(c: int, n: int, k: int) -> None:
    p = conv_problem((n, n + 3), (k, k), c_in=c, c_out=c, groups=c, before=(k // 2, k // 2), after=(k // 2, k // 2))
    assert check(p, MADE["slices"](c, 1, 1, k, k)) == 2
    x = of(1, c, n, n + 3).astype("f4")
    w = MADE["slices"](c, 1, 1, k, k).reshape(c, 1, k, k).astype("f4")
    options = {"padding": k // 2, "groups": c, "method": "separable"}
    assert np.array_equal(nn.conv2d(x, w, workers=2, **options), nn.conv2d(x, w, workers=1, **options))
    plain = conv_problem((n, n), (3, 3), c_in=c, c_out=8, before=(1, 1), after=(1, 1))
    assert check(plain, MADE["all at once"](1, 8, c, 3, 3), workers=2) == 2


def test_what_is_no_outer_product_is_not_taken_for_one() -> None:
    p = conv_problem((20, 20), (3, 3), c_in=4, c_out=6)
    good = MADE["all at once"](1, 6, 4, 3, 3).reshape(6, 4, 3, 3).astype("f4")
    assert find_stages(p, good, math.inf) is not None
    bad = good.copy()
    bad[5, 3, 2, 2] *= 1 + 1e-5
    assert find_stages(p, bad, math.inf) is None
    for value in (np.nan, np.inf):
        bad[5, 3, 2, 2] = value
        assert find_stages(p, bad, math.inf) is None
    assert find_stages(p, good, 0.0) is None
    assert find_stages(p, np.zeros_like(good), math.inf) is not None
    assert {"slices", "kernel of input"} <= set(FORMS)


def test_the_planner_takes_it_where_it_wins_and_says_so() -> None:
    bell = np.exp(-((np.arange(15) - 7.0) ** 2) / 18)
    w = np.broadcast_to(np.outer(bell, bell) / bell.sum() ** 2, (64, 1, 15, 15)).astype("f4")
    x = of(1, 64, 48, 48).astype("f4")
    options: dict[str, Any] = {"groups": 64, "padding": 7}
    plan = nn.explain(x, w, **options)
    assert plan.method == "separable"
    assert 29 < plan.multiplications < 42
    assert "outer products" in str(plan)
    assert nn.explain(x.shape, w.shape, **options).method != "separable"
    assert nn.explain(x, w, method="direct", **options).method == "wide"
    exact = nn.conv2d(x, w, method="direct", **options)
    for weight in (w, nn.prepare(w), np.ascontiguousarray(w)):
        found = nn.conv2d(x, weight, **options)
        assert not np.array_equal(found, exact)
        np.testing.assert_allclose(found, exact, atol=plan.error_bound * np.abs(x).max())
    noise = of(64, 1, 15, 15).astype("f4")
    assert nn.explain(x, noise, **options).method != "separable"
    np.testing.assert_array_equal(
        nn.conv2d(x, noise, **options),
        nn.conv2d(x, noise, method=nn.explain(x, noise, **options).method, **options),
    )
    mixed = (of(48, 64, 1, 1) * np.outer(bell, bell)).astype("f4")
    plan = nn.explain(x, mixed, padding=7)
    assert "a column, then a row" in plan.note
    assert nn.explain(x, mixed, padding=7, method="separable").multiplications == plan.multiplications
    mixed = (of(80, 80, 1, 1) * [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]).astype("f4")
    plan = nn.explain(of(1, 80, 72, 72).astype("f4"), mixed, padding=1)
    assert plan.method == "separable"
    assert "one kernel for each" in plan.note


def test_asked_for_where_it_cannot_serve() -> None:
    x, w = of(1, 4, 9, 9), of(4, 4, 3, 3)
    out = np.full((1, 4, 7, 7), 7.0)
    for call in (
        lambda: nn.conv2d(x, w, method="separable", out=out),
        lambda: nn.conv2d(x.astype("f2"), w.astype("f2"), method="separable"),
        lambda: nn.conv2d(x[..., ::-1], np.ones((4, 4, 3, 3)), method="separable", out=out),
        lambda: nn.conv2d(np.ones((1, 4, 9, 9), int), np.ones((4, 4, 3, 3), int), method="separable"),
        lambda: nn.conv_transpose2d(x, np.ones((4, 4, 3, 3)), method="separable"),
        lambda: nn.explain(x.shape, w.shape, method="separable"),
    ):
        with pytest.raises(ValueError, match="method must be"):
            call()
    assert (out == 7).all()


@pytest.mark.parametrize(("c_in", "c_out", "n", "groups", "k"), [
    (64, 64, 64, 64, 15), (8, 8, 300, 8, 15), (64, 64, 64, 1, 3), (24, 40, 30, 1, 7), (96, 96, 14, 1, 7),
])  # fmt: skip
def test_extra_memory(c_in: int, c_out: int, n: int, groups: int, k: int) -> None:
    x = of(1, c_in, n, n).astype("f4")
    w = (of(c_out, c_in // groups, 1, 1) * of(k, 1) * of(1, k)).astype("f4")
    options = {"groups": groups, "padding": k // 2, "method": "separable", "workers": 2}
    out = nn.conv2d(x, w, **options)
    clear_executors()
    release_scratch()
    tracemalloc.start()
    try:
        nn.conv2d(x, w, out=out, **options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= max((x.nbytes + out.nbytes) // 4 + 4 * w.nbytes, LEAST_BYTES) + 16 * 1024
