"""PNG in 16 bits a sample: Pillow reads colour as 8 bits and writes only grey.

Reading lets Pillow's decoder do the work twice, once for the high bytes and once for the low ones.  Writing follows
the PNG specification (third edition, W3C): one Paeth-filtered, deflated stream.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

__all__ = ["read_png16", "write_png16"]

#: the decoder's word for 16-bit samples -> (Pillow mode and words whose bytes are high and low, samples)
_HALVES = {
    "RGB;16B": ("RGB", "RGB;16B", "RGB;16L", 3),
    "RGBA;16B": ("RGBA", "RGBA;16B", "RGBA;16L", 4),
    "LA;16B": ("RGBA", "RGBA", None, 2),
    "I;16B": ("LA", "LA", None, 1),
}
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def _decode(path: Path, mode: str, word: str) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        image._mode = mode
        image.tile = [(*tile[:3], word) for tile in image.tile]  # type: ignore[misc]
        return np.array(image)


def read_png16(path: Path, word: str) -> np.ndarray:
    """The uint16 pixels of a 16-bit PNG; ``word`` is how Pillow would decode it ("RGB;16B" and so on)."""
    mode, high, low, samples = _HALVES[word]
    if low is None:  # grey: the two bytes of each sample come as two samples
        pairs = _decode(path, mode, high)
        pixels: np.ndarray = np.ascontiguousarray(pairs).view(">u2").astype(np.uint16)
    else:
        pixels = _decode(path, mode, high).astype(np.uint16) << 8
        pixels |= _decode(path, mode, low)
    return pixels[..., 0] if samples == 1 else pixels


def _paeth(rows: np.ndarray, step: int) -> np.ndarray:
    """Every row of bytes filtered with type 4, its type byte in front; ``step`` is the bytes of a pixel."""
    padded = np.zeros((rows.shape[0] + 1, rows.shape[1] + step), np.int16)
    padded[1:, step:] = rows
    left, up, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    to_left, to_up = np.abs(up - corner), np.abs(left - corner)
    to_corner = np.abs(left + up - 2 * corner)
    guess = np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
    out = np.full((rows.shape[0], rows.shape[1] + 1), 4, np.uint8)
    out[:, 1:] = (rows - guess).astype(np.uint8)
    return out


def write_png16(
    stream: IO[bytes], pixels: np.ndarray, *, exif: bytes | None, icc: bytes | None, dpi: tuple[float, float] | None
) -> None:
    """Write uint16 pixels (H, W) or (H, W, 2 to 4) as one PNG."""

    def chunk(kind: bytes, data: bytes) -> None:
        stream.write(struct.pack(">I", len(data)) + kind + data)
        stream.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    stream.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[samples], 0, 0, 0))
    if icc:
        chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi:
        chunk(b"pHYs", struct.pack(">IIB", *(round(d / 0.0254) for d in dpi), 1))
    if exif:
        chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    squeeze = zlib.compressobj(6)
    band = max(1, (1 << 22) // max(1, width * samples * 2))
    for first in range(0, height, band):
        start = max(first - 1, 0)  # a row's filter looks at the row above it
        rows = pixels[start : first + band].astype(">u2").reshape(-1, width * samples).view(np.uint8)
        filtered = _paeth(rows, 2 * samples)[first - start :]
        packed = squeeze.compress(filtered.tobytes())
        if packed:
            chunk(b"IDAT", packed)
    chunk(b"IDAT", squeeze.flush())
    chunk(b"IEND", b"")
