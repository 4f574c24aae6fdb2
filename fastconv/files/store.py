"""`read` and `write`: which kind of file goes by which way, and what each kind can hold."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastconv.core.errors import bad_value

from .meta import sized
from .picture import MAX_PIXELS, FileError, Picture
from .replace import replacing

__all__ = ["READABLE", "WRITABLE", "check_target", "read", "write"]


@dataclass(frozen=True)
class _Kind:
    """What a kind of file can hold: dtypes, samples of a pixel, and which of EXIF, ICC profile and resolution."""

    name: str
    dtypes: tuple[str, ...] = ("uint8",)
    samples: tuple[int, ...] = (1, 3)
    keeps: frozenset[str] = frozenset()


_JPEG = _Kind("JPEG", keeps=frozenset({"EXIF", "ICC profile", "resolution"}))
_TIFF_DTYPES = (*tuple(f"{k}int{n}" for k in ("u", "") for n in (8, 16, 32, 64)), "float16", "float32", "float64")
_TIFF = _Kind("TIFF", _TIFF_DTYPES, (), _JPEG.keeps)
_KINDS = {
    ".png": _Kind("PNG", ("uint8", "uint16"), (1, 2, 3, 4), _JPEG.keeps),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": _Kind("BMP", keeps=frozenset({"resolution"})),
    ".webp": _Kind("WEBP", samples=(1, 3, 4), keeps=frozenset({"EXIF", "ICC profile"})),
    ".pgm": _Kind("PPM", samples=(1,)),
    ".ppm": _Kind("PPM", samples=(3,)),
}
#: file name endings that `write` takes
WRITABLE = tuple(_KINDS)
#: file name endings that are taken for pictures when a folder is read
READABLE = (*WRITABLE, ".gif", ".pnm", ".dib", ".mpo")


def _kind(path: Path) -> _Kind:
    try:
        return _KINDS[path.suffix.lower()]
    except KeyError:
        ending = f"ending {path.suffix!r}" if path.suffix else "a name without an ending"
        raise FileError(f"{path}: {ending} is not written; use one of {', '.join(WRITABLE)}") from None


def check_target(path: str | os.PathLike[str], picture: Picture | None = None, dtype: np.dtype | None = None) -> None:
    """Raise the error that `write` would raise: for the name alone, or for a picture stored as ``dtype`` too."""
    path = Path(path)
    kind = _kind(path)
    if path.is_dir():
        raise FileError(f"{path}: is a folder")
    if not path.absolute().parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.absolute().parent}")
    if picture is None:
        return
    name = (dtype or picture.pixels.dtype).name
    if name not in kind.dtypes:
        better = "write .png or .tif" if name == "uint16" else "write .tif"
        raise FileError(f"{path}: {kind.name} cannot hold {name} samples; {better}, or choose --dtype {kind.dtypes[0]}")
    if kind is _TIFF:
        return
    if picture.pages > 1:
        raise FileError(f"{path}: {kind.name} cannot hold {picture.pages} pages; write .tif")
    if picture.samples not in kind.samples or (picture.samples in (2, 4) and not picture.alpha):
        what = "alpha" if picture.alpha else f"{picture.samples} samples a pixel"
        better = ".png or .tif" if picture.alpha or picture.samples < 4 else ".tif"
        raise FileError(f"{path}: {kind.name} with ending {path.suffix} cannot hold {what}; write {better}")
    if 0 in picture.pixels.shape:
        raise FileError(f"{path}: {kind.name} cannot hold a picture without pixels")


def read(path: str | os.PathLike[str], *, max_pixels: int | None = MAX_PIXELS) -> Picture:
    """Read an image file: every page, in the depth it was saved with.

    ``max_pixels`` is the most pixels (all pages together) that are decoded; None sets no limit.
    Pixels are (rows, columns) or (rows, columns, samples), after any axes for pages; see `Picture`.

    Raises FileNotFoundError and other OSErrors as `open` does, and `FileError`, whose text begins with the file's
    name, for anything that cannot be read whole and true.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = Path(folder) / "dot.png"
    ...     _ = write(name, Picture(np.array([[0, 40000, 0]], np.uint16)))
    ...     print(read(name), read(name).pixels.tolist())
    3 x 1 grey uint16 [[0, 40000, 0]]
    """
    from .pillow import read_pillow
    from .tiff import read_tiff

    path = Path(path)
    if max_pixels is None:
        max_pixels = 2**62
    elif not isinstance(max_pixels, int) or max_pixels < 1:
        raise bad_value("max_pixels", max_pixels, "None or an integer of at least 1")
    with path.open("rb") as stream:
        head = stream.read(4)
    is_tiff = head in (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged metadata: the pixels are what counts
            picture = read_tiff(path, max_pixels) if is_tiff else read_pillow(path, max_pixels)
    except (FileError, MemoryError):
        raise
    except Exception as error:  # on a damaged file a decoder may raise anything, AssertionError and KeyError among it
        raise FileError(f"{path}: cannot be read: {str(error) or type(error).__name__}") from error
    if picture.pixels.dtype.kind not in "uif":
        raise FileError(f"{path}: holds {picture.pixels.dtype} samples, which cannot be filtered")
    return picture


def write(path: str | os.PathLike[str], picture: Picture, *, quality: int = 95) -> tuple[str, ...]:
    """Write an image file in the dtype of its pixels; returns what could not be kept, in words.

    The kind of file follows the ending of ``path``.  The file is written beside its target and renamed over it: a
    process that is killed leaves the old file as it was.  ``quality`` is for JPEG, 1 to 100 (without chroma
    subsampling); WebP is lossless.

    Raises `FileError` for an ending that is not written, or a kind of file that cannot hold the picture.
    """
    path = Path(path)
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise bad_value("quality", quality, "an integer from 1 to 100")
    check_target(path, picture)
    kind = _kind(path)
    y, x = picture.plane
    exif = picture.exif and sized(picture.exif, picture.pixels.shape[x], picture.pixels.shape[y])
    has = {"EXIF": exif, "ICC profile": picture.icc, "resolution": picture.dpi or picture.extra.get("resolution")}
    lost = tuple(f"{what} not kept in {kind.name}" for what, value in has.items() if value and what not in kind.keeps)
    with replacing(path) as stream:
        if kind is _TIFF:
            from .tiff import write_tiff

            return lost + write_tiff(stream, picture, exif or None)
        if picture.pixels.dtype == np.uint16:
            from .png16 import write_png16

            write_png16(stream, picture.pixels, exif=exif or None, icc=picture.icc, dpi=picture.dpi)
        else:
            from .pillow import write_pillow

            write_pillow(stream, kind.name, picture, exif or None, quality)
    return lost
