"""Three filtered axes: an image sequence (time, rows, columns) with photon noise, smoothed in space and time.

A real cell, made to drift, with the noise of 20 photons in the brightest pixel: what a fast microscope would record.
"""

import numpy as np
from common import load, out_folder, save

import fastconv as fc

folder = out_folder()
cell = load("cell.png").astype(np.float32) / 255
clean = np.stack([cell[250:490, left : left + 320] for left in range(206, 230)])
rng = np.random.default_rng(1)
noisy = (rng.poisson(20 * clean) / 20).astype(np.float32)
print(f"sequence: {noisy.shape[0]} frames of {noisy.shape[2]} x {noisy.shape[1]}, {noisy.dtype}")

# axes= names the filtered axes, sigma one width for each: 1.5 frames, 2 and 2 pixels.
smooth = fc.gaussian(noisy, (1.5, 2, 2), axes=(0, 1, 2), mode="nearest")
# The same blur within each frame only: the first axis is not filtered.
plane = fc.gaussian(noisy, 2, axes=(1, 2), mode="nearest")

for name, volume in (("noisy", noisy), ("blurred in each frame", plane), ("blurred in space and time", smooth)):
    print(f"  {name}: off the truth by {np.sqrt(np.mean((volume - clean) ** 2)):.3f} (root mean square)")
for name, volume in (("noisy", noisy), ("plane", plane), ("smooth", smooth)):
    save(folder / f"volume_{name}.png", volume[12] * 255)

print("\nThe plan for the three axes:")
print(fc.explain(noisy, fc.kernels.gaussian((1.5, 2, 2)), axes=(0, 1, 2), mode="nearest"))
