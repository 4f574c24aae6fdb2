"""The image operators: each makes its taps and calls `fastconv.engine.run`.

`general` takes any coefficients, `smoothing` and `edges` make theirs; `options` holds what all of them accept,
written once, and `makers` turns an operator's parameters into weights, remembered.
"""

from __future__ import annotations

from .edges import farid, gaussian_laplace, gradient_magnitude, laplace, prewitt, roberts, scharr, sobel
from .general import convolve, convolve1d, correlate, correlate1d, correlate_separable
from .smoothing import box, difference_of_gaussians, gabor, gaussian, unsharp_mask

__all__ = [
    "box",
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "correlate_separable",
    "difference_of_gaussians",
    "farid",
    "gabor",
    "gaussian",
    "gaussian_laplace",
    "gradient_magnitude",
    "laplace",
    "prewitt",
    "roberts",
    "scharr",
    "sobel",
    "unsharp_mask",
]
