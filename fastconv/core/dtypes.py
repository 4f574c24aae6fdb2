"""Which dtypes go in, which accumulate, which come out, and the one cast at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import bad_type, bad_value

__all__ = ["accumulate_dtype", "cast_into", "default_output", "resolve_output", "supported"]

_ALLOWED = "bool, an integer of at most 64 bits, float16, float32 or float64"


def supported(dtype: np.dtype) -> bool:
    """Whether images of this dtype (in either byte order) can be filtered.

    >>> supported(np.dtype(">u2")), supported(np.dtype(complex))
    (True, False)
    """
    return dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8)


def default_output(dtype: np.dtype) -> np.dtype:
    """Output dtype where the caller names none: floats keep theirs, integers become float.

    Integers of at most 16 bits and bool give float32, wider ones float64: nothing is rounded or clipped.

    >>> [str(default_output(np.dtype(t))) for t in ("uint8", "int32", "float16", "float64")]
    ['float32', 'float64', 'float16', 'float64']
    """
    if dtype.kind == "f":
        return dtype.newbyteorder("=")
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def resolve_output(dtype: Any, image: np.dtype) -> np.dtype:
    """Output dtype from the caller's ``dtype=`` word: None, "same", or anything NumPy reads as a supported dtype."""
    if dtype is None:
        return default_output(image)
    if isinstance(dtype, str) and dtype == "same":
        return image.newbyteorder("=")
    try:
        out = np.dtype(dtype)
    except TypeError:
        raise bad_type("dtype", dtype, f"None, 'same' or {_ALLOWED}") from None
    if not supported(out):
        raise bad_value("dtype", out, f"None, 'same' or {_ALLOWED}")
    return out.newbyteorder("=")


def accumulate_dtype(image: np.dtype, out: np.dtype) -> np.dtype:
    """Dtype of the sums: float32 while image and output fit it, float64 as soon as one of them is wider.

    float16, float32 and integers of at most 16 bits (bool too) fit float32.

    >>> str(accumulate_dtype(np.dtype("uint8"), np.dtype("float32")))
    'float32'
    >>> str(accumulate_dtype(np.dtype("uint8"), np.dtype("float64")))
    'float64'
    """

    def narrow(d: np.dtype) -> bool:
        return d.itemsize <= 4 if d.kind == "f" else d.itemsize <= 2

    return np.dtype(np.float32 if narrow(image) and narrow(out) else np.float64)


def cast_into(out: np.ndarray, sums: np.ndarray) -> None:
    """Store float sums into ``out``: floats convert, integers round half to even and saturate, NaN becomes 0.

    bool is True where the rounded sum is not zero.  ``sums`` may be overwritten.

    >>> out = np.empty(5, np.uint8)
    >>> cast_into(out, np.array([0.5, 1.5, -3.0, 256.0, np.nan], np.float32))
    >>> out.tolist()
    [0, 2, 0, 255, 0]
    """
    kind = out.dtype.kind
    if kind == "f":
        with np.errstate(over="ignore"):
            np.copyto(out, sums, casting="same_kind")
        return
    np.rint(sums, out=sums)
    np.copyto(sums, 0, where=np.isnan(sums))
    if kind == "b":
        np.not_equal(sums, 0, out=out)
        return
    info = np.iinfo(out.dtype)
    top = sums.dtype.type(info.max)
    if int(top) <= info.max:
        np.clip(sums, info.min, top, out=sums)
        np.copyto(out, sums, casting="unsafe")
        return
    # the type's maximum is no float: everything from 2**bits on is set by hand
    over = sums >= top
    np.clip(sums, info.min, np.nextafter(top, sums.dtype.type(0)), out=sums)
    np.copyto(out, sums, casting="unsafe")
    out[over] = info.max
