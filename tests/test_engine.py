"""What the engine makes of a call: problems, plans, outputs.  The backend here is the oracle (`recorder`)."""

from __future__ import annotations

import ast
import inspect
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest

import fastconv as fc
from fastconv.core.ir import METHODS, Problem
from fastconv.engine import dispatch
from fastconv.engine.words import OPTIONS

KERNEL = np.array([[1.0, 2.0, -3.0], [0.5, 4.0, 7.0]])
RAMP = np.arange(35, dtype=np.float32).reshape(5, 7) ** 2


def problem_of(recorder: Any) -> Problem:
    return recorder.calls[-1]["plans"][0].problem


# ---------------------------------------------------------------- what a Problem says


def test_origin_even_sizes_and_dilation_become_before(recorder: Any) -> None:
    fc.correlate(RAMP, KERNEL, origin=(-1, 1), dilation=(3, 2), stride=(1, 2), mode=("edge", "wrap"), cval=4)
    p = problem_of(recorder)
    assert p.size == (2, 3)
    assert p.before == ((2 // 2 - 1) * 3, (3 // 2 + 1) * 2)
    assert p.stride == (1, 2)
    assert p.mode == ("nearest", "wrap")
    assert p.cval == 4.0
    assert p.out_shape == (5, 4)


def test_axes_in_any_order_become_ascending_ones(recorder: Any) -> None:
    volume = np.arange(60, dtype=np.float64).reshape(3, 4, 5)
    got = fc.correlate(volume, KERNEL, axes=(-1, 0), origin=(0, 1), stride=(2, 1), mode=("wrap", "mirror"))
    p = problem_of(recorder)
    assert (p.axes, p.size, p.stride, p.mode) == ((0, 2), (3, 2), (1, 2), ("mirror", "wrap"))
    expected = oracle.correlate(volume, KERNEL.T, (0, 2), origin=(1, 0), stride=(1, 2), mode=("mirror", "wrap"))
    oracle.agree(got, expected, volume.dtype, 20)


def test_taps_follow_the_order_of_axes(recorder: Any) -> None:
    a, b = [1.0, 2.0, 5.0], [3.0, -1.0]
    got = fc.correlate_separable(RAMP, [a, b], axes=(1, 0), origin=(1, 0))
    expected = oracle.correlate(RAMP, np.outer(b, a), origin=(0, 1))
    oracle.agree(got, expected, RAMP.dtype, 20)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 2), (5, 4)])
def test_convolve_is_the_reversed_kernel(recorder: Any, shape: tuple[int, int]) -> None:
    kernel = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    for origin in (0, tuple(-(k // 2) for k in shape), tuple((k - 1) // 2 for k in shape)):
        got = fc.convolve(RAMP, kernel, origin=origin)
        oracle.agree(got, oracle.convolve(RAMP, kernel, origin=origin), RAMP.dtype, 40)


def test_channel_axis_is_every_other_axis(recorder: Any) -> None:
    colour = np.zeros((4, 5, 3))
    for channel_axis, axes in ((-1, (0, 1)), (2, (0, 1)), (0, (1, 2)), (-2, (0, 2))):
        fc.correlate(colour, KERNEL, channel_axis=channel_axis)
        assert problem_of(recorder).axes == axes


def test_a_stride_past_the_axis_keeps_the_first_sample(recorder: Any) -> None:
    got = fc.correlate(RAMP, KERNEL, stride=10**30)
    assert got.shape == (1, 1)
    assert got[0, 0] == fc.correlate(RAMP, KERNEL)[0, 0]


def test_components_of_different_sizes_share_the_origin(recorder: Any) -> None:
    plain = fc.unsharp_mask(RAMP, 0.5, 2.0, mode="wrap")
    moved = fc.unsharp_mask(RAMP, 0.5, 2.0, mode="wrap", origin=(1, -2))
    assert np.allclose(moved, np.roll(plain, (1, -2), axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e300])
def test_coefficients_outside_float32_sum_in_float64(recorder: Any, scale: float) -> None:
    with np.errstate(over="ignore"):
        fc.correlate(RAMP, KERNEL * scale)
    assert problem_of(recorder).accumulate == np.float64
    fc.correlate(RAMP, KERNEL)
    assert problem_of(recorder).accumulate == np.float32


# ---------------------------------------------------------------- what is remembered


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch, recorder: Any) -> list[Problem]:
    made: list[Problem] = []
    choose = dispatch.choose

    def counted(problem: Problem, *rest: Any) -> Any:
        made.append(problem)
        return choose(problem, *rest)

    monkeypatch.setattr(dispatch, "choose", counted)
    return made


def test_one_problem_is_planned_once(choices: list[Problem]) -> None:
    for _ in range(3):
        fc.correlate(RAMP, KERNEL, mode="nearest")
    fc.correlate(RAMP + 1, KERNEL.copy(), mode="edge", axes=(0, 1))
    fc.correlate(RAMP, KERNEL.tolist(), mode=["nearest", "edge"], stride=np.int64(1), origin=[0, 0])
    fc.explain(RAMP, KERNEL, mode="nearest")
    fc.correlate(RAMP.tolist(), KERNEL, mode="nearest", dtype=np.float32)  # a float64 image: another problem
    assert len(choices) == 2
    fc.correlate(RAMP, KERNEL, mode="nearest", method="direct")
    fc.correlate(RAMP, KERNEL, mode="nearest", cval=1)
    fc.correlate(RAMP, KERNEL + 1, mode="nearest")
    fc.correlate(RAMP[:4], KERNEL, mode="nearest")
    assert len(choices) == 6


def test_nan_as_cval_is_remembered_too(choices: list[Problem]) -> None:
    for _ in range(2):
        got = fc.correlate(RAMP, KERNEL, mode="constant", cval=float("nan"))
        assert np.isnan(got[0, 0])
        assert np.isfinite(got[2, 2])
    assert len(choices) == 1


def test_operators_remember_their_taps(choices: list[Problem]) -> None:
    for _ in range(3):
        fc.gaussian(RAMP, 2)
        fc.gaussian(RAMP, (1.0, 2.0))
        fc.sobel(RAMP, axis=0)
        fc.correlate1d(RAMP, [1, 2, 4])
    assert len(choices) == 4


def test_equal_but_wrong_values_are_not_taken_from_memory(recorder: Any) -> None:
    fc.gaussian(RAMP, 1, order=1, radius=2)
    fc.gaussian(RAMP, (1.0, 1.0), order=(1, 1))
    for wrong in (True, 1.0, (True, 1), (1, 1.0)):
        with pytest.raises(TypeError, match="order"):
            fc.gaussian(RAMP, 1, order=wrong, radius=2)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="stride"):
            fc.correlate(RAMP, KERNEL, stride=wrong)  # type: ignore[arg-type]


def test_a_kernel_changed_after_the_call_is_another_kernel(recorder: Any) -> None:
    kernel = KERNEL.copy()
    first = fc.correlate(RAMP, kernel)
    kernel[0, 0] = 100
    oracle.agree(fc.correlate(RAMP, kernel), oracle.correlate(RAMP, kernel), RAMP.dtype, 20)
    kernel[0, 0] = KERNEL[0, 0]
    assert np.array_equal(fc.correlate(RAMP, kernel), first)


def test_large_kernels_are_not_all_kept(recorder: Any) -> None:
    recorder.execute = lambda *_: None
    for i in range(12):
        fc.correlate(np.ones(3), np.full(5000, 1.0 + i))
    assert dispatch._prepared_large.cache_info().currsize == 8


def test_threads_may_call_at_once(recorder: Any) -> None:
    kernels = [KERNEL + i for i in range(8)]
    expected = [fc.correlate(RAMP, k) for k in kernels]
    fc.engine.clear_caches()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: fc.correlate(RAMP, kernels[i % 8]), range(64)))
    assert all(np.array_equal(g, expected[i % 8]) for i, g in enumerate(got))


# ---------------------------------------------------------------- images in


class Wrapped:
    """An object that is an array only through the protocol, as data frames are."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.data


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_everything_that_is_an_array_comes_in_as_a_plain_one(recorder: Any) -> None:
    expected = fc.correlate(RAMP, KERNEL)
    for image in (np.matrix(RAMP), Wrapped(RAMP), RAMP.astype(">f4"), np.asfortranarray(RAMP)):
        got = fc.correlate(image, KERNEL)
        assert type(recorder.calls[-1]["image"]) is np.ndarray
        assert type(got) is np.ndarray
        assert got.dtype == np.float32
        assert got.dtype.isnative
        assert np.array_equal(got, expected)
    assert np.array_equal(fc.correlate(RAMP.tolist(), KERNEL), fc.correlate(RAMP.astype(float), KERNEL))
    assert fc.correlate([[True, False]], [[1]]).dtype == np.float32


def test_masks_are_never_dropped(recorder: Any) -> None:
    masked = np.ma.masked_array(RAMP, RAMP > 5)
    for image in (masked, [masked, masked], [list(masked[0])], Wrapped(masked), np.ma.masked_array(RAMP)):
        with pytest.raises(TypeError, match=r"image.*(mask|filled)"):
            fc.correlate(image, KERNEL, axes=(0, 1))
    with pytest.raises(TypeError, match=r"kernel.*mask"):
        fc.correlate(RAMP, np.ma.masked_array(KERNEL))
    assert not recorder.calls


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize(
    ("dtype", "default"),
    [
        *((t, "float32") for t in ("bool", "int8", "uint8", "int16", "uint16", "float32", ">f4", ">u2")),
        *((t, "float64") for t in ("int32", "uint32", "int64", "uint64", "float64", ">i8")),
        ("float16", "float16"),
    ],
)
def test_result_dtypes(recorder: Any, dtype: str, default: str) -> None:
    image = RAMP.astype(dtype)
    assert fc.correlate(image, KERNEL).dtype == default
    assert fc.correlate(image, KERNEL, dtype="same").dtype == np.dtype(dtype).newbyteorder("=")
    assert fc.correlate(image, KERNEL, dtype="int16").dtype == np.int16
    assert problem_of(recorder).accumulate == oracle.accumulates(np.dtype(dtype).newbyteorder("="), "int16")


def outputs(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    odd = np.empty(4 * int(np.prod(shape)) + 1, np.uint8)[1:].view(np.float32).reshape(shape)
    return {
        "plain": np.empty(shape, np.float32),
        "float64": np.empty(shape),
        "fortran": np.empty(shape, np.float32, order="F"),
        "reversed": np.empty(shape, np.float32)[::-1, ::-1],
        "every second": np.empty((shape[0], 2 * shape[1]), np.float32)[:, ::2],
        "big-endian": np.empty(shape, ">f4"),
        "unaligned": odd,
    }


@pytest.mark.parametrize("name", outputs((1, 1)))
def test_out_takes_the_result(recorder: Any, name: str) -> None:
    out = outputs(RAMP.shape)[name]
    out[...] = -1
    assert fc.correlate(RAMP, KERNEL, out=out) is out
    oracle.agree(out.astype(out.dtype.newbyteorder("=")), oracle.correlate(RAMP, KERNEL), RAMP.dtype, 20)
    target = recorder.calls[-1]["out"]
    assert target.dtype.isnative
    assert target.flags.aligned
    assert target.flags.writeable


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_out_may_be_a_subclass(recorder: Any, tmp_path: Path) -> None:
    expected = fc.correlate(RAMP, KERNEL)
    mapped = np.memmap(tmp_path / "out", np.float32, "w+", shape=RAMP.shape)
    for out in (mapped, np.matrix(np.empty_like(RAMP))):
        assert fc.correlate(RAMP, KERNEL, out=out) is out
        assert type(recorder.calls[-1]["out"]) is np.ndarray
        assert np.array_equal(np.asarray(out), expected)


def test_out_may_overlap_the_image(recorder: Any) -> None:
    expected = fc.correlate(RAMP, KERNEL)
    image = RAMP.copy()
    assert np.array_equal(fc.correlate(image, KERNEL, out=image), expected)
    image = RAMP.copy()
    assert np.array_equal(fc.correlate(image, KERNEL, out=image[::-1]), expected)
    block = np.zeros((6, 7), np.float32)
    block[:5] = RAMP
    assert np.array_equal(fc.correlate(block[:5], KERNEL, out=block[1:]), expected)
    for call in recorder.calls:
        assert not np.may_share_memory(call["image"], call["out"])


def test_the_result_never_shares_memory(recorder: Any) -> None:
    assert not np.shares_memory(fc.correlate(RAMP, [[1.0]]), RAMP)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (4, 0), (0, 0)])
def test_empty_images_give_empty_results(recorder: Any, shape: tuple[int, ...]) -> None:
    image = np.empty(shape, np.uint8)
    assert fc.gaussian(image, 1).shape == shape
    got = fc.correlate(image, np.ones((2,) * len(shape)), stride=2)
    assert got.shape == tuple(-(-n // 2) for n in shape)
    assert got.dtype == np.float32
    out = np.empty(shape, np.int16)
    assert fc.gaussian(image, 1, out=out) is out
    assert not recorder.calls
    with pytest.raises(ValueError, match="mode"):
        fc.gaussian(image, 1, mode="nowhere")


def test_unfiltered_empty_axes_too(recorder: Any) -> None:
    assert fc.sobel(np.empty((4, 5, 0)), channel_axis=2).shape == (4, 5, 0)


# ---------------------------------------------------------------- explain, and the public names


def test_explain_takes_a_shape_or_an_image(recorder: Any) -> None:
    plan = fc.explain((64, 80), KERNEL, image_dtype="uint8")
    assert plan.problem.shape == (64, 80)
    assert plan.problem.image_dtype == np.uint8
    assert plan.method in METHODS
    assert plan is fc.explain(np.empty((64, 80), np.uint8), KERNEL)
    assert fc.explain([[1.0, 2.0]], KERNEL).problem.shape == (1, 2)
    assert fc.explain((64, 80, 3), KERNEL, channel_axis=-1).problem.axes == (0, 1)
    assert not recorder.calls


def test_explain_shows_the_forced_method(recorder: Any) -> None:
    sobel = fc.kernels.sobel()
    for method in ("direct", "separable", "fft"):
        assert fc.explain((64, 80), sobel, method=method).method == method
    with pytest.raises(ValueError, match="method"):
        fc.explain((64, 80), [[1, 2], [3, 4]], method="separable")


def test_explain_means_what_run_does(recorder: Any) -> None:
    plan = fc.explain(RAMP, KERNEL, stride=2, mode="wrap")
    fc.correlate(RAMP, KERNEL, stride=2, mode="wrap")
    assert recorder.calls[-1]["plans"] == (plan,)


def test_version_is_the_installed_one() -> None:
    assert fc.__version__ == metadata.version("fastconv")


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(fc.__file__).read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        seen.update({alias.asname: node.module or "" for alias in node.names})
    assert seen == fc._ROOMS


OPERATORS = [n for n, room in fc._ROOMS.items() if room == "filters"]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_and_explains_every_option(name: str) -> None:
    function = getattr(fc, name)
    parameters = inspect.signature(function).parameters
    missing = set(OPTIONS) - set(parameters)
    assert missing == {"correlate1d": {"axes", "channel_axis"}, "convolve1d": {"axes", "channel_axis"}}.get(
        name, {"out"} if name == "gabor" else set()
    )
    for option in set(OPTIONS) - missing:
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert OPTIONS[option] in function.__doc__
    assert "{" not in function.__doc__.replace("{image}", "")


def test_info_prints_what_it_holds() -> None:
    report = fc.info()
    text = str(report)
    for name in ("fastconv", "python", "numpy", "numba", "threads", "cache", "backends", "environment"):
        assert name in report
        assert f"{name} " in text
    assert len(text.splitlines()) == len(report)


def test_warmup_reports_each_filter(recorder: Any) -> None:
    report = fc.warmup(["uint8"], names=["laplace"])
    assert list(report) == ["laplace, uint8"]
    assert "laplace, uint8" in str(report)
    assert recorder.calls


def test_warmup_compiles_what_layers_need_and_new_weights_nothing() -> None:
    from fastconv import nn
    from fastconv.loops import jit

    names = ["conv2d 3x3", "conv2d 3x3 stride 2", "conv2d 1x1", "depthwise 3x3", "transposed 4x4 stride 2"]
    assert list(fc.warmup(["uint8", "float32"], names=[*names, "laplace"])) == [
        "laplace, uint8", *(f"{name}, float32" for name in names), "laplace, float32",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="dtypes must be"):
        fc.warmup("uint8", names=["conv2d 1x1"])
    rng = np.random.default_rng(0)
    before = jit.stats()["specialisations"]
    for _ in range(3):  # new weights of shapes that were warmed up
        nn.conv2d(rng.random((1, 32, 56, 56), np.float32), rng.random((64, 32, 3, 3), np.float32), padding=1)
        nn.conv2d(rng.random((1, 256, 14, 14), np.float32), rng.random((256, 256, 1, 1), np.float32))
        nn.depthwise_conv2d(rng.random((1, 32, 56, 56), np.float32), rng.random((32, 1, 3, 3), np.float32), padding=1)
    assert jit.stats()["specialisations"] == before
