"""Which arrays come in and go out.  Nothing is unmasked, copied off a device or computed behind the caller's back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core.dtypes import resolve_output, supported
from fastconv.core.errors import bad_type, bad_value

__all__ = ["as_image", "as_numbers", "as_output", "empty", "fill", "on_device", "result", "tensor"]

_NUMBERS = "an array of bool, integers of at most 64 bits, float16, float32 or float64"
_LISTS = (list, tuple)
#: device types of CUDA memory in DLPack
_CUDA_DEVICES = (2, 13)


def as_image(image: Any) -> np.ndarray:
    """The image as a plain ndarray of a supported dtype with at least one dimension, not copied where it is one."""
    array = image if type(image) is np.ndarray else as_numbers("image", image)
    if not supported(array.dtype):
        raise bad_type("image", image, _NUMBERS)
    if array.ndim == 0:
        raise bad_value("image", image, "an array of at least one dimension")
    return array


def on_device(value: Any) -> bool:
    """Whether a value is an array in a CUDA device's memory: found by attributes, nothing is imported."""
    if value is None or isinstance(value, np.ndarray | list | tuple):
        return False
    if hasattr(value, "__cuda_array_interface__") or hasattr(value, "__cuda_ndarray__"):
        return True
    where = getattr(value, "__dlpack_device__", None)
    return where is not None and int(where()[0]) in _CUDA_DEVICES


def as_numbers(name: str, value: Any) -> np.ndarray:
    """``value`` as a plain ndarray, or the TypeError or ValueError that says why it is none.

    Nested lists of numbers and objects with ``__array__`` convert as NumPy converts them; subclasses come in as
    plain arrays.  Masked arrays, device arrays and dask arrays are refused: each needs a decision of the caller's.
    """
    if isinstance(value, str | bytes | dict | set | frozenset) or value is None:
        raise bad_type(name, value, _NUMBERS)
    if not isinstance(value, np.ndarray) and not isinstance(value, _LISTS):
        _refuse_elsewhere(name, value)
    _refuse_masks(name, value)
    try:
        array = np.asanyarray(value)
    except ValueError as error:  # ragged lists
        raise bad_value(name, value, f"{_NUMBERS} ({error})") from None
    except (TypeError, RuntimeError) as error:
        raise bad_type(name, value, f"{_NUMBERS} ({error})") from None
    _refuse_masks(name, array)  # an object's __array__ may have returned one
    array = np.asarray(array)
    if not supported(array.dtype):
        raise bad_type(name, value, f"{_NUMBERS} (its dtype is {array.dtype})")
    return array


def _refuse_elsewhere(name: str, value: Any) -> None:
    if on_device(value):
        raise bad_type(name, value, "an array on the host; copy it there first")
    graph = getattr(value, "__dask_graph__", None)
    if graph is not None and graph() is not None:
        raise bad_type(name, value, "an array in memory; compute() it first, or filter its blocks with map_overlap")


def _refuse_masks(name: str, value: Any) -> None:
    ma = sys.modules.get("numpy.ma")  # no masked array exists before this module is loaded
    if ma is None:
        return
    if isinstance(value, ma.MaskedArray):
        raise bad_type(name, value, f"an array without a mask; fill it first, for example {name}.filled(0)")
    if isinstance(value, _LISTS):
        for item in value:
            if isinstance(item, np.ndarray | list | tuple):
                _refuse_masks(name, item)


def tensor(name: str, value: Any, dimensions: tuple[int, ...], words: str) -> np.ndarray:
    """An argument as an array of real numbers with one of these numbers of dimensions."""
    plain = (type(value) is np.ndarray and value.dtype.kind in "fiub") or on_device(value)
    array = value if plain else as_numbers(name, value)
    if len(array.shape) not in dimensions:
        raise bad_value(name, value, words)
    return array


def as_output(out: Any, dtype: Any, image_dtype: np.dtype) -> np.dtype:
    """The dtype that the caller's ``out`` asks for, after checking everything but its shape."""
    if not isinstance(out, np.ndarray):
        raise bad_type("out", out, "None or a writable NumPy array")
    _refuse_masks("out", out)
    if not supported(out.dtype):
        raise bad_type("out", out, _NUMBERS)
    native = out.dtype.newbyteorder("=")
    if dtype is not None and resolve_output(dtype, image_dtype) != native:
        raise bad_value("out", out, f"an array of dtype {resolve_output(dtype, image_dtype)}, as dtype= says")
    if not out.flags.writeable:
        raise bad_value("out", "a read-only array", "writable")
    if 0 in out.strides and out.size and any(s == 0 and n > 1 for s, n in zip(out.strides, out.shape, strict=True)):
        raise bad_value("out", "a broadcast array", "an array whose elements do not share memory")
    return native


def empty(shape: tuple[int, ...], dtype: np.dtype, image: np.ndarray) -> np.ndarray:
    """Where a new result goes."""
    return np.empty(shape, dtype)


def result(array: np.ndarray) -> np.ndarray:
    """What the caller gets of a result."""
    return array


def fill(out: np.ndarray, image: np.ndarray, execute: Callable[[np.ndarray, np.ndarray], None]) -> None:
    """Have ``execute(image, target)`` fill ``out``: a target it can write, and an image that it does not overwrite."""
    if np.may_share_memory(image, out):
        image = image.copy()
    if out.dtype.isnative and out.flags.aligned:
        execute(image, out if type(out) is np.ndarray else out.view(np.ndarray))
        return
    target = np.empty(out.shape, out.dtype.newbyteorder("="))
    execute(image, target)
    out[...] = target
