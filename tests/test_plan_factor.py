"""What kernels are made of: ranks, exact factors, few terms, and the kernels that look separable and are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv.plan.factor import (
    TRUNCATION,
    UNIT32,
    UNIT64,
    Factors,
    is_constant,
    kernel_unit,
    low_rank_factors,
    rank,
    rank_one_factors,
)

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float64)


def product(*taps: np.ndarray) -> np.ndarray:
    """The outer product, written so that it shares nothing with the package."""
    grids = np.ix_(*taps)
    return math.prod(grids[1:], start=grids[0] + np.zeros(tuple(len(t) for t in taps)))


def total(factors: Factors) -> np.ndarray:
    return sum((product(*taps) for taps in factors.terms), start=np.zeros(()))


def gaussian_matrix(radius: int, sigma: float, dtype: type = np.float64) -> np.ndarray:
    """Sampled point by point, as people write it: no outer product to the last bit."""
    x: np.ndarray = np.arange(-radius, radius + 1, dtype=dtype)
    k = np.exp(-(x[:, None] ** 2 + x**2) / dtype(2 * sigma**2))
    return k / k.sum()


def log_matrix(radius: int, sigma: float) -> np.ndarray:
    x = np.arange(-radius, radius + 1)
    r = x[:, None] ** 2 + x**2
    return (r - 2 * sigma**2) * np.exp(-r / (2 * sigma**2))


integers = st.lists(st.integers(-40, 40), min_size=1, max_size=7).filter(any)


@given(st.lists(integers, min_size=2, max_size=4))
def test_outer_products_of_integers_come_back_exactly(vectors: list[list[int]]) -> None:
    kernel = product(*(np.array(v, np.float64) for v in vectors))
    found = rank_one_factors(kernel)
    assert found is not None
    (taps,) = found.terms
    assert found.residual == 0
    np.testing.assert_array_equal(product(*taps), kernel)
    for t in taps:
        assert np.array_equal(t, np.rint(t))
    for given_taps, t in zip(vectors[1:], taps[1:], strict=True):
        primitive = np.array(given_taps) / np.gcd.reduce(given_taps)
        assert np.array_equal(t, primitive) or np.array_equal(t, -primitive)
        assert t.sum() >= 0
    assert rank(kernel) == 1


@given(integers, integers, st.integers(-30, 30))
def test_integers_times_a_power_of_two_come_back_exactly(down: list[int], along: list[int], power: int) -> None:
    kernel = np.ldexp(product(np.array(down, float), np.array(along, float)), power)
    found = rank_one_factors(kernel)
    assert found is not None
    np.testing.assert_array_equal(total(found), kernel)
    assert np.array_equal(found.terms[0][1], np.rint(found.terms[0][1]))


@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_outer_products_of_floats_come_back_within_rounding(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = product(rng.normal(size=rows), rng.normal(size=columns))
    found = rank_one_factors(kernel)
    assert found is not None
    np.testing.assert_allclose(total(found), kernel, rtol=16 * UNIT64)
    assert found.residual <= 8 * UNIT64
    assert low_rank_factors(product(rng.normal(size=rows), rng.normal(size=columns)), UNIT64, 1) is not None


@pytest.mark.parametrize(
    ("kernel", "column", "row"),
    [
        (SOBEL_X, [1, 2, 1], [-1, 0, 1]),
        (SOBEL_X.T, [-1, 0, 1], [1, 2, 1]),
        (-SOBEL_X, [1, 2, 1], [1, 0, -1]),
        (SOBEL_X / 8, [0.125, 0.25, 0.125], [-1, 0, 1]),
        (SOBEL_X * 7, [7, 14, 7], [-1, 0, 1]),
        (np.full((2, 3), 6.0), [6, 6], [1, 1, 1]),
        (np.array([[-3.0]]), [-3], [1]),
        (np.array([[0.0, 0, 0], [0, 5, 10], [0, 0, 0]]), [0, 5, 0], [0, 1, 2]),
    ],
)  # fmt: skip
def test_factors_people_know(kernel: np.ndarray, column: list[float], row: list[float]) -> None:
    found = rank_one_factors(kernel)
    assert found is not None
    assert [t.tolist() for t in found.terms[0]] == [column, row]


def test_factors_of_an_antisymmetric_kernel_keep_the_smoothing_positive() -> None:
    third = SOBEL_X / 3  # no power of two: the pivot's column and row
    ((column, row),) = rank_one_factors(third).terms  # type: ignore[union-attr]
    assert row.tolist() == [-1, 0, 1]
    np.testing.assert_array_equal(column, np.array([1, 2, 1]) / 3)


@pytest.mark.parametrize("size", [2, 3, 9, 31])
@pytest.mark.parametrize("place", [(0, 0), (1, 0), (-1, -1)])
def test_one_coefficient_off_by_a_millionth_is_found(size: int, place: tuple[int, int]) -> None:
    kernel = product(np.arange(1.0, size + 1), np.arange(2.0, size + 2))
    kernel[place] *= 1 + 1e-6
    assert rank_one_factors(kernel) is None
    assert rank_one_factors(kernel, UNIT32) is None
    gaussian = gaussian_matrix(size // 2, 1 + size / 8)
    assert rank_one_factors(gaussian) is not None
    gaussian[size // 2, 0] += 1e-6 * gaussian.max()
    assert rank_one_factors(gaussian) is None


def test_an_integer_kernel_off_by_one_is_found_however_large() -> None:
    kernel = product(np.array([10.0**6, 10.0**6 + 1]), np.array([10.0**7, 3.0, 1.0]))
    assert rank_one_factors(kernel) is not None
    kernel[0, 0] += 1
    assert rank_one_factors(kernel) is None


@pytest.mark.parametrize(("radius", "sigma"), [(2, 0.8), (4, 1.0), (12, 3.0), (31, 6.0), (40, 10.0)])
def test_a_gaussian_sampled_point_by_point_is_separable(radius: int, sigma: float) -> None:
    kernel = gaussian_matrix(radius, sigma)
    assert rank(kernel) == 1
    found = rank_one_factors(kernel)
    assert found is not None
    assert found.residual < 4 * UNIT64
    for t in found.terms[0]:
        np.testing.assert_array_equal(t, t[::-1])


def test_float32_kernels_are_read_within_their_own_rounding_for_float32_sums_only() -> None:
    taps = np.exp(-(np.arange(-6, 7) ** 2) / 18.0).astype(np.float32)
    kernel = np.multiply.outer(taps, taps).astype(np.float64)
    assert kernel_unit(kernel, UNIT32) == UNIT32
    assert kernel_unit(kernel, UNIT64) == UNIT64
    assert kernel_unit(SOBEL_X, UNIT32) == UNIT64
    assert kernel_unit(kernel / 3, UNIT32) == UNIT64
    assert rank_one_factors(kernel, UNIT32) is not None
    assert rank_one_factors(kernel, UNIT64) is None


def test_volumes_factor_along_every_axis_or_not_at_all() -> None:
    a, b, c = np.array([1.0, 3, 2]), np.array([2.0, -1]), np.array([1.0, 0, -4, 5])
    kernel = product(a, b, c)
    found = rank_one_factors(kernel)
    assert found is not None
    np.testing.assert_array_equal(total(found), kernel)
    noise = np.random.default_rng(1).normal
    floats = rank_one_factors(product(noise(size=4), noise(size=3), noise(size=5)))
    assert floats is not None
    assert [len(t) for t in floats.terms[0]] == [4, 3, 5]
    # a column of planes that are not outer products themselves
    half = np.multiply.outer(a, noise(size=(3, 4)))
    assert rank_one_factors(half) is None
    assert rank(half) == 3


@pytest.mark.parametrize(
    "kernel",
    [
        product(np.array([1e-30, 1.0, 1e30]), np.array([1e-30, 3.0, 1e30])),
        product(np.array([1e-300, 1.0]), np.array([1e-5, 7.0, 1e-9])),
        SOBEL_X * 1e-310,
        SOBEL_X * 5e-324,
        SOBEL_X * 1e300,
    ],
)
def test_huge_and_tiny_scales(kernel: np.ndarray) -> None:
    found = rank_one_factors(kernel)
    assert found is not None
    np.testing.assert_allclose(total(found), kernel, rtol=1e-14, atol=0)
    assert rank(kernel) == 1


def test_a_small_coefficient_beside_a_huge_one_is_not_dropped() -> None:
    kernel = np.array([[1e30, 1e-30], [0.0, 1.0]])
    assert rank_one_factors(kernel) is None
    wide = np.zeros((9, 9))
    wide[2, 3], wide[6] = 1e30, np.arange(1.0, 10)
    for unit in (UNIT32, UNIT64):
        found = low_rank_factors(wide, unit, 4)
        assert found is not None
        assert len(found.terms) == 2
        np.testing.assert_allclose(total(found), wide, rtol=1e-6, atol=0)


def test_rounding_noise_of_zeros_is_read_as_zeros() -> None:
    x = np.linspace(-np.pi, np.pi, 9)
    kernel = product(np.exp(-x * x), np.sin(x))  # sin(+-pi) is 1.2e-16, not 0
    kernel[:, 0] = 1e-17 * np.arange(9)  # and noise that is no multiple of anything
    found = rank_one_factors(kernel)
    assert found is not None
    assert found.terms[0][1][0] == 0
    assert 0 < found.residual < 1e-15
    log = log_matrix(6, 1.3)
    log[:, 1] = 1e-17 * log.max() * np.arange(1, 14)
    terms = low_rank_factors(log, UNIT64, 6)
    assert terms is not None
    assert all(row[1] == 0 for _, row in terms.terms)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1), (2, 2, 3)])
def test_zero_kernels(shape: tuple[int, ...]) -> None:
    kernel = np.zeros(shape)
    assert rank(kernel) == 0
    found = rank_one_factors(kernel)
    assert found is not None
    assert [len(t) for t in found.terms[0]] == list(shape)
    assert not total(found).any()
    if len(shape) == 2:
        assert low_rank_factors(kernel, UNIT64, 1) is None


def test_one_axis_is_its_own_factor() -> None:
    taps = np.array([0.1, -0.7, 0.3])
    ((only,),) = rank_one_factors(taps).terms  # type: ignore[union-attr]
    np.testing.assert_array_equal(only, taps)


@pytest.mark.parametrize("unit", [UNIT32, UNIT64])
@pytest.mark.parametrize(("radius", "sigma"), [(4, 1.0), (12, 3.0), (20, 5.0)])
def test_a_laplacian_of_gaussian_has_two_symmetric_terms(radius: int, sigma: float, unit: float) -> None:
    kernel = log_matrix(radius, sigma)
    found = low_rank_factors(kernel, unit, 6)
    assert found is not None
    assert len(found.terms) == 2
    for taps in found.terms:
        for t in taps:
            np.testing.assert_array_equal(t, t[::-1])
    missed = np.abs(total(found) - kernel).sum() / np.abs(kernel).sum()
    assert missed <= TRUNCATION * unit
    assert found.residual == pytest.approx(missed, abs=1e-17)
    assert 1 <= found.growth < 2


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("unit", [UNIT32, UNIT64])
def test_the_rank_is_found_and_no_more_terms_than_that(k: int, unit: float) -> None:
    rng = np.random.default_rng(k)
    kernel = rng.normal(size=(13, k)) @ rng.normal(size=(k, 17))
    assert rank(kernel) == k
    found = low_rank_factors(kernel, unit, 7)
    assert found is not None
    assert len(found.terms) == k
    np.testing.assert_allclose(total(found), kernel, atol=16 * UNIT64 * np.abs(kernel).max())
    assert low_rank_factors(kernel, unit, k - 1) is None


def test_fewer_terms_serve_where_float32_rounds_anyway() -> None:
    x = np.arange(-9, 10)
    kernel = np.exp(-(x[:, None] ** 2 + x**2 + 0.6 * x[:, None] * x) / 30.0)  # a tilted Gaussian: rank 19, decaying
    few, many = low_rank_factors(kernel, UNIT32, 19), low_rank_factors(kernel, UNIT64, 19)
    assert few is not None
    assert many is not None
    assert 1 < len(few.terms) < len(many.terms)
    assert UNIT64 < few.residual <= TRUNCATION * UNIT32
    assert many.residual <= TRUNCATION * UNIT64
    for taps in few.terms:  # the kernel equals its half-turn: every factor is even or odd
        for t in taps:
            np.testing.assert_array_equal(np.abs(t), np.abs(t[::-1]))


def test_integer_terms_stay_exact() -> None:
    laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float64)
    found = low_rank_factors(laplace, UNIT64, 2)
    assert found is not None
    assert found.residual == 0
    np.testing.assert_array_equal(total(found), laplace)


def test_rows_and_columns_of_zeros_stay_zeros() -> None:
    kernel = np.zeros((11, 14))
    kernel[2:9, 3:12] = np.random.default_rng(3).normal(size=(7, 2)) @ np.random.default_rng(4).normal(size=(2, 9))
    kernel[5] = 0
    found = low_rank_factors(kernel, UNIT64, 3)
    assert found is not None
    for column, row in found.terms:
        assert not column[[0, 1, 5, 9, 10]].any()
        assert not row[[0, 1, 2, 12, 13]].any()


def test_noise_has_no_few_terms() -> None:
    assert low_rank_factors(np.random.default_rng(0).normal(size=(15, 15)), UNIT32, 7) is None


def test_the_kernel_is_left_as_it_came() -> None:
    kernel = log_matrix(5, 1.1)
    before = kernel.copy()
    low_rank_factors(kernel, UNIT32, 4)
    rank_one_factors(kernel)
    rank(kernel)
    np.testing.assert_array_equal(kernel, before)
    vector = np.array([1.0, 2.0])
    ((taps,),) = rank_one_factors(vector).terms  # type: ignore[union-attr]
    taps[0] = 9
    assert vector[0] == 1


def test_constant_kernels() -> None:
    assert is_constant(np.full((1, 2), -0.1))
    assert not is_constant(np.array([[1.0]]))
    assert is_constant(np.array([[1.0]]), at_least=1)
    assert not is_constant(np.zeros((4, 4)))
    assert not is_constant(np.array([1.0, 1.0, np.nextafter(1.0, 2.0)]))
