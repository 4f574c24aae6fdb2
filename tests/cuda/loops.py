"""The loops whose machine code is held to a budget: one of every kind, in the dtypes and layouts that matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastconv.loops import (
    cuda_channels,
    cuda_fold,
    cuda_gemm,
    cuda_generic,
    cuda_long,
    cuda_march,
    cuda_tile,
    cuda_window,
)

__all__ = ["LOOPS", "Loop"]


@dataclass(frozen=True)
class Loop:
    """How a kernel is made, and what is needed to count its work (see `sass.figures`)."""

    make: Callable[[], Any]
    source: str
    out: str
    threads: int
    work: float | None = 1.0
    pixels: int = 0


ITEMS = {"float32": 4, "float64": 8, "uint8": 1, "float16": 2, "int16": 2, "int64": 8}


def _sums(source: str) -> str:
    return "float64" if source == "float64" else "float32"


def _direct(
    rows: int, columns: int, source: str = "float32", out: str = "", *, layout: str = "wide", step: int = 1
) -> Loop:
    out = out or source
    mask = ((True,) * columns,) * rows
    shape = (1, 0, layout) if layout == "lane" else (step, step * (columns // 2), layout)
    return Loop(lambda: cuda_march.direct_kernel(source, _sums(source), out, mask, *shape, False), source, out, 128)


def _separable(taps: int, source: str = "float32", out: str = "", *, layout: str = "wide", blank: bool = False) -> Loop:
    out = out or source
    shape = (1, 0 if layout == "lane" else taps // 2, layout)
    kinds = (1,) * taps
    return Loop(
        lambda: cuda_march.separable_kernel(source, _sums(source), out, kinds, kinds, *shape, blank), source, out, 128
    )


def _tile(taps: int, source: str = "float32", out: str = "", *, vector: bool = True) -> Loop:
    out, sums = out or source, _sums(source)
    shape = cuda_tile.layout(sums, taps, taps - 1)
    kinds = (1,) * taps
    return Loop(
        lambda: cuda_tile.tile_kernel(source, sums, out, kinds, kinds, 1, vector, False), source, out,
        shape.across * cuda_tile.WARPS, 4 * taps * -(-shape.high // cuda_tile.WARPS), 4 * shape.each,
    )  # fmt: skip


def _down(taps: int, vector: bool, holes: bool = False) -> Loop:
    name = "float32"
    return Loop(
        lambda: cuda_long.down_kernel(name, name, name, vector, False, holes), name, name, 128,
        (taps - cuda_long.EACH + 1) * 4 * cuda_long.EACH, 4 * cuda_long.EACH,
    )  # fmt: skip


def _across(taps: int, vector: bool, holes: bool = False) -> Loop:
    name = "float32"
    return Loop(lambda: cuda_long.across_kernel(name, name, name, vector, holes), name, name, 256, 4 * taps, 4)


_F = "float32"

LOOPS = {
    **{f"direct {k}x{k}": _direct(k, k) for k in (3, 5, 7, 9)},
    "direct 3x3 lane": _direct(3, 3, layout="lane"),
    "direct 7x7 lane": _direct(7, 7, layout="lane"),
    "direct 9x9 lane": _direct(9, 9, layout="lane"),
    "direct 9x9 near": _direct(9, 9, layout="near"),
    "direct 3x3 dilated": _direct(3, 3, step=2),
    "direct 3x3 uint8": _direct(3, 3, "uint8"),
    "direct 3x3 uint8 to float32": _direct(3, 3, "uint8", "float32"),
    "direct 3x3 float64": _direct(3, 3, "float64"),
    "direct 7x7 float64": _direct(7, 7, "float64"),
    "direct 9x9 float64": _direct(9, 9, "float64", layout="lane"),
    "sobel": Loop(
        lambda: cuda_march.separable_kernel(_F, _F, _F, (1, 1, 1), (1, 0, 1), 1, 1, "wide", False), _F, _F, 128
    ),
    **{f"separable {k}": _separable(k) for k in (3, 5, 9)},
    "separable 3 lane": _separable(3, layout="lane"),
    "separable 9 lane": _separable(9, layout="lane"),
    "separable 5 constant": _separable(5, blank=True),
    "separable 5 uint8": _separable(5, "uint8"),
    "separable 5 float16": _separable(5, "float16"),
    **{f"tile {k}": _tile(k) for k in (11, 21, 33)},
    "tile 21 lane": _tile(21, vector=False),
    "tile 21 uint8": _tile(21, "uint8"),
    "tile 21 float64": _tile(21, "float64"),
    "down 61": _down(61, True),
    "down 61 holes": _down(61, True, holes=True),
    "across 61": _across(61, True),
    "across 61 holes": _across(61, True, holes=True),
    "across 61 lane": _across(61, False),
    "depthwise 3x3": Loop(
        lambda: cuda_march.direct_kernel(_F, _F, _F, ((True,) * 3,) * 3, 1, 1, "wide", True, True), _F, _F, 128
    ),
    **{
        f"channels, {n} filters": Loop(
            lambda n=n: cuda_channels.channels_kernel(_F, _F, _F, _F, _F, n), _F, _F, 128, None
        )
        for n in (1, 8)
    },
    "channels float16": Loop(
        lambda: cuda_channels.channels_kernel(*(("float16",) * 4), _F, 8), "float16", "float16", 128, None
    ),
    "channels int16": Loop(
        lambda: cuda_channels.channels_kernel("int16", "int16", "int16", "int64", "int64", 8),
        "int16",
        "int64",
        128,
        None,
    ),
    "gemm": Loop(lambda: cuda_gemm.gemm_kernel(_F, _F, _F, _F, _F, True), _F, _F, cuda_gemm.THREADS, 64.0 * 576, 64),
    "gemm lane": Loop(
        lambda: cuda_gemm.gemm_kernel(_F, _F, _F, _F, _F, False), _F, _F, cuda_gemm.THREADS, 64.0 * 576, 64
    ),
    "fold": Loop(lambda: cuda_fold.fold_kernel(_F, _F, _F), _F, _F, 256, None),
    "window": Loop(lambda: cuda_window.window_kernel(_F, _F, _F, (0, 1)), _F, _F, 256, None),
    "line": Loop(lambda: cuda_generic.line_kernel(_F, _F, _F), _F, _F, 256, None),
    "running sum": Loop(lambda: cuda_generic.sum_kernel(_F, _F, _F), _F, _F, 256, None),
    "magnitude": Loop(lambda: cuda_generic.combine_kernel(_F, _F, 1, 1, True), _F, _F, 256, None),
}
