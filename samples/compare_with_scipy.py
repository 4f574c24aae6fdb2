"""The same filters in fastconv and scipy.ndimage, on the same photograph: how far apart, and how long."""

import time

import numpy as np
from common import load, out_folder, save
from scipy import ndimage as ndi

import fastconv as fc

folder = out_folder()
green = load("retina.jpg")[:, :, 1].astype(np.float32)
kernel = np.random.default_rng(3).random((7, 7))
kernel /= kernel.sum()
print(f"retina.jpg, green: {green.shape[1]} x {green.shape[0]}, {green.dtype}")

pairs = {
    "sobel": (lambda: fc.sobel(green, axis=1), lambda: ndi.sobel(green, axis=1)),
    "gaussian": (lambda: fc.gaussian(green, 3), lambda: ndi.gaussian_filter(green, 3)),
    "box": (lambda: fc.box(green, 15), lambda: ndi.uniform_filter(green, 15)),
    "dense7": (lambda: fc.correlate(green, kernel), lambda: ndi.correlate(green, kernel)),
}
print(f"{'filter':10}{'fastconv ms':>12}{'scipy ms':>12}{'largest difference':>20}")
for name, calls in pairs.items():
    ours, theirs = (call() for call in calls)  # the first call compiles: it is not timed
    best = [np.inf, np.inf]
    for _ in range(3):
        for side, call in enumerate(calls):  # in turn
            start = time.perf_counter()
            call()
            best[side] = min(best[side], (time.perf_counter() - start) * 1e3)
    print(f"{name:10}{best[0]:12.2f}{best[1]:12.2f}{abs(ours - theirs).max():20.2e}")
    save(folder / f"compare_{name}.png", abs(ours))

print("\nThe plan for the 7 x 7 kernel:")
print(fc.explain(green, kernel))
