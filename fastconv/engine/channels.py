"""Convolutions over channels: what a caller said becomes a `ChannelProblem`, a plan, and an executor that is kept.

A repeated call is two look-ups: one for everything that follows from shapes and parameters, one for the executor made
for these weights.  Weights are compared by their bytes: small ones are kept at once, larger ones when they come a
second time (see `executors`); what `prepare` has made of them needs no comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.core import threads
from fastconv.core.border import CONSTANT, canonical_mode
from fastconv.core.channels import ChannelPlan, ChannelProblem
from fastconv.core.convolution import conv_size, transposed_size
from fastconv.core.errors import bad_type, bad_value
from fastconv.core.padding import (
    checked_channels,
    checked_kernel,
    output_padding_of,
    padding_of,
    pair,
    transposed_padding_of,
)
from fastconv.plan.channels import METHODS, choose_channels

from . import channels_device as device
from .arrays import tensor
from .converted import NO_LIMIT, Room, convolve_pieces
from .executors import Prepared, array_of, backend, copied_bytes, executor_of, forget, stages_of

__all__ = [
    "Call",
    "Prepared",
    "call_of",
    "check_bias",
    "checked",
    "clear_executors",
    "compute",
    "explain_channels",
    "out_dtype",
    "plain_memory",
    "run_channels",
    "same_kind",
    "targets",
]


@dataclass(frozen=True, eq=False)
class Call:
    """All that follows from shapes, dtypes and parameters."""

    problem: ChannelProblem
    plan: ChannelPlan | None  # None: nothing to compute
    out_shape: tuple[int, ...]


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple | range):
        return tuple(_hashable(v) for v in (value.tolist() if isinstance(value, np.ndarray) else value))
    return (type(value), value) if isinstance(value, bool | float) else value


def _plain(value: Any) -> Any:
    """A parameter as it may stand in a cache's key."""
    return value if type(value) in (int, str) else _hashable(value)


def _problem_of(
    kind: str,
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    stored: np.dtype,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    method: Any,
    where: Any,
) -> Call:
    transposed = kind == "transposed"
    s, d, n, size = pair("stride", stride, 1), pair("dilation", dilation, 1), (shape[-2], shape[-1]), weight[2:]
    g = checked_channels(shape[-3], weight, groups, transposed)
    checked_kernel((size[0], size[1]), d)
    mode = canonical_mode(padding_mode)
    if not isinstance(method, str):
        raise bad_type("method", method, "a string")
    if method != "auto" and method not in METHODS:
        raise bad_value("method", method, f"one of auto, {', '.join(METHODS)}")
    if not isinstance(where, str) or where not in _BACKENDS:
        raise (bad_value if isinstance(where, str) else bad_type)("backend", where, "'auto', 'cpu' or 'cuda'")
    k = size[0], size[1]
    if transposed:
        around = transposed_padding_of(padding, k, s, d)
        extra = output_padding_of(output_padding, padding, k, s, d)
        out = transposed_size(n, k, s, d, around, extra)
        c_out = weight[1] * g
    else:
        around = padding_of(padding, k, s, d, n)
        out = conv_size(n, k, s, d, around)
        c_out = weight[0]
        if 0 in n and mode != canonical_mode(CONSTANT):
            raise bad_value("padding_mode", padding_mode, f"'constant' for an image of {n[0]} x {n[1]}")
    batch = shape[0] if len(shape) == 4 else 1
    problem = ChannelProblem(
        kind, batch, shape[-3], c_out, g, n, out, k, s, d,
        (around[0][0], around[1][0]), (around[0][1], around[1][1]), mode, _sums_dtype(stored, where), method,
    )  # fmt: skip
    empty = 0 in (batch, c_out, problem.group_in, *out, *n)
    if empty:
        return Call(problem, None, (*shape[:-3], c_out, *out))
    if _BACKENDS[where] == "cpu":
        refusals = backend().refusals(problem, stored, copied_bytes(problem, stored))
    else:
        refusals = backend(where).refusals(problem)
    return Call(problem, choose_channels(problem, refusals, _BACKENDS[where]), (*shape[:-3], c_out, *out))


_remembered = lru_cache(maxsize=512)(_problem_of)


def call_of(
    kind: str, shape: tuple[int, ...], weight: tuple[int, ...], dtype: np.dtype, options: dict[str, Any]
) -> Call:
    """What follows from shapes, x's dtype and parameters: looked up, or made and checked."""
    key = [_plain(options[name]) for name in _PARAMETERS]
    return _remembered(kind, shape, weight, dtype.newbyteorder("="), *key)


#: backend= -> who executes
_BACKENDS = {"auto": "cpu", "cpu": "cpu", "cuda": "cuda"}
_PARAMETERS = ("stride", "padding", "output_padding", "dilation", "groups", "padding_mode", "method", "backend")


def _sums_dtype(dtype: np.dtype, where: Any = "cpu") -> np.dtype:
    """float32 for float16 and float32, float64 for float64 and integers (int64, which wraps, on a device)."""
    if where == "cuda" and dtype.kind != "f":
        return np.dtype(np.int64)
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def out_dtype(dtype: np.dtype) -> np.dtype:
    return dtype.newbyteorder("=") if dtype.kind == "f" else np.dtype(np.int64)


def checked(x: Any, weight: Any, bias: Any) -> tuple[np.ndarray, np.ndarray | Prepared, np.ndarray | None]:
    x = tensor("x", x, (3, 4), "an array (N, C, H, W) or (C, H, W)")
    if type(weight) is not Prepared:
        weight = tensor("weight", weight, (4,), "an array of four dimensions (channels out, channels in, kH, kW)")
    same_kind("weight", weight, x)
    if bias is not None:
        bias = tensor("bias", bias, (1,), "an array of one dimension")
        same_kind("bias", bias, x)
    return x, weight, bias


def same_kind(name: str, value: Any, x: np.ndarray) -> None:
    a, b = value.dtype, x.dtype
    if a != b and not (a.kind in "iub" and b.kind in "iub") and a.newbyteorder("=") != b.newbyteorder("="):
        raise TypeError(f"{name} must be of x's dtype {b}{' or other integers' * (b.kind in 'iub')}; got {a}")


def run_channels(
    kind: str, x: Any, weight: Any, bias: Any, *, out: np.ndarray | None, workers: int | None, **options: Any
) -> np.ndarray:
    """Convolve (kind "conv") or apply the adjoint ("transposed"): every call of `fastconv.nn` comes through here.

    The parameters are those of `fastconv.nn.conv2d` and `fastconv.nn.conv_transpose2d`; nothing is written before
    everything is checked.
    """
    if device.wanted(x, options["backend"]):
        where, options["backend"] = options["backend"], "cuda"

        def device_call(image: Any, weights: Any, offsets: Any) -> tuple[Call, np.dtype]:
            for name, other in (("weight", weights), ("bias", offsets)):
                if other is not None:
                    same_kind(name, other, image)
            found = call_of(kind, image.shape, weights.shape, image.dtype, options)
            check_bias(offsets, found.out_shape[-3])
            return found, out_dtype(image.dtype)

        return device.run_on_device(x, array_of(weight), bias, out, workers, where, device_call)
    x, weight, bias = checked(x, weight, bias)
    call = call_of(kind, x.shape, weight.shape, x.dtype, options)
    check_bias(bias, call.out_shape[-3])
    limit = threads.worker_count(workers)
    out, target = targets(out, call.out_shape, out_dtype(x.dtype), x, array_of(weight), bias)
    if target.ndim == 4:
        compute(call, x, weight, bias, target, limit)
    else:
        compute(call, x[None], weight, bias, target[None], limit)
    if target is not out:
        out[...] = target
    return out


def compute(
    call: Call,
    x: np.ndarray,
    weight: np.ndarray | Prepared,
    bias: np.ndarray | None,
    out: np.ndarray,
    workers: int,
    room: Room = NO_LIMIT,
) -> None:
    """Fill ``out`` (N, C, H, W), which shares no memory with the others.  room: see `pieces_of`."""
    p, plan = call.problem, call.plan
    if plan is None:
        out[...] = 0 if bias is None else bias[:, None, None].astype(out.dtype)
    elif plain_memory(x, p.dtype) and plain_memory(out, p.dtype):
        if bias is not None:
            bias = np.ascontiguousarray(bias, p.dtype)
        executor = executor_of(p, plan.method, weight)
        executor.execute(x, out, bias, min(workers, executor.most_workers))
    else:
        convolve_pieces(p, plan.method, x, weight, bias, out, workers, room)


def check_bias(bias: np.ndarray | None, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise bad_value("bias", bias, f"of shape ({channels},), one number for each output channel")


def targets(out: Any, shape: tuple[int, ...], dtype: np.dtype, *others: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the caller gets, and the array that is filled: another one where it shares memory with what is read."""
    if out is None:
        out = np.empty(shape, dtype)
        return out, out
    _checked_out(out, shape, dtype)
    shared = any(isinstance(a, np.ndarray) and np.may_share_memory(out, a) for a in others)
    return out, np.empty(shape, dtype) if shared else out


def plain_memory(array: np.ndarray, dtype: np.dtype) -> bool:
    return type(array) is np.ndarray and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned


def _checked_out(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if not isinstance(out, np.ndarray):
        raise bad_type("out", out, "None or a writable NumPy array")
    if out.dtype.newbyteorder("=") != dtype:
        raise bad_type("out", out, f"an array of {dtype}")
    if out.shape != shape:
        raise bad_value("out", out, f"an array of shape {shape}")
    if not out.flags.writeable:
        raise bad_value("out", "a read-only array", "writable")
    if 0 in out.strides and out.size and any(s == 0 and n > 1 for s, n in zip(out.strides, out.shape, strict=True)):
        raise bad_value("out", "a broadcast array", "an array whose elements do not share memory")


def clear_executors() -> None:
    """Forget every remembered problem and executor."""
    forget()
    _remembered.cache_clear()


def explain_channels(
    kind: str, shape: Any, weight_shape: tuple[int, ...], dtype: Any, weight: np.ndarray | None, **options: Any
) -> ChannelPlan:
    """The plan of a call, from shapes alone; with the weights it may be that of their factors."""
    call = call_of(kind, shape, weight_shape, dtype, options)
    if call.plan is None:
        return ChannelPlan(call.problem, "none", (), {}, 0.0, "nothing is to be computed")
    p, plan = call.problem, call.plan
    if options["backend"] == "cuda":
        return plan
    if weight is None or dtype.newbyteorder("=") != p.dtype:
        if p.method == "separable":
            raise bad_value(
                "method", p.method, "another one where the weights are not known, or not of float32 or float64"
            )
        return plan
    found = stages_of(p, plan.method, weight)
    if found is None:
        return plan
    offers = tuple(sorted((found.offer, *plan.offers), key=lambda offer: offer.cost_ns))
    return replace(plan, method="separable", offers=offers, error_bound=found.error_bound, note=found.offer.note)
