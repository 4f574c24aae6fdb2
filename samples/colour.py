"""A colour photograph: say which axis holds the colours, and it is left alone."""

from common import load, out_folder, save

import fastconv as fc

folder = out_folder()
coffee = load("coffee.png")
print(f"coffee.png: {coffee.shape[1]} x {coffee.shape[0]}, {coffee.shape[2]} channels, {coffee.dtype}")

# An (H, W, 3) array is also a thin volume: without channel_axis= or axes= there is no guess.
try:
    fc.gaussian(coffee, 3)
except ValueError as error:
    print(f"without channel_axis: {error}")

save(folder / "colour_gaussian.png", fc.gaussian(coffee, 3, channel_axis=-1, dtype="same"))

# Every second sample of a blur: a half-size picture without jagged edges, and only those samples are computed.
half = fc.gaussian(coffee, 1.0, stride=2, channel_axis=-1, dtype="same")
save(folder / "colour_half.png", half)

# sigma for each axis: motion along x only.
save(folder / "colour_motion.png", fc.gaussian(coffee, (0, 12), channel_axis=-1, dtype="same"))

print("\nThe plan for the first blur:")
print(fc.explain(coffee, fc.kernels.gaussian(3.0), channel_axis=-1, dtype="same"))
