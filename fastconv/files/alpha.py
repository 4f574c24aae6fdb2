"""Pictures with transparency: filtered premultiplied, unmultiplied after.

A transparent pixel still stores a colour, most often black.  Filtered as it stands, that unseen colour bleeds into its
visible neighbours; multiplied by alpha first, it weighs nothing.
"""

from __future__ import annotations

import numpy as np

__all__ = ["join_alpha", "split_alpha"]


def _full(dtype: np.dtype) -> float:
    """The alpha value that means opaque."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied colour (..., samples - 1) and alpha (...) from 0 to 1, both float, of (..., samples).

    >>> colour, alpha = split_alpha(np.array([[160, 0.25], [90, 0]], np.float32))
    >>> colour.round(2).tolist(), alpha.tolist()
    ([[40.0], [0.0]], [0.25, 0.0])
    """
    wide: np.ndarray = pixels.astype(
        np.float64 if pixels.dtype.itemsize > 2 and pixels.dtype != np.float32 else np.float32
    )
    alpha = wide[..., -1] / _full(pixels.dtype)
    return wide[..., :-1] * alpha[..., None], alpha


def join_alpha(colour: np.ndarray, alpha: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Straight float samples (..., samples) from premultiplied colour and alpha, for a file of ``dtype``.

    Where alpha is too small to be stored, the colour is 0: there is nothing to see and nothing sound to divide by.

    >>> join_alpha(np.array([[40.0]]), np.array([0.2]), np.dtype("uint8")).round(2).tolist()
    [[200.0, 51.0]]
    """
    full = _full(dtype)
    seen = alpha > (0.5 / full if full > 1 else 1e-6)
    out = np.zeros((*colour.shape[:-1], colour.shape[-1] + 1), colour.dtype)
    np.divide(colour, alpha[..., None], out=out[..., :-1], where=seen[..., None])
    out[..., -1] = np.clip(alpha, 0, 1) * colour.dtype.type(full)
    return out
