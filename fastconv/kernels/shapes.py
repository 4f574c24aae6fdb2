"""2-D kernels drawn from a formula: Gabor waves, motion blur, disks."""

from __future__ import annotations

import math

import numpy as np

from fastconv.core.errors import bad_value

from . import checks

__all__ = ["disk", "gabor", "motion"]


def gabor(
    frequency: float,
    *,
    theta: float = 0.0,
    bandwidth: float = 1.0,
    sigma_x: float | None = None,
    sigma_y: float | None = None,
    n_stds: float = 3.0,
    offset: float = 0.0,
    part: str = "real",
) -> np.ndarray:
    """A Gabor kernel: a plane wave under a Gaussian.

    With x to the right, y downward, ``x' = x cos theta + y sin theta`` and ``y' = y cos theta - x sin theta``::

        g(y, x) = exp(-(x'^2 / sigma_x^2 + y'^2 / sigma_y^2) / 2) / (2 pi sigma_x sigma_y)
                  * exp(i (2 pi frequency x' + offset))

    returned as the real or the imaginary part of g(-y, -x): in correlation order, so that it filters as
    `skimage.filters.gabor` does (whose `gabor_kernel` is g, for convolution).

    Parameters
    ----------
    frequency : of the wave, in cycles per sample; > 0.
    theta : direction of the wave in radians; 0 is along x, pi/2 along y, downward.
    bandwidth : of the Gaussian, in octaves, 0.001 to 64; gives those of ``sigma_x`` and ``sigma_y`` that are None:
        ``sqrt(ln 2 / 2) / (pi frequency) * (2^bandwidth + 1) / (2^bandwidth - 1)``.
    sigma_x, sigma_y : standard deviations along and across the wave, in samples; > 0.
    n_stds : where the Gaussian is cut, in standard deviations; > 0.
    offset : the wave's phase in radians.
    part : ``"real"`` (even, for ``offset=0``) or ``"imag"`` (odd).

    Returns
    -------
    float64 array with odd sizes, at least 3.  It does not sum to 0: a flat image gives a small answer.

    Raises
    ------
    TypeError, ValueError : an argument is no number, or outside the limits above; more than 2**24 coefficients.

    Source: Daugman, Uncertainty Relation for Resolution in Space, Spatial Frequency, and Orientation (1985).

    >>> gabor(0.2).shape
    (19, 19)
    >>> round(float(gabor(0.2)[9, 9]), 5)
    0.02014
    """
    f = checks.real("frequency", frequency, above=0.0)
    angle = checks.real("theta", theta)
    octaves = checks.real("bandwidth", bandwidth, least=0.001, most=64.0)
    cut = checks.real("n_stds", n_stds, above=0.0)
    phase = checks.real("offset", offset)
    wanted = checks.one_of("part", part, ("real", "imag"))
    power = 2.0**octaves
    natural = 1.0 / math.pi * math.sqrt(math.log(2) / 2.0) * (power + 1) / (power - 1) / f
    along = natural if sigma_x is None else checks.real("sigma_x", sigma_x, above=0.0)
    across = natural if sigma_y is None else checks.real("sigma_y", sigma_y, above=0.0)
    cos, sin = math.cos(angle), math.sin(angle)
    half = [
        max(abs(cut * across * cos), abs(cut * along * sin), 1.0),
        max(abs(cut * along * cos), abs(cut * across * sin), 1.0),
    ]
    if not all(h <= checks.MAX_RADIUS for h in half):
        raise ValueError(
            f"n_stds * sigma must be at most {checks.MAX_RADIUS} samples; got {cut * max(along, across):.6g} "
            f"(sigma follows from frequency and bandwidth where it is not given)"
        )
    rows, columns = (math.ceil(h) for h in half)
    checks.coefficients((2 * rows + 1, 2 * columns + 1), "a Gabor kernel")
    y = np.arange(rows, -rows - 1, -1)[:, None]  # descending: correlation order
    x = np.arange(columns, -columns - 1, -1)
    x_turned = x * cos + y * sin
    y_turned = y * cos - x * sin
    with np.errstate(over="ignore"):  # exp(-inf) is the 0 that it should be
        bell = np.exp(-0.5 * ((x_turned / along) ** 2 + (y_turned / across) ** 2))
    wave = (np.cos if wanted == "real" else np.sin)(2 * math.pi * f * x_turned + phase)
    scale = 1 / (2 * math.pi * along * across) if along * across else math.inf
    if not math.isfinite(scale):
        raise bad_value("sigma_x * sigma_y", along * across, "large enough for 1 / (2 pi sigma_x sigma_y) to be finite")
    return np.asarray(bell * wave * scale)


def motion(length: float, angle: float = 0.0) -> np.ndarray:
    """Motion blur: the mean along a straight line through the centre.

    A coefficient is the length of the line's part within that sample's unit square, over the line's length.

    Parameters
    ----------
    length : of the line, in samples; > 0.  At most 1 along an axis blurs nothing.
    angle : of the line in degrees, counter-clockwise from the positive x axis as seen on a screen; 0 is horizontal,
        45 rises to the right.

    Returns
    -------
    float64 array with odd sizes that just holds the line; sums to 1, and equals itself turned by 180 degrees.

    Raises
    ------
    TypeError, ValueError : an argument is no finite number; ``length`` is not > 0; more than 2**24 coefficients.

    Source: the line integral of an image that is constant on each sample's square.

    >>> motion(5).tolist()
    [[0.2, 0.2, 0.2, 0.2, 0.2]]
    >>> motion(3, angle=90).shape
    (3, 1)
    """
    reach = checks.real("length", length, above=0.0, most=2 * checks.MAX_RADIUS) / 2
    turned = math.radians(checks.real("angle", angle) % 360.0)
    step = (-math.sin(turned), math.cos(turned))  # rows go downward
    half = [max(0, math.ceil(reach * abs(s) - 0.5 - 1e-9)) for s in step]
    checks.coefficients([2 * h + 1 for h in half], "a motion kernel")
    # the line passes from square to square where a coordinate is an integer and a half
    cuts = [np.array([-reach, reach])]
    for s, h in zip(step, half, strict=True):
        if h:
            cuts.append((np.arange(-h, h) + 0.5) / s)
    t = np.unique(np.clip(np.concatenate(cuts), -reach, reach))
    middle, part = (t[1:] + t[:-1]) / 2, np.diff(t)
    keep = part > 1e-9 * reach  # rounding noise where the line meets a square's corner
    index = [
        np.clip(np.floor(middle[keep] * s + 0.5).astype(np.intp) + h, 0, 2 * h) for s, h in zip(step, half, strict=True)
    ]
    kernel = np.zeros([2 * h + 1 for h in half])
    np.add.at(kernel, tuple(index), part[keep])
    kernel = kernel + kernel[::-1, ::-1]
    return kernel / kernel.sum()


def disk(radius: float) -> np.ndarray:
    """The mean over a disk: the same coefficient wherever ``y^2 + x^2 <= radius^2``, zero elsewhere.

    Parameters
    ----------
    radius : in samples, >= 0.

    Returns
    -------
    float64 array of shape ``(2 * r + 1, 2 * r + 1)``, r = ``floor(radius)``; sums to 1.

    Raises
    ------
    TypeError, ValueError : ``radius`` is no number >= 0; more than 2**24 coefficients.

    Source: the definition of the disk.

    >>> (disk(1) * 5).tolist()
    [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
    """
    limit = checks.real("radius", radius, least=0.0, most=checks.MAX_RADIUS)
    r = math.floor(limit)
    checks.coefficients((2 * r + 1, 2 * r + 1), "a disk")
    square = np.arange(-r, r + 1, dtype=np.float64) ** 2
    inside = square[:, None] + square <= limit * limit
    return inside / np.count_nonzero(inside)
