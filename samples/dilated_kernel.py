"""One small kernel at growing dilation: the wavelet transform "with holes" (à trous) of a retina's green channel.

Each blur spaces the same 5 x 5 taps twice as far apart; the difference of two blurs shows details of one size.
(J.-L. Starck, F. Murtagh: Astronomical Image and Data Analysis, chapter 2.)
"""

import numpy as np
from common import load, out_folder, save

import fastconv as fc

folder = out_folder()
green = load("retina.jpg")[:, :, 1]
spline = np.array([1, 4, 6, 4, 1]) / 16
kernel = np.outer(spline, spline)
print(f"retina.jpg, green: {green.shape[1]} x {green.shape[0]}, {green.dtype}; a 5 x 5 kernel of sum {kernel.sum():g}")

smooth = green.astype(np.float32)
layers = []
for dilation in (1, 2, 4, 8):
    blurred = fc.correlate(smooth, kernel, dilation=dilation, mode="mirror")
    layers.append(smooth - blurred)
    span, peak = 4 * dilation + 1, abs(layers[-1]).max()
    print(f"dilation {dilation}: reaches over {span} x {span} samples, detail up to {peak:.1f} grey levels")
    save(folder / f"dilated_detail_{dilation}.png", 127.5 + 8 * layers[-1])
    smooth = blurred

rebuilt = smooth + sum(layers)
print(f"the layers add up to the image again: largest difference {abs(rebuilt - green).max():.1e}")

print("\nThe plan at dilation 8 (its zeros are never multiplied):")
print(fc.explain(green.shape, kernel, dilation=8, mode="mirror"))
