"""More than 2**32 samples, more than 65,535 rows of blocks: the first and the last blocks of a launch, interpreted.

Of such an image only the pages exist that are written or read; its first and last rows have values, the rest zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import Device, EmulatedArray, device

import fastconv as fc

#: rows of values at both ends, rows that are compared, blocks of a launch at each end
FILLED, SHOWN, ENDS = 64, 4, 9
RANDOM = np.random.default_rng(17)
KERNEL = RANDOM.random((11, 3)) / 16


def large(there: Device, shape: tuple[int, ...], dtype: str) -> EmulatedArray:
    """An image of untouched pages, with values in the first and the last rows."""
    buffer = there.memory.empty(shape, dtype)
    for rows in (slice(None, FILLED), slice(-FILLED, None)):
        part = buffer.array[..., rows, :]
        part[...] = RANDOM.random(part.shape) * (250 if dtype == "uint8" else 2)
    buffer.frozen = True
    return EmulatedArray(buffer)


def ends_of(array: np.ndarray, rows: int) -> list[np.ndarray]:
    return [array[..., :rows, :], array[..., -rows:, :]]


Case = tuple[Callable[[Any], Any], set[str], int]
#: calls, the loops that serve them, and how many launches at least
FILTERS: dict[str, Case] = {
    "march": (lambda x: fc.correlate(x, KERNEL[:3], method="direct", dtype="same"), {"march"}, 2),
    "lane": (lambda x: fc.correlate(x, KERNEL[:3], method="direct", dilation=(3, 40), dtype="same"), {"march"}, 2),
    "tile": (lambda x: fc.gaussian(x, 3.0, dtype="same"), {"tile"}, 3),
    "down": (lambda x: fc.gaussian(x, 10.0, axes=0, dtype="same"), {"down"}, 1),
    "across": (lambda x: fc.gaussian(x, 10.0, axes=1, dtype="same"), {"across"}, 2),
    "window": (lambda x: fc.correlate(x, KERNEL, method="direct"), {"window"}, 1),
    "lines": (lambda x: fc.correlate_separable(x, [KERNEL[:, 0], KERNEL[:5, 1]], stride=(1, 2)), {"tile", "line"}, 2),
    "sums": (lambda x: fc.box(x, 7, method="running_sum"), {"running_sum"}, 2),
    "magnitude": (lambda x: fc.sobel(x), {"march", "combine"}, 5),
}


def compared(got: np.ndarray, x: np.ndarray, call: Callable[[np.ndarray], np.ndarray]) -> None:
    """The first rows of the first plane, and the last ones of the last."""
    for i, (part, source) in enumerate(zip(ends_of(got, SHOWN), ends_of(x, 4 * FILLED), strict=True)):
        expected = ends_of(call(np.ascontiguousarray(source)), SHOWN)[i]
        assert part.dtype == expected.dtype
        found, wanted = (each.reshape(-1, *each.shape[-2:])[-i].astype(np.float64) for each in (part, expected))
        step = {"uint8": 1.01, "float16": 2e-3, "float32": 1e-5}[expected.dtype.name]
        assert np.abs(found - wanted).max() <= step * (1 if expected.dtype == np.uint8 else np.abs(wanted).max())
        assert np.ptp(wanted) > 1


@pytest.mark.parametrize("name", FILTERS)
def test_filters(name: str) -> None:
    call, loops, launches = FILTERS[name]
    with device(ends=ENDS) as there:
        image = large(there, (8_500_000, 512), "uint8")
        assert image.host.size > 2**32
        made = call(image)
        assert {launch.name for launch in there.launches} == loops
        assert len(there.launches) >= launches
    compared(made.host, image.host, call)


CHANNELS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Callable[..., Any], set[str]]] = {
    "wide": ((2, 4_200_000, 512), (2, 2, 3, 3), lambda x, w: fc.nn.conv2d(x, w, padding=1), {"channels"}),
    "depthwise": ((2, 8_400_000, 260), (2, 1, 3, 3), lambda x, w: fc.nn.depthwise_conv2d(x, w, padding=1), {"march"}),
    "gemm": ((72, 1_000_000, 60), (32, 72, 1, 1), fc.nn.conv2d, {"copy", "gemm"}),
    "adjoint": (
        (1, 4_250_000, 256), (1, 1, 3, 3),
        lambda x, w: fc.nn.conv_transpose2d(x, w, stride=2, padding=1, padding_mode="reflect"), {"channels", "fold"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANNELS)
def test_channels(name: str) -> None:
    shape, filters, call, loops = CHANNELS[name]
    weight = RANDOM.random(filters).astype(np.float16)
    with device(ends=ENDS) as there:
        image = large(there, shape, "float16")
        made = call(image, there.array(weight))
        assert max(image.host.size, made.host.size) > 2**32
        assert {launch.name for launch in there.launches} == loops
    compared(made.host, image.host, lambda x: call(x, weight))
