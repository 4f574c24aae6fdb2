"""Convolutions over channels of device arrays: checked as on the host, executed by the CUDA backend.

x, weight, bias and ``out`` are all on the device, on x's stream; or all on the host with ``backend="cuda"``, which
copies them there and the result back.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core import threads
from fastconv.core.dtypes import supported
from fastconv.core.errors import bad_type, bad_value

from .arrays import on_device, tensor

__all__ = ["described", "run_on_device", "wanted"]

_NUMBERS = "an array of bool, integers of at most 64 bits, float16, float32 or float64"


def wanted(x: Any, backend: Any) -> bool:
    """Whether a call is for the device: its array is there, or the caller says so."""
    return on_device(x) or (isinstance(backend, str) and backend == "cuda")


def _home() -> Any:
    return importlib.import_module("fastconv.backends.cuda").home()


def described(name: str, array: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a device array, as NumPy has them."""
    view = _home().as_view(name, array)
    return view.shape, view.dtype


def run_on_device(
    x: Any,
    weight: Any,
    bias: Any,
    out: Any,
    workers: Any,
    backend: Any,
    call_of: Callable[[Any, Any, Any], tuple[Any, np.dtype]],
) -> Any:
    """Fill and return ``out``, or a new array of x's library.

    call_of(x, weight, bias): the problem, its plan and the output's shape and dtype, or the error that says what does
    not fit.
    """
    if backend not in ("auto", "cuda"):
        raise bad_type("x", x, f"an array on the host for backend {backend!r}; copy it there first")
    home = _home()
    for name, other in (("weight", weight), ("bias", bias), ("out", out)):
        if other is not None and on_device(other) != on_device(x):
            raise bad_type(name, other, "on the device, as x is, or all of them on the host")
    threads.worker_count(workers)
    image = _view(home, "x", x, (3, 4), "an array (N, C, H, W) or (C, H, W)")
    weights = _view(home, "weight", weight, (4,), "an array of four dimensions (channels out, channels in, kH, kW)")
    offsets = None if bias is None else _view(home, "bias", bias, (1,), "an array of one dimension")
    call, dtype = call_of(image, weights, offsets)
    method = "none" if call.plan is None else call.plan.method

    def execute(source: Any, target: Any) -> None:
        home.convolve(call.problem, method, source, target, weights, offsets)

    if out is None:
        result = home.empty(call.out_shape, dtype, image)
        execute(image, result)
        return home.result(result)
    if _dtype_of(home, out) != dtype:
        raise bad_type("out", out, f"an array of {dtype}")
    if tuple(out.shape) != call.out_shape:
        raise bad_value("out", out, f"an array of shape {call.out_shape}")
    home.fill(out, image, execute, also=[view for view in (weights, offsets) if view is not None])
    return out


def _dtype_of(home: Any, out: Any) -> np.dtype:
    """The dtype of the caller's ``out``, which must be writable."""
    if on_device(out):
        return np.dtype(home.as_output(out, None, np.dtype(np.float32)))
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise bad_type("out", out, "None or a writable array")
    return out.dtype.newbyteorder("=")


def _view(home: Any, name: str, value: Any, dimensions: tuple[int, ...], words: str) -> Any:
    array = tensor(name, value, dimensions, words)
    if on_device(array):
        return home.as_view(name, array)
    if not supported(array.dtype):
        raise bad_type(name, value, _NUMBERS)
    return home.as_image(array)
