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
from fastconv.core.channels import ChannelProblem
from fastconv.core.errors import bad_type, bad_value

from .arrays import on_device

__all__ = ["run_on_device", "wanted"]

_FLOATS = "float16, float32 or float64 on a device"
_METHODS = ("auto", "direct")


def wanted(x: Any, backend: Any) -> bool:
    """Whether a call is for the device: its array is there, or the caller says so."""
    return on_device(x) or (isinstance(backend, str) and backend == "cuda")


def run_on_device(
    x: Any,
    weight: Any,
    bias: Any,
    out: Any,
    workers: Any,
    backend: Any,
    problem_of: Callable[[Any, Any], tuple[ChannelProblem, tuple[int, ...]]],
) -> Any:
    """Fill and return ``out``, or a new array of x's library.

    problem_of(x, weight): the problem and the output's shape, or the error that says what does not fit.
    """
    if backend not in ("auto", "cuda"):
        raise bad_type("x", x, f"an array on the host for backend {backend!r}; copy it there first")
    home = importlib.import_module("fastconv.backends.cuda").home()
    for name, other in (("weight", weight), ("bias", bias), ("out", out)):
        if other is not None and on_device(other) != on_device(x):
            raise bad_type(name, other, "on the device, as x is, or all of them on the host")
    threads.worker_count(workers)
    image, weights = _view(home, "x", x), _view(home, "weight", weight)
    if image.dtype.kind != "f":
        raise bad_type("x", x, f"an array of {_FLOATS}")
    offsets = None if bias is None else _view(home, "bias", bias)
    for name, view, value in (("weight", weights, weight), ("bias", offsets, bias)):
        if view is not None and view.dtype != image.dtype:
            raise bad_type(name, value, f"of x's dtype {image.dtype}")
    if image.ndim not in (3, 4) or weights.ndim != 4:
        name, value = ("x", x) if image.ndim not in (3, 4) else ("weight", weight)
        raise bad_value(name, value, "of four dimensions (x: or three)")
    problem, shape = problem_of(image, weights)
    if problem.method not in _METHODS:
        raise bad_value("method", problem.method, f"one of {', '.join(_METHODS)} on a device")
    if problem.kind == "transposed" and not _is_zero_border(problem):
        raise bad_value("padding_mode", problem.mode, "'constant' for a transposed convolution on a device")
    if offsets is not None and offsets.shape != (problem.c_out,):
        raise bad_value("bias", bias, f"of shape ({problem.c_out},), one number for each output channel")

    def execute(source: Any, target: Any) -> None:
        home.convolve(problem, source, target, weights, offsets)

    if out is None:
        result = home.empty(shape, image.dtype, image)
        execute(image, result)
        return home.result(result)
    if home_dtype(home, out) != image.dtype:
        raise bad_type("out", out, f"an array of {image.dtype}")
    if tuple(out.shape) != shape:
        raise bad_value("out", out, f"an array of shape {shape}")
    home.fill(out, image, execute, also=[view for view in (weights, offsets) if view is not None])
    return out


def home_dtype(home: Any, out: Any) -> np.dtype:
    """The dtype of the caller's ``out``, which must be writable."""
    if on_device(out):
        return np.dtype(home.as_output(out, None, np.dtype(np.float32)))
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise bad_type("out", out, "None or a writable array")
    return out.dtype.newbyteorder("=")


def _view(home: Any, name: str, value: Any) -> Any:
    if on_device(value):
        return home.as_view(name, value)
    array = np.asarray(value)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise bad_type(name, value, f"an array of {_FLOATS}")
    return home.as_image(array)


def _is_zero_border(problem: ChannelProblem) -> bool:
    from fastconv.core.border import reads_constant

    return reads_constant((problem.mode,))
