"""Images that are brought to the sums' dtype piece by piece: any cut gives the answer of sums over tap matrices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from channels_naive import assert_close, conv, conv_problem, transposed, transposed_problem
from oracle import MODES

from fastconv import nn
from fastconv.backends import channels
from fastconv.backends.channels.pieces import Pieces, cut
from fastconv.engine.executors import make


def run(cut_: Pieces, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, out: np.ndarray, workers: int) -> None:
    p = cut_.problem
    cut_.execute(x, out, bias, workers, lambda block, sub: make(sub, p.method, block.weights(p, w)))


PROBLEMS = [
    conv_problem((23, 17), (3, 4), batch=2, c_in=4, c_out=6, groups=2, before=(2, 1), after=(1, 3)),
    conv_problem((23, 17), (3, 3), batch=2, c_in=3, c_out=7, stride=(2, 3), dilation=(3, 1), before=(4, 1)),
    conv_problem((19, 40), (5, 1), c_in=6, c_out=6, groups=6, before=(9, 0), after=(12, 0)),
    transposed_problem((7, 5), (4, 3), batch=2, c_in=4, c_out=6, groups=2, stride=(3, 2), before=(2, 1), after=(1, 0)),
    transposed_problem((9, 8), (2, 3), c_in=2, c_out=5, stride=(3, 1), dilation=(4, 1), before=(0, 2), extra=(2, 0)),
    transposed_problem((6, 6), (1, 1), c_in=2, c_out=3, stride=(4, 2), before=(1, 1), after=(2, 0), extra=(3, 1)),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(len(PROBLEMS)))
def test_every_cut_on_every_border(number: int, mode: str) -> None:
    from dataclasses import replace

    p = replace(PROBLEMS[number], mode=mode)
    rng = np.random.default_rng(number)
    x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(np.float32)[:, :, ::-1]
    into = (p.c_in, p.group_out) if p.kind == "transposed" else (p.c_out, p.group_in)
    w, bias = rng.standard_normal((*into, *p.size)).astype("f4"), rng.standard_normal(p.c_out).astype("f4")
    exact = (transposed if p.kind == "transposed" else conv)(x, w, p, bias)
    seen = set()
    for method, (limit, workers) in itertools.product(
        [m for m, reason in channels.refusals(p).items() if not reason and not m.startswith("winograd")],
        [(0, 1), (1, 1), (1, 2), (9000, 2), (20_000, 1), (40_000, 1)],
    ):
        pieces = cut(p, method, (4, 4, 4), room=(limit, 0))
        seen.add((pieces.band, len(pieces.blocks)))
        out = np.full((p.batch, p.c_out, *p.out_shape[::-1]), np.nan, np.float32).swapaxes(2, 3)
        run(pieces, x, w, bias, out, workers)
        assert_close(out, exact, np.float32)
    assert len(seen) > 1


@pytest.mark.parametrize("padding_mode", ["constant", "mirror"])
@pytest.mark.parametrize(("method", "shape", "weight", "stride"), [
    ("winograd2", (1, 40, 97, 85), (44, 40, 3, 3), 1), ("winograd4", (2, 48, 60, 45), (40, 48, 3, 3), 1),
    ("winograd3", (1, 128, 120, 120), (128, 128, 3, 3), 2), ("gathered", (1, 40, 31, 30), (40, 40, 3, 3), 2),
    ("deep", (1, 70, 30, 15), (33, 70, 3, 3), 1), ("wide", (1, 9, 80, 70), (17, 9, 5, 5), 1),
])  # fmt: skip
def test_views_give_the_same_bits(method, shape, weight, stride, padding_mode):
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal(shape).astype("f4"), rng.standard_normal(weight).astype("f4")
    options = {"padding": weight[2] // 2, "stride": stride, "padding_mode": padding_mode, "method": method}
    exact = nn.conv2d(x, w, **options)
    for other in (np.asfortranarray(x), np.repeat(x, 2, -1)[..., ::2], x.astype(">f4")):
        for workers in (1, 2):
            assert np.array_equal(nn.conv2d(other, w, workers=workers, **options), exact)


def test_float16_is_summed_and_folded_in_float32():
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(s).astype("f2") for s in ((2, 6, 9, 11), (6, 5, 3, 3)))
    for mode in MODES:
        options = {"stride": 2, "padding": (3, 2), "padding_mode": mode}
        exact = nn.conv_transpose2d(x.astype("f4"), w.astype("f4"), **options)
        np.testing.assert_allclose(nn.conv_transpose2d(x, w, **options), exact, rtol=2**-11, atol=1e-5)


def test_integers_do_not_go_through_fractions():
    rng = np.random.default_rng(4)
    x, w = rng.integers(-99, 99, (1, 32, 20, 20)), rng.integers(-99, 99, (32, 32, 3, 3))
    plan = nn.explain(x, w, padding=1)
    assert "exactly" in plan.refused["winograd4"]
    with pytest.raises(ValueError, match=r"method must be .*exactly"):
        nn.conv2d(x, w, method="winograd")
    assert np.array_equal(nn.conv2d(x, w, padding=1), nn.conv2d(x.astype("f8"), w.astype("f8"), padding=1))


def test_what_is_refused_for_memory_depends_on_the_stored_dtype():
    shapes = (1, 64, 48, 48), (64, 64, 3, 3)
    assert nn.explain(*shapes, padding=1, dtype="f4").method == "winograd4"
    assert "memory" in nn.explain(*shapes, padding=1, dtype="f2").refused["winograd4"]
