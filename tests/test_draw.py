"""Pictures: what they say, that they are written whole, and what they refuse.

Drawing itself needs the plot extra; what is refused is refused without it.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import fastconv.draw as draw
from fastconv import kernels
from fastconv.core.ir import Offer, Pass, Plan, Problem, Term, Weights
from fastconv.draw import cells

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture(scope="module")
def _matplotlib():
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")


drawn = pytest.mark.usefixtures("_matplotlib")


def words(figure) -> str:
    """Everything that is written in a figure."""
    from matplotlib.text import Text

    return "\n".join(t.get_text() for t in figure.findobj(Text))


def numbers(axes) -> list[str]:
    return [t.get_text() for t in axes.texts]


def example_plan(kind: str = "line") -> Plan:
    taps = (kernels.smoothing_taps(), kernels.derivative_taps())
    passes = {
        "line": (Pass("line", (0, 1), taps),),
        "window": (Pass("window", (0, 1), kernel=kernels.emboss()),),
        "volume": (Pass("window", (0, 1, 2), kernel=kernels.gaussian(1.0, ndim=3)),),
        "sum": (Pass("sum", (0, 1), size=(5, 300), scale=1 / 1500),),
        "spectrum": (Pass("spectrum", (0, 1), kernel=kernels.disk(20)),),
        "many": tuple(Pass("line", (i % 2,), (taps[0] * i,)) for i in range(12)),
        "none": (),
    }[kind]
    problem = Problem(
        (2, 1080, 1920), (1, 2), (3, 3), (1, 1), (1, 1), (1, 1), ("reflect", "reflect"), 0.0,
        np.dtype("uint8"), np.dtype("float32"), np.dtype("float32"),
    )  # fmt: skip
    offers = (Offer("separable", 9e5, 6), Offer("direct", 1.4e6, 6), Offer("fft", 4.1e7, 60.5))
    return Plan(
        problem, Weights(taps=taps), "separable", tuple(Term((p,)) for p in passes), offers, 6, 1, 1, 3e-7,
        refused={"running_sum": "the taps are not all equal"},
    )  # fmt: skip


# kernels


@drawn
def test_a_kernel_of_rank_one_shows_its_factors():
    figure = draw.kernel(kernels.sobel())
    main, column, row = figure.axes
    assert numbers(main) == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]
    assert numbers(column) == ["1", "2", "1"]
    assert numbers(row) == ["-1", "0", "1"]
    assert "3 x 3 kernel, column x row, sum 0" in words(figure)


@drawn
def test_bars_stand_beside_the_cells_they_multiply():
    figure = draw.kernel(kernels.gaussian((1.0, 2.0)))
    main, column, row = figure.axes
    figure.draw_without_rendering()
    for i in (0, 4, 8):
        assert main.transData.transform((0, i))[1] == pytest.approx(column.transData.transform((0, i))[1])
    for j in (0, 9, 16):
        assert main.transData.transform((j, 0))[0] == pytest.approx(row.transData.transform((j, 0))[0])


@drawn
@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("laplace", "3 x 3 kernel, rank 2, sum 0"),
        ([1, 2, 1], "1 x 3 kernel, rank 1, sum 4"),
        ([[1, 2], [3, 4], [5, 6], [7, -8]], "4 x 2 kernel, rank 2, sum 20"),
        (np.zeros((3, 2)), "3 x 2 kernel, rank 0, sum 0"),
        (kernels.gaussian(6.0), "49 x 49 kernel, column x row, sum 1"),
        (np.ones((1, 300), bool), "1 x 300 kernel"),
        (kernels.box((2, 300)), "2 x 300 kernel, column x row, sum 1"),
    ],
)
def test_kernels_of_every_shape(kernel, said, tmp_path):
    figure = draw.kernel(kernel, tmp_path / "kernel.png")
    assert said in words(figure)
    assert (tmp_path / "kernel.png").stat().st_size > 1000


@drawn
def test_the_framed_cell_is_the_centre_of_an_even_kernel():
    from matplotlib.patches import Rectangle

    (frame,) = (p for p in draw.kernel(np.arange(8.0).reshape(4, 2)).axes[0].patches if isinstance(p, Rectangle))
    assert (frame.get_x() + 0.5, frame.get_y() + 0.5) == (1, 2)


# plans


@drawn
@pytest.mark.parametrize("kind", ["line", "window", "volume", "sum", "spectrum", "many", "none"])
def test_plans(kind, tmp_path):
    figure = draw.plan(example_plan(kind), tmp_path / "plan.png")
    text = words(figure)
    assert "separable: a 3 x 3 kernel over 2 x 1080 x 1920 uint8" in text
    assert "900 us, 6 multiplications a pixel, chosen" in text
    assert "41 ms, 60.5 multiplications a pixel\n" in text
    assert "running_sum: the taps are not all equal" in text
    assert ("passes, in order" in text) == (kind != "none")
    assert ("(the first 8 of 12)" in text) == (kind == "many")
    # passes number the filtered axes, pictures the array's
    assert ("term 1: 3 taps\nalong axis 2" in text) == (kind == "line")
    bars = figure.axes[0].patches
    assert [b.get_width() for b in bars] == [9e5, 1.4e6, 4.1e7]
    assert bars[0].get_facecolor() != bars[1].get_facecolor() == bars[2].get_facecolor()
    assert (tmp_path / "plan.png").read_bytes()[:4] == MAGIC[".png"]


# convolution arithmetic


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("size", "kernel"), [(5, 3), (8, 2), (7, 1), (9, 4)])
def test_an_axis_has_the_outputs_and_taps_of_the_formula(size, kernel, stride, padding, dilation, transposed):
    if transposed:
        expected = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
    else:
        expected = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    kinds, out, taps = cells._axis(size, kernel, stride, padding, dilation, transposed)
    assert out == max(expected, 0)
    if out < 1:
        return
    # scatter (transposed) and gather give the same answer for the output that is shown
    weights, image = np.arange(1.0, kernel + 1) ** 2, np.sqrt(np.arange(2.0, size + 2))
    shown = out // 2
    if transposed:
        full = np.zeros((size - 1) * stride + dilation * (kernel - 1) + 1)
        for i in range(size):
            full[i * stride : i * stride + dilation * (kernel - 1) + 1 : dilation] += image[i] * weights
        answer = full[padding + shown]
        weights = weights[::-1]
        cropped = max(0, padding - dilation * (kernel - 1))
        image = image[-(-cropped // stride) :]
    else:
        padded = np.pad(image, padding)
        answer = sum(w * padded[shown * stride + t * dilation] for t, w in enumerate(weights))
    samples = iter(image)
    line = [next(samples) if kind == "sample" else 0.0 for kind in kinds]
    assert sum(w * line[t] for w, t in zip(weights, taps, strict=True)) == pytest.approx(answer, rel=1e-14)


@drawn
def test_arithmetic_shows_the_taps_of_one_output():
    figure = draw.arithmetic((5, 9), (3, 2), stride=(1, 2), padding=(1, 0))
    image, output = (np.asarray(m.get_array()).reshape(s) for m, s in zip(
        figure.axes[0].collections, ((7, 9), (5, 4)), strict=True
    ))  # fmt: skip
    codes = list(cells._CELLS)
    assert [codes[c] for c in image[:, 0]] == ["padding", *["sample"] * 5, "padding"]
    assert np.argwhere(image == codes.index("tap")).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5], [4, 4], [4, 5]]
    assert np.argwhere(output == codes.index("shown")).tolist() == [[2, 2]]
    text = words(figure)
    assert "convolution: kernel 3 x 2, stride 1 x 2, padding 1 x 0, dilation 1" in text
    assert "image 5 x 9" in text
    assert "output 5 x 4" in text


@drawn
def test_arithmetic_of_a_transposed_convolution():
    text = words(draw.arithmetic(4, 3, stride=2, padding=1, transposed=True))
    assert "transposed convolution: kernel 3, stride 2, padding 1, dilation 1" in text
    assert "output 7 x 7" in text
    assert "zeros put between samples" in text
    assert "cropped by 1" in words(draw.arithmetic(6, 2, padding=2, transposed=True))


# files and errors


@drawn
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_files_are_written(suffix, tmp_path):
    for i, picture in enumerate(
        (
            lambda path: draw.kernel("gaussian:1", path),
            lambda path: draw.plan(example_plan(), str(path)),
            lambda path: draw.arithmetic(5, 3, path=path),
        )
    ):
        path = tmp_path / f"{i}{suffix}"
        path.write_bytes(b"old")
        figure = picture(path)
        assert path.read_bytes()[:5].startswith(MAGIC[suffix.lower()])
        assert type(figure).__name__ == "Figure"
    assert len(list(tmp_path.iterdir())) == 3


@drawn
def test_pictures_differ_when_their_subject_does(tmp_path):
    a, b, c = (tmp_path / f"{n}.png" for n in "abc")
    draw.kernel("sobel:0", a)
    draw.kernel("sobel:1", b)
    draw.kernel("sobel:1", c)
    assert a.read_bytes() != b.read_bytes() == c.read_bytes()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw.kernel("sobell"), ValueError, "kernel must be one of"),
        (lambda: draw.kernel(None), TypeError, "kernel must be an array of finite real numbers"),
        (lambda: draw.kernel([["a"]]), TypeError, "kernel must be an array"),
        (lambda: draw.kernel([[1j]]), TypeError, "kernel must be an array"),
        (lambda: draw.kernel(np.ma.ones((3, 3))), TypeError, "kernel must be an array"),
        (lambda: draw.kernel([[1, 2], [3]]), ValueError, "kernel must be an array"),
        (lambda: draw.kernel([[1, np.nan]]), ValueError, "holds nan or inf"),
        (lambda: draw.kernel([]), ValueError, "kernel must be 1-D or 2-D, not empty"),
        (lambda: draw.kernel(np.ones((3, 3, 3))), ValueError, r"shape \(3, 3, 3\)"),
        (lambda: draw.kernel(np.ones(5000)), ValueError, "at most 4096"),
        (lambda: draw.kernel("sobel", "sobel.gif"), ValueError, "path must be None or a path ending in .png"),
        (lambda: draw.kernel("sobel", 3), TypeError, "path must be"),
        (lambda: draw.plan("separable"), TypeError, "plan must be a Plan, as fastconv.explain returns it"),
        (lambda: draw.plan(example_plan(), "plan"), ValueError, "path must be"),
        (lambda: draw.arithmetic(0, 3), ValueError, "size must be an integer from 1 to 64; got 0"),
        (lambda: draw.arithmetic(5, 3.0), TypeError, "kernel must be an integer"),
        (lambda: draw.arithmetic((5, 5, 5), 3), ValueError, "size must be one number, or 2 of them"),
        (lambda: draw.arithmetic(5, (3, 0)), ValueError, r"kernel\[1\] must be an integer"),
        (lambda: draw.arithmetic(5, 3, stride=0), ValueError, "stride must be"),
        (lambda: draw.arithmetic(5, 3, padding=-1), ValueError, "padding must be"),
        (lambda: draw.arithmetic(5, 3, dilation=True), TypeError, "dilation must be"),
        (lambda: draw.arithmetic(5, 3, transposed=1), TypeError, "transposed must be True or False"),
        (lambda: draw.arithmetic(5, 3, path="a.bmp"), ValueError, "path must be"),
        (lambda: draw.arithmetic(5, 7), ValueError, "must leave an output"),
        (lambda: draw.arithmetic(2, 2, padding=9, transposed=True), ValueError, r"leave an output.*\(transposed\)"),
        (lambda: draw.arithmetic(60, 3, padding=5), ValueError, "at most 64 x 64 cells to be drawn; got 70"),
        (lambda: draw.arithmetic(40, 3, stride=64, transposed=True), ValueError, "at most 64 x 64 cells"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


@drawn
def test_pyplot_is_never_loaded(tmp_path):
    done = fresh(
        "import sys, fastconv.draw as draw\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"draw.kernel('sobel', {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    for name in [m for m in sys.modules if m.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (
        lambda: draw.kernel("sobel"),
        lambda: draw.plan(example_plan()),
        lambda: draw.arithmetic(5, 3),
    ):
        with pytest.raises(ImportError, match=r'drawing needs matplotlib: pip install "fastconv\[plot\]"'):
            call()
