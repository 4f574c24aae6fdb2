"""Image files: depth, pages, transparency and metadata survive; what cannot be kept is said or refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import H, W, noise, rgb
from PIL import Image

from fastconv import files
from fastconv.files import FileError, Picture

SHAPES = {"grey": ((H, W), "YX"), "LA": ((H, W, 2), "YXS"), "RGB": ((H, W, 3), "YXS"), "RGBA": ((H, W, 4), "YXS")}


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", SHAPES)
def test_same_pixels_come_back(tmp_path: Path, kind: str, dtype: str, ending: str) -> None:
    shape, axes = SHAPES[kind]
    picture = Picture(noise(*shape, dtype=dtype), axes, alpha=kind.endswith("A"), dpi=(300.0, 150.0))
    path = tmp_path / f"x{ending}"
    assert files.write(path, picture) == ()
    back = files.read(path)
    np.testing.assert_array_equal(back.pixels, picture.pixels)
    assert (back.pixels.dtype, back.axes, back.alpha) == (dtype, axes, picture.alpha)
    assert back.dpi == pytest.approx((300, 150), abs=0.02)  # PNG counts pixels per metre
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((H, W), "YX"), ((3, H, W), "QYX"), ((2, H, W, 3), "QYXS"), ((1, 1), "YX")]
)
def test_tiff_holds_every_depth_and_every_page(tmp_path: Path, dtype: str, shape: tuple[int, ...], axes: str) -> None:
    pixels = noise(*shape, dtype=dtype)
    files.write(tmp_path / "x.tiff", Picture(pixels, axes))
    back = files.read(tmp_path / "x.tiff")
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == dtype
    assert back.pages == int(np.prod(shape[: len(axes.rstrip("S")) - 2]))


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_png16_agrees_with_another_decoder(tmp_path: Path, samples: int) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = noise(1100, 700, samples, dtype="uint16")  # more rows than one band of the writer
    pixels[5:400] = np.arange(700, dtype=np.uint16)[:, None] * 90
    shown = pixels[..., 0] if samples == 1 else pixels
    files.write(tmp_path / "x.png", Picture(shown, "YX" if samples == 1 else "YXS", alpha=samples == 4))
    theirs = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(theirs if samples == 1 else theirs[..., [2, 1, 0, 3][:samples]], shown)


def test_png16_of_another_encoder_is_read_in_full(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = noise(31, 45, 3, dtype="uint16")
    pixels[:, 10:30] = np.arange(31, dtype=np.uint16)[:, None, None] * 1000  # makes the encoder use several row filters
    cv2.imwrite(str(tmp_path / "x.png"), pixels[..., ::-1])
    np.testing.assert_array_equal(files.read(tmp_path / "x.png").pixels, pixels)


# ---------------------------------------------------------------- kinds of pixels

WIDENED: dict[str, tuple[str, Callable[[Path], object], Callable[[Image.Image], Image.Image], str]] = {
    "palette PNG": ("x.png", lambda p: STILL.quantize(16).save(p), lambda i: i.convert("RGB"), "palette"),
    "palette GIF": ("x.gif", lambda p: STILL.quantize(16).save(p), lambda i: i.convert("RGB"), "palette"),
    "palette TIFF": ("x.tif", lambda p: STILL.quantize(16).save(p), lambda i: i.convert("RGB"), "palette"),
    "1-bit PNG": ("x.png", lambda p: STILL.convert("1").save(p), lambda i: i.convert("L"), "1-bit"),
    "1-bit TIFF": ("x.tif", lambda p: STILL.convert("1").save(p), lambda i: i.convert("L"), "1-bit"),
    "CMYK JPEG": ("x.jpg", lambda p: STILL.convert("CMYK").save(p), lambda i: i.convert("RGB"), "CMYK"),
    "CMYK TIFF": ("x.tif", lambda p: STILL.convert("CMYK").save(p), lambda i: i.convert("RGB"), "CMYK"),
    "key colour": ("x.png", lambda p: STILL.save(p, transparency=(1, 2, 3)), lambda i: i.convert("RGBA"), "alpha"),
    "LZW TIFF": ("x.tif", lambda p: STILL.save(p, compression="tiff_lzw"), lambda i: i, ""),
    "JPEG TIFF": ("x.tif", lambda p: STILL.save(p, compression="jpeg"), lambda i: i, ""),
    "I TIFF": ("x.tif", lambda p: Image.fromarray(noise(H, W, dtype="int32")).save(p), lambda i: i, ""),
    "F TIFF": ("x.tif", lambda p: Image.fromarray(noise(H, W, dtype="float32")).save(p), lambda i: i, ""),
    "I;16 PNG": ("x.png", lambda p: Image.fromarray(noise(H, W, dtype="uint16")).save(p), lambda i: i, ""),
    "I;16 PGM": (
        "x.pgm",
        lambda p: p.write_bytes(b"P5 17 13 65535\n" + noise(H, W, dtype="uint16").tobytes()),
        lambda i: i,
        "",
    ),
    "WebP": ("x.webp", lambda p: STILL.save(p, lossless=True), lambda i: i, ""),
}
STILL = rgb()


@pytest.mark.parametrize("name", WIDENED)
def test_unusual_pixels_are_converted_and_it_is_said(tmp_path: Path, name: str) -> None:
    file, save, convert, said = WIDENED[name]
    save(tmp_path / file)
    with Image.open(tmp_path / file) as image:
        expected = np.array(convert(image))
    back = files.read(tmp_path / file)
    np.testing.assert_array_equal(back.pixels, expected)
    assert said in " ".join(back.notes)
    assert bool(said) == bool(back.notes)


def test_white_is_zero_is_turned(tmp_path: Path) -> None:
    pixels = noise(H, W)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="miniswhite")
    back = files.read(tmp_path / "x.tif")
    np.testing.assert_array_equal(back.pixels, 255 - pixels)
    assert "white-is-zero" in back.notes[0]


@pytest.mark.parametrize(
    ("options", "shape", "axes"),
    [
        ({"photometric": "rgb", "planarconfig": "separate"}, (3, H, W), "YXS"),
        ({"byteorder": ">"}, (H, W), "YX"),
        ({"bigtiff": True}, (H, W), "YX"),
        ({"compression": "zlib"}, (H, W), "YX"),
        ({"tile": (16, 16)}, (H, W), "YX"),
    ],
)
def test_layouts_of_tiff(tmp_path: Path, options: dict, shape: tuple[int, ...], axes: str) -> None:
    pixels = noise(*shape, dtype="uint16")
    tifffile.imwrite(tmp_path / "x.tif", pixels, **options)
    back = files.read(tmp_path / "x.tif")
    assert back.axes == axes
    np.testing.assert_array_equal(back.pixels, np.moveaxis(pixels, 0, -1) if axes.endswith("S") else pixels)


def test_hyperstack_stays_a_hyperstack(tmp_path: Path) -> None:
    pixels = noise(2, 3, H, W, dtype="uint16")
    tifffile.imwrite(
        tmp_path / "x.tif",
        pixels,
        imagej=True,
        metadata={"axes": "ZCYX", "spacing": 2.5, "unit": "um"},
        resolution=(5, 4),
    )
    picture = files.read(tmp_path / "x.tif")
    assert (picture.axes, picture.plane, picture.pages) == ("ZCYX", (2, 3), 6)
    files.write(tmp_path / "y.tif", picture.with_pixels(picture.pixels[..., ::2, :], (2, 1)))
    with tifffile.TiffFile(tmp_path / "y.tif") as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "ZCYX"
        assert tif.imagej_metadata is not None
        assert (tif.imagej_metadata["spacing"], tif.imagej_metadata["unit"]) == (2.5, "um")
        x, y = (tif.pages.first.tags[t].value for t in (282, 283))
        assert (x[0] / x[1], y[0] / y[1]) == (5, 2)  # every second row is kept: half the pixels a micrometre
        np.testing.assert_array_equal(tif.asarray(), pixels[..., ::2, :])


# ---------------------------------------------------------------- refusals


def animation(path: Path) -> None:
    rgb().save(path, save_all=True, append_images=[rgb(), rgb()])


REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "animated GIF": ("x.gif", animation, "animation of 3 frames"),
    "animated WebP": ("x.webp", animation, "animation of 3 frames"),
    "animated PNG": ("x.png", animation, "animation of 3 frames"),
    "pages of different size": (
        "x.tif",
        lambda p: rgb().save(p, save_all=True, append_images=[rgb().resize((4, 5))]),
        "2 pictures of different kinds",
    ),
    "complex": ("x.tif", lambda p: tifffile.imwrite(p, np.zeros((4, 5), "c8")), "complex64"),
    "text": ("x.png", lambda p: p.write_text("hello"), "not an image file"),
    "nothing": ("x.png", lambda p: p.write_text(""), "not an image file"),
    "half a PNG": ("x.png", lambda p: (rgb().resize((300, 300)).save(p), truncate(p)), "cannot be read"),
    "half a JPEG": ("x.jpg", lambda p: (rgb().resize((300, 300)).save(p), truncate(p)), "cannot be read"),
    "half a TIFF": ("x.tif", lambda p: (rgb().resize((300, 300)).save(p), truncate(p)), "TIFF|cannot be read"),
    "a TIFF's head": ("x.tif", lambda p: p.write_bytes(b"II*\0\x08\0\0\0"), "no picture"),
    "10-bit colour PPM": ("x.ppm", lambda p: p.write_bytes(b"P6 2 1 1023\n" + bytes(12)), "other than 8 bits"),
}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_file_named(tmp_path: Path, name: str) -> None:
    file, save, message = REFUSED[name]
    save(tmp_path / file)
    with pytest.raises(FileError, match=message) as caught:
        files.read(tmp_path / file)
    assert str(caught.value).startswith(str(tmp_path / file))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_size_is_limited_before_pixels_are_decoded(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    files.write(path, Picture(noise(H, W)))
    with pytest.raises(FileError, match="221 pixels, more than the limit of 220"):
        files.read(path, max_pixels=220)
    assert files.read(path, max_pixels=221).pixels.shape == (H, W)
    assert files.read(path, max_pixels=None).pixels.shape == (H, W)
    with pytest.raises(ValueError, match="max_pixels must be"):
        files.read(path, max_pixels=0)


def test_our_limit_stands_in_for_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "x.png", Picture(noise(H, W)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert files.read(tmp_path / "x.png").pixels.shape == (H, W)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(
    ("file", "picture", "message"),
    [
        ("x.gif", Picture(noise(4, 5)), "ending '.gif' is not written"),
        ("x", Picture(noise(4, 5)), "without an ending"),
        ("x.jpg", Picture(noise(4, 5, dtype="uint16")), "cannot hold uint16"),
        ("x.png", Picture(noise(4, 5, dtype="float32")), "cannot hold float32"),
        ("x.jpg", Picture(noise(4, 5, 4), "YXS", alpha=True), "cannot hold alpha"),
        ("x.png", Picture(noise(4, 5, 4), "YXS"), "4 samples"),
        ("x.png", Picture(noise(2, 4, 5), "QYX"), "2 pages"),
        ("no/x.png", Picture(noise(4, 5)), "there is no folder"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_before_it_is_touched(
    tmp_path: Path, file: str, picture: Picture, message: str
) -> None:
    with pytest.raises(FileError, match=message):
        files.write(tmp_path / file, picture)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- transparency, the cast


def test_alpha_splits_and_joins() -> None:
    pixels = noise(5, 6, 4, dtype="uint16")
    pixels[0, 0, 3] = 0
    colour, alpha = files.split_alpha(pixels)
    assert colour.dtype == alpha.dtype == np.float32
    back = files.join_alpha(colour, alpha, pixels.dtype)
    assert back[0, 0].tolist() == [0, 0, 0, 0]
    pixels[0, 0] = 0
    np.testing.assert_allclose(back, pixels, rtol=1e-6, atol=1e-2)


def test_casts_round_half_to_even_and_saturate() -> None:
    values = np.array([-300.0, -2.5, -1.0, 0.5, 1.5, 254.5, 255.5, 300.0, np.nan])
    u1 = np.dtype("uint8")
    assert files.to_dtype(values, u1)[0].tolist() == [0, 0, 0, 0, 2, 254, 255, 255, 0]
    assert files.to_dtype(values, u1, "abs")[0].tolist() == [255, 2, 1, 0, 2, 254, 255, 255, 0]
    assert files.to_dtype(values, u1, "mid")[0].tolist() == [0, 126, 127, 128, 130, 255, 255, 255, 0]
    assert files.to_dtype(values, np.dtype("int16"), "abs")[0].tolist()[:3] == [-300, -2, -1]
    assert files.to_dtype(np.array([0.0, 256.0, -1.0, 9.0]), u1)[1] == 0.5
    assert files.to_dtype(values, np.dtype("float32"))[0].dtype == np.float32
    with pytest.raises(ValueError, match="signed must be one of abs, mid, clip"):
        files.to_dtype(values, u1, "up")


def test_a_stream_is_written_at_its_place_only() -> None:
    from fastconv.files.tiff import write_tiff

    stream = io.BytesIO()
    write_tiff(stream, Picture(noise(H, W)), None)
    stream.seek(0)
    assert tifffile.imread(stream).shape == (H, W)


def test_pictures_name_their_axes() -> None:
    with pytest.raises(ValueError, match="axes must be 2 letters"):
        Picture(noise(4, 5), "YXS")
    with pytest.raises(ValueError, match="end in YX"):
        Picture(noise(4, 5), "XY")
    assert str(Picture(noise(3, 4, 5), "QYX")) == "3 pages of 5 x 4 grey uint8"
