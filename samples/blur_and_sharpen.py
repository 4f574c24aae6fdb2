"""Blur and sharpen a photograph, with the result in the photograph's own dtype."""

from common import load, out_folder, save

import fastconv as fc

folder = out_folder()
camera = load("camera.png")
print(f"camera.png: {camera.shape[1]} x {camera.shape[0]}, {camera.dtype}")

# dtype="same" rounds half to even and saturates: 0..255 stays 0..255.
for sigma in (2, 8):
    save(folder / f"blur_gaussian_{sigma}.png", fc.gaussian(camera, sigma, dtype="same"))

# A box blur costs the same for any size: it is a running sum.
save(folder / "blur_box_31.png", fc.box(camera, 31, dtype="same"))

# Unsharp mask: the image plus what its blur lacks.
sharp = fc.unsharp_mask(camera, 2.0, amount=1.5, dtype="same")
save(folder / "sharpened.png", sharp)
print(f"mean grey level {camera.mean():.1f} before, {sharp.mean():.1f} after")

print("\nThe plan for a 65 x 65 Gaussian:")
print(fc.explain(camera, fc.kernels.gaussian(8.0), dtype="same"))
