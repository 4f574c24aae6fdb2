"""Depthwise separable convolution: fused strip by strip, or the two parts one after the other, band by band."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.core import threads
from fastconv.core.channels import LEAST_BYTES
from fastconv.core.errors import bad_value
from fastconv.core.scratch import scratch
from fastconv.core.separable import SeparableProblem

from . import channels_device as device
from .arrays import tensor
from .channels import (
    Call,
    call_of,
    check_bias,
    checked,
    compute,
    out_dtype,
    plain_memory,
    run_channels,
    same_kind,
    targets,
)
from .converted import convolve_pieces, pieces_of
from .executors import Prepared, array_of, separable_executor_of

__all__ = ["run_separable"]

#: options of the second part
_MIXING = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "padding_mode": "constant",
           "method": "auto"}  # fmt: skip


def run_separable(
    x: Any, depthwise: Any, pointwise: Any, bias: Any, *, out: np.ndarray | None, workers: int | None, **options: Any
) -> np.ndarray:
    """`fastconv.nn.separable_conv2d`: depthwise, then 1 x 1, strip by strip where x can be read in place."""
    mixing = _MIXING | {"backend": options["backend"]}
    options |= {"groups": max(1, x.shape[-3]), "output_padding": 0}
    if device.wanted(x, options["backend"]):
        if tuple(pointwise.shape[2:]) != (1, 1):
            raise bad_value("pointwise", pointwise, "an array of shape (channels out, channels in, 1, 1)")
        middle = run_channels("conv", x, depthwise, None, out=None, workers=workers, **options)
        return run_channels("conv", middle, pointwise, bias, out=out, workers=workers, **mixing)
    x, depthwise, _ = checked(x, depthwise, None)
    first = call_of("conv", x.shape, depthwise.shape, x.dtype, options)
    if type(pointwise) is not Prepared:
        pointwise = tensor("pointwise", pointwise, (4,), "an array of shape (channels out, channels in, 1, 1)")
    if pointwise.shape[2:] != (1, 1):
        raise bad_value("pointwise", pointwise, "an array of shape (channels out, channels in, 1, 1)")
    same_kind("pointwise", pointwise, x)
    second = call_of("conv", first.out_shape, pointwise.shape, x.dtype, mixing)
    if bias is not None:
        bias = tensor("bias", bias, (1,), "an array of one dimension")
        same_kind("bias", bias, x)
    check_bias(bias, second.out_shape[-3])
    limit = threads.worker_count(workers)
    dtype = out_dtype(x.dtype)
    depthwise_array, pointwise_array = array_of(depthwise), array_of(pointwise)
    out, target = targets(out, second.out_shape, dtype, x, depthwise_array, pointwise_array, bias)
    x4, out4 = (a if a.ndim == 4 else a[None] for a in (x, target))
    if second.plan is None:
        target[...] = 0 if bias is None else bias[:, None, None].astype(dtype)
    elif first.plan is None:  # filters of no channel: what lies between the parts is zeros
        compute(second, np.zeros((len(out4), *first.out_shape[-3:]), dtype), pointwise, bias, out4, limit)
    elif options["method"] == "auto" and all(plain_memory(a, first.problem.dtype) for a in (x, target)):
        if bias is not None:
            bias = np.ascontiguousarray(bias, first.problem.dtype)
        problem = SeparableProblem(first.problem, second.problem.c_out)
        executor = separable_executor_of(problem, depthwise_array, pointwise_array)
        executor.execute(x4, out4, bias, min(limit, executor.most_workers))
    else:
        _in_turn(first, x4, depthwise, mixing, pointwise, bias, out4, limit)
    if target is not out:
        out[...] = target
    return out


def _in_turn(
    first: Call,
    x: np.ndarray,
    depthwise: np.ndarray | Prepared,
    mixing: dict[str, Any],
    pointwise: np.ndarray | Prepared,
    bias: np.ndarray | None,
    out: np.ndarray,
    workers: int,
) -> None:
    """The parts one after the other a band of rows at a time: in float32 for float16, in int64 for integers."""
    p, plan = first.problem, first.plan
    assert plan is not None
    dtype = p.dtype if out.dtype.kind == "f" else out.dtype
    weights = array_of(depthwise).nbytes + array_of(pointwise).nbytes
    limit = max((x.nbytes + out.nbytes) // 4 + 4 * weights, LEAST_BYTES) // 3
    across = p.c_out * p.out_shape[1]
    room = limit, max(1, limit // (across * dtype.itemsize))
    cut = pieces_of(p, plan.method, x, depthwise, dtype, room)
    together = max(1, room[1] // cut.band)
    for start in range(0, len(cut.chunks), together):
        bands = range(start, min(start + together, len(cut.chunks)))
        y0, y1 = start * cut.band, min(bands.stop * cut.band, p.out_shape[0])
        middle = scratch("separable_middle", across * (y1 - y0), dtype)
        middle = middle.reshape(1, p.c_out, y1 - y0, p.out_shape[1])
        second = call_of("conv", middle.shape, pointwise.shape, out.dtype, mixing)
        for n in range(len(x)):
            convolve_pieces(p, plan.method, x[n : n + 1], depthwise, None, middle, workers, room, bands)
            compute(second, middle, pointwise, bias, out[n : n + 1, :, y0:y1], workers, (limit, 0))
