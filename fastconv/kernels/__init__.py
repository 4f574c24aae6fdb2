"""Coefficient makers: taps and kernels as plain float64 arrays, in correlation order.

Everything here is NumPy and small; what it returns can be handed to `fastconv.correlate`, changed, printed or kept.
"Correlation order" means that ``out[i] = sum over t of kernel[t] * image[i + t - centre]``; hand it to
`fastconv.convolve` and a derivative changes its sign.
"""

from __future__ import annotations

from .composed import difference_of_gaussians, emboss, gaussian_laplace, identity, roberts, sharpen, unsharp
from .dense import binomial, box, farid, gaussian, laplace, prewitt, scharr, sobel
from .shapes import disk, gabor, motion
from .spec import from_spec, names, parse
from .taps import binomial_taps, box_taps, derivative_taps, gaussian_taps, laplace_taps, smoothing_taps

__all__ = [
    "binomial",
    "binomial_taps",
    "box",
    "box_taps",
    "derivative_taps",
    "difference_of_gaussians",
    "disk",
    "emboss",
    "farid",
    "from_spec",
    "gabor",
    "gaussian",
    "gaussian_laplace",
    "gaussian_taps",
    "identity",
    "laplace",
    "laplace_taps",
    "motion",
    "names",
    "parse",
    "prewitt",
    "roberts",
    "scharr",
    "sharpen",
    "smoothing_taps",
    "sobel",
    "unsharp",
]
