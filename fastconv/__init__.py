"""fastconv: every kind of 2-D convolution on real images, as right as SciPy, and fast.

Public names load on first use: importing the package loads nothing but the standard library.

>>> import fastconv as fc
>>> fc.gaussian([[0.0, 0.0], [0.0, 1.0]], 1.0, radius=1).round(3).tolist()
[[0.075, 0.199], [0.199, 0.527]]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import kernels as kernels
    from . import ndimage as ndimage
    from . import nn as nn
    from .acceleration import accelerate as accelerate
    from .core.ir import Plan as Plan
    from .engine import explain as explain
    from .filters import box as box
    from .filters import convolve as convolve
    from .filters import convolve1d as convolve1d
    from .filters import correlate as correlate
    from .filters import correlate1d as correlate1d
    from .filters import correlate_separable as correlate_separable
    from .filters import difference_of_gaussians as difference_of_gaussians
    from .filters import farid as farid
    from .filters import gabor as gabor
    from .filters import gaussian as gaussian
    from .filters import gaussian_laplace as gaussian_laplace
    from .filters import gradient_magnitude as gradient_magnitude
    from .filters import laplace as laplace
    from .filters import prewitt as prewitt
    from .filters import roberts as roberts
    from .filters import scharr as scharr
    from .filters import sobel as sobel
    from .filters import unsharp_mask as unsharp_mask
    from .information import info as info
    from .information import warmup as warmup

__version__ = "0.1.0"

#: public name -> the room that holds it ("" = the name is a room)
_ROOMS = {
    "Plan": "core.ir",
    "accelerate": "acceleration",
    "box": "filters",
    "convolve": "filters",
    "convolve1d": "filters",
    "correlate": "filters",
    "correlate1d": "filters",
    "correlate_separable": "filters",
    "difference_of_gaussians": "filters",
    "explain": "engine",
    "farid": "filters",
    "gabor": "filters",
    "gaussian": "filters",
    "gaussian_laplace": "filters",
    "gradient_magnitude": "filters",
    "info": "information",
    "kernels": "",
    "laplace": "filters",
    "ndimage": "",
    "nn": "",
    "prewitt": "filters",
    "roberts": "filters",
    "scharr": "filters",
    "sobel": "filters",
    "unsharp_mask": "filters",
    "warmup": "information",
}

__all__ = [*sorted(_ROOMS), "__version__"]


def __getattr__(name: str) -> Any:
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = importlib.import_module(f".{room or name}", __name__)
    if room:
        found = getattr(found, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
