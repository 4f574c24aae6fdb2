"""Every kind of file but TIFF, by Pillow, with the conversions it would make silently said or refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .meta import ORIENTATION, exif_block
from .picture import FileError, Picture
from .png16 import read_png16

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

__all__ = ["no_bomb_guard", "read_frames", "read_pillow", "too_many", "write_pillow"]

#: kinds whose samples Pillow keeps; others (JPEG 2000, AVIF, SGI ...) may hold more than 8 bits and come as 8
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "GIF", "WEBP", "PPM")
_lock = threading.Lock()


def too_many(path: Path, pixels: int, max_pixels: int) -> FileError:
    """The error for a picture that is larger than the caller allowed."""
    return FileError(f"{path}: has {pixels:,} pixels, more than the limit of {max_pixels:,} (max_pixels, --max-pixels)")


@contextmanager
def no_bomb_guard() -> Iterator[None]:
    """Pillow's own limit is one number for the whole process: set it aside while ours is kept instead."""
    from PIL import Image

    with _lock:
        old = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = old


def _open(path: Path, formats: tuple[str, ...]) -> PilImage:
    from PIL import Image, UnidentifiedImageError

    Image.init()  # a kind is known to Pillow only when its plugin is loaded
    try:
        return Image.open(path, formats=[f for f in formats if f in Image.OPEN])
    except UnidentifiedImageError:
        raise FileError(f"{path}: is not an image file of a kind that is read ({', '.join(formats)}, TIFF)") from None


def _flat(image: PilImage) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """The pixels of one decoded 8-bit image, whether the last sample is alpha, and what had to be converted."""
    mode, see_through = image.mode, "transparency" in image.info
    if mode in ("P", "PA"):
        image = image.convert("RGBA" if see_through or mode == "PA" else "RGB")
        notes: tuple[str, ...] = ("palette converted to colour",)
    elif mode == "1":
        return np.array(image).astype(np.uint8) * np.uint8(255), False, ("1-bit widened to 8-bit grey",)
    elif mode in ("CMYK", "YCbCr", "HSV", "RGBX", "RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}.get(mode, "RGB"))
        notes = (f"{mode} converted to RGB",)
    elif mode in ("L", "RGB") and see_through:
        image = image.convert(mode + "A")
        notes = ("transparent colour made an alpha channel",)
    elif mode in ("L", "LA", "RGB", "RGBA", "F", "I") or mode.startswith("I;16"):
        notes = ()
    else:
        raise ValueError(f"has pixels of Pillow's mode {mode}, which cannot be filtered: convert it to RGB")
    pixels = np.array(image)
    if mode.startswith("I;16"):
        pixels = pixels.astype(np.uint16)
    return pixels, image.mode in ("LA", "RGBA"), notes


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (rows, columns, ...) as a viewer shows them; EXIF 2.32, tag 0x0112."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _word(image: PilImage) -> Any:
    """What Pillow's decoder was told about the file's samples."""
    tiles = getattr(image, "tile", None)
    return tiles[0][3] if tiles else None


def _one(path: Path, image: PilImage) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Decode the one frame of an open file in its full depth."""
    word, info = _word(image), image.info
    if image.format == "PNG" and isinstance(word, str) and word.endswith(";16B"):
        pixels = read_png16(path, word)
        key = info.get("transparency")
        if key is None:
            return pixels, pixels.ndim == 3 and pixels.shape[-1] in (2, 4), ()
        colour = pixels if pixels.ndim == 3 else pixels[..., None]
        opaque = np.any(colour != np.array(key, np.uint16), axis=-1, keepdims=True)
        alpha = opaque.astype(np.uint16) * np.uint16(65535)
        return np.concatenate((colour, alpha), axis=-1), True, ("transparent colour made an alpha channel",)
    if image.format == "PPM" and image.mode == "RGB" and isinstance(word, tuple) and word[-1] != 255:
        raise FileError(
            f"{path}: holds colour of other than 8 bits, which would be read as 8: convert it to PNG or TIFF"
        )
    image.load()
    pixels, alpha, notes = _flat(image)
    if image.format in ("PNG", "PPM") and pixels.dtype == np.int32:  # older Pillow's mode for 16-bit grey
        pixels = pixels.astype(np.uint16)
    return pixels, alpha, notes


def read_pillow(path: Path, max_pixels: int) -> Picture:
    """Read one still picture."""
    with no_bomb_guard(), _open(path, _FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise too_many(path, image.width * image.height, max_pixels)
        frames = getattr(image, "n_frames", 1)
        notes: tuple[str, ...] = ()
        if frames > 1 and image.format == "MPO":
            notes = (f"first of {frames} pictures in the file",)
        elif frames > 1:
            raise FileError(f"{path}: is an animation of {frames} frames: save them as single files or as a TIFF stack")
        pixels, alpha, said = _one(path, image)
        exif = image.getexif()
        orientation = exif.get(ORIENTATION, 1)
        dpi = image.info.get("dpi")
        icc = None if image.mode == "CMYK" else image.info.get("icc_profile")
        block = exif_block(exif)
    if orientation in range(2, 9):
        pixels = _turned(pixels, orientation)
        notes += ("turned upright",)
        if dpi and orientation >= 5:
            dpi = dpi[::-1]
    axes = "YXS" if pixels.ndim == 3 else "YX"
    dpi = (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None
    return Picture(pixels, axes, alpha, block, icc, dpi, notes=notes + said)


def read_frames(path: Path, max_pixels: int) -> tuple[np.ndarray, bool, tuple[str, ...], bytes | None]:
    """All pages of a TIFF that only Pillow can decode: pixels, alpha, notes, ICC profile."""
    from PIL import ImageSequence

    with no_bomb_guard(), _open(path, ("TIFF",)) as image:
        total = image.width * image.height * getattr(image, "n_frames", 1)
        if total > max_pixels:
            raise too_many(path, total, max_pixels)
        icc = None if image.mode == "CMYK" else image.info.get("icc_profile")
        pages = [_flat(page.copy()) for page in ImageSequence.Iterator(image)]
    if len({(p.shape, p.dtype) for p, _, _ in pages}) != 1:
        raise FileError(f"{path}: its {len(pages)} pages differ in size or kind: save them as single files")
    pixels = pages[0][0] if len(pages) == 1 else np.stack([p for p, _, _ in pages])
    return pixels, pages[0][1], pages[0][2], icc


def write_pillow(stream: IO[bytes], kind: str, picture: Picture, exif: bytes | None, quality: int) -> None:
    """Write 8-bit pixels as one still picture of Pillow's ``kind``."""
    from PIL import Image

    options: dict[str, Any] = {}
    if kind in ("PNG", "JPEG", "WEBP"):
        options = {k: v for k, v in (("exif", exif), ("icc_profile", picture.icc)) if v}
    if kind in ("PNG", "JPEG", "BMP") and picture.dpi:
        options["dpi"] = picture.dpi
    if kind == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    pixels = np.ascontiguousarray(picture.pixels)
    if kind == "WEBP" and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[-1] if pixels.ndim == 3 else 1]
    height, width = pixels.shape[:2]
    Image.frombytes(mode, (width, height), pixels.tobytes()).save(stream, kind, **options)
