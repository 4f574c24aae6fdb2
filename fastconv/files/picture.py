"""The value that a file becomes, and the one cast on its way back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastconv.core.dtypes import cast_into
from fastconv.core.errors import bad_value

__all__ = ["MAX_PIXELS", "SIGNED", "FileError", "Picture", "to_dtype"]

#: pixels (all pages together) above which a file is refused: a small file can ask for a lot of memory
MAX_PIXELS = 178_956_970
#: what becomes of negative values in a file of unsigned integers
SIGNED = ("abs", "mid", "clip")


class FileError(ValueError):
    """A file that cannot be read or written as asked; the text begins with its name."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels and what travels with them.

    ``axes`` names every axis of ``pixels``: it ends in "YX", or in "YXS" when the last axis holds the samples of a
    pixel; letters before those are pages, channels, time and so on.  ``dpi`` is horizontal, vertical, per inch.
    ``exif`` is a whole EXIF block (with its "Exif" mark).  ``extra`` is for the writer of the same kind of file.
    """

    pixels: np.ndarray
    axes: str = "YX"
    alpha: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.axes) != self.pixels.ndim or not self.axes.endswith(("YX", "YXS")):
            raise bad_value("axes", self.axes, f"{self.pixels.ndim} letters (one an axis) that end in YX or YXS")

    @property
    def plane(self) -> tuple[int, int]:
        """The array axes of rows and columns: what a filter works along."""
        y = self.axes.index("YX")
        return y, y + 1

    @property
    def samples(self) -> int:
        """Samples of a pixel: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha."""
        return self.pixels.shape[-1] if self.axes.endswith("S") else 1

    @property
    def pages(self) -> int:
        """Planes of rows and columns in the file."""
        return int(np.prod(self.pixels.shape[: self.plane[0]], dtype=np.int64))

    def with_pixels(self, pixels: np.ndarray, stride: tuple[int, int] = (1, 1)) -> Picture:
        """The same picture with other pixels, taken every ``stride`` (rows, columns): its resolution follows."""
        dpi = self.dpi and (self.dpi[0] / stride[1], self.dpi[1] / stride[0])
        extra = dict(self.extra)
        if "resolution" in extra:
            x, y = extra["resolution"]
            extra["resolution"] = (x / stride[1], y / stride[0])
        return replace(self, pixels=pixels, dpi=dpi, extra=extra)

    def __str__(self) -> str:
        y, x = self.plane
        size = f"{self.pixels.shape[x]} x {self.pixels.shape[y]}"
        kind = {1: "grey", 2: "grey + alpha", 3: "colour", 4: "colour + alpha" if self.alpha else "4 samples"}
        pages = f"{self.pages} pages of " if self.pages > 1 else ""
        return f"{pages}{size} {kind.get(self.samples, f'{self.samples} samples')} {self.pixels.dtype}"


def to_dtype(values: np.ndarray, dtype: np.dtype, signed: str = "clip") -> tuple[np.ndarray, float]:
    """Cast filtered float values to a file's dtype; also the fraction of samples that had to be cut off.

    Integers round half to even and saturate.  For unsigned ones ``signed`` says what becomes of negative values:
    "clip" makes them 0, "abs" keeps their size, "mid" moves zero to mid-grey.

    >>> to_dtype(np.array([-3.0, 0.5, 300.0]), np.dtype("uint8"), "abs")[0].tolist()
    [3, 0, 255]
    >>> to_dtype(np.array([-3.0, 0.5, 300.0]), np.dtype("uint8"), "mid")[0].tolist()
    [125, 128, 255]
    """
    if signed not in SIGNED:
        raise bad_value("signed", signed, f"one of {', '.join(SIGNED)}")
    if dtype.kind == "f":
        return values.astype(dtype), 0.0
    sums = values.astype(np.result_type(values.dtype, np.float32))
    if dtype.kind == "u" and signed == "abs":
        np.abs(sums, out=sums)
    elif dtype.kind == "u" and signed == "mid":
        sums += 2 ** (8 * dtype.itemsize - 1)
    np.rint(sums, out=sums)
    info = np.iinfo(dtype)
    cut = np.count_nonzero((sums < info.min) | (sums > info.max)) / max(sums.size, 1)
    out = np.empty(sums.shape, dtype)
    cast_into(out, sums)
    return out, cut
