"""The command line: what it writes, what it says, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage as ndi

import fastconv as fc
from fastconv import files, kernels
from fastconv.cli import COMMANDS, main, names
from fastconv.cli.apply import parsed
from fastconv.files import Picture

skimage = pytest.importorskip("skimage")
DATA = Path(skimage.__file__).parent / "data"
CAMERA, COINS, ASTRONAUT = (DATA / f"{name}.png" for name in ("camera", "coins", "astronaut"))
RNG = np.random.default_rng(5)


def pixels(path: Path) -> np.ndarray:
    return files.read(path).pixels


def rounded(values: np.ndarray, dtype: str = "uint8") -> np.ndarray:
    info = np.iinfo(dtype)
    return np.clip(np.rint(values), info.min, info.max).astype(dtype)


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal but for values that lie on the edge between two integers (for 16 bits, float32 sums are not far finer)."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    apart = np.abs(ours.astype(float) - theirs.astype(float))
    assert apart.max() <= 1
    assert np.mean(apart > 0) < (1e-3 if ours.dtype == np.uint8 else 0.05)


def errors(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail with status 2 and one line; returns the line."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastconv: error: ")
    assert err.count("\n") == 1
    return err


def small(path: Path, *shape: int, dtype: str = "uint8") -> np.ndarray:
    values = RNG.integers(0, np.iinfo(dtype).max, shape or (11, 14), dtype=dtype, endpoint=True)
    files.write(
        path, Picture(values, "YXS" if len(shape) == 3 else "YX", alpha=len(shape) == 3 and shape[-1] in (2, 4))
    )
    return values


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


# ---------------------------------------------------------------- the command line itself


@pytest.mark.parametrize(
    ("words", "inputs", "filters"),
    [
        (["a.png", "-o", "b.png", "box:3"], ["a.png"], ["box:3"]),
        (["a.png", "--output=b.png", "box:3", "sobel"], ["a.png"], ["box:3", "sobel"]),
        (["a.png", "-ob.png", "box:3"], ["a.png"], ["box:3"]),
        (
            ["-q", "a.png", "c.png", "--mode", "wrap", "-o", "b/", "--workers", "2", "box:3"],
            ["a.png", "c.png"],
            ["box:3"],
        ),
        (["a.png", "c.png", "box:3", "sobel", "-o", "b/"], ["a.png", "c.png"], ["box:3", "sobel"]),
        (["a.png", "kernel:-1 0 1", "-o", "b/"], ["a.png"], ["kernel:-1 0 1"]),
        (["-o", "b.png", "a.png", "box:3"], None, None),
    ],
)
def test_files_are_told_from_filters(words: list[str], inputs: list[str] | None, filters: list[str] | None) -> None:
    if inputs is None:
        with pytest.raises(Exception, match=r"there is no filter 'a\.png'"):
            parsed(words)
        return
    assert parsed(words)[1:] == (inputs, filters)


def test_a_file_that_is_called_like_a_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "box.png")
    (tmp_path / "box.png").rename(tmp_path / "box")
    assert parsed(["box", "sobel", "-o", "b.png"])[1:] == (["box"], ["sobel"])
    assert main(["apply", "box", "-o", "b.png", "box:3"]) == 0


BAD = {
    "no command": ([], "which command"),
    "a command's typo": (["aply"], "did you mean apply"),
    "no output": (["apply", "{in}", "box:3"], "give -o OUT"),
    "no filter": (["apply", "{in}", "-o", "{out}"], "which filter"),
    "no input": (["apply", "-o", "{out}", "box:3"], "which files"),
    "a filter's typo": (["apply", "{in}", "-o", "{out}", "gausian:2"], "did you mean gaussian"),
    "a typo before -o": (["apply", "{in}", "gausian:2", "-o", "{out}"], "did you mean gaussian"),
    "a parameter's typo": (["apply", "{in}", "-o", "{out}", "gaussian:sgima=2"], "did you mean sigma"),
    "a parameter missing": (["apply", "{in}", "-o", "{out}", "gaussian"], "gaussian needs sigma"),
    "a parameter twice": (["apply", "{in}", "-o", "{out}", "gaussian:2,sigma=3"], "one value"),
    "too many parameters": (["apply", "{in}", "-o", "{out}", "laplace:2"], "takes no parameters"),
    "a negative sigma": (["apply", "{in}", "-o", "{out}", "gaussian:-1"], "sigma must be"),
    "text for a number": (["apply", "{in}", "-o", "{out}", "gaussian:two"], "sigma must be"),
    "a wrong axis": (["apply", "{in}", "-o", "{out}", "sobel:2"], "axis must be"),
    "a ragged kernel": (["apply", "{in}", "-o", "{out}", "kernel:1 2; 3"], "same length"),
    "an empty kernel": (["apply", "{in}", "-o", "{out}", "kernel:"], "at least one number"),
    "--normalize of zero": (["apply", "{in}", "-o", "{out}", "kernel:1 -1", "--normalize"], "sum to 0"),
    "--normalize of none": (["apply", "{in}", "-o", "{out}", "box:3", "--normalize"], "there is none"),
    "a wrong mode": (["apply", "{in}", "-o", "{out}", "box:3", "--mode", "mirrored"], "mode must be one of"),
    "a wrong method": (["apply", "{in}", "-o", "{out}", "box:3", "--method", "fast"], "method must be"),
    "a method that cannot": (["apply", "{in}", "-o", "{out}", "disk:3", "--method", "separable"], "separable"),
    "stride 0": (["apply", "{in}", "-o", "{out}", "box:3", "--stride", "0"], "--stride: must be"),
    "workers 0": (["apply", "{in}", "-o", "{out}", "box:3", "--workers", "0"], "--workers: must be"),
    "quality 101": (["apply", "{in}", "-o", "{out}", "box:3", "--quality", "101"], "--quality: must be"),
    "an unknown option": (["apply", "{in}", "-o", "{out}", "box:3", "--sigma", "3"], "unrecognized arguments"),
    "a missing file": (["apply", "none.png", "-o", "{out}", "box:3"], "none.png: No such file"),
    "an ending": (["apply", "{in}", "-o", "{out}.xyz", "box:3"], "'.xyz' is not written"),
    "no folder": (["apply", "{in}", "-o", "none/out.png", "box:3"], "there is no folder"),
    "several into one": (["apply", "{in}", "{in}", "-o", "{out}", "box:3"], "need a folder"),
    "two of one name": (["apply", "{in}", "{in}", "-o", "{dir}/o/", "box:3"], "several inputs"),
    "an empty folder": (["apply", "{empty}", "-o", "{dir}/o/", "box:3"], "no image files"),
    "floats into PNG": (["apply", "{in}", "-o", "{out}", "box:3", "--dtype", "float32"], "cannot hold float32"),
    "too many pixels": (["apply", "{in}", "-o", "{out}", "box:3", "--max-pixels", "100"], "154 pixels, more than"),
    "a kernel's name": (["explain", "gausian:2"], "kernel must be one of"),
    "a size": (["explain", "sobel", "--size", "0x5"], "must be HEIGHTxWIDTH"),
    "a dtype": (["explain", "sobel", "--dtype", "float33"], "dtype must be"),
    "a row": (["bench", "--rows", "nothing-like-it"], "row"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "in.png")
    (tmp_path / "empty").mkdir()
    words, message = BAD[name]
    fill = {"in": tmp_path / "in.png", "out": tmp_path / "out.png", "dir": tmp_path, "empty": tmp_path / "empty"}
    assert message in errors(capsys, *(word.format(**fill) if "{" in word else word for word in words))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "in.png"]


def test_the_words_are_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    operators = {n for n in fc.__all__ if getattr(getattr(fc, n), "__module__", "").startswith("fastconv.filters")}
    assert set(names.OPERATORS.values()) == {n for n in operators if "correlate" not in n and "convolve" not in n}
    assert set(kernels.names()) <= {*names.OPERATORS, *names.KERNELS}
    listing = names.listing()
    for word in (*names.KERNELS, "gaussian", "unsharp", "farid", "gradient", "dog", "log", "gabor"):
        assert word in listing


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: fastconv {command}" in capsys.readouterr().out


HEAVY = ("numba", "scipy", "skimage", "PIL", "numpy", "tifffile", "dask", "matplotlib")
IMPORTS = """
import sys
from fastconv.cli import main
try:
    main({words!r})
except SystemExit:
    pass
print("loaded:", *(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["apply"]], ids=str
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = IMPORTS.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "1 2 1; 2 4 2; 1 2 1", "--size", "300x400", "--dtype", "uint8", "--normalize"]) == 0
    said = capsys.readouterr().out
    assert "separable" in said
    assert "300 x 400" in said
    assert "uint8" in said
    assert main(["explain", "disk:3", "--method", "direct", "--dilation", "2"]) == 0
    assert "direct" in capsys.readouterr().out
    assert main(["explain", "--", "-1 0 1"]) == 0


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", str(tmp_path / "out"), "--repeat", "1"]) == 0
    said = capsys.readouterr().out
    pictures = list((tmp_path / "out").iterdir())
    assert len(pictures) >= 7
    for picture in pictures:
        values = pixels(picture)
        assert values.std() > 3, picture  # something to look at
        assert str(picture) in said
    assert said.count("scipy.ndimage") == said.count("  plan  ") == len(pictures)
    for line in said.splitlines():
        if line.startswith("  agrees"):
            assert float(line.split()[2]) < 1e-2


def test_bench_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.json"
    words = ["bench", "--rows", "sobel", "--size", "40x60", "--repeat", "1", "--peers", "scipy", "--json", str(path)]
    assert main(words) == 0
    assert "scipy" in capsys.readouterr().out
    assert json.loads(path.read_text())


def test_machine_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "numba" in capsys.readouterr().out
    assert main(["cache"]) == 0
    assert "directory" in capsys.readouterr().out


# ---------------------------------------------------------------- the whole process


def command(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-W", "error", "-m", "fastconv", *words], capture_output=True, text=True, **options
    )


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = command("apply", str(COINS), "-o", str(tmp_path / "x.png"), "gaussian:1")
    assert (done.returncode, done.stderr) == (0, "")
    close(pixels(tmp_path / "x.png"), rounded(ndi.gaussian_filter(pixels(COINS).astype(float), 1)))
    done = command("apply", str(COINS), "-o", str(tmp_path / "y.png"), "gausian:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastconv: error: there is no filter 'gausian' (did you mean gaussian?)")


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_closed_pipe_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "fastconv", "explain", "gaussian:2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


STUCK = """
import sys, time
from fastconv.cli import apply, main
def stuck(*args):
    print("now", flush=True)
    time.sleep(60)
apply._one = stuck
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c(tmp_path: Path) -> None:
    words = ["apply", str(COINS), "-o", str(tmp_path / "out") + "/", "gaussian:1"]
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "now\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.stderr.read().strip() == ""
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    done = command("apply", str(COINS), str(CAMERA), "-o", str(tmp_path) + "/", "box:3")
    assert (done.returncode, done.stderr) == (0, "")
