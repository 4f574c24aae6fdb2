"""Random calls of the rank filters, for comparison with SciPy's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMES = (
    "minimum_filter1d",
    "maximum_filter1d",
    "minimum_filter",
    "maximum_filter",
    "rank_filter",
    "median_filter",
    "percentile_filter",
)
MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "grid-mirror", "grid-wrap", "grid-constant")
DTYPES = ("?", "b", "B", "h", "H", "i", "I", "l", "L", "f", "d", "q", "Q")


def image(rng: np.random.Generator, least: int = 1) -> np.ndarray:
    """An array of one to four dimensions and any real dtype, with ties, zeros of both signs, NaN, odd layouts."""
    ndim = int(rng.integers(least, 5))
    shape = tuple(int(n) for n in rng.integers(1, {1: 90, 2: 45, 3: 14, 4: 8}[ndim], ndim))
    if rng.random() < 0.03:
        shape = (*shape[:-1], 0)
    dtype = np.dtype(str(rng.choice(DTYPES)))
    span = 10.0 ** rng.integers(0, 4)
    values = rng.normal(size=shape) * span
    with np.errstate(invalid="ignore"):
        if dtype.kind == "f":
            array = values.astype(dtype) if rng.random() < 0.5 else np.rint(values).astype(dtype)
            kind = rng.random()
            if kind < 0.15:
                array[rng.random(shape) < 0.03] = np.nan
            if 0.1 < kind < 0.2:
                array[rng.random(shape) < 0.05] = np.inf
        elif dtype.kind == "u":
            array = np.abs(values).astype(dtype)
        else:
            array = values.astype(dtype)
    if dtype.itemsize == 8 and dtype.kind in "iu" and rng.random() < 0.2:
        array = array * dtype.type(2**45) + dtype.type(3)
    layout = rng.random()
    if layout < 0.1:
        array = np.asfortranarray(array)
    elif layout < 0.2:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif layout < 0.25:
        array = array[..., ::-1]
    elif layout < 0.35 and dtype.itemsize > 1:
        array = array.astype(dtype.newbyteorder())
    return array


def _window(rng: np.random.Generator, shape: tuple[int, ...], boxes: bool) -> dict[str, Any]:
    """size or footprint, origin, axes."""
    ndim = len(shape)
    options: dict[str, Any] = {}
    axes = tuple(range(ndim))
    if rng.random() < 0.25:
        axes = tuple(int(a) for a in rng.permutation(ndim)[: rng.integers(1, ndim + 1)])
        if not boxes or rng.random() < 0.7:
            axes = tuple(sorted(axes))
        options["axes"] = axes
    largest = {1: 25, 2: 9, 3: 5, 4: 4}[len(axes)]
    if boxes and rng.random() < 0.2:
        largest = 60
    sizes = [int(k) for k in rng.integers(1, largest, len(axes))]
    if rng.random() < 0.4:
        footprint = rng.random(sizes) < rng.choice([0.3, 0.7, 0.95])
        footprint.reshape(-1)[rng.integers(footprint.size)] = True
        options["footprint"] = footprint
    else:
        options["size"] = sizes[0] if rng.random() < 0.3 and len(axes) < 3 else sizes
        if options["size"] is not sizes:
            sizes = [sizes[0]] * len(axes)
    if rng.random() < 0.4:
        options["origin"] = [int(rng.integers(-(k // 2), (k - 1) // 2 + 1)) for k in sizes]
    return options


def case(rng: np.random.Generator, name: str | None = None) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """A function's name, its positional arguments, its keyword arguments; ``output=`` may be "same" or a dtype."""
    name = name or str(rng.choice(NAMES))
    by_rank = name in ("rank_filter", "median_filter", "percentile_filter")
    # one dimension is where SciPy's rank filters are wrong: it has tests of its own
    array = image(rng, 2 if by_rank else 1)
    options: dict[str, Any] = {}
    mode: Any = str(rng.choice(MODES))
    if name.endswith("1d"):
        size = int(rng.integers(1, 40))
        options = {"size": size, "axis": int(rng.integers(-array.ndim, array.ndim))}
        if rng.random() < 0.4:
            options["origin"] = int(rng.integers(-(size // 2), (size - 1) // 2 + 1))
    else:
        options = _window(rng, array.shape, not by_rank)
        if not by_rank and "footprint" not in options and rng.random() < 0.3:
            mode = [str(m) for m in rng.choice(MODES, len(options.get("axes", array.shape)))]
    options["mode"] = mode
    if rng.random() < 0.5:
        options["cval"] = float(rng.choice([0.0, -0.0, 1.0, 3.0, -2.5, 300.0, 1e10, np.nan]))
    if name == "percentile_filter":
        options["percentile"] = float(rng.choice([-20, 0, 7.5, 20, 50, 80, 99.9, 100]))
    if name == "rank_filter":
        footprint = options.get("footprint")
        count = len(options.get("axes", array.shape))
        size = options.get("size", 1)
        taps = (
            int(np.prod(size if isinstance(size, list) else [size] * count)) if footprint is None else footprint.sum()
        )
        options["rank"] = int(rng.integers(-taps, taps))
    output = rng.random()
    if output < 0.15:
        options["output"] = np.dtype(str(rng.choice(DTYPES)))
    elif output < 0.3:
        options["output"] = "same"
    return name, (array,), options
