"""Edges of a photograph: how steep (gradient magnitude), and which way (signed derivatives)."""

from common import load, out_folder, save

import fastconv as fc

folder = out_folder()
coins = load("coins.png")
print(f"coins.png: {coins.shape[1]} x {coins.shape[0]}, {coins.dtype}")

# Without axis=: sqrt(gy^2 + gx^2).  uint8 gives float32, so nothing is clipped or rounded on the way.
steepness = fc.sobel(coins)
print(f"Sobel magnitude: {steepness.dtype}, 0 to {steepness.max():.0f}")
save(folder / "edges_sobel.png", steepness / steepness.max() * 255)

# With axis=: one signed derivative.  Grey is zero, white rises to the right, black falls.
across = fc.scharr(coins, axis=1)
print(f"Scharr along x: {across.min():.0f} to {across.max():.0f}")
save(folder / "edges_scharr_x.png", 127.5 + 127.5 * across / abs(across).max())

# Blobs and thin lines of one size: the Laplacian of a Gaussian.
blobs = fc.gaussian_laplace(coins, 3.0)
save(folder / "edges_laplace_of_gaussian.png", 127.5 + 127.5 * blobs / abs(blobs).max())

print("\nThe plan for one Sobel derivative:")
print(fc.explain(coins, fc.kernels.sobel(axis=1)))
