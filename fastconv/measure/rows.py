"""The one table of benchmark rows: what is filtered, how, and how far a peer's answer may lie from ours.

A row is data.  `peers` turns it into calls of the other libraries, `timing` into figures, and the tests into
comparisons: adding a line to `ROWS` adds it to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv import kernels

__all__ = ["MODE", "ROWS", "Row", "select"]

#: the border of every row: the default of OpenCV, and one that all peers offer
MODE = "mirror"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ``operator`` is a public function of fastconv and ``arguments`` its own arguments; ``dtype`` and ``out`` are
    the image's and the result's dtype; ``layout`` is "plane", "colour" (H, W, 3) or "volume".
    ``steps`` is how many grey levels a peer's integer result may differ, where it is not 1 (see `allowed`).
    """

    name: str
    operator: str
    arguments: dict[str, Any]
    dtype: str
    out: str
    layout: str = "plane"
    steps: dict[str, int] = field(default_factory=dict)

    def image(self, size: tuple[int, int]) -> np.ndarray:
        """A reproducible image of this row's dtype: about ``size[0] * size[1]`` samples a channel.

        Smooth waves and noise over the whole range, so that neither rounding nor saturation goes untested.
        """
        shape: tuple[int, ...] = tuple(size)
        if self.layout == "colour":
            shape = (*size, 3)
        elif self.layout == "volume":
            edge = max(4, round((size[0] * size[1]) ** (1 / 3)))
            shape = (edge // 2, edge, 2 * edge)
        rng = np.random.default_rng(7)
        dtype = np.dtype(self.dtype)
        wave = np.sin(np.arange(shape[0]) / 37.0).reshape(-1, *[1] * (len(shape) - 1))
        unit = 0.3 + 0.3 * wave + 0.4 * rng.random(shape, dtype=np.float32)
        top = np.iinfo(dtype).max if dtype.kind in "iu" else 1.0
        return np.clip(unit * top, 0, top).astype(dtype)

    @property
    def kernel(self) -> np.ndarray:
        """The dense kernel over the filtered axes, before dilation: what `explain` is asked about."""
        given = self.arguments
        ndim = 3 if self.layout == "volume" else 2
        if self.operator == "correlate":
            return np.asarray(given["kernel"])
        if self.operator == "correlate_separable":
            return np.multiply.outer(*given["taps"])
        if self.operator == "gaussian":
            return kernels.gaussian(given["sigma"], ndim=ndim)
        if self.operator == "box":
            return kernels.box(given["size"], ndim=ndim)
        if self.operator == "laplace":
            return kernels.laplace(ndim)
        return getattr(kernels, self.operator)(given["axis"], ndim)

    def allowed(self, peer: str, image: np.ndarray) -> float:
        """Largest difference from ``peer`` that counts as the same answer.

        Float results: 1e-5 (float64: 1e-12) of sum|w| max|x|.  Integer results: 1, since peers round halves the
        other way or truncate, or what ``steps`` says where they round more than once.
        """
        if np.dtype(self.out).kind in "iu":
            return self.steps.get(peer, 1)
        relative = 1e-12 if self.out == "float64" else 1e-5
        top = float(np.max(np.abs(image.astype(np.float64)), initial=0.0))
        return relative * float(np.abs(self.kernel).sum()) * top


#: SciPy stores both passes of an integer result, truncated; OpenCV's fixed-point Gaussian is up to two levels off
_TWO_PASSES = {"scipy": 2, "opencv": 2}
_TRUNCATED_TWICE = {"scipy": 2}
_EXACT = {"scipy": 0, "opencv": 0}


def _dense(size: int) -> np.ndarray:
    """A kernel of full rank, without symmetry, that sums to 1: no method but the dense ones can serve it."""
    kernel = np.random.default_rng(size).random((size, size), dtype=np.float32).astype(np.float64)
    return kernel / kernel.sum()


def _uneven(down: int, along: int) -> tuple[np.ndarray, np.ndarray]:
    """Taps without symmetry that sum to 1, of lengths that may be even."""
    random = np.random.default_rng(10 * down + along)
    return tuple(t / t.sum() for t in (0.2 + random.random(n) for n in (down, along)))


def _rows() -> list[Row]:
    return [*_derivatives(), *_gaussians(), *_boxes(), *_separable(), *_windows()]


def _derivatives() -> list[Row]:
    f32, u8, i16 = "float32", "uint8", "int16"
    x, y = {"axis": 1}, {"axis": 0}
    return [
        Row("sobel x, float32", "sobel", x, f32, f32),
        Row("sobel x, uint8 -> float32", "sobel", x, u8, f32),
        Row("sobel x, uint8 -> int16", "sobel", x, u8, i16, steps=_EXACT),
        Row("sobel x, uint16 -> float32", "sobel", x, "uint16", f32),
        Row("sobel x, float64", "sobel", x, "float64", "float64"),
        Row("sobel x, RGB float32", "sobel", x, f32, f32, "colour"),
        Row("sobel y, float32", "sobel", y, f32, f32),
        Row("sobel y, uint8 -> float32", "sobel", y, u8, f32),
        Row("sobel y, uint8 -> int16", "sobel", y, u8, i16, steps=_EXACT),
        Row("scharr x, float32", "scharr", x, f32, f32),
        Row("scharr x, uint8 -> int16", "scharr", x, u8, i16, steps=_EXACT),
        Row("laplace, float32", "laplace", {}, f32, f32),
        Row("laplace, uint8 -> int16", "laplace", {}, u8, i16, steps=_EXACT),
    ]


def _gaussians() -> list[Row]:
    f32, u8, u16 = "float32", "uint8", "uint16"
    one, three = {"sigma": 1.0}, {"sigma": 3.0}
    rows = [
        Row(f"gaussian {sigma:g}, {dtype}", "gaussian", {"sigma": sigma}, dtype, dtype, steps=_TWO_PASSES)
        for sigma in (0.7, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0)
        for dtype in (f32, u8)
    ]
    rows += [
        Row("gaussian 1, uint8 -> float32", "gaussian", one, u8, f32),
        Row("gaussian 3, uint8 -> float32", "gaussian", three, u8, f32),
        Row("gaussian 1, uint8 -> int16", "gaussian", one, u8, "int16", steps=_TRUNCATED_TWICE),
        Row("gaussian 1, RGB float32", "gaussian", one, f32, f32, "colour"),
        Row("gaussian 1, RGB uint8", "gaussian", one, u8, u8, "colour", _TWO_PASSES),
        Row("gaussian 1, float64", "gaussian", one, "float64", "float64"),
        Row("gaussian 1, uint16", "gaussian", one, u16, u16, steps=_TWO_PASSES),
        Row("gaussian 3, uint16", "gaussian", three, u16, u16, steps=_TWO_PASSES),
        Row("gaussian 1, volume float32", "gaussian", one, f32, f32, "volume"),
    ]
    return rows


def _boxes() -> list[Row]:
    f32, u8, u16 = "float32", "uint8", "uint16"
    three, fifteen = {"size": 3}, {"size": 15}
    rows = [
        Row(f"box {size}, {dtype}", "box", {"size": size}, dtype, dtype, steps=_TRUNCATED_TWICE)
        for size in (3, 7, 15, 31, 63)
        for dtype in (f32, u8)
    ]
    rows += [
        Row("box 15, uint16", "box", fifteen, u16, u16, steps=_TRUNCATED_TWICE),
        Row("box 15, float64", "box", fifteen, "float64", "float64"),
        Row("box 3, RGB float32", "box", three, f32, f32, "colour"),
        Row("box 3, RGB uint8", "box", three, u8, u8, "colour", steps=_TRUNCATED_TWICE),
    ]
    return rows


def _separable() -> list[Row]:
    return [
        Row(f"separable {down}x{along}, {dtype}", "correlate_separable", {"taps": _uneven(down, along)}, dtype, dtype)
        for down, along in ((4, 4), (3, 9), (2, 6))
        for dtype in ("float32", "uint8")
    ]


def _windows() -> list[Row]:
    f32, u8 = "float32", "uint8"
    three, seven = {"kernel": _dense(3)}, {"kernel": _dense(7)}
    rows = [
        Row(f"dense {size}x{size}, {dtype}", "correlate", {"kernel": _dense(size)}, dtype, dtype)
        for size in (3, 5, 7, 9, 11, 15, 21, 31)
        for dtype in (f32, u8)
    ]
    rows += [
        Row("dense 3x3, uint8 -> float32", "correlate", three, u8, f32),
        Row("dense 7x7, uint8 -> float32", "correlate", seven, u8, f32),
        Row("dense 3x3, uint8 -> int16", "correlate", three, u8, "int16"),
        Row("dense 3x3, float64", "correlate", three, "float64", "float64"),
        Row("dense 3x3, RGB uint8", "correlate", three, u8, u8, "colour"),
    ]
    rows += [
        Row(f"dilated 3x3 d{step}, {dtype}", "correlate", three | {"dilation": step}, dtype, dtype)
        for step in (2, 4)
        for dtype in (f32, u8)
    ]
    return [*rows, Row("dilated 5x5 d2, float32", "correlate", {"kernel": _dense(5), "dilation": 2}, f32, f32)]


#: every row of the table, in the order it is printed
ROWS: tuple[Row, ...] = tuple(_rows())


def select(words: list[str] | tuple[str, ...] | None = None) -> tuple[Row, ...]:
    """The rows whose name contains one of ``words``; all of them without any.

    >>> [row.name for row in select(["sobel x, uint8", "volume"])]
    ['sobel x, uint8 -> float32', 'sobel x, uint8 -> int16', 'gaussian 1, volume float32']
    """
    if not words:
        return ROWS
    return tuple(row for row in ROWS if any(word in row.name for word in words))
