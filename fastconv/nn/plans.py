"""What would be done, and weights made ready beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.core.channels import ChannelPlan
from fastconv.core.errors import bad_type, bad_value
from fastconv.core.padding import shape_of
from fastconv.engine.arrays import on_device, tensor
from fastconv.engine.channels import Prepared, explain_channels
from fastconv.engine.channels_device import described

from .words import documented

__all__ = ["explain", "prepare"]


@documented("stride", "padding", "dilation", "groups", "padding_mode", "method", "backend")
def explain(
    x_or_shape: Any,
    weight_or_shape: Any,
    *,
    dtype: Any = np.float32,
    transposed: bool = False,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "constant",
    method: str = "auto",
    backend: str = "auto",
) -> ChannelPlan:
    """How `conv2d` (or `conv_transpose2d`) would compute, and why: the plan, without computing.

    Parameters
    ----------
    x_or_shape : the image, or its shape as a tuple.
    weight_or_shape : the weight, or its shape as a tuple.  Whether weights are outer products is seen only in a weight.
    dtype : of both, where only shapes are given.
    transposed : True asks about `conv_transpose2d`.
    output_padding : see there.
    {options}

    Returns
    -------
    ChannelPlan : ``str(plan)`` is for people.  ``plan.method`` is the algorithm, ``plan.offers`` every one that could
        serve with its estimated cost, cheapest first, ``plan.refused`` why the others could not, ``plan.error_bound``
        relative to sum |w| |x|.

    Raises
    ------
    {errors}

    Source: the operation counts of each algorithm.

    >>> plan = explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> plan.method
    'winograd4'
    """
    shape, kind = _shape("x_or_shape", x_or_shape, dtype)
    weight, _ = _shape("weight_or_shape", weight_or_shape, dtype)
    known = weight_or_shape.weight if isinstance(weight_or_shape, Prepared) else weight_or_shape
    if on_device(x_or_shape):
        if backend == "cpu":
            raise bad_type("x_or_shape", x_or_shape, "an array on the host for backend 'cpu'; copy it there first")
        backend = "cuda" if backend == "auto" else backend
    if len(weight) != 4:
        raise bad_value("weight_or_shape", weight_or_shape, "a weight of four dimensions")
    return explain_channels(
        "transposed" if transposed else "conv", shape, weight, kind, known if isinstance(known, np.ndarray) else None,
        stride=stride, padding=padding,
        output_padding=output_padding, dilation=dilation, groups=groups, padding_mode=padding_mode, method=method,
        backend=backend,
    )  # fmt: skip


def _shape(name: str, value: Any, dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
    if isinstance(value, Prepared):
        return value.shape, value.dtype
    if isinstance(value, tuple) and not any(hasattr(n, "__len__") for n in value):
        return shape_of(name, value, (3, 4)), np.dtype(dtype)
    array = tensor(name, value, (3, 4), "an array, or a tuple of integers that is the shape of one")
    if on_device(array):
        return described(name, array)
    return array.shape, array.dtype


def prepare(weight: Any) -> Prepared:
    """Weights that will be used again: what an algorithm makes of them is made once and kept with them.

    Parameters
    ----------
    weight : array of four dimensions, as `conv2d` or `conv_transpose2d` takes it.  It is copied.

    Returns
    -------
    Prepared : stands in the weight's place in every function of this module; has ``shape`` and ``dtype``.

    Raises
    ------
    TypeError, ValueError : not an array of four dimensions.

    Source: none; results are those of the plain array.

    >>> from fastconv.nn import conv2d
    >>> ready = prepare(np.ones((1, 1, 2, 2)))
    >>> conv2d(np.ones((1, 3, 3)), ready).tolist()
    [[[4.0, 4.0], [4.0, 4.0]]]
    """
    if on_device(weight):
        raise bad_type("weight", weight, "an array on the host: what is prepared serves the processor")
    return Prepared(tensor("weight", weight, (4,), "an array of four dimensions (channels out, channels in, kH, kW)"))
