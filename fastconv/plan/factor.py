"""What a kernel is made of: its rank, the taps of a rank-1 kernel, the few terms of a low-rank one.

The singular values say what the rank is; they do not say what the factors are (those of Sobel's matrix no
longer multiply to Sobel).  The factors come from pivots: of a rank-1 kernel, the column and the row through
its largest coefficient, divided by it, reproduce every coefficient, and exactly where the kernel is made of
integers.  The same step, repeated on what is left, gives the terms of a low-rank kernel; mirror symmetries
survive it to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "UNIT32",
    "UNIT64",
    "Factors",
    "is_constant",
    "kernel_unit",
    "low_rank_factors",
    "rank",
    "rank_one_factors",
]

#: unit roundoff of float64 and float32: the relative error of one rounding
UNIT64 = 2.0**-53
UNIT32 = 2.0**-24

#: a rank-1 kernel's factors must reproduce each coefficient within this many roundings of it.  Coefficients that
#: were computed one by one, exp(-(x^2 + y^2) / 2 s^2) say, miss an outer product by up to about 40.
ROUNDINGS = 64
#: the terms of a low-rank kernel may miss it by this many roundings, summed over the kernel, of sum |w|
TRUNCATION = 4
#: and at no place by more than this many times that, of what the place's row and column hold: a corner of small
#: coefficients is not dropped because the centre is large
GRADED = 64
#: rows and columns that hold nothing beyond these fractions of the largest coefficient are the rounding noise of
#: zeros, such as sin(pi): they are read as zeros.  Smaller ones are somebody's coefficients.
NOISE = (2.0**-66, 2.0**-50)


@dataclass(frozen=True, eq=False)
class Factors:
    """Outer products that add up to a kernel: ``terms[k][i]`` are the taps of term k along axis i.

    ``residual`` is sum |kernel - terms| / sum |kernel|; ``growth`` is sum over terms of |term| / sum |kernel|,
    1 for one term and more where terms cancel.
    """

    terms: tuple[tuple[np.ndarray, ...], ...]
    residual: float = 0.0
    growth: float = 1.0


def is_constant(kernel: np.ndarray, at_least: int = 2) -> bool:
    """Whether all coefficients are the same number, not zero, and at least so many.

    >>> is_constant(np.full((3, 3), 1 / 9)), is_constant(np.zeros((3, 3))), is_constant(np.ones((1, 1)))
    (True, False, False)
    """
    first = kernel.flat[0]
    return bool(kernel.size >= at_least and first != 0 and np.all(kernel == first))


def kernel_unit(kernel: np.ndarray, unit: float) -> float:
    """The roundoff that a kernel's own coefficients carry, when sums are taken with roundoff ``unit``.

    A kernel whose numbers are all float32 numbers, and not integers, was rounded to float32 once: for sums in
    float32 it may be read within that rounding.  Every other kernel is read to the bit of its float64 numbers.
    """
    if unit <= UNIT64:
        return UNIT64
    with np.errstate(over="ignore"):
        narrow = kernel.astype(np.float32)
    whole = _as_integers(kernel)
    exact = whole is not None and _meant_exactly(kernel, whole[0])
    return UNIT32 if np.all(narrow == kernel) and not exact else UNIT64


def rank(kernel: np.ndarray, unit: float = UNIT64) -> int:
    """Numerical rank by singular values: those above max(4 unit, eps * longest side) of the largest count.

    Of a kernel with more than two dimensions, the largest rank of its successive unfoldings; 1 still means
    "an outer product".

    >>> rank(np.outer([1, 2, 1], [-1, 0, 1])), rank(np.eye(4)), rank(np.zeros((3, 3)))
    (1, 4, 0)
    """
    if not np.any(kernel):
        return 0
    scaled = _without_noise(np.ldexp(np.asarray(kernel, np.float64), -_exponent(kernel)))
    found = 1
    for axis in range(1, scaled.ndim):
        matrix = scaled.reshape(int(np.prod(scaled.shape[:axis])), -1)
        values = np.linalg.svd(matrix, compute_uv=False)
        found = max(found, int(np.count_nonzero(values > _rank_tolerance(matrix.shape, unit) * values[0])))
    return found


def _rank_tolerance(shape: tuple[int, ...], unit: float) -> float:
    """Singular values below this part of the largest are rounding."""
    return max(4 * unit, 2 * UNIT64 * max(shape))


def rank_one_factors(kernel: np.ndarray, unit: float = UNIT64) -> Factors | None:
    """Taps, one array per axis, whose outer product is the kernel; None where it is no outer product.

    Kernels of integers, or of small integers times a power of two, are factored exactly or not at all: each factor
    after the first is integers without a common divisor, and its sum is not negative; the first carries the scale.
    Other kernels must have one singular value above roundoff in every unfolding, and be reproduced in each
    coefficient within `ROUNDINGS` of float64 (``unit`` float32: 4 of float32).  A kernel of zeros is the product of
    zeros.

    >>> (column, row), = rank_one_factors(np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])).terms
    >>> column.tolist(), row.tolist()
    ([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0])
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim == 1 or not np.any(kernel):
        rest = tuple(np.zeros(n) for n in kernel.shape[1:])
        return Factors(((kernel[(slice(None),) + (0,) * (kernel.ndim - 1)].copy(), *rest),))
    whole = _as_integers(kernel)
    if whole is not None:
        integers, exponent = whole
        found = _integer_factors(integers)
        if found is not None:
            first, *others = found
            return Factors(((np.ldexp(first.astype(np.float64), exponent), *(f.astype(np.float64) for f in others)),))
        if _meant_exactly(kernel, integers):
            return None
    clean = _without_noise(kernel)
    taps = _pivot_factors(clean)
    limit = (4 if unit > UNIT64 else ROUNDINGS) * unit
    missed = np.abs(clean - _outer(taps))
    floor = 2 * UNIT64 * _row_and_column(clean) + 2 * np.finfo(np.float64).smallest_subnormal
    if np.any(missed > limit * np.abs(clean) + floor):
        return None
    # no second singular value is larger than the norm of what one product misses; only where that is not small
    # enough must the values themselves say
    scale = _exponent(kernel)
    norm, miss = (float(np.linalg.norm(np.ldexp(m, -scale).ravel())) for m in (clean, missed))
    if miss > _rank_tolerance(kernel.shape, unit) * norm and rank(kernel, unit) > 1:
        return None
    return Factors((taps,), residual=_share(kernel - _outer(taps), kernel))


def low_rank_factors(kernel: np.ndarray, unit: float, most: int) -> Factors | None:
    """The fewest outer products, at most ``most``, that add up to a 2-D kernel within rounding.

    Within rounding means: sum |kernel - terms| <= `TRUNCATION` * unit * sum |kernel|, and nowhere more than
    `GRADED` times that fraction of what the coefficient's row or column holds.  Pivot factors where they meet it
    with as few terms as the singular vectors do, else the singular vectors, with factors that should be zero set
    to zero.  A kernel symmetric about its centre is split into an even and an odd part first, so that every
    factor is exactly symmetric or antisymmetric.

    >>> y, x = np.ogrid[-4:5, -4:5]
    >>> log = (x * x + y * y - 4) * np.exp(-(x * x + y * y) / 4)
    >>> len(low_rank_factors(log, UNIT32, most=4).terms)
    2
    """
    kernel = np.asarray(kernel, np.float64)
    if not np.any(kernel):
        return None
    exponent = _exponent(kernel)
    if exponent > 1000:  # the singular values' scale might overflow
        return None
    clean = _without_noise(np.ldexp(kernel, -exponent))
    rows, columns = np.flatnonzero(clean.any(axis=1)), np.flatnonzero(clean.any(axis=0))
    core = clean[np.ix_(rows, columns)]
    budget = TRUNCATION * unit * np.abs(core).sum()
    if not _pivots_reach(core, budget, most + 2):
        return None
    parts = [_Part(matrix) for matrix in _even_and_odd(clean, rows, columns)]
    allowed = GRADED * TRUNCATION * unit * _row_and_column(core) + UNIT64**2

    def within(terms: list[tuple[np.ndarray, np.ndarray]]) -> bool:
        missed = np.abs(core - sum(np.multiply.outer(u, v) for u, v in terms))
        return bool(missed.sum() <= budget and np.all(missed <= allowed))

    order = sorted(((s, i) for i, part in enumerate(parts) for s in part.values if s > 0), reverse=True)
    # what k terms miss is at least the root of the squares of the singular values they leave out
    left_out = np.sqrt(np.cumsum([s * s for s, _ in reversed(order)]))[::-1]
    fewest = int(np.count_nonzero(left_out > budget))
    for count in range(max(1, fewest), min(most, len(order)) + 1):
        shares = [sum(i == part for _, i in order[:count]) for part in range(len(parts))]
        for candidate in (_pivot_terms, _singular_terms):
            terms = [term for part, share in zip(parts, shares, strict=True) for term in candidate(part, share)]
            if within(terms):
                return _embedded(terms, kernel, rows, columns, exponent)
    return None


# ---- helpers: scale, integers, noise


def _exponent(kernel: np.ndarray) -> int:
    """Power of two that brings the largest magnitude to [0.5, 1)."""
    return int(np.frexp(np.abs(kernel).max())[1])


def _outer(taps: tuple[np.ndarray, ...]) -> np.ndarray:
    full = taps[0]
    for t in taps[1:]:
        full = np.multiply.outer(full, t)
    return full


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    """sum |part| / sum |whole|, without overflow."""
    exponent = _exponent(whole)
    return float(np.abs(np.ldexp(part, -exponent)).sum() / np.abs(np.ldexp(whole, -exponent)).sum())


def _row_and_column(kernel: np.ndarray) -> np.ndarray:
    """For each coefficient, the smallest of the largest magnitudes on the lines (planes) it lies in."""
    size = np.abs(kernel)
    least = np.full(kernel.shape, np.inf)
    for axis in range(kernel.ndim):
        others = tuple(a for a in range(kernel.ndim) if a != axis)
        np.minimum(least, size.max(axis=others, keepdims=True), out=least)
    return least


def _without_noise(kernel: np.ndarray) -> np.ndarray:
    """The kernel with the rows and columns that are rounding noise of zeros set to zero."""
    top = np.abs(kernel).max()
    low, high = NOISE[0] * top, NOISE[1] * top
    clean = kernel
    for axis in range(kernel.ndim):
        others = tuple(a for a in range(kernel.ndim) if a != axis)
        largest = np.abs(kernel).max(axis=others, keepdims=True)
        noise = (largest > low) & (largest < high)
        if noise.any():
            clean = np.where(noise, 0.0, clean)
    return clean


def _meant_exactly(kernel: np.ndarray, integers: np.ndarray) -> bool:
    """Whether a kernel that is ``integers`` times a power of two holds numbers as written, not rounded results."""
    top = np.abs(kernel).max(initial=0)
    return bool(np.abs(integers).max(initial=0) < 2**20 or (top < 2**53 and np.all(kernel == np.rint(kernel))))


def _as_integers(kernel: np.ndarray) -> tuple[np.ndarray, int] | None:
    """(integers, e) with kernel = integers * 2^e exactly and all magnitudes up to 2^53, where there are such."""
    mantissa, exponent = np.frexp(kernel[kernel != 0])
    if mantissa.size == 0:
        return np.zeros(kernel.shape, np.int64), 0
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    trailing = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    lowest, highest = int((exponent - 53 + trailing).min()), int(exponent.max())
    if highest - lowest > 53:
        return None
    return np.ldexp(kernel, -lowest).astype(np.int64), lowest


# ---- helpers: one term


def _integer_factors(kernel: np.ndarray) -> list[np.ndarray] | None:
    """Integer factors of an integer kernel that is an outer product, the largest sums positive after the first."""
    if kernel.ndim == 1:
        return [kernel]
    matrix = kernel.reshape(kernel.shape[0], -1)
    p, q = np.unravel_index(np.argmax(np.abs(matrix)), matrix.shape)
    row = matrix[p] // np.gcd.reduce(matrix[p])
    if np.any(matrix[:, q] % row[q]):
        return None
    column = matrix[:, q] // row[q]
    if not np.array_equal(np.multiply.outer(column, row), matrix):
        return None
    rest = _integer_factors(row.reshape(kernel.shape[1:]))
    if rest is None:
        return None
    sign = 1
    for i, factor in enumerate(rest):
        if factor.sum() < 0:
            rest[i], sign = -factor, -sign
    return [column * sign, *rest]


def _pivot_factors(kernel: np.ndarray) -> tuple[np.ndarray, ...]:
    """The lines through the largest coefficient, all but the first divided by it."""
    pivot = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    largest = kernel[pivot]
    lines = []
    for axis in range(kernel.ndim):
        line = kernel[tuple(slice(None) if a == axis else at for a, at in enumerate(pivot))]
        lines.append(line / largest if axis else line.copy())
    if largest < 0:  # give the sign to a factor that is no smoothing: [1, 2, 1] x [-1, 0, 1], not the reverse
        for i in range(1, len(lines)):
            if lines[i].sum() <= 0:
                lines[i], lines[0] = -lines[i], -lines[0]
                break
    return tuple(line + 0.0 for line in lines)  # + 0.0: no negative zeros


# ---- helpers: several terms


def _even_and_odd(kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """The parts of a kernel to factor, over its non-zero rows and columns.

    A kernel equal to its own half-turn is its row-mirrored mean plus the rest; their ranks add up to its own,
    and each part's factors are mirror-symmetric or antisymmetric.
    """
    halves = [kernel]
    if np.array_equal(kernel, kernel[::-1, ::-1]):
        mirrored = kernel[::-1]
        halves = [(kernel + mirrored) / 2, (kernel - mirrored) / 2]
    return [half[np.ix_(rows, columns)] for half in halves if half.any()]


class _Part:
    """A matrix and its singular vectors."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        u, self.values, vt = np.linalg.svd(matrix, full_matrices=False)
        self.left, self.right = u.T, vt


def _pivots_reach(matrix: np.ndarray, budget: float, most: int) -> bool:
    """Whether so many pivots leave no more than the budget.

    They need hardly more terms than the singular vectors: a kernel of full rank is told by them at a small part of the
    time that the singular values of a large one take.
    """
    left = matrix.copy()
    for _ in range(most):
        if np.abs(left).sum() <= budget:
            return True
        left -= np.multiply.outer(*_pivot_factors(left))
    return bool(np.abs(left).sum() <= budget)


def _pivot_terms(part: _Part, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Column times row through the largest coefficient of what is left, ``count`` times."""
    left, terms = part.matrix.copy(), []
    for _ in range(count):
        if not left.any():
            break
        column, row = _pivot_factors(left)
        terms.append((column, row))
        left -= np.multiply.outer(column, row)
    return terms


def _singular_terms(part: _Part, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Singular vectors, mirror symmetries of the part restored, and what should be zero set to zero."""
    terms = []
    for u, s, v in zip(part.left[:count], part.values, part.right, strict=False):
        column, row = _mirrored(u * s, part.matrix, 0), _mirrored(v.copy(), part.matrix, 1)
        for factor in (column, row):
            factor[np.abs(factor) < 4 * UNIT64 * np.abs(factor).max()] = 0.0
        terms.append((column, row))
    return terms


def _mirrored(factor: np.ndarray, matrix: np.ndarray, axis: int) -> np.ndarray:
    """The factor made exactly even or odd where the whole matrix is, along that axis."""
    flipped = np.flip(matrix, axis)
    if np.array_equal(flipped, matrix):
        return (factor + factor[::-1]) / 2
    if np.array_equal(flipped, -matrix):
        return (factor - factor[::-1]) / 2
    return factor


def _embedded(
    terms: list[tuple[np.ndarray, np.ndarray]], kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray, exponent: int
) -> Factors:
    """The terms on the kernel's full size and scale, with what they miss and how much they cancel."""
    full = []
    for u, v in terms:
        column, row = np.zeros(kernel.shape[0]), np.zeros(kernel.shape[1])
        column[rows], row[columns] = np.ldexp(u, exponent), v
        full.append((column, row))
    products = [np.multiply.outer(u, v) for u, v in full]
    growth = sum(_share(p, kernel) for p in products)
    return Factors(tuple(full), residual=_share(kernel - sum(products), kernel), growth=max(1.0, growth))
