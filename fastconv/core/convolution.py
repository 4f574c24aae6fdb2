"""The arithmetic of convolutions over channels: padding words, sizes, receptive fields, parameters, multiplications.

PyTorch's rules (V. Dumoulin and F. Visin, A Guide to Convolution Arithmetic for Deep Learning, 2016); "same" with a
stride is ONNX's and TensorFlow's SAME_UPPER, "same_lower" their SAME_LOWER.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import bad_type, bad_value
from .geometry import reach
from .padding import (
    checked_channels,
    checked_kernel,
    integer,
    output_padding_of,
    padding_of,
    pair,
    shape_of,
    transposed_padding_of,
)

__all__ = [
    "axis_size",
    "conv_size",
    "count_multiplications",
    "count_parameters",
    "multiplications",
    "output_shape",
    "parameter_count",
    "receptive_field",
    "transposed_axis_size",
    "transposed_output_shape",
    "transposed_size",
]

Pair = tuple[int, int]


def axis_size(n: int, size: int, stride: int, dilation: int, before: int, after: int) -> int:
    """Outputs along one axis: ``floor((n + before + after - dilation (size - 1) - 1) / stride) + 1``; 0 if none.

    >>> axis_size(7, 3, 2, 1, 1, 1)
    4
    """
    return max(0, (n + before + after - reach(size, dilation) - 1) // stride + 1)


def transposed_axis_size(n: int, size: int, stride: int, dilation: int, before: int, after: int, extra: int) -> int:
    """Outputs along one axis of a transposed convolution: the image whose convolution has ``n`` outputs.

    >>> transposed_axis_size(4, 3, 2, 1, 1, 1, 0)
    7
    """
    return (n - 1) * stride - before - after + reach(size, dilation) + 1 + extra


def output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[int, ...]:
    """The shape of ``conv2d(x, weight, ...)``, from shapes alone.

    Parameters
    ----------
    input_shape : (N, C, H, W) or (C, H, W).
    weight_shape : (C_out, C / groups, kH, kW).
    stride, padding, dilation, groups : as in `conv2d`.

    Returns
    -------
    tuple of ints : (N, C_out, Ho, Wo) or (C_out, Ho, Wo) with
        ``Ho = floor((H + before + after - dilation (kH - 1) - 1) / stride) + 1``.

    Raises
    ------
    TypeError, ValueError : naming the argument: channels that do not fit, a kernel larger than the padded image.

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016).

    >>> output_shape((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    """
    shape = shape_of("input_shape", input_shape, (3, 4))
    weight = shape_of("weight_shape", weight_shape, (4,), 1)
    size = weight[2], weight[3]
    s, d, n = pair("stride", stride, 1), pair("dilation", dilation, 1), (shape[-2], shape[-1])
    checked_channels(shape[-3], weight, groups, transposed=False)
    checked_kernel(size, d)
    return (*shape[:-3], weight[0], *conv_size(n, size, s, d, padding_of(padding, size, s, d, n)))


def conv_size(n: Pair, size: Pair, stride: Pair, dilation: Pair, padding: tuple[Pair, Pair]) -> Pair:
    """Both axes' outputs, or the ValueError of a kernel that is larger than the padded image."""
    for a in range(2):
        if n[a] + sum(padding[a]) < reach(size[a], dilation[a]) + 1:
            padded = f"{n[0] + sum(padding[0])} x {n[1] + sum(padding[1])}"
            wide = f"{reach(size[0], dilation[0]) + 1} x {reach(size[1], dilation[1]) + 1}"
            raise bad_value("weight", f"a kernel that spans {wide}", f"no larger than the padded image ({padded})")
    return (
        axis_size(n[0], size[0], stride[0], dilation[0], *padding[0]),
        axis_size(n[1], size[1], stride[1], dilation[1], *padding[1]),
    )


def transposed_output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[int, ...]:
    """The shape of ``conv_transpose2d(x, weight, ...)``, from shapes alone.

    Parameters
    ----------
    input_shape : (N, C, H, W) or (C, H, W).
    weight_shape : (C, C_out / groups, kH, kW).
    stride, padding, output_padding, dilation, groups : as in `conv_transpose2d`.

    Returns
    -------
    tuple of ints : (N, C_out, Ho, Wo) or (C_out, Ho, Wo) with
        ``Ho = (H - 1) stride - before - after + dilation (kH - 1) + output_padding + 1``.

    Raises
    ------
    TypeError, ValueError : naming the argument.

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016).

    >>> transposed_output_shape((1, 8, 7, 7), (8, 4, 3, 3), stride=2, padding=1, output_padding=1)
    (1, 4, 14, 14)
    """
    shape = shape_of("input_shape", input_shape, (3, 4))
    weight = shape_of("weight_shape", weight_shape, (4,), 1)
    size, n = (weight[2], weight[3]), (shape[-2], shape[-1])
    s, d = pair("stride", stride, 1), pair("dilation", dilation, 1)
    checked_channels(shape[-3], weight, groups, transposed=True)
    checked_kernel(size, d)
    around = transposed_padding_of(padding, size, s, d)
    extra = output_padding_of(output_padding, padding, size, s, d)
    return (*shape[:-3], weight[1] * groups, *transposed_size(n, size, s, d, around, extra))


def transposed_size(n: Pair, size: Pair, stride: Pair, dilation: Pair, padding: tuple[Pair, Pair], extra: Pair) -> Pair:
    """Both axes' outputs, or the ValueError of a padding that leaves none."""
    found = []
    for a in range(2):
        if n[a] == 0:
            raise bad_value("x", f"an image of {n[0]} x {n[1]}", "of at least one sample along each axis")
        out = transposed_axis_size(n[a], size[a], stride[a], dilation[a], *padding[a], extra[a])
        if out < 1:
            raise bad_value("padding", padding[a], f"small enough to leave an output ({out} along axis {a - 2})")
        found.append(out)
    return found[0], found[1]


def receptive_field(layers: Sequence[Any]) -> Pair:
    """How many image samples one output of a stack of convolutions sees, rows and columns.

    Parameters
    ----------
    layers : the first layer first; each a kernel size, or a tuple (kernel, stride) or (kernel, stride, dilation) whose
        parts are integers or pairs (rows, columns).

    Returns
    -------
    (rows, columns) : ``1 + sum of dilation (kernel - 1) x product of the strides before``.

    Raises
    ------
    TypeError, ValueError : a layer of another form.

    Source: A. Araujo, W. Norris and J. Sim, Computing Receptive Fields of Convolutional Neural Networks (2019).

    >>> receptive_field([3, 3, 3])
    (7, 7)
    >>> receptive_field([(7, 2), (3, 2), (3, 1, 2)])
    (27, 27)
    """
    if not isinstance(layers, list | tuple):
        raise bad_type("layers", layers, "a sequence of layers")
    field, jump = [1, 1], [1, 1]
    for layer in layers:
        parts = tuple(layer) if isinstance(layer, tuple | list) else (layer,)
        if not 1 <= len(parts) <= 3:
            raise bad_value("layers", layer, "layers of (kernel, stride, dilation)")
        kernel, stride, dilation = (pair("layers", p, 1) for p in (*parts, *(1,) * (3 - len(parts))))
        for a in range(2):
            field[a] += reach(kernel[a], dilation[a]) * jump[a]
            jump[a] *= stride[a]
    return field[0], field[1]


def count_parameters(c_in: int, c_out: int, taps: int, groups: int) -> int:
    """Coefficients of one plain or grouped convolution."""
    return c_in // groups * c_out * taps


def count_multiplications(c_in: int, c_out: int, taps: int, groups: int, pixels: int) -> int:
    """Multiplications of the direct sum."""
    return count_parameters(c_in, c_out, taps, groups) * pixels


def parameter_count(
    c_in: int,
    c_out: int,
    kernel: Any,
    *,
    groups: int = 1,
    separable: bool = False,
    depth_multiplier: int = 1,
    bias: bool = False,
) -> int:
    """How many coefficients a convolution layer has.

    Parameters
    ----------
    c_in, c_out : channels in and out.
    kernel : its size, one integer or (rows, columns).
    groups : of a plain convolution; both channel counts are multiples of it.
    separable : depthwise separable: ``depth_multiplier`` filters for each channel, then 1 x 1 over all of them.
    depth_multiplier : see there.
    bias : whether a bias for each output channel is counted.

    Returns
    -------
    int : plain ``c_in / groups * c_out * kH * kW``, separable ``c_in * m * kH * kW + c_in * m * c_out``.

    Raises
    ------
    TypeError, ValueError : naming the argument.

    Source: F. Chollet, Xception (2017), for depthwise separable convolutions.

    >>> parameter_count(16, 32, 3), parameter_count(16, 32, 3, separable=True)
    (4608, 656)
    """
    return _layer(c_in, c_out, kernel, groups, separable, depth_multiplier) + (int(c_out) if bias else 0)


def multiplications(
    c_in: int,
    c_out: int,
    kernel: Any,
    size: Any,
    *,
    groups: int = 1,
    separable: bool = False,
    depth_multiplier: int = 1,
    batch: int = 1,
) -> int:
    """How many multiplications a convolution layer takes, summed directly.

    Parameters
    ----------
    c_in, c_out, kernel, groups, separable, depth_multiplier : as in `parameter_count`.
    size : of the output, one integer or (rows, columns).
    batch : images.

    Returns
    -------
    int : every coefficient meets every output pixel once.

    Raises
    ------
    TypeError, ValueError : naming the argument.

    Source: A. G. Howard and others, MobileNets (2017).

    >>> multiplications(16, 32, 3, 64), multiplications(16, 32, 3, 64, separable=True)
    (18874368, 2686976)
    """
    rows, columns = pair("size", size, 0)
    pixels = rows * columns * integer("batch", batch, 0)
    return _layer(c_in, c_out, kernel, groups, separable, depth_multiplier) * pixels


def _layer(c_in: Any, c_out: Any, kernel: Any, groups: Any, separable: Any, multiplier: Any) -> int:
    i, o, g = integer("c_in", c_in, 0), integer("c_out", c_out, 0), integer("groups", groups, 1)
    rows, columns = pair("kernel", kernel, 1)
    m = integer("depth_multiplier", multiplier, 1)
    if i % g or o % g:
        raise bad_value("groups", groups, f"a divisor of c_in and c_out ({i} and {o})")
    if not separable:
        return count_parameters(i, o, rows * columns, g)
    if g != 1:
        raise bad_value("groups", groups, "1 where separable is true")
    return count_parameters(i, i * m, rows * columns, max(i, 1)) + count_parameters(i * m, o, 1, 1)
