"""Random calls of the linear filters, for comparison with SciPy's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import rank_cases
from rank_cases import DTYPES, MODES

NAMES = (
    "correlate1d",
    "convolve1d",
    "gaussian_filter1d",
    "gaussian_filter",
    "sobel",
    "prewitt",
    "laplace",
    "gaussian_laplace",
    "gaussian_gradient_magnitude",
    "uniform_filter1d",
    "uniform_filter",
    "correlate",
    "convolve",
)
#: these read the input again after they have begun to write: over the input SciPy's answer is not right
READS_AGAIN = frozenset({"laplace", "gaussian_laplace", "gaussian_gradient_magnitude"})


def _image(rng: np.random.Generator) -> np.ndarray:
    array = rank_cases.image(rng)
    if rng.random() < 0.1:
        return array.astype(np.complex64 if array.dtype.itemsize < 4 else np.complex128) * (1 - 0.5j)
    return array


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    kind = rng.random()
    weights = rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3)
    if kind < 0.3:
        weights = np.rint(weights)
    elif kind < 0.5:
        weights = weights + np.flip(weights)
    elif kind < 0.7:
        weights = weights - np.flip(weights)
    elif kind < 0.8:
        weights[rng.random(shape) < 0.5] = 0
    elif kind < 0.86:
        weights = weights + 1j * rng.normal(size=shape)
    elif kind < 0.9:
        return np.rint(weights).astype(int)
    return weights


def _origin(rng: np.random.Generator, size: int) -> int:
    return int(rng.integers(-(size // 2), (size - 1) // 2 + 1))


def _some(rng: np.random.Generator, make: Any, count: int) -> Any:
    """One value for all axes, or one for each."""
    return [make() for _ in range(count)] if rng.random() < 0.3 else make()


def _mode(rng: np.random.Generator) -> str:
    return str(rng.choice(MODES))


def _sigma(rng: np.random.Generator, ndim: int) -> float:
    return float(rng.choice([0.0, 0.3, 0.8, 1.0, 1.7, {1: 9.0, 2: 5.0}.get(ndim, 2.0)]))


def _gaussian(rng: np.random.Generator, ndim: int, count: int, several: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}

    def some(make: Any) -> Any:
        return _some(rng, make, count) if several else make()

    sigma = some(lambda: _sigma(rng, ndim))
    options["sigma"] = sigma if several else sigma or 1.0
    if rng.random() < 0.3:
        options["truncate"] = float(rng.choice([1.0, 2.5, 4.5]))
    if rng.random() < 0.2:
        options["radius"] = some(lambda: int(rng.integers(0, 6)))
    return options


def case(rng: np.random.Generator, name: str | None = None) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """A function's name, its positional arguments, its keyword arguments, as `differential.called` takes them."""
    name = name or str(rng.choice(NAMES))
    array = _image(rng)
    ndim = array.ndim
    options: dict[str, Any] = {"mode": _mode(rng)}
    arguments: tuple[Any, ...] = (array,)
    axes = tuple(range(ndim))
    by_line = name.endswith("1d")
    if by_line:
        options["axis"] = int(rng.integers(-ndim, ndim))
    elif name in ("sobel", "prewitt"):
        options["axis"] = int(rng.integers(-ndim, ndim))
        options["mode"] = _some(rng, lambda: _mode(rng), ndim)
    else:
        if rng.random() < 0.25:
            axes = tuple(int(a) for a in rng.permutation(ndim)[: rng.integers(1, ndim + 1)])
            options["axes"] = axes
        if name not in ("correlate", "convolve"):
            options["mode"] = _some(rng, lambda: _mode(rng), len(axes))
    if name in ("correlate1d", "convolve1d"):
        size = int(rng.integers(1, 30))
        arguments = (array, _weights(rng, (size,)))
        options["origin"] = _origin(rng, size) if rng.random() < 0.4 else 0
    elif name in ("correlate", "convolve"):
        sizes = tuple(int(k) for k in rng.integers(1, {1: 30, 2: 9, 3: 5, 4: 4}[len(axes)], len(axes)))
        arguments = (array, _weights(rng, sizes))
        if rng.random() < 0.4:
            options["origin"] = [_origin(rng, k) for k in sizes]
    elif name.startswith("uniform"):
        size = int(rng.integers(1, 40 if ndim == 1 else 12))
        options["size"] = size
        least = size
        if not by_line and rng.random() < 0.3:
            options["size"] = [int(k) for k in rng.integers(1, 9, len(axes))]
            least = min(options["size"])
        if rng.random() < 0.4:
            options["origin"] = _origin(rng, least)
    elif name.startswith("gaussian"):
        count = len(axes) if name != "gaussian_gradient_magnitude" else ndim
        options.update(_gaussian(rng, ndim, count, not by_line))
        if name == "gaussian_filter1d":
            options["order"] = int(rng.integers(0, 4))
        if name == "gaussian_filter":
            options["order"] = _some(rng, lambda: int(rng.integers(0, 3)), len(axes))
    if rng.random() < 0.5:
        options["cval"] = float(rng.choice([0.0, -0.0, 1.0, 3.0, -2.5, 300.0, 1e10, np.nan]))
    output = rng.random()
    if output < 0.15:
        options["output"] = np.dtype(str(rng.choice([*DTYPES, "D"])))
    elif output < 0.25 and name not in READS_AGAIN:
        options["output"] = "same"
    elif output < 0.35:
        options["output"] = ("apart", str(rng.choice([*DTYPES, ">f8", ">i2", "F"])))
    return name, arguments, options
