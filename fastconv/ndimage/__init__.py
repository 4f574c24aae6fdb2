"""SciPy's filters, bit for bit and faster: `import fastconv.ndimage as ndi` is the whole change.

The names, signatures, dtype rules and errors are those of `scipy.ndimage` 1.17, and so are the bits of every result,
but where SciPy is wrong: each function says where it differs.  Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

#: public name -> the module of this room that holds it
_MODULES: dict[str, str] = {
    "convolve": "kernels",
    "convolve1d": "lines",
    "correlate": "kernels",
    "correlate1d": "lines",
    "gaussian_filter": "lines",
    "gaussian_filter1d": "lines",
    "gaussian_gradient_magnitude": "derivatives",
    "gaussian_laplace": "derivatives",
    "generic_gradient_magnitude": "derivatives",
    "generic_laplace": "derivatives",
    "laplace": "derivatives",
    "maximum_filter": "ranks",
    "maximum_filter1d": "ranks",
    "median_filter": "ranks",
    "minimum_filter": "ranks",
    "minimum_filter1d": "ranks",
    "percentile_filter": "ranks",
    "prewitt": "lines",
    "rank_filter": "ranks",
    "sobel": "lines",
    "uniform_filter": "boxes",
    "uniform_filter1d": "boxes",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f".{module}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
