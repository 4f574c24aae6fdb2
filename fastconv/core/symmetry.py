"""Taps that mirror each other: what sums of pairs may use, and which tap it leaves out."""

from __future__ import annotations

import numpy as np

__all__ = ["fold", "left_out"]


def fold(taps: np.ndarray) -> int:
    """1 for symmetric taps of odd number, 2 for antisymmetric ones, else 0: which pairs share a multiplication.

    >>> fold(np.array([1.0, 2.0, 1.0])), fold(np.array([-1.0, 0.0, 1.0])), fold(np.array([1.0, 1.0]))
    (1, 2, 0)
    """
    if len(taps) % 2 == 0 or len(taps) < 3:
        return 0
    if np.array_equal(taps, taps[::-1]):
        return 1
    return 2 if np.array_equal(taps, -taps[::-1]) else 0


def left_out(taps: np.ndarray) -> np.ndarray:
    """Which taps a line pass multiplies nothing by: the middle of antisymmetric ones; not other zeros.

    >>> left_out(np.array([-1.0, 0.0, 1.0])).tolist(), left_out(np.array([0.0, 1.0])).tolist()
    ([False, True, False], [False, False])
    """
    found = np.zeros(len(taps), bool)
    if fold(taps) == 2:
        found[len(taps) // 2] = True
    return found
