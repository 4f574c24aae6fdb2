"""TIFF by tifffile: every depth, every page; Pillow decodes the compressions that tifffile alone cannot."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from .meta import ORIENTATION, exif_block, tiff_parts, tiff_text
from .picture import FileError, Picture
from .pillow import _turned, read_frames, too_many

__all__ = ["read_tiff", "write_tiff"]

_PLAIN = ("MINISWHITE", "MINISBLACK", "RGB")


def _quiet() -> None:
    # tifffile reports on its logger what it also raises, or what does not concern the pixels
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def _exif(path: Path) -> bytes | None:
    from PIL import Image

    with path.open("rb") as stream:
        exif = Image.Exif()
        try:
            exif.load_from_fp(stream)
            return exif_block(exif, from_tiff=True)
        except (SyntaxError, ValueError, OSError, EOFError, KeyError):
            return None


def _arranged(pixels: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """Axes moved so that they end in YX or YXS."""
    order = "".join(a for a in axes if a not in "YXS") + "YX" + ("S" if "S" in axes else "")
    return np.ascontiguousarray(pixels.transpose([axes.index(a) for a in order])), order


def _pixels(path: Path, tif: Any, max_pixels: int) -> tuple[np.ndarray, str, bool, tuple[str, ...], bytes | None]:
    """Pixels, axes, alpha, notes and ICC profile of an open file of one series."""
    series = tif.series[0]
    page = series.keyframe
    total = int(np.prod(series.shape, dtype=np.int64)) // max(page.samplesperpixel, 1)
    if total > max_pixels:
        raise too_many(path, total, max_pixels)
    colour = page.photometric.name if hasattr(page.photometric, "name") else str(page.photometric)
    why = f"photometric {colour}"
    if colour in _PLAIN:
        try:
            pixels, axes = _arranged(series.asarray(), series.axes)
        except (ValueError, ImportError) as error:
            why = str(error)
        else:
            notes: tuple[str, ...] = ()
            if pixels.dtype == bool:
                pixels = pixels.astype(np.uint8) * np.uint8(255)
                notes = ("1-bit widened to 8-bit grey",)
            if colour == "MINISWHITE" and pixels.dtype.kind == "u":
                pixels = np.iinfo(pixels.dtype).max - pixels
                notes += ("white-is-zero turned into black-is-zero",)
            extra = tuple(int(e) for e in page.extrasamples or ())
            alpha = axes.endswith("S") and page.samplesperpixel in (2, 4) and extra[-1:] in ((1,), (2,))
            if alpha and extra == (1,):
                pixels = _straight(pixels)
                notes += ("premultiplied colour divided by alpha",)
            icc = page.tags.get(34675)
            return pixels, axes, alpha, notes, icc.value if icc else None
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if page.samplesperpixel > 1 and bits > 8:
        raise FileError(f"{path}: cannot be read in full depth ({why}); save it uncompressed, or install imagecodecs")
    pixels, alpha, notes, icc_bytes = read_frames(path, max_pixels)
    base = "YXS" if pixels.ndim - (len(tif.pages) > 1) == 3 else "YX"
    return pixels, ("Q" if len(tif.pages) > 1 else "") + base, alpha, notes, icc_bytes


def _straight(pixels: np.ndarray) -> np.ndarray:
    from .alpha import join_alpha
    from .picture import to_dtype

    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    wide = pixels.astype(np.float64)
    return to_dtype(join_alpha(wide[..., :-1], wide[..., -1] / full, pixels.dtype), pixels.dtype)[0]


def _resolution(page: Any, picture: Picture) -> Picture:
    """The picture with the page's resolution: per inch where it has a unit, else as it stands."""
    values = [page.tags.get(t) for t in (282, 283, 296)]
    if values[0] is None or values[1] is None:
        return picture
    x, y = (v.value[0] / v.value[1] if v.value[1] else 0.0 for v in values[:2])
    unit = int(values[2].value) if values[2] is not None else 2
    if min(x, y) <= 0 or (unit, x, y) == (1, 1.0, 1.0):  # the last is what a TIFF says that knows nothing
        return picture
    if unit == 1:
        return Picture(**{**vars(picture), "extra": {**picture.extra, "resolution": (x, y)}})
    scale = 2.54 if unit == 3 else 1.0
    return Picture(**{**vars(picture), "dpi": (x * scale, y * scale)})


def _kind(tif: Any, axes: str) -> dict[str, Any]:
    """What the writer needs to make the same kind of TIFF again."""
    if tif.is_imagej:
        keep = {k: v for k, v in (tif.imagej_metadata or {}).items() if isinstance(v, str | int | float)}
        return {"imagej": keep}
    if tif.is_ome:
        return {"ome": True}
    if tif.is_shaped:
        return {"shaped": True}
    return {}


def read_tiff(path: Path, max_pixels: int) -> Picture:
    """Read a TIFF: all its pages, which must make one array."""
    import tifffile

    _quiet()
    with tifffile.TiffFile(path) as tif:
        if not tif.series:
            raise FileError(f"{path}: holds no picture")
        if len(tif.series) != 1:
            sizes = ", ".join(" x ".join(map(str, s.shape)) for s in tif.series[:4])
            raise FileError(
                f"{path}: holds {len(tif.series)} pictures of different kinds ({sizes}): save them as single files"
            )
        page = tif.series[0].keyframe
        pixels, axes, alpha, notes, icc = _pixels(path, tif, max_pixels)
        if len(tif.series[0].levels) > 1:
            notes += ("only the full-size level of the pyramid",)
        extra = _kind(tif, axes)
        if page.compression != 1:
            extra["deflate"] = True
        tag = page.tags.get(ORIENTATION)
        orientation = int(tag.value) if tag is not None else 1
        picture = _resolution(page, Picture(pixels, axes, alpha, None, icc, None, extra, notes))
        described = bool(tif.is_imagej or tif.is_ome or tif.is_shaped)
        bigtiff = tif.is_bigtiff
    fields = vars(picture)
    if not bigtiff:
        fields = {**fields, "exif": None if described and not _has_inner(path) else _exif(path)}
    if orientation in range(2, 9):
        y = picture.plane[0]
        turned = _turned(np.moveaxis(picture.pixels, (y, y + 1), (0, 1)), orientation)
        fields = {**fields, "pixels": np.ascontiguousarray(np.moveaxis(turned, (0, 1), (y, y + 1)))}
        fields["notes"] = (*picture.notes, "turned upright")
        if picture.dpi and orientation >= 5:
            fields["dpi"] = picture.dpi[::-1]
    return Picture(**fields)


def _has_inner(path: Path) -> bool:
    block = _exif(path)
    return bool(block and tiff_parts(block))


class _Named:
    """A stream with the name that tifffile asks for: a nameless file has a number there."""

    name = "picture.tif"

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._stream, attribute)


def _append_directories(stream: IO[bytes], parts: dict[int, dict]) -> None:
    """Add EXIF and GPS directories to a finished (not Big) TIFF: they and a longer first directory go to its end."""
    from PIL import TiffImagePlugin

    def number(size: int) -> int:
        return int.from_bytes(stream.read(size), order)

    def to_end() -> int:
        return stream.seek(0, io.SEEK_END) + stream.write(b"\0" * (stream.tell() % 2))

    stream.seek(0)
    head = stream.read(4)
    order: Literal["little", "big"] = "little" if head.startswith(b"II") else "big"
    stream.seek(number(4))
    entries = [stream.read(12) for _ in range(number(2))]
    following = stream.read(4)
    for tag, values in parts.items():
        place = to_end()
        inner = TiffImagePlugin.ImageFileDirectory_v2(head + (8).to_bytes(4, order), group=tag)
        for key, value in values.items():
            inner[key] = value
        stream.write(inner.tobytes(place))
        # tag, type 4 (a 32-bit number), one of them
        entries.append(b"".join(n.to_bytes(size, order) for n, size in ((tag, 2), (4, 2), (1, 4), (place, 4))))
    entries.sort(key=lambda entry: int.from_bytes(entry[:2], order))
    place = to_end()
    stream.write(len(entries).to_bytes(2, order) + b"".join(entries) + following)
    stream.seek(4)
    stream.write(place.to_bytes(4, order))


def write_tiff(stream: IO[bytes], picture: Picture, exif: bytes | None) -> tuple[str, ...]:
    """Write all pages; returns what could not be kept."""
    import tifffile

    _quiet()
    pixels, extra = picture.pixels, picture.extra
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack"}
    notes: list[str] = []
    if picture.samples in (3, 4) and (picture.samples == 3 or picture.alpha):
        options["photometric"] = "rgb"
    if picture.samples > 1:
        options["planarconfig"] = "contig"
        spare = picture.samples - (3 if options["photometric"] == "rgb" else 1)
        if spare:
            options["extrasamples"] = ["unassalpha"] if picture.alpha else ["unspecified"] * spare
    named: dict[str, str] = {}
    tags: list[tuple] = []
    parts: dict[int, dict] = {}
    if exif and pixels.nbytes < 2**31:
        named, more = tiff_text(exif)
        tags.extend(more)
        parts = tiff_parts(exif)
    elif exif:
        notes.append("EXIF not kept in a TIFF of over 2 GB")
    if "imagej" in extra and pixels.dtype in (np.uint8, np.uint16, np.float32) and not picture.alpha:
        options = {"imagej": True, "metadata": {**extra["imagej"], "axes": picture.axes}}
        for name in ("ImageJ", "images", "channels", "slices", "frames", "hyperstack", "min", "max"):
            options["metadata"].pop(name, None)
    elif "imagej" in extra:
        notes.append("ImageJ's metadata not kept")
    elif extra.get("ome"):
        notes.append("OME metadata not kept beyond the axes")
        options["metadata"] = {"axes": picture.axes}
    elif extra.get("shaped"):
        options["metadata"] = {"axes": picture.axes}
    if named.get("description") and options["metadata"] is not None:
        named.pop("description")
    if extra.get("deflate"):
        options["compression"] = "zlib"
    if "resolution" in extra:
        options |= {"resolution": extra["resolution"], "resolutionunit": 1}
    elif picture.dpi:
        options |= {"resolution": picture.dpi, "resolutionunit": 2}
    named.setdefault("software", "fastconv")
    if picture.icc:
        tags.append((34675, 7, len(picture.icc), picture.icc, True))
    with tifffile.TiffWriter(cast(IO[bytes], _Named(stream)), imagej=options.pop("imagej", False)) as tif:
        tif.write(pixels, extratags=tags, **options, **cast(dict[str, Any], named))
    if parts:
        stream.flush()
        _append_directories(stream, parts)
    return tuple(notes)
