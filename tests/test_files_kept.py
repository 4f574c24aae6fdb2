"""What travels with the pixels is kept, and so is the old file until the new one is whole."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import H, W, noise, rgb
from PIL import Image, ImageCms, ImageOps

from fastconv import files
from fastconv.files import Picture

# ---------------------------------------------------------------- metadata


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph(path: Path, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0132] = "Camera & Sons", orientation, "2020:01:02 03:04:05"
    exif[0x8769] = {0x829A: 0.02, 0xA002: W, 0xA003: H, 0x927C: b"maker's note"}
    exif[0x8825] = {1: "N"}
    icc = profile()
    rgb().save(path, exif=exif, icc_profile=icc, dpi=(300, 200))
    return icc


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [(".jpg", "uint8"), (".webp", "uint8"), *((e, d) for e in (".png", ".tif") for d in ("uint8", "uint16"))],
)
def test_metadata_is_kept(tmp_path: Path, ending: str, dtype: str) -> None:
    icc = photograph(tmp_path / "in.jpg", orientation=6)
    picture = files.read(tmp_path / "in.jpg")
    picture = picture.with_pixels(picture.pixels.astype(dtype)[::2], (2, 1))
    path = tmp_path / f"out{ending}"
    lost = files.write(path, picture)
    with Image.open(path) as image:
        exif = image.getexif()
        assert (exif[0x010F], exif[0x0132]) == ("Camera & Sons", "2020:01:02 03:04:05")
        assert exif.get(0x0112, 1) == 1
        inner = exif.get_ifd(0x8769)
        assert float(inner[0x829A]) == pytest.approx(0.02)
        assert (inner[0xA002], inner[0xA003]) == image.size == (H, (W + 1) // 2)
        assert inner[0x927C] == b"maker's note"
        assert exif.get_ifd(0x8825)[1] == "N"
        assert image.info["icc_profile"] == icc
        if ending == ".webp":
            assert lost == ("resolution not kept in WEBP",)
        else:
            assert lost == ()
            # turned by 90 degrees, then every second row
            assert [float(d) for d in image.info["dpi"]] == pytest.approx([200, 150], abs=0.5)
    again = files.read(path)
    np.testing.assert_array_equal(again.pixels.shape, picture.pixels.shape)
    if ending != ".jpg":
        np.testing.assert_array_equal(again.pixels, picture.pixels)


def test_a_hyperstack_with_exif_keeps_both(tmp_path: Path) -> None:
    photograph(tmp_path / "in.jpg")
    exif = files.read(tmp_path / "in.jpg").exif
    pixels = noise(2, H, W, dtype="uint16")
    files.write(tmp_path / "x.tif", Picture(pixels, "ZYX", exif=exif, extra={"imagej": {"spacing": 2.5}}))
    back = files.read(tmp_path / "x.tif")
    assert back.axes == "ZYX"
    assert back.extra["imagej"]["spacing"] == 2.5
    assert back.exif is not None
    files.write(tmp_path / "y.png", Picture(pixels[0], exif=back.exif))
    with Image.open(tmp_path / "y.png") as image:
        assert float(image.getexif().get_ifd(0x8769)[0x829A]) == pytest.approx(0.02)


def test_what_a_kind_of_file_cannot_keep_is_said(tmp_path: Path) -> None:
    photograph(tmp_path / "in.jpg")
    assert files.write(tmp_path / "x.bmp", files.read(tmp_path / "in.jpg")) == (
        "EXIF not kept in BMP",
        "ICC profile not kept in BMP",
    )


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x{ending}"
    rgb().save(path, exif=exif)
    with Image.open(path) as image:
        seen = np.array(ImageOps.exif_transpose(image))
    back = files.read(path)
    np.testing.assert_array_equal(back.pixels, seen)
    assert ("turned upright" in back.notes) == (orientation != 1)
    files.write(path, back)
    np.testing.assert_array_equal(files.read(path).pixels, seen)


def test_damaged_exif_does_not_lose_the_pixels(tmp_path: Path) -> None:
    pixels = noise(H, W, 3)
    Image.fromarray(pixels).save(
        tmp_path / "x.png", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\x01\x02\0\xff\xff\xff\xff"
    )
    np.testing.assert_array_equal(files.read(tmp_path / "x.png").pixels, pixels)


# ---------------------------------------------------------------- replacing a file


def test_an_error_while_writing_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    def fail() -> None:
        with files.replacing(path) as stream:
            stream.write(b"half of the n")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "x.png"
    with files.replacing(path) as stream:
        stream.write(b"new")
        (temporary,) = tmp_path.iterdir()
        assert temporary.name.startswith(".x.png.")
    assert path.read_bytes() == b"new"
    with pytest.raises(RuntimeError), files.replacing(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and links")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    picture = Picture(noise(4, 5))
    files.write(link, picture)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    np.testing.assert_array_equal(files.read(real).pixels, picture.pixels)


HANGS = """
import os, sys, time
from pathlib import Path
import numpy as np
from fastconv import files
def hang(*args, **kwargs):
    print("now", flush=True)
    time.sleep(60)
if {where!r} == "sync":
    os.fsync = hang
else:
    Path.replace = hang
files.write(sys.argv[1], files.Picture(np.zeros((300, 300), np.uint16)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("where", ["sync", "rename"])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_a_killed_run_leaves_the_old_file_whole(tmp_path: Path, where: str, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    old = noise(H, W)
    files.write(path, Picture(old))
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(where=where), str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
        child.kill()
    np.testing.assert_array_equal(files.read(path).pixels, old)
    if where == "sync" and hasattr(os, "O_TMPFILE") and sys.platform == "linux":
        assert list(tmp_path.iterdir()) == [path]
