"""The coefficients that SciPy's filters make themselves, to the last bit."""

from __future__ import annotations

import numbers
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["gaussian_radius", "gaussian_weights"]


def gaussian_radius(sigma: float, truncate: float, radius: Any) -> int:
    """Samples on each side: ``radius``, or ``truncate`` sigmas to the nearest; ValueError if it is no count."""
    found = int(truncate * float(sigma) + 0.5) if radius is None else radius
    if not isinstance(found, numbers.Integral) or found < 0:
        raise ValueError("Radius must be a nonnegative integer.")
    return int(found)


@lru_cache(maxsize=256)
def gaussian_weights(sigma: float, order: int, radius: int) -> np.ndarray:
    """A sampled, normalised Gaussian or its derivative of any order, to be correlated with (so: mirrored).

    The derivative is the Gaussian times a polynomial q.  Each differentiation takes q to ``q' - x q / sigma^2``; on
    q's coefficients that is one matrix.  The products are NumPy's, as SciPy's are: their last bits count.
    """
    if order < 0:
        raise ValueError("order must be non-negative")
    variance = sigma * sigma
    x = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 / variance * x**2)
    weights = bell / bell.sum()
    if order:
        powers = np.arange(order + 1)
        step = np.diag(powers[1:], 1) + np.diag(np.ones(order) / -variance, -1)
        q = np.zeros(order + 1)
        q[0] = 1
        for _ in range(order):
            q = step.dot(q)
        weights = (x[:, None] ** powers).dot(q) * weights
    weights = np.ascontiguousarray(weights[::-1])
    weights.flags.writeable = False
    return weights
