"""`accelerate`: the same bits, everything put back, and the command that runs a program under it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage as scipy_ndimage

import fastconv as fc
from fastconv.acceleration import patch

IMAGE = np.random.default_rng(3).random((40, 33)).astype(np.float32)
PROGRAM = """
import sys
import numpy as np
import scipy.ndimage as ndi
from scipy.ndimage import median_filter
image = np.arange(30.0).reshape(5, 6)
print(sys.argv[1:], __name__, float(median_filter(image, 3).sum()))
if "fail" in sys.argv:
    raise ValueError("as asked")
sys.exit(len(sys.argv))
"""


def names() -> dict[str, object]:
    return {name: getattr(scipy_ndimage, name) for name in patch.NAMES}


def test_names_are_replaced_and_put_back() -> None:
    before = names()
    user = types.ModuleType("holds_a_name")
    user.median_filter = scipy_ndimage.median_filter  # type: ignore[attr-defined]
    sys.modules["holds_a_name"] = user
    try:
        with fc.accelerate() as on:
            assert scipy_ndimage.median_filter is not before["median_filter"]
            got = user.median_filter(IMAGE, 3)
        assert on.counts == {"median_filter": (1, 0)}
        assert names() == before
        assert user.median_filter is before["median_filter"]
        assert got.tobytes() == scipy_ndimage.median_filter(IMAGE, 3).tobytes()
    finally:
        del sys.modules["holds_a_name"]


def test_nesting_and_undo_in_any_order() -> None:
    before = names()
    outer = fc.accelerate()
    inner = fc.accelerate(exact=False)
    scipy_ndimage.maximum_filter(IMAGE, 3)
    outer.undo()
    scipy_ndimage.maximum_filter(IMAGE, 3)
    inner.undo()
    inner.undo()
    assert (outer.counts, inner.counts) == ({}, {"maximum_filter": (2, 0)})
    assert names() == before


def test_a_name_kept_beyond_the_end_is_scipys_again() -> None:
    with fc.accelerate():
        kept = scipy_ndimage.median_filter
    assert kept(IMAGE, 3).tobytes() == scipy_ndimage.median_filter(IMAGE, 3).tobytes()


def test_falls_through_with_a_reason() -> None:
    line = np.array([3.0, 1.0, np.nan, 2.0, 5.0])
    wanted = scipy_ndimage.median_filter(line, 3)
    with fc.accelerate() as on:
        got = scipy_ndimage.median_filter(line, 3)
        with pytest.raises(RuntimeError):
            scipy_ndimage.median_filter(IMAGE)
    assert np.array_equal(got, wanted, equal_nan=True)
    assert on.counts == {"median_filter": (0, 2)}
    assert "one dimension" in on.table()


def test_threads_share_it() -> None:
    wanted = scipy_ndimage.minimum_filter(IMAGE, 5).tobytes()
    found: list[bool] = []

    def work() -> None:
        for _ in range(20):
            found.append(scipy_ndimage.minimum_filter(IMAGE, 5).tobytes() == wanted)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with fc.accelerate() as on:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert all(found)
    assert on.counts == {"minimum_filter": (80, 0)}


def test_the_report_says_what_was_saved(capsys: pytest.CaptureFixture[str]) -> None:
    with fc.accelerate(report=True):
        scipy_ndimage.median_filter(IMAGE, 3)
    text = capsys.readouterr().out
    assert "median_filter" in text
    assert "saved: SciPy timed on the first call" in text


def test_quick_sums_stay_within_the_bound() -> None:
    kernel = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0])
    wanted = scipy_ndimage.convolve(IMAGE.astype(float), kernel)
    weight = scipy_ndimage.convolve(abs(IMAGE.astype(float)), abs(kernel))
    with fc.accelerate(exact=False) as on:
        got = scipy_ndimage.convolve(IMAGE, kernel)
        smooth = scipy_ndimage.gaussian_filter(IMAGE, 1.5, mode="nearest")
    n, u = 9 + 2, 6e-8
    assert got.dtype == np.float32
    assert (abs(got - wanted) <= n * u / (1 - n * u) * weight).all()
    assert np.allclose(smooth, scipy_ndimage.gaussian_filter(IMAGE, 1.5, mode="nearest"), atol=1e-6)
    assert on.counts == {"convolve": (1, 0), "gaussian_filter": (1, 0)}


def test_scikit_image_gives_the_same_bits() -> None:
    feature = pytest.importorskip("skimage.feature")
    filters = pytest.importorskip("skimage.filters")

    def everything() -> list[np.ndarray]:
        return [
            filters.gaussian(IMAGE, 2),
            filters.sobel(IMAGE),
            filters.scharr(IMAGE),
            filters.prewitt(IMAGE),
            filters.farid(IMAGE),
            filters.laplace(IMAGE),
            filters.unsharp_mask(IMAGE),
            filters.difference_of_gaussians(IMAGE, 1, 3),
            feature.canny(IMAGE),
            *feature.hessian_matrix(IMAGE, use_gaussian_derivatives=False),
            *feature.structure_tensor(IMAGE),
            feature.blob_dog(IMAGE, max_sigma=5),
            feature.blob_log(IMAGE, max_sigma=4, num_sigma=3),
            feature.blob_doh(IMAGE, max_sigma=4, num_sigma=3),
            *filters.gabor(IMAGE, 0.3),
            filters.median(IMAGE),
        ]

    wanted = everything()
    with fc.accelerate() as on:
        got = everything()
    left = {name: fell for name, (served, fell) in on.counts.items() if fell}
    assert not left, on.table()
    assert {"convolve", "gaussian_filter", "gaussian_laplace", "maximum_filter", "sobel"} <= set(on.counts)
    for a, b in zip(got, wanted, strict=True):
        assert a.tobytes() == b.tobytes()


def test_dask_blocks_give_the_same_bits() -> None:
    array = pytest.importorskip("dask.array")
    wanted = scipy_ndimage.median_filter(IMAGE, 3, mode="nearest")
    with fc.accelerate() as on:
        blocks = array.from_array(IMAGE, chunks=(16, 33))
        got = blocks.map_overlap(lambda b: scipy_ndimage.median_filter(b, 3, mode="nearest"), depth=(1, 0),
                                 boundary="nearest", meta=IMAGE[:0]).compute()  # fmt: skip
    assert got.tobytes() == wanted.tobytes()
    assert on.counts["median_filter"][0] >= 3


def test_dask_image_gives_the_same_bits() -> None:
    array, ndfilters = pytest.importorskip("dask.array"), pytest.importorskip("dask_image.ndfilters")
    blocks = array.from_array(IMAGE, chunks=(16, 33))
    kernel = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 1.0]])
    calls = {
        "gaussian_filter": lambda: ndfilters.gaussian_filter(blocks, 1.5),
        "convolve": lambda: ndfilters.convolve(blocks, kernel),
        "sobel": lambda: ndfilters.sobel(blocks, axis=0),
        "uniform_filter": lambda: ndfilters.uniform_filter(blocks, 3),
        "median_filter": lambda: ndfilters.median_filter(blocks, 3),
    }
    for name, call in calls.items():
        wanted = call().compute()
        with fc.accelerate() as on:
            got = call().compute()
        assert got.tobytes() == wanted.tobytes(), name
        assert on.counts[name][0] >= 3, on.table()


def test_what_scipy_answers_itself() -> None:
    over = np.arange(30.0).reshape(5, 6)
    with fc.accelerate() as on:
        scipy_ndimage.laplace(over, output=over)
        scipy_ndimage.correlate1d(IMAGE, [1e-17, 5e-17, 9e-17])
        dropped = scipy_ndimage.correlate(IMAGE, [[1.0, 1e-17, 1.0]])
    left = {name: fell for name, (_, fell) in on.counts.items() if fell}
    assert left == {"correlate1d": 1, "laplace": 1}
    assert dropped.tobytes() == scipy_ndimage.correlate(IMAGE, [[1.0, 1e-17, 1.0]]).tobytes()
    assert "reads again" in on.table()
    expected = np.arange(30.0).reshape(5, 6)
    scipy_ndimage.laplace(expected, output=expected)
    assert over.tobytes() == expected.tobytes()


def command(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "fastconv", "accelerate", *words]
    return subprocess.run(line, capture_output=True, text=True, cwd=at, timeout=120, env=with_path())


def with_path() -> dict[str, str]:
    root = str(Path(fc.__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def test_the_command_runs_programs_as_python_does(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = command("--report", "program.py", "--report", "x", at=tmp_path)
    assert done.stdout == "['--report', 'x'] __main__ 435.0\n"
    assert done.returncode == 3
    assert "median_filter" in done.stderr
    done = command("-m", "program", "y", at=tmp_path)
    assert (done.stdout, done.returncode) == ("['y'] __main__ 435.0\n", 2)
    done = command("program.py", "fail", at=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: as asked"
    assert "runpy" not in done.stderr
    assert command("no_such.py", at=tmp_path).returncode == 2
