"""Weights of the operators, from their parameters and the filtered axes.

Each public function here returns a `Maker`: the engine calls it once it knows which axes are filtered.  What is made
from plain numbers is remembered, so that a repeated call costs a look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.core.errors import bad_value
from fastconv.core.ir import Weights
from fastconv.engine import Maker, kernel_weights, taps_weights
from fastconv.kernels import (
    box_taps,
    derivative_taps,
    gaussian_taps,
    laplace,
    roberts,
    smoothing_taps,
)
from fastconv.kernels import gabor as gabor_kernel
from fastconv.kernels.checks import NO_BLUR, axis_number, order_number, radius_number, real, sigma_number, size_number
from fastconv.kernels.checks import per_axis as per_axis_checked

__all__ = [
    "box",
    "derivative",
    "difference_of_gaussians",
    "gabor",
    "gaussian",
    "gaussian_laplace",
    "gradient",
    "laplacian",
    "separable",
    "two_diagonals",
    "unsharp",
]

Made = Weights | tuple[Weights, ...]
_PLAIN = frozenset({int, float, str, type(None), bool})


def _kinds(value: Any) -> Any:
    """The value's type, and a tuple's items' (1, 1.0 and True are equal keys, but not equally allowed)."""
    return tuple(map(type, value)) if type(value) is tuple else type(value)


def _remembered(make: Callable[..., Made]) -> Callable[..., Maker]:
    """A function from parameters to a `Maker`, which calls ``make(axes, ndim, *parameters)`` or remembers."""

    @lru_cache(maxsize=256)
    def remembered(axes: tuple[int, ...], ndim: int, kinds: tuple[Any, ...], parameters: tuple[Any, ...]) -> Made:
        return make(axes, ndim, *parameters)

    def maker(*given: Any) -> Maker:
        parameters = tuple(tuple(p) if type(p) is list else p for p in given)
        kinds = tuple(map(_kinds, parameters))
        plain = all(k in _PLAIN if type(k) is type else _PLAIN.issuperset(k) for k in kinds)

        def made(axes: tuple[int, ...], ndim: int) -> Made:
            return remembered(axes, ndim, kinds, parameters) if plain else make(axes, ndim, *parameters)

        return made

    return maker


def separable(taps: Any) -> Maker:
    """One 1-D array for each filtered axis."""

    def made(axes: tuple[int, ...], ndim: int) -> Weights:
        if not isinstance(taps, list | tuple | np.ndarray) or len(taps) != len(axes):
            raise bad_value("taps", taps, f"a sequence of {len(axes)} 1-D arrays, one for each filtered axis")
        return taps_weights(*taps)

    return made


# ---------------------------------------------------------------- Gaussians


def _gaussian_taps(axes: tuple[int, ...], sigma: Any, order: Any, truncate: Any, radius: Any) -> list[np.ndarray]:
    n = len(axes)
    sigmas = per_axis_checked("sigma", sigma, n, sigma_number)
    orders = per_axis_checked("order", order, n, order_number)
    radii = (None,) * n if radius is None else per_axis_checked("radius", radius, n, radius_number)
    return [
        gaussian_taps(s, order=o, truncate=truncate, radius=r) for s, o, r in zip(sigmas, orders, radii, strict=True)
    ]


@_remembered
def gaussian(axes: tuple[int, ...], ndim: int, sigma: Any, order: Any, truncate: Any, radius: Any) -> Weights:
    """A Gaussian or its derivatives."""
    return taps_weights(*_gaussian_taps(axes, sigma, order, truncate, radius))


def _derived(axes: tuple[int, ...], order: int, sigma: Any, truncate: Any, radius: Any) -> tuple[Weights, ...]:
    """For each filtered axis a Gaussian's derivative along it."""
    sigmas = per_axis_checked("sigma", sigma, len(axes), sigma_number)
    if min(sigmas) <= NO_BLUR:
        raise bad_value("sigma", sigma, "> 0 along every filtered axis")
    return tuple(
        taps_weights(*_gaussian_taps(axes, sigmas, [order if b == a else 0 for b in axes], truncate, radius))
        for a in axes
    )


@_remembered
def gaussian_laplace(axes: tuple[int, ...], ndim: int, sigma: Any, truncate: Any, radius: Any) -> Made:
    """The sum over axes of a Gaussian's second derivatives."""
    return _derived(axes, 2, sigma, truncate, radius)


@_remembered
def gradient(axes: tuple[int, ...], ndim: int, sigma: Any, truncate: Any, radius: Any) -> Made:
    """A Gaussian's first derivative along each axis."""
    return _derived(axes, 1, sigma, truncate, radius)


def _negative(taps: list[np.ndarray]) -> list[np.ndarray]:
    return [-taps[0], *taps[1:]]


@_remembered
def difference_of_gaussians(
    axes: tuple[int, ...], ndim: int, low_sigma: Any, high_sigma: Any, truncate: Any, radius: Any
) -> Made:
    """A Gaussian less a wider one."""
    n = len(axes)
    lows = per_axis_checked("low_sigma", low_sigma, n, sigma_number)
    highs = tuple(1.6 * s for s in lows)
    if high_sigma is not None:
        highs = per_axis_checked("high_sigma", high_sigma, n, sigma_number)
    if any(h < s for s, h in zip(lows, highs, strict=True)):
        raise bad_value("high_sigma", high_sigma, f"at least low_sigma ({low_sigma!r}) along every axis")
    narrow = _gaussian_taps(axes, lows, 0, truncate, radius)
    wide = _gaussian_taps(axes, highs, 0, truncate, radius)
    return taps_weights(*narrow), taps_weights(*_negative(wide))


@_remembered
def unsharp(axes: tuple[int, ...], ndim: int, radius: Any, amount: Any, truncate: Any) -> Made:
    """The image and ``amount`` times what a Gaussian takes away from it."""
    strength = real("amount", amount)
    sigmas = per_axis_checked("radius", radius, len(axes), sigma_number)
    blur = _gaussian_taps(axes, sigmas, 0, truncate, None)
    blur[0] = -strength * blur[0]
    identity = [np.array([1.0 + strength]), *[np.ones(1)] * (len(axes) - 1)]
    return taps_weights(*identity), taps_weights(*blur)


# ---------------------------------------------------------------- the others


@_remembered
def box(axes: tuple[int, ...], ndim: int, size: Any) -> Weights:
    """A mean over a rectangle."""
    return taps_weights(*map(box_taps, per_axis_checked("size", size, len(axes), size_number)))


@_remembered
def derivative(axes: tuple[int, ...], ndim: int, operator: str, axis: Any) -> Made:
    """One derivative with smoothing across it, or all of them."""
    chosen = axes if axis is None else (axis_number(axis, ndim),)
    if not set(chosen) <= set(axes):
        raise bad_value("axis", axis, f"None or one of the filtered axes {axes}")
    along, across = derivative_taps(operator), smoothing_taps(operator)
    return tuple(taps_weights(*(along if b == a else across for b in axes)) for a in chosen)


@_remembered
def laplacian(axes: tuple[int, ...], ndim: int) -> Weights:
    """Second differences along every axis, summed."""
    return kernel_weights(laplace(len(axes)))


def _planar(axes: tuple[int, ...], name: str) -> None:
    if len(axes) != 2:
        raise bad_value("axes", axes, f"two filtered axes for {name}")


@_remembered
def two_diagonals(axes: tuple[int, ...], ndim: int) -> Made:
    """Roberts' differences along both diagonals."""
    _planar(axes, "roberts")
    return kernel_weights(roberts(0)), kernel_weights(roberts(1))


@_remembered
def gabor(axes: tuple[int, ...], ndim: int, frequency: Any, *wave: Any) -> Weights:
    """One part of a Gabor wave; ``wave`` is theta, bandwidth, sigma_x, sigma_y, n_stds, offset, part."""
    _planar(axes, "gabor")
    names = ("theta", "bandwidth", "sigma_x", "sigma_y", "n_stds", "offset", "part")
    return kernel_weights(gabor_kernel(frequency, **dict(zip(names, wave, strict=True))))
