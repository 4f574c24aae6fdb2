"""One filter of each method against SciPy, on a photograph: run by .ci/run on every Python it finds."""

from __future__ import annotations

import sys

import numpy as np
from scipy import ndimage
from skimage import data

import fastconv as fc

camera = data.camera()
exact = camera.astype(np.float64)
rng = np.random.default_rng(5)
kernels = {
    "direct": rng.random((3, 5)),
    "separable": fc.kernels.sobel(axis=1),
    "low_rank": fc.kernels.gaussian_laplace(2.0),
    "running_sum": np.full((9, 9), 1 / 81),
    "fft": rng.random((32, 21)),
}
print(sys.version)
for method, kernel in kernels.items():
    result = fc.correlate(camera, kernel, mode="mirror", method=method)
    truth = ndimage.correlate(exact, kernel, mode="mirror")
    plan = fc.explain(camera, kernel, mode="mirror", method=method)
    error = float(np.abs(result - truth).max())
    bound = 1e-5 * float(np.abs(kernel).sum()) * 255
    print(f"{method}: plan {plan.method}, {result.dtype}, error {error:.2e} (allowed {bound:.2e})")
    assert plan.method == method
    assert result.shape == camera.shape
    assert error <= bound
print(fc.explain(camera, kernels["low_rank"]))
