"""Calls that were made before: the same answers and the same refusals as the first time, whatever else came between."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import fastconv as fc
from fastconv.backends import again, cpu, handoff
from fastconv.engine import asked, dispatch

KERNEL = np.array([[1.0, 2.0, -4.0], [0.0, 3.0, 5.0], [7.0, -1.0, 2.0]])
TIMES = 8


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(again, "_asked", again.FIRST)
    fc.engine.clear_caches()
    cpu._jobs.clear()
    yield
    fc.engine.clear_caches()


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Small whole numbers: sums of them are exact, whatever their order."""
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(np.float32)


def known_again(call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The call made often, and then once more with the way through `dispatch.run` closed."""
    for _ in range(TIMES):
        call()
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "run", None)
        return call()


DOORS: dict[str, Callable[..., np.ndarray]] = {
    "sobel": lambda image, **o: fc.sobel(image, axis=1, **o),
    "sobel magnitude": lambda image, **o: fc.sobel(image, **o),
    "scharr": lambda image, **o: fc.scharr(image, 0, **o),
    "prewitt": lambda image, **o: fc.prewitt(image, axis=-1, **o),
    "farid": lambda image, **o: fc.farid(image, axis=np.int64(1), **o),
    "roberts": lambda image, **o: fc.roberts(image, **o),
    "laplace": lambda image, **o: fc.laplace(image, mode="constant", cval=3.0, **o),
    "gaussian": lambda image, **o: fc.gaussian(image, 1.0, **o),
    "gaussian of two": lambda image, **o: fc.gaussian(image, (1.0, np.float32(0.5)), order=[0, 1], **o),
    "gaussian_laplace": lambda image, **o: fc.gaussian_laplace(image, 1, **o),
    "gradient_magnitude": lambda image, **o: fc.gradient_magnitude(image, 1.5, **o),
    "difference_of_gaussians": lambda image, **o: fc.difference_of_gaussians(image, 0.5, **o),
    "unsharp_mask": lambda image, **o: fc.unsharp_mask(image, 0.7, amount=2, **o),
    "box": lambda image, **o: fc.box(image, (2, 5), **o),
    "long box": lambda image, **o: fc.box(image, 19, **o),
    "correlate": lambda image, **o: fc.correlate(image, KERNEL, **o),
    "convolve": lambda image, **o: fc.convolve(image, KERNEL.tolist(), origin=(0, 1), **o),
    "correlate1d": lambda image, **o: fc.correlate1d(image, np.arange(4), **o),
    "convolve1d": lambda image, **o: fc.convolve1d(image, [1, 2, 5], axis=0, **o),
    "correlate_separable": lambda image, **o: fc.correlate_separable(image, [[1, 2], np.arange(3)], **o),
    "transform": lambda image, **o: fc.correlate(image, KERNEL, method="fft", **o),
}


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float16])
def test_every_operator_gives_the_same_again(name: str, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    door = DOORS[name]
    first, other = np.abs(picture(21, 30)).astype(dtype), np.abs(picture(21, 30, seed=1)).astype(dtype)
    wanted = door(other)
    fc.engine.clear_caches()
    known_again(lambda: door(first), monkeypatch)
    got = known_again(lambda: door(other), monkeypatch)
    assert got.dtype == wanted.dtype
    assert np.array_equal(got, wanted)
    out = np.full_like(wanted, 77)
    assert known_again(lambda: door(other, out=out), monkeypatch) is out
    assert np.array_equal(out, wanted)


def test_results_are_new_arrays_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [picture(9, 12, seed=s) for s in range(20)]
    results = [fc.correlate(image, KERNEL) for image in images]
    for image, result in zip(images, results, strict=True):
        assert np.array_equal(result, ndimage.correlate(image, KERNEL.astype(np.float32)))
    assert len({result.ctypes.data for result in results}) == len(results)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a[::2],
        lambda a: a[:, ::2],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: a.astype(">f4"),
        lambda a: a.astype(np.int16),
        lambda a: a.astype(np.float64),
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: a[:, :1],
        lambda a: a[:1],
    ],
)
def test_how_an_image_lies_is_part_of_the_question(
    view: Callable[[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = picture(14, 18)
    for _ in range(TIMES):
        fc.correlate(base, KERNEL)
    image = view(base)
    image.flags.writeable = False
    got = known_again(lambda: fc.correlate(image, KERNEL), monkeypatch)
    wanted = ndimage.correlate(np.ascontiguousarray(image).astype(np.float64), KERNEL)
    assert np.array_equal(got, wanted)


def refusals() -> dict[str, tuple[Callable[[np.ndarray, Any], Any], Any, Any]]:
    return {
        "stride": (lambda image, v: fc.correlate(image, KERNEL, stride=v), 1, True),
        "dilation": (lambda image, v: fc.correlate(image, KERNEL, dilation=v), 1, 1.0),
        "dilation, each": (lambda image, v: fc.correlate(image, KERNEL, dilation=(v, 1)), 1, 1.0),
        "axis": (lambda image, v: fc.sobel(image, v), 1, True),
        "axis of lines": (lambda image, v: fc.correlate1d(image, [1, 2], axis=v), 1, 1.0),
        "box size": (lambda image, v: fc.box(image, v), 1, True),
        "workers": (lambda image, v: fc.box(image, 3, workers=v), 1, True),
        "list of axes": (lambda image, v: fc.box(image, 3, axes=[0, v]), 1, 1.0),
    }


@pytest.mark.parametrize("name", refusals())
def test_equal_values_of_another_type_are_refused_as_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, right, wrong = refusals()[name]
    image = picture(8, 9)
    known_again(lambda: call(image, right), monkeypatch)
    with pytest.raises(TypeError):
        call(image, wrong)


def test_words_are_refused_by_the_operators_that_do_not_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(8, 9)
    known_again(lambda: fc.correlate1d(image, [1, 2], axis=0), monkeypatch)
    known_again(lambda: fc.gabor(image, 0.25), monkeypatch)
    for call in (
        lambda: fc.correlate1d(image, [1, 2], axis=0, axes=0),  # type: ignore[call-arg]
        lambda: fc.gabor(image, 0.25, out=None),  # type: ignore[call-arg]
        lambda: fc.gabor(image, 0.25, out=image.copy()),  # type: ignore[call-arg]
        lambda: fc.box(image, 3, sise=2),  # type: ignore[call-arg]
    ):
        for _ in range(2):
            with pytest.raises(TypeError, match="no option is called"):
                call()


def test_kernels_of_the_same_bytes_differ_by_shape_and_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(12, 13)
    kernel = np.arange(8.0).reshape(2, 4)
    for weights in (kernel, kernel.reshape(4, 2), kernel.view(np.int64) % 50, kernel[::-1], kernel.T):
        got = known_again(lambda w=weights: fc.correlate(image, w), monkeypatch)
        assert np.array_equal(got, ndimage.correlate(image.astype(np.float64), weights.astype(np.float64)))


def test_a_kernel_changed_between_calls_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(12, 13)
    array, nested = KERNEL.copy(), KERNEL.tolist()
    for kernel in (array, nested):
        known_again(lambda k=kernel: fc.correlate(image, k), monkeypatch)
        kernel[0][0] = 11.0
        assert np.array_equal(fc.correlate(image, kernel), ndimage.correlate(image, np.asarray(kernel, np.float32)))


def test_large_and_deep_parameters_are_not_kept() -> None:
    image = picture(80, 90)
    fc.correlate(image, np.ones((70, 70)))
    fc.correlate(image, np.ones((2, 17)).tolist())
    fc.correlate(picture(2, 3, 4, 5), np.ones((1, 2, 1, 2)).tolist(), axes=(0, 1, 2, 3))
    assert not asked._known


def test_few_calls_are_kept_and_all_forgotten() -> None:
    image = picture(5, 6)
    for i in range(asked._MOST + 20):
        fc.correlate(image, KERNEL + i)
    assert len(asked._known) == asked._MOST
    fc.engine.clear_caches()
    assert not asked._known


# ---------------------------------------------------------------- outputs


def base_and_views(height: int = 20, width: int = 24) -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    def at(make: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        return lambda: make(picture(2 * height, width))

    return {
        "in place": at(lambda a: (a[:height], a[:height])),
        "a row below": at(lambda a: (a[:height], a[1 : height + 1])),
        "a row above": at(lambda a: (a[1 : height + 1], a[:height])),
        "the last row": at(lambda a: (a[:height], a[height - 1 : -1])),
        "upside down": at(lambda a: (a[height - 1 :: -1], a[:height])),
        "upside down, the last row": at(lambda a: (a[height - 1 :: -1], a[height - 1 : -1])),
        "apart": at(lambda a: (a[:height], a[height:])),
        "apart, upside down": at(lambda a: (a[height - 1 :: -1], a[height:])),
        "output upside down": at(lambda a: (a[:height], a[height - 1 :: -1])),
    }


@pytest.mark.parametrize("name", base_and_views())
@pytest.mark.parametrize("workers", [None, 1])
def test_an_output_that_overlaps_is_noticed_again(name: str, workers: int | None) -> None:
    make = base_and_views()[name]
    for _ in range(TIMES):  # arrays that lie alike, far from each other: these are kept
        image, out = make()
        apart = np.copy(image) if image.flags.c_contiguous else np.copy(image[::-1])[::-1]
        assert apart.strides == image.strides
        fc.correlate(apart, KERNEL, out=out, workers=workers)
    for _ in range(TIMES):
        image, out = make()
        wanted = ndimage.correlate(image, KERNEL.astype(np.float32))
        fc.correlate(image, KERNEL, out=out, workers=workers)
        assert np.array_equal(out, wanted)


def test_outputs_that_may_not_be_written_are_refused_again(monkeypatch: pytest.MonkeyPatch) -> None:
    image, out = picture(8, 9), picture(8, 9)
    for workers in (None, 1):
        known_again(lambda w=workers: fc.sobel(image, 0, out=out, workers=w), monkeypatch)
    before = out.copy()
    out.flags.writeable = False
    for workers in (None, 1):
        with pytest.raises(ValueError, match="read-only"):
            fc.sobel(picture(8, 9, seed=3), 0, out=out, workers=workers)
    assert np.array_equal(out, before)
    for wrong in (np.zeros((9, 8), np.float32), np.zeros((8, 10), np.float32), np.broadcast_to(out[:1], (8, 9))):
        with pytest.raises(ValueError, match="out"):
            fc.sobel(image, 0, out=wrong)
    with pytest.raises(TypeError, match="out"):
        fc.sobel(image, 0, out=out.tolist())  # type: ignore[arg-type]


def test_an_output_that_lies_oddly_is_filled_again() -> None:
    image = picture(8, 9)
    wanted = ndimage.sobel(image, 0)
    raw = np.zeros(image.nbytes + 1, np.uint8)
    odd = raw[1:].view(np.float32).reshape(image.shape)
    for out in (np.zeros_like(image), odd, odd.astype(">f4"), np.asfortranarray(image), odd.astype(np.float64)):
        for _ in range(TIMES):
            out[...] = 5
            assert fc.sobel(image, 0, out=out) is out
            assert np.array_equal(out, wanted)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_subclasses_go_the_long_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(8, 9)
    wanted = known_again(lambda: fc.sobel(image, 0), monkeypatch)
    out = np.memmap(tmp_path / "out", np.float32, "w+", shape=image.shape)
    for _ in range(TIMES):
        out[...] = 0
        assert fc.sobel(image, 0, out=out) is out
        assert np.array_equal(out, wanted)
        assert type(fc.sobel(image.view(np.matrix), 0)) is np.ndarray
    with pytest.raises(ValueError, match="out"):
        fc.sobel(image, 0, out=np.memmap(tmp_path / "out", np.float32, "r+", shape=(9, 8)))
    with pytest.raises(TypeError, match="mask"):
        fc.sobel(np.ma.array(image), 0)
    with pytest.raises(TypeError, match="mask"):
        fc.sobel(image, 0, out=np.ma.array(image))  # type: ignore[arg-type]


# ---------------------------------------------------------------- what stays as it was


def test_who_watches_sees_known_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(8, 9)
    known_again(lambda: fc.sobel(image, 0), monkeypatch)
    with fc.engine.watch() as calls:
        fc.sobel(image, 0)
        fc.sobel(image)
    assert [len(plans) for plans in calls] == [1, 2]
    assert calls[0][0].method == "separable"


def test_threads_do_not_meet_in_one_kept_call() -> None:
    images = [picture(40, 50, seed=s) for s in range(8)]
    wanted = [ndimage.correlate(image, KERNEL.astype(np.float32)) for image in images]
    start = threading.Barrier(4)

    def work(first: int) -> bool:
        start.wait()
        out = np.empty_like(images[0])
        right = True
        for i in range(first, first + 400):
            fc.correlate(images[i % 8], KERNEL, out=out)
            right = right and np.array_equal(out, wanted[i % 8])
            right = right and np.array_equal(fc.correlate(images[i % 8], KERNEL), wanted[i % 8])
        return right

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_a_small_image_is_one_short_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few calls nothing of the backend's own is asked but the kept call; and it is really made."""
    image, out = picture(8, 9), picture(8, 9)
    for _ in range(TIMES):
        fc.sobel(image, 0, out=out)
    monkeypatch.setattr(cpu._Job, "execute", None)
    out[...] = 9
    fc.sobel(image, 0, out=out)
    assert np.array_equal(out, ndimage.sobel(image, 0))
    with pytest.raises(TypeError):  # not so where it overlaps
        fc.sobel(out, 0, out=out)


def test_larger_images_are_short_calls_for_one_worker_only() -> None:
    image = picture(300, 400)
    out = np.empty_like(image)
    for _ in range(TIMES):
        fc.correlate(image, KERNEL, out=out, workers=1)
    (job,) = cpu._jobs.values()
    assert isinstance(job, cpu._Job)
    assert handoff.LEAST_NS < job.cost < 150_000
    assert not job.again(image, out, 2)
    assert not job.again(image, out, None)
    out[...] = 0
    assert job.again(image, out, 1)
    assert np.array_equal(out, ndimage.correlate(image, KERNEL.astype(np.float32)))


def test_few_calls_are_not_worth_loading_anything_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "_asked", again.FIRST - 10)
    image, out = picture(8, 9), picture(8, 9)
    made = []
    for _ in range(20):
        fc.sobel(image, 0, out=out)
        (job,) = cpu._jobs.values()
        made.append(job.again(image, out, None))
    assert made == [False] * 11 + [True] * 9  # the first makes the job ready, ten are not worth it


@pytest.mark.parametrize("name", ["sobel magnitude", "difference_of_gaussians", "unsharp_mask", "roberts"])
def test_terms_are_added_strip_by_strip_in_one_short_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    door = DOORS[name]
    images = [picture(211, 150, seed=s) for s in range(3)]
    wanted = [door(image) for image in images]
    fc.engine.clear_caches()
    cpu._jobs.clear()
    for _ in range(TIMES):
        door(images[0])
    (job,) = cpu._jobs.values()
    assert isinstance(job, cpu._Job)
    assert job.strip_rows < 211  # several strips, the last of them shorter
    assert 211 % job.strip_rows
    monkeypatch.setattr(cpu._Job, "execute", None)
    for image, result in zip(images, wanted, strict=True):
        for _ in range(3):  # what a call moves on it moves back
            assert np.array_equal(door(image), result)


def test_where_arrays_lie_otherwise_calls_are_made_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    again._readable.cache_clear()
    monkeypatch.setattr(again, "_HEAD", again._HEAD + 8)  # as in an interpreter whose objects have longer heads
    image, out = picture(8, 9), picture(8, 9)
    try:
        for _ in range(TIMES):
            fc.sobel(image, 0, out=out)
            assert np.array_equal(out, ndimage.sobel(image, 0))
        (job,) = cpu._jobs.values()
        assert not job.again(image, out, 1)
    finally:
        again._readable.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_makes_kept_calls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(8, 9)
    wanted = known_again(lambda: fc.sobel(image, 0), monkeypatch)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(fc.sobel(image, 0), wanted) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
