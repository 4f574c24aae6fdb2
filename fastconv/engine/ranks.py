"""Rank filters: windows, borders and outputs made definite, then the CPU backend."""

from __future__ import annotations

import numpy as np

__all__ = ["box_extremes", "select_rank", "tap_extremes"]


def box_extremes(
    image: np.ndarray, out: np.ndarray, size: list[int], before: list[int], mode: list[str], order: tuple[int, ...],
    cval: float, largest: bool,
) -> None:  # fmt: skip
    """Minimum or maximum over boxes into ``out``, a pass for each axis of ``order``; lists hold all axes."""
    from fastconv.backends import ranks

    spec = ranks.Spec(image.shape, tuple(size), tuple(before), tuple(mode))
    ranks.box_extremes(image, out, spec, order, cval, largest)


def tap_extremes(
    image: np.ndarray, out: np.ndarray, footprint: np.ndarray, before: list[int], mode: list[str], cval: float,
    largest: bool,
) -> None:  # fmt: skip
    """Minimum or maximum over a footprint's taps into ``out``."""
    from fastconv.backends import ranks

    spec = ranks.Spec(image.shape, footprint.shape, tuple(before), tuple(mode))
    ranks.tap_extremes(image, out, spec, footprint, cval, largest)


def select_rank(
    image: np.ndarray, out: np.ndarray, footprint: np.ndarray, rank: int, before: list[int], mode: list[str],
    cval: float, rounded: bool,
) -> None:  # fmt: skip
    """The sample of a rank among a footprint's taps into ``out``; rounded: 64-bit integers pass through float64."""
    from fastconv.backends import ranks

    spec = ranks.Spec(image.shape, footprint.shape, tuple(before), tuple(mode))
    ranks.ranks(image, out, spec, footprint, rank, cval, rounded=rounded)
