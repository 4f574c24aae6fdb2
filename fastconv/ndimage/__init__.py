"""SciPy's rank filters, bit for bit and faster: minimum, maximum, median, rank and percentile.

The names, signatures, dtype rules and errors are those of `scipy.ndimage` 1.17, and so are the bits of every result.
Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

#: public name -> the module of this room that holds it
_MODULES: dict[str, str] = {
    "maximum_filter": "ranks",
    "maximum_filter1d": "ranks",
    "median_filter": "ranks",
    "minimum_filter": "ranks",
    "minimum_filter1d": "ranks",
    "percentile_filter": "ranks",
    "rank_filter": "ranks",
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
