"""SciPy's rules for arguments: what is accepted, which error names what is not, which output is made.

Every door of this room reads its arguments through these functions, so that a rule stands once.  Errors have the
types that `scipy.ndimage` 1.17 raises (RuntimeError where the package's own functions raise ValueError).
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fastconv.core.border import canonical_mode

__all__ = [
    "REAL",
    "as_array",
    "axis_index",
    "border_mode",
    "border_modes",
    "checked_axes",
    "checked_origin",
    "checked_real",
    "checked_writable",
    "get_output",
    "is_sequence",
    "per_axis",
    "settle",
    "spread_over_axes",
]

#: dtypes (as characters) that the filters take: bool, every integer, float32 and float64
REAL = frozenset("?bBhHiIlLqQfd")
#: words of the border table that SciPy does not know
_FOREIGN = frozenset({"symmetric", "edge"})


def as_array(value: Any) -> np.ndarray:
    """``value`` as a plain array: lists convert, subclasses lose their class (a mask is dropped, as SciPy drops it)."""
    return value if type(value) is np.ndarray else np.asarray(value)


def axis_index(axis: int, ndim: int) -> int:
    """``axis`` counted from the front; `numpy.exceptions.AxisError` where there is no such axis."""
    if axis < -ndim or axis >= ndim:
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    axis = operator.index(axis)
    return axis + ndim if axis < 0 else axis


def checked_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """``axes=`` as numbers from the front: None is all of them; repeated or missing axes are a ValueError."""
    if axes is None:
        return tuple(range(ndim))
    if np.isscalar(axes):
        given: tuple[int, ...] = (operator.index(axes),)  # type: ignore[arg-type]
    elif isinstance(axes, Iterable):
        given = tuple(operator.index(axis) for axis in axes)
    else:
        raise ValueError("axes must be an integer, iterable of integers, or None")
    for axis in given:
        if axis < -ndim or axis > ndim - 1:
            raise ValueError(f"specified axis: {axis} is out of range")
    found = tuple(axis % ndim for axis in given)
    if len(set(found)) != len(found):
        raise ValueError("axes must be unique")
    return found


def is_sequence(value: Any) -> bool:
    """Whether an argument gives one value for each axis: a string, as every scalar, is one value for all."""
    return not isinstance(value, str) and np.iterable(value)


def per_axis(value: Any, count: int, name: str = "argument") -> list[Any]:
    """``value`` for each of ``count`` axes: a scalar is repeated, a sequence must have that length (RuntimeError)."""
    if not is_sequence(value):
        return [value] * count
    found = list(value)
    if len(found) != count:
        raise RuntimeError(
            f"sequence argument must have length equal to input rank: {name} has {len(found)} values for {count} axes"
        )
    return found


def spread_over_axes(value: Any, axes: Sequence[int], ndim: int, rest: Any, name: str = "argument") -> list[Any]:
    """``value`` for each filtered axis, put at the axes' places among ``ndim``, with ``rest`` at the other places."""
    found = per_axis(value, len(axes), name)
    if len(axes) == ndim:
        return found
    spread = [rest] * ndim
    for each, axis in zip(found, axes, strict=True):
        spread[axis] = each
    return spread


def border_mode(mode: Any) -> str:
    """The border table's word for SciPy's (its aliases grid-mirror, grid-wrap and grid-constant too); RuntimeError."""
    try:
        if mode not in _FOREIGN:
            return canonical_mode(mode)
    except (TypeError, ValueError):
        pass
    raise RuntimeError(f"boundary mode not supported: {mode!r}")


def border_modes(mode: Any, count: int) -> list[str]:
    """`border_mode` for each of ``count`` axes."""
    return [border_mode(each) for each in per_axis(mode, count, "mode")]


def checked_origin(origin: Any, size: int, text: str = "invalid origin") -> int:
    """``origin`` of a window of ``size`` samples, -(size // 2) ... (size - 1) // 2; else the ValueError ``text``."""
    if size // 2 + origin < 0 or size // 2 + origin >= size:
        raise ValueError(text)
    return operator.index(origin)


def checked_real(array: np.ndarray) -> np.ndarray:
    """The array, if the filters take its dtype, in either byte order; else RuntimeError (float16, longdouble ...)."""
    if array.dtype.char not in REAL:
        raise RuntimeError(f"array type {array.dtype!r} not supported")
    return array


def checked_writable(output: np.ndarray) -> np.ndarray:
    """The output, if it can be written; else ValueError."""
    if not output.flags.writeable:
        raise ValueError("output array is read-only.")
    return output


def get_output(
    output: Any, image: np.ndarray, shape: tuple[int, ...] | None = None, complex_output: bool = False
) -> np.ndarray:
    """The array that ``output=`` asks for: None (the image's dtype), a dtype, its name, or an array to fill.

    ``complex_output``: the result is complex, and so must the output be.  A fresh array's content is undefined: the
    caller fills all of it.

    Raises
    ------
    RuntimeError
        An array of another shape than ``shape`` (None: the image's), a name of no number, a real output for a complex
        result.  A real dtype for one is promoted, with a UserWarning.
    """
    if shape is None:
        shape = image.shape
    if output is None:
        if complex_output:
            return np.empty(shape, np.promote_types(image.dtype, np.complex64))
        # as named, so in the machine's byte order
        return np.empty(shape, image.dtype if image.dtype.isnative else image.dtype.name)
    if isinstance(output, type | np.dtype):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            warnings.warn("promoting specified output dtype to complex", stacklevel=3)
            dtype = np.promote_types(dtype, np.complex64)
        return np.empty(shape, dtype)
    if isinstance(output, str):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            raise RuntimeError("output must have complex dtype")
        if not issubclass(dtype.type, np.number):
            raise RuntimeError("output must have numeric dtype")
        return np.empty(shape, dtype)
    array = np.asarray(output)
    if array.shape != shape:
        raise RuntimeError(f"output shape not correct: it is {array.shape}, not {shape}")
    if complex_output and array.dtype.kind != "c":
        raise RuntimeError("output must have complex dtype")
    return array


def settle(output: np.ndarray, image: np.ndarray, execute: Callable[[np.ndarray], None]) -> np.ndarray:
    """Have ``execute(target)`` compute into an array it can write, and see that ``output`` holds the result.

    The target is ``output`` itself where that is native, C-contiguous and shares no memory with the image; else a
    fresh array of its dtype, copied when it is complete: ``output`` may be the image, or overlap it in any way.
    """
    checked_writable(output)
    flags = output.flags
    if flags.c_contiguous and flags.aligned and output.dtype.isnative and not np.may_share_memory(output, image):
        execute(output)
        return output
    target = np.empty(output.shape, output.dtype.newbyteorder("="))
    execute(target)
    output[...] = target
    return output
