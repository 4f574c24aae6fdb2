"""Convolutions over channels take at most a quarter of image and output and four times the weights beside them.

The first call with some weights is measured: nothing is kept from earlier ones.  What is kept of weights for later
calls is bounded by itself.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv import nn
from fastconv.core import threads
from fastconv.core.channels import LEAST_BYTES
from fastconv.core.scratch import release_scratch
from fastconv.engine import executors
from fastconv.engine.channels import clear_executors

#: plans, tables and executors: Python objects, whatever the image's size
OBJECTS = 16 * 1024
#: channels in, channels out, pixels along each side
SIZES = ((1, 1, 64), (4, 8, 16), (3, 16, 64), (16, 16, 28), (8, 16, 192), (64, 64, 64), (96, 96, 14), (128, 128, 32))
KINDS: dict[str, dict[str, Any]] = {
    "3x3": {},
    "3x3 stride 2": {"stride": 2},
    "5x5": {"size": 5, "padding": 2},
    "7x7 stride 2": {"size": 7, "padding": 3, "stride": 2},
    "1x1": {"size": 1, "padding": 0},
    "dilated": {"dilation": 2, "padding": 2},
    "groups": {"groups": 4},
    "depthwise": {"door": "depthwise"},
    "depthwise wrap": {"door": "depthwise", "padding_mode": "wrap"},
    "transposed": {"door": "transposed", "stride": 2, "output_padding": 1},
    "transposed mirror": {"door": "transposed", "stride": 2, "output_padding": 1, "padding_mode": "mirror"},
    "separable": {"door": "separable"},
    "separable direct": {"door": "separable", "method": "direct"},
    "float64": {"dtype": "f8"},
    "float16": {"dtype": "f2"},
    "float16 depthwise": {"dtype": "f2", "door": "depthwise"},
    "float16 transposed": {"dtype": "f2", "door": "transposed", "stride": 2},
    "float16 separable": {"dtype": "f2", "door": "separable"},
    "int16": {"dtype": "i2"},
    "int64 digits": {"dtype": "i8", "large": True},
    "every second column": {"view": np.s_[..., ::2]},
    "turned": {"view": np.s_[:, ::-1, ::-1, ::-1]},
    "turned transposed": {"view": np.s_[..., ::-1], "door": "transposed", "padding_mode": "reflect"},
    "turned separable": {"view": np.s_[..., ::-1], "door": "separable"},
    "batch of float16": {"dtype": "f2", "batch": 3},
    "into a view": {"out": True},
}
DOORS = {
    "conv": nn.conv2d,
    "depthwise": nn.depthwise_conv2d,
    "transposed": nn.conv_transpose2d,
    "separable": nn.separable_conv2d,
}


def arrays(kind: dict[str, Any], c_in: int, c_out: int, n: int) -> tuple[list[np.ndarray], dict[str, Any]]:
    kind = dict(kind)
    rng = np.random.default_rng(n)
    dtype, size, view = np.dtype(kind.pop("dtype", "f4")), kind.pop("size", 3), kind.pop("view", None)
    groups, door, large = kind.get("groups", 1), kind["door"], kind.pop("large", False)
    shapes = [(kind.pop("batch", 1), c_in, n, 2 * n if view and view[-1].step == 2 else n)]
    if door in ("depthwise", "separable"):
        shapes.append((c_in, 1, size, size))
    elif door == "transposed":
        shapes.append((c_in, c_out, size, size))
    else:
        shapes.append((c_out, c_in // groups, size, size))
    if door == "separable":
        shapes.append((c_out, c_in, 1, 1))
    most = 2**40 if large else 50
    made = [
        (rng.integers(0, most, shape) if dtype.kind == "i" else rng.standard_normal(shape)).astype(dtype)
        for shape in shapes
    ]
    if view:
        made[0] = made[0][view]
    kind.setdefault("padding", 1)
    return made, kind


def first_call(call: Callable[[], object]) -> int:
    """Bytes that a call takes when nothing is kept from earlier ones."""
    clear_executors()
    release_scratch()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_extra_memory(name: str, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_pool", None)  # as many threads as workers, whatever ran before
    wrong = []
    for c_in, c_out, n in SIZES if workers == 1 else SIZES[4:]:
        kind = {"door": "conv"} | KINDS[name]
        if c_in % kind.get("groups", 1):
            continue
        made, options = arrays(kind, c_in, c_out, n)
        call, into_view = DOORS[options.pop("door")], options.pop("out", False)
        out = call(*made, workers=workers, **options)  # compiles
        if into_view:
            out = np.zeros((*out.shape[:-1], 2 * out.shape[-1]), out.dtype)[..., ::2]
        limit = (made[0].nbytes + out.nbytes) // 4 + 4 * sum(w.nbytes for w in made[1:])
        # the least of two: once in a while a table of the interpreter's own grows
        peak = min(first_call(lambda: call(*made, workers=workers, out=out, **options)) for _ in range(2))  # noqa: B023
        if peak > max(limit, LEAST_BYTES) + OBJECTS:
            wrong.append(f"{c_in} -> {c_out} @ {n}: {peak} bytes, allowed are {limit}")
    assert not wrong, wrong


def test_weights_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 1 << 21
    monkeypatch.setattr(executors._repeated, "limit", limit)
    clear_executors()
    release_scratch()
    rng = np.random.default_rng(0)
    x = rng.random((1, 64, 40, 40), dtype=np.float32)
    nn.conv2d(x, np.zeros((48, 64, 3, 3), np.float32), padding=1)
    tracemalloc.start()
    try:
        for i in range(8):
            weight = np.full((48, 64, 3, 3), float(i), np.float32)
            for _ in range(3):
                nn.conv2d(x, weight, padding=1)
        release_scratch()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        clear_executors()
    assert limit // 4 < held <= limit + 8 * OBJECTS
