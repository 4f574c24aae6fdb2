"""What tests of fastconv.ndimage share: a call of either library, and whether two results have the same bytes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def called(module: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The result, or the type of the error; ``output="same"`` fills the input, "apart" a strided array."""
    options = dict(options)
    image = arguments[0].copy(order="K")
    if options.get("output") == "same":
        options["output"] = image
    elif isinstance(options.get("output"), tuple):  # ("apart", dtype): every other sample of a larger array
        shape = (*image.shape[:-1], 2 * image.shape[-1])
        options["output"] = np.zeros(shape, options["output"][1])[..., ::2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return getattr(module, name)(image, *arguments[1:], **options)
        except Exception as error:
            return type(error)


def same(got: Any, wanted: Any) -> bool:
    """Equal bytes, dtypes and errors; the bits of a NaN are its own affair."""
    if isinstance(wanted, type):
        return got is wanted
    if not isinstance(got, np.ndarray) or got.dtype != wanted.dtype or got.shape != wanted.shape:
        return False
    if got.dtype.kind == "c":
        return same(got.real, wanted.real) and same(got.imag, wanted.imag)
    if got.dtype.kind == "f":
        lost = np.isnan(wanted)
        if not np.array_equal(np.isnan(got), lost):
            return False
        got, wanted = got[~lost], wanted[~lost]
    return got.tobytes() == wanted.tobytes()


def shown(options: dict[str, Any]) -> dict[str, Any]:
    """Options without what is too long to read."""
    return {k: v if np.size(v) < 30 else "..." for k, v in options.items()}
