"""Decisions: which method is taken, why the others are not, and what a forced one says.  No compiler, no image."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fastconv.core.dtypes import accumulate_dtype, resolve_output
from fastconv.core.ir import METHODS, Caps, Plan, Problem, Weights
from fastconv.plan import choose
from fastconv.plan.algorithms import ALGORITHMS
from fastconv.plan.cost import TABLE

CPU = Caps("cpu", frozenset({"line", "window", "sum", "spectrum"}))
SOBEL_X = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
HD = (1080, 1920)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape)


def log_matrix(radius: int, sigma: float) -> np.ndarray:
    x = np.arange(-radius, radius + 1)
    r = x[:, None] ** 2 + x**2
    return (r - 2 * sigma**2) * np.exp(-r / (2 * sigma**2))


def weigh(kernel: Any) -> Weights:
    if isinstance(kernel, Weights):
        return kernel
    if isinstance(kernel, tuple):
        return Weights(taps=tuple(np.asarray(t, np.float64) for t in kernel))
    return Weights(kernel=np.asarray(kernel, np.float64))


def plan(
    kernel: Any,
    shape: tuple[int, ...] = HD,
    dtype: str = "float32",
    *,
    out: str | None = None,
    axes: tuple[int, ...] | None = None,
    stride: int = 1,
    dilation: int = 1,
    method: str = "auto",
    caps: Caps = CPU,
) -> Plan:
    weights = weigh(kernel)
    size = weights.dense.shape
    n = len(size)
    image = np.dtype(dtype)
    result = resolve_output(out, image)
    problem = Problem(
        shape=shape,
        axes=axes or tuple(range(n)),
        size=size,
        before=tuple(k // 2 * dilation for k in size),
        stride=(stride,) * n,
        dilation=(dilation,) * n,
        mode=("reflect",) * n,
        cval=0.0,
        image_dtype=image,
        accumulate=accumulate_dtype(image, result),
        out_dtype=result,
        method=method,
    )
    return choose(problem, weights, caps)


def outer(taps: tuple[np.ndarray, ...]) -> np.ndarray:
    full = np.ones(())
    for t in taps:
        full = full[..., None] * t
    return full


def kernel_of(p: Plan) -> np.ndarray:
    """The kernel that a plan's passes amount to."""
    full = np.zeros(p.problem.size)
    for term in p.terms:
        (only,) = term.passes
        assert only.axes == tuple(range(len(p.problem.size)))
        if only.kind == "line":
            full = full + outer(only.taps)
        elif only.kind == "sum":
            full = full + np.full(only.size, only.scale)
        else:
            assert only.kernel is not None
            full = full + only.kernel
    return full


@pytest.mark.parametrize(
    ("name", "kernel", "options", "method"),
    [
        ("sobel", SOBEL_X, {}, "separable"),
        ("sobel of bytes", SOBEL_X, {"dtype": "uint8"}, "separable"),
        ("gaussian", np.outer([1.0, 4, 6, 4, 1], [1.0, 4, 6, 4, 1]) / 256, {}, "separable"),
        ("tall and flat", np.outer(noise(31), noise(17)), {"dtype": "float64"}, "separable"),
        ("log 25x25", log_matrix(12, 3.0), {}, "low_rank"),
        ("log 25x25 float64", log_matrix(12, 3.0), {"dtype": "float64"}, "low_rank"),
        ("rank 3", noise(21, 3) @ noise(3, 21), {"dtype": "uint16"}, "low_rank"),
        ("box 15 of bytes", np.full((15, 15), 1 / 225), {"dtype": "uint8"}, "running_sum"),
        ("box 41", np.ones((41, 41)), {}, "running_sum"),
        ("box 41 by taps", (np.full(41, 0.5), np.full(41, 2.0)), {}, "running_sum"),
        ("random 3x3", noise(3, 3), {}, "direct"),
        ("random 3x3 of bytes", noise(3, 3), {"dtype": "uint8"}, "direct"),
        ("random 7x7, small", noise(7, 7), {"shape": (60, 80)}, "direct"),
        ("random 63x63", noise(63, 63), {}, "fft"),
        ("random 63x63 float64", noise(63, 63), {"dtype": "float64"}, "fft"),
        ("random 63x63, a few pixels", noise(63, 63), {"shape": (8, 9)}, "direct"),
        ("dilated", noise(3, 3), {"dilation": 16}, "direct"),
        ("dilated box", np.ones((9, 9)), {"dilation": 2}, "separable"),
        ("strided random", noise(5, 5), {"stride": 2}, "direct"),
        ("four taps of 961", np.where(np.arange(961).reshape(31, 31) % 251 == 3, 2.5, 0.0), {}, "direct"),
        ("volume", noise(3, 3, 3), {"shape": (40, 50, 60)}, "direct"),
        ("separable volume", np.einsum("i,j,k", noise(7), noise(5), noise(9)), {"shape": (40, 50, 60)}, "separable"),
        ("colour", np.outer(noise(9), noise(9)), {"shape": (300, 400, 3), "axes": (0, 1)}, "separable"),
        ("three rows, one column", noise(3, 1), {"shape": (1080, 1920)}, "separable"),
        ("nothing", np.zeros((5, 5)), {}, "direct"),
    ],
)  # fmt: skip
def test_clear_cut_choices(name: str, kernel: Any, options: dict[str, Any], method: str) -> None:
    p = plan(kernel, **options)
    assert p.method == method, f"{name}\n{p}"
    dense = weigh(kernel).dense
    np.testing.assert_allclose(kernel_of(p), dense, rtol=1e-6, atol=1e-6 * np.abs(dense).max())


def test_sobel_runs_on_integers() -> None:
    p = plan(SOBEL_X)
    (only,) = p.passes
    assert only.kind == "line"
    assert [t.tolist() for t in only.taps] == [[1, 2, 1], [-1, 0, 1]]
    assert (p.multiplications, p.rank) == (5, 1)


def test_a_laplacian_of_gaussian_is_two_terms() -> None:
    p = plan(log_matrix(12, 3.0))
    assert (p.rank, len(p.terms), len(p.passes)) == (2, 2, 2)
    assert p.multiplications <= 100


@pytest.mark.parametrize("kernel", [SOBEL_X, np.ones((4, 7)), log_matrix(6, 1.5), noise(9, 8), np.array([[2.0]])])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64", "int32"])
def test_every_offer_can_be_forced_and_amounts_to_the_kernel(kernel: np.ndarray, dtype: str) -> None:
    auto = plan(kernel, dtype=dtype)
    assert auto.method in [o.method for o in auto.offers]
    assert {o.method for o in auto.offers} | set(auto.refused) == set(METHODS)
    assert not {o.method for o in auto.offers} & set(auto.refused)
    assert [o.cost_ns for o in auto.offers] == sorted(o.cost_ns for o in auto.offers)
    for offer in auto.offers:
        forced = plan(kernel, dtype=dtype, method=offer.method)
        assert forced.method == offer.method
        assert forced.cost_ns == offer.cost_ns > 0
        assert forced.multiplications == offer.multiplications
        np.testing.assert_allclose(kernel_of(forced), kernel, rtol=0, atol=3e-7 * np.abs(kernel).sum())
        assert 0 < forced.error_bound < 0.01
        for other in forced.offers:
            assert math.isfinite(other.cost_ns)


@pytest.mark.parametrize(
    ("method", "kernel", "options", "why"),
    [
        ("separable", log_matrix(6, 1.5), {}, "its rank is 2, not 1"),
        ("separable", noise(3, 4), {}, "its rank is 3"),
        ("low_rank", noise(15, 15), {}, "more than 7 terms"),
        ("low_rank", np.array([[1.0, 2], [3, 4]]), {}, "too small"),
        ("low_rank", noise(3, 3, 3), {"shape": (9, 8, 7)}, "two filtered axes"),
        ("low_rank", noise(5), {"axes": (1,)}, "two filtered axes"),
        ("running_sum", SOBEL_X, {}, "same number"),
        ("running_sum", np.zeros((3, 3)), {}, "same number"),
        ("running_sum", np.ones((3, 3)), {"dilation": 2}, "dilation"),
        ("running_sum", (np.ones(3), np.array([1.0, 2, 1])), {}, "same number"),
    ],
)
def test_a_forced_method_that_cannot_serve(method: str, kernel: Any, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r"^method must be 'auto', .*'direct'.*or 'fft'.*") as error:
        plan(kernel, method=method, **options)
    assert why in str(error.value)
    assert f"got '{method}'" in str(error.value)
    assert f"'{method}'" not in str(error.value).split(" for this kernel")[0]


@pytest.mark.parametrize("method", ["", "Direct", "winograd"])
def test_an_unknown_method(method: str) -> None:
    with pytest.raises(ValueError, match=r"method must be 'auto', 'direct', .* or 'fft'; got"):
        plan(SOBEL_X, method=method)


def test_a_method_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="method must be"):
        plan(SOBEL_X, method=3)  # type: ignore[arg-type]


def test_low_rank_of_one_term_is_left_to_separable_unless_asked_for() -> None:
    gaussian = np.outer([1.0, 4, 6, 4, 1], [1.0, 4, 6, 4, 1])
    for kernel in (gaussian, (gaussian[2], gaussian[2])):
        assert "separable" in plan(kernel).refused["low_rank"]
        asked = plan(kernel, method="low_rank")
        assert (asked.method, len(asked.terms)) == ("low_rank", 1)


def test_a_backend_says_which_passes_it_has() -> None:
    windows = Caps("cpu", frozenset({"window"}))
    p = plan(np.ones((31, 31)), caps=windows)
    assert p.method == "direct"
    assert p.refused["separable"] == "the cpu backend has no line pass"
    assert p.refused["running_sum"] == "the cpu backend has no sum pass"
    assert p.refused["fft"] == "the cpu backend has no spectrum pass"
    with pytest.raises(ValueError, match="no line pass"):
        plan(SOBEL_X, caps=windows, method="separable")
    with pytest.raises(ValueError, match="backend must be"):
        plan(SOBEL_X, caps=Caps("cpu", frozenset()))


def test_algorithms_that_a_backend_has_by_name_only() -> None:
    caps = replace(CPU, by_name={"fft": "only by name"}, tile_edges=(64, 2048))
    p = plan(noise(63, 63), (6000, 9000), caps=caps)
    assert p.method != "fft"
    assert p.refused["fft"] == "only by name"
    assert "fft" not in {offer.method for offer in p.offers}
    asked = plan(noise(63, 63), (6000, 9000), caps=caps, method="fft")
    assert asked.method == "fft"
    assert asked.passes[0].size != plan(noise(63, 63), (6000, 9000), method="fft").passes[0].size


def test_constants_of_the_backend_override_the_table() -> None:
    cheap = replace(
        CPU,
        constants={
            "fft.float32.sample": 0.0,
            "fft.float32.tile": 0.0,
            "fft.float32.call": 0.0,
            "fft.float32.pixel": 0.0,
        },
    )
    assert plan(noise(9, 9)).method == "direct"
    assert plan(noise(9, 9), caps=cheap).method == "fft"
    assert plan(noise(9, 9), caps=replace(CPU, backend="abacus")).cost_ns == plan(noise(9, 9)).cost_ns


def test_the_table_has_a_row_for_every_algorithm_and_dtype() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    assert set(table["cpu"]) == set(ALGORITHMS) == set(METHODS)
    assert set(table["cuda"]) == set(METHODS)
    for method, by_dtype in [*table["cpu"].items(), *table["cuda"].items()]:
        assert set(by_dtype) == {"float32", "float64"}
        for pieces in by_dtype.values():
            assert all(isinstance(v, int | float) and v >= 0 for v in pieces.values()), method


@pytest.mark.parametrize(
    ("kernel", "method"),
    [
        (SOBEL_X, "separable"),
        (noise(3, 3), "direct"),
        (np.ones((7, 4)), "separable"),
        (np.ones((31, 90)), "separable"),
        (np.ones((301, 301)), "running_sum"),
    ],
)
def test_cuda_has_constants_of_its_own(kernel: np.ndarray, method: str) -> None:
    """Running sums there read far apart: long boxes are worth them, short ones are not."""
    assert plan(kernel, caps=Caps("cuda", frozenset({"line", "window", "sum"}))).method == method


@pytest.mark.parametrize("method", METHODS)
def test_costs_grow_with_the_image(method: str) -> None:
    kernel = np.ones((7, 9))
    costs = [
        plan(kernel, shape, method=method).cost_ns for shape in ((20, 30), (90, 100), (400, 500), HD, (4000, 5000))
    ]
    assert costs == sorted(costs)
    assert costs[-1] > 20 * costs[1]


@pytest.mark.parametrize("method", ["direct", "separable", "low_rank"])
def test_costs_and_work_grow_with_the_kernel(method: str) -> None:
    plans = [plan(np.outer(noise(n), noise(n)), method=method) for n in (3, 5, 9, 15, 31)]
    assert [p.cost_ns for p in plans] == sorted(p.cost_ns for p in plans)
    assert [p.multiplications for p in plans] == [n * n if method == "direct" else 2 * n for n in (3, 5, 9, 15, 31)]
    bounds = [p.error_bound for p in plans]
    assert bounds == sorted(bounds)


def test_zero_taps_cost_nothing() -> None:
    sparse = np.zeros((9, 9))
    sparse[0, 0], sparse[3, 7] = 1.5, -2
    p = plan(sparse, method="direct")
    assert p.multiplications == 2
    assert p.cost_ns == plan(np.array([[1.5, -2]]), method="direct").cost_ns
    assert "79 zeros" in p.note


def test_the_scale_costs_one_multiplication_of_a_running_sum() -> None:
    ones, mean = np.ones((9, 5)), np.full((9, 5), 1 / 45)
    assert plan(ones, method="running_sum").multiplications == 0
    p = plan(mean, method="running_sum")
    assert p.multiplications == 1
    (only,) = p.passes
    assert (only.kind, only.size, only.scale) == ("sum", (9, 5), 1 / 45)
    by_taps = plan((np.full(3, 0.5), np.array([1.0]), np.full(2, 3.0)), (9, 8, 7), method="running_sum")
    assert (by_taps.passes[0].size, by_taps.passes[0].scale) == ((3, 1, 2), 1.5)


def test_a_stride_saves_work_and_output() -> None:
    whole, half = plan(noise(9, 9), method="direct"), plan(noise(9, 9), stride=2, method="direct")
    assert half.cost_ns < whole.cost_ns
    assert half.bytes_written * 4 == whole.bytes_written == 1080 * 1920 * 4
    assert half.bytes_read == whole.bytes_read == 1080 * 1920 * 4


def test_error_bounds_count_roundings() -> None:
    u32, u64 = 2.0**-24, 2.0**-53
    assert plan(noise(3, 3), method="direct").error_bound == pytest.approx(10 * u32, rel=1e-5)
    assert plan(noise(3, 3), dtype="float64", method="direct").error_bound == pytest.approx(10 * u64, rel=1e-9)
    assert plan(SOBEL_X, method="separable").error_bound == pytest.approx(7 * u32, rel=1e-5)
    half = plan(noise(3, 3), dtype="float16", method="direct").error_bound
    assert half == pytest.approx(10 * u32 + 2.0**-11, rel=1e-5)
    assert plan(noise(3, 3), dtype="int64", method="direct").error_bound == pytest.approx(11 * u64, rel=1e-9)


def test_the_bound_of_a_forced_separable_holds_what_its_factors_miss() -> None:
    x = np.arange(-12, 13)
    kernel = np.exp(-(x[:, None] ** 2 + x**2) / 18.0)  # sampled, not an outer product to the last bit
    p = plan(kernel, dtype="float64", method="separable")
    missed = np.abs(kernel_of(p) - kernel).sum() / np.abs(kernel).sum()
    exact = plan((x * 0.5, x * 0.5), dtype="float64", method="separable")
    assert missed > 0
    assert p.error_bound >= exact.error_bound + missed / 2


def test_the_truncation_of_a_low_rank_plan_is_in_its_bound() -> None:
    x = np.arange(-15, 16)
    tilted = np.exp(-(x[:, None] ** 2 + x**2 + 0.5 * x[:, None] * x) / 60.0)
    p = plan(tilted, method="low_rank")
    missed = np.abs(kernel_of(p) - tilted).sum() / np.abs(tilted).sum()
    assert missed > 1e-9
    assert p.error_bound > missed


def test_fft_serves_dilated_strided_and_one_dimensional_kernels() -> None:
    for kernel, options in (
        (noise(5, 4), {"dilation": 3, "stride": 2}),
        (noise(31), {"axes": (1,)}),
        (noise(3, 3, 3), {"shape": (20, 21, 22)}),
    ):
        p = plan(kernel, method="fft", **options)
        (only,) = p.passes
        assert only.kind == "spectrum"
        assert only.kernel is not None
        np.testing.assert_array_equal(only.kernel, kernel)  # not dilated: the problem says how far apart taps are
        assert all(t > r for t, r in zip(only.size, p.problem.reach, strict=True))
        assert 1e-7 < p.error_bound < 1e-4


def test_tiles_grow_with_the_kernel_and_never_past_the_image() -> None:
    sizes = [plan(noise(n, n), (6000, 9000), method="fft").passes[0].size for n in (3, 31, 63, 255)]
    assert sizes == [(256, 256), (256, 256), (512, 512), (2048, 2048)]
    assert plan(noise(31, 5), (40, 50), method="fft").passes[0].size == (70, 54)


def test_empty_outputs_have_plans() -> None:
    p = plan(SOBEL_X, (0, 7))
    assert p.bytes_written == 0
    assert math.isfinite(p.cost_ns)


def test_an_image_smaller_than_the_kernel_has_a_plan() -> None:
    for shape in ((1, 1), (2, 50), (50, 1)):
        p = plan(noise(31, 33), shape)
        assert p.method in METHODS
        assert all(math.isfinite(o.cost_ns) and o.cost_ns > 0 for o in p.offers)


def test_products_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's other shapes find what it is made of; sums of another precision look for themselves."""
    kernel = log_matrix(4, 1.5)
    fresh = [plan(kernel, shape, dtype) for shape in ((60, 70), HD) for dtype in ("float32", "float64")]
    weights = weigh(kernel)
    kept = [plan(weights, (60, 70), dtype) for dtype in ("float32", "float64")]
    for name in ("separable.rank_one_factors", "low_rank.low_rank_factors"):
        monkeypatch.setattr(f"fastconv.plan.algorithms.{name}", None)
    kept += [plan(weights, HD, dtype) for dtype in ("float32", "float64")]
    for one, other in zip(fresh, kept, strict=True):
        assert one.method == other.method
        assert one.offers == other.offers
        assert one.refused == other.refused
        assert np.array_equal(kernel_of(one), kernel_of(other))
