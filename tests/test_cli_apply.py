"""``fastconv apply``: what it computes, what it writes and what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import ASTRONAUT, CAMERA, RNG, close, errors, pixels, rounded, small
from PIL import Image
from scipy import ndimage as ndi

import fastconv as fc
from fastconv import files, kernels
from fastconv.cli import main, names
from fastconv.files import Picture

# ---------------------------------------------------------------- what is computed


def test_a_chain_is_rounded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert main(["apply", str(CAMERA), "-o", str(out), "gaussian:2", "sobel", "--scale", "0.5"]) == 0
    soft = ndi.gaussian_filter(pixels(CAMERA).astype(float), 2)
    close(pixels(out), rounded(np.hypot(ndi.sobel(soft, 0), ndi.sobel(soft, 1)) / 2))
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for word in (
        str(CAMERA),
        str(out),
        "gaussian:2 (separable)",
        "sobel (2 x separable)",
        "512 x 512",
        " ms",
        "times 0.5",
    ):
        assert word in said


def test_colours_are_not_blurred_into_each_other(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["apply", str(ASTRONAUT), "-o", str(out), "unsharp:radius=3,amount=0.8", "-q"]) == 0
    image = pixels(ASTRONAUT).astype(float)
    close(pixels(out), rounded(image + 0.8 * (image - ndi.gaussian_filter(image, (3, 3, 0)))))


def test_a_kernel_of_numbers(tmp_path: Path) -> None:
    image = small(tmp_path / "in.png").astype(float)
    kernel = np.array([[1, 2, 1], [0, 4, 7], [1, 2, 1]])
    text = "1 2 1; 0 4 7; 1 2 1"
    options = ["--mode", "nearest", "--dilation", "2x1", "--stride", "2"]
    out = str(tmp_path / "out.png")
    assert main(["apply", str(tmp_path / "in.png"), "-o", out, f"kernel:{text}", "--normalize", *options]) == 0
    spread = np.zeros((5, 3))
    spread[::2] = kernel / 19
    close(pixels(tmp_path / "out.png"), rounded(ndi.correlate(image, spread, mode="nearest")[::2, ::2]))
    assert main(["apply", str(tmp_path / "in.png"), "-o", out, f"convolve:{text}", "--normalize"]) == 0
    close(pixels(tmp_path / "out.png"), rounded(ndi.convolve(image, kernel / 19)))
    # a named kernel, as a filter of its own and behind the word kernel
    assert main(["apply", str(tmp_path / "in.png"), "-o", out, "motion:5,angle=30"]) == 0
    first = pixels(tmp_path / "out.png")
    assert main(["apply", str(tmp_path / "in.png"), "-o", out, "kernel:motion:5,angle=30"]) == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), first)


@pytest.mark.parametrize("word", [w for w in names.OPERATORS if w not in ("gabor",)])
def test_every_word_is_its_operator(tmp_path: Path, word: str) -> None:
    image = small(tmp_path / "in.png")
    first = {"gaussian": "1.5", "box": "3", "gradient": "1.2", "log": "1.2", "dog": "1"}
    target = names.OPERATORS[word]
    value = next((v for k, v in first.items() if names.OPERATORS[k] == target), "")
    source, out = str(tmp_path / "in.png"), tmp_path / "out.tif"
    assert main(["apply", source, "-o", str(out), word + (f":{value}" if value else ""), "--dtype", "float32"]) == 0
    expected = getattr(fc, target)(image, *([float(value) if "." in value else int(value)] if value else []))
    np.testing.assert_array_equal(pixels(out), expected)


def test_stride_is_the_last_filters(tmp_path: Path) -> None:
    image = small(tmp_path / "in.png", 20, 31)
    out = tmp_path / "out.tif"
    words = ["box:3", "gaussian:1", "--stride", "3", "--dtype", "float32"]
    assert main(["apply", str(tmp_path / "in.png"), "-o", str(out), *words]) == 0
    np.testing.assert_array_equal(pixels(out), fc.gaussian(fc.box(image, 3), 1.0, stride=3))


def test_a_filters_own_options_come_before_the_commands(tmp_path: Path) -> None:
    image = small(tmp_path / "in.png")
    out = tmp_path / "out.tif"
    words = ["gaussian:1x2,mode=wrap", "box:3x5", "--mode", "nearest", "--dtype", "float32"]
    assert main(["apply", str(tmp_path / "in.png"), "-o", str(out), *words]) == 0
    expected = fc.box(fc.gaussian(image, (1, 2), mode="wrap"), (3, 5), mode="nearest")
    np.testing.assert_array_equal(pixels(out), expected)


def test_every_page_of_a_stack(tmp_path: Path) -> None:
    stack = RNG.integers(0, 65536, (3, 12, 9), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="minisblack")
    assert main(["apply", str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "sobel:0", "--scale", "0.1"]) == 0
    expected = [rounded(np.abs(ndi.sobel(page.astype(float), 0)) * 0.1, "uint16") for page in stack]
    close(pixels(tmp_path / "out.tif"), np.array(expected))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(12, 9), (12, 9, 3)])
def test_16_bits_stay_16_bits(tmp_path: Path, ending: str, shape: tuple[int, ...]) -> None:
    image = small(tmp_path / f"in{ending}", *shape, dtype="uint16")
    assert main(["apply", str(tmp_path / f"in{ending}"), "-o", str(tmp_path / f"out{ending}"), "gaussian:1"]) == 0
    sigma = (1, 1, 0)[: image.ndim]
    close(pixels(tmp_path / f"out{ending}"), rounded(ndi.gaussian_filter(image.astype(float), sigma), "uint16"))


def test_floats_stay_floats(tmp_path: Path) -> None:
    image = RNG.normal(size=(12, 9)).astype(np.float32)
    tifffile.imwrite(tmp_path / "in.tif", image)
    assert main(["apply", str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "laplace"]) == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out.tif"), fc.laplace(image))


def test_signed_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = small(tmp_path / "in.png").astype(float) / 8
    files.write(tmp_path / "in.png", Picture(rounded(image)))
    gradient = ndi.sobel(rounded(image).astype(float), 1)
    assert gradient.min() < -20
    expected = {"abs": np.abs(gradient), "mid": gradient + 128, "clip": gradient}
    for way, values in expected.items():
        words = ["apply", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "sobel:1"]
        assert main([*words, "--signed", way]) == 0
        np.testing.assert_array_equal(pixels(tmp_path / "out.png"), rounded(values))
        assert f"({way})" in capsys.readouterr().out
        if way == "abs":
            assert main(words) == 0
            np.testing.assert_array_equal(pixels(tmp_path / "out.png"), rounded(values))
            assert "(abs)" in capsys.readouterr().out


def test_overshoot_is_not_a_signed_result(tmp_path: Path) -> None:
    image = small(tmp_path / "in.png").astype(float)
    for word, kernel in (("sharpen:2", kernels.sharpen(2.0)), ("kernel:0 -1 0; -1 5 -1; 0 -1 0", kernels.sharpen(1.0))):
        assert main(["apply", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), word, "-q"]) == 0
        close(pixels(tmp_path / "out.png"), rounded(ndi.correlate(image, kernel)))


def test_what_is_cut_off_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(tmp_path / "in.png", Picture(np.full((4, 5), 200, np.uint8)))
    assert main(["apply", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "kernel:2"]) == 0
    assert "100.0% of samples beyond the uint8 range, saturated" in capsys.readouterr().out
    assert np.all(pixels(tmp_path / "out.png") == 255)


# ---------------------------------------------------------------- transparency


def cut_out(path: Path) -> np.ndarray:
    """A white disc on transparent black."""
    y, x = np.mgrid[:40, :50]
    image = np.zeros((40, 50, 4), np.uint8)
    image[(y - 20) ** 2 + (x - 22) ** 2 < 150] = 255
    files.write(path, Picture(image, "YXS", alpha=True))
    return image


@pytest.mark.parametrize(
    "word", ["gaussian:3", "box:7", "unsharp:2", "kernel:1 2 1; 2 4 2; 1 2 3", "sharpen", "kernel:3 1 1"]
)
def test_no_dark_edges_beside_transparency(tmp_path: Path, word: str) -> None:
    image = cut_out(tmp_path / "in.png")
    assert main(["apply", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), word]) == 0
    done = pixels(tmp_path / "out.png")
    seen = done[..., 3] > 0
    assert seen.sum() >= (image[..., 3] > 0).sum()
    np.testing.assert_array_equal(done[seen][:, :3], 255)
    if word == "gaussian:3":
        assert len(np.unique(done[..., 3])) > 50
        close(done[..., 3], rounded(ndi.gaussian_filter(image[..., 3].astype(float), 3)))


def test_derivatives_leave_alpha(tmp_path: Path) -> None:
    image = cut_out(tmp_path / "in.png")
    words = ["apply", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "sobel", "--stride", "2"]
    assert main(words) == 0
    done = pixels(tmp_path / "out.png")
    np.testing.assert_array_equal(done[..., 3], image[::2, ::2, 3])
    assert done[..., 0].max() == 255
    assert done[10, 11, 0] == 0  # within the disc nothing changes


# ---------------------------------------------------------------- files and folders


def test_a_folder_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    small(source / "b.png")
    small(source / "a.tif", dtype="uint16")
    Image.fromarray(small(source / "c.png")).quantize(8).save(source / "c.gif")
    (source / "c.png").unlink()
    (source / "notes.txt").write_text("no picture")
    assert main(["apply", str(source), str(CAMERA), "-o", str(tmp_path / "deep" / "out") + "/", "box:3"]) == 0
    done = sorted(p.name for p in (tmp_path / "deep" / "out").iterdir())
    assert done == ["a.tif", "b.png", "c.png", "camera.png"]
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line.split(" -> ")[0]).name for line in lines] == ["a.tif", "b.png", "c.gif", "camera.png"]
    assert "palette converted" in lines[2]


def test_good_files_are_done_beside_bad_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    small(tmp_path / "c.png")
    inputs = [str(tmp_path / f"{name}.png") for name in "abxc"]
    assert main(["apply", *inputs, "-o", str(tmp_path / "out") + "/", "box:3"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert [line.split(": ")[2] for line in err.splitlines()] == [inputs[1], inputs[2]]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_nothing_is_left_when_all_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["apply", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path / "out") + "/", "box:3"])
        == 2
    )
    assert capsys.readouterr().err.count("No such file") == 2
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_overwritten_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    image = small(path)
    before = path.read_bytes()
    assert "is an input too; --overwrite" in errors(capsys, "apply", str(path), "-o", str(path), "box:3")
    assert path.read_bytes() == before
    assert main(["apply", str(path), "-o", str(path), "box:3", "-f"]) == 0
    close(pixels(path), rounded(ndi.uniform_filter(image.astype(float), 3)))
    # another file is replaced, as cp does
    other = tmp_path / "b.png"
    other.write_bytes(b"old")
    assert main(["apply", str(path), "-o", str(other), "box:3"]) == 0
    assert pixels(other).shape == image.shape


def test_metadata_goes_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    Image.fromarray(small(tmp_path / "x.png", 30, 44, 3)).save(
        tmp_path / "a.jpg", exif=exif, dpi=(300, 300), quality=95
    )
    assert main(["apply", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "b.jpg"), "box:3", "--stride", "2"]) == 0
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (15, 22)  # upright, every second pixel
        assert (image.getexif()[0x010F], image.getexif()[0x0112]) == ("Camera", 1)
        assert [round(float(d)) for d in image.info["dpi"]] == [150, 150]
