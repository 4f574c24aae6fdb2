"""EXIF: what of it is kept, and how it is told about the pixels it now belongs to.

A block is kept as a whole except for three things that would no longer be true: the orientation (applied to the
pixels, so 1), the size in pixels, and the embedded thumbnail, which shows the picture as it was.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Exif

__all__ = ["ORIENTATION", "exif_block", "sized", "tiff_parts", "tiff_text"]

ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 0xA002, 0xA003
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
#: tags of a TIFF's own directory that speak of the photograph, not of the file's layout
_TEXT = {0x010E: "description", 0x0131: "software", 0x0132: "datetime", 0x010F: "", 0x0110: "", 0x013B: "", 0x8298: ""}
_ERRORS = (ValueError, KeyError, TypeError, struct.error, SyntaxError, OSError, EOFError, IndexError)


def exif_block(exif: Exif, *, from_tiff: bool = False) -> bytes | None:
    """The bytes of an EXIF block with orientation 1, or None if nothing in it can be read."""
    from PIL import Image

    try:
        kept = Image.Exif()
        for tag, value in exif.items():
            if tag not in (_EXIF_IFD, _GPS_IFD) and (tag in _TEXT or not from_tiff):
                kept[tag] = value
        for tag in (_EXIF_IFD, _GPS_IFD):
            inner = dict(exif.get_ifd(tag))
            if inner:
                kept[tag] = inner
        if not len(kept):
            return None
        if ORIENTATION in kept:
            kept[ORIENTATION] = 1
        return kept.tobytes()
    except _ERRORS:
        return None


def _loaded(block: bytes) -> Exif:
    from PIL import Image

    exif = Image.Exif()
    exif.load(block)
    return exif


def sized(block: bytes, width: int, height: int) -> bytes:
    """The same block, its pixel dimensions (where it has them) set to these."""
    try:
        exif = _loaded(block)
        inner = dict(exif.get_ifd(_EXIF_IFD))
        if inner.get(_WIDTH, width) == width and inner.get(_HEIGHT, height) == height:
            return block
        inner.update({_WIDTH: width, _HEIGHT: height})
        exif[_EXIF_IFD] = inner
        return exif.tobytes()
    except _ERRORS:
        return block


def tiff_text(block: bytes) -> tuple[dict[str, str], list[tuple[int, int, int, str, bool]]]:
    """A block's text tags for tifffile: those it takes by name, and the others as extra tags."""
    named: dict[str, str] = {}
    extra: list[tuple[int, int, int, str, bool]] = []
    for tag, value in _loaded(block).items():
        if tag in _TEXT and isinstance(value, str):
            text = value.encode("ascii", "replace").decode()
            if _TEXT[tag]:
                named[_TEXT[tag]] = text
            else:
                extra.append((tag, 2, 0, text, True))
    return named, extra


def tiff_parts(block: bytes) -> dict[int, dict]:
    """The inner directories (EXIF, GPS) of a block, by the tag that points at each."""
    exif = _loaded(block)
    return {tag: inner for tag in (_EXIF_IFD, _GPS_IFD) if (inner := dict(exif.get_ifd(tag)))}
