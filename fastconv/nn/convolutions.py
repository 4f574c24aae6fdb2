"""conv2d and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.core.errors import bad_value
from fastconv.engine.arrays import tensor
from fastconv.engine.channels import Prepared, run_channels
from fastconv.engine.channels_separable import run_separable

from .words import documented

__all__ = ["conv2d", "conv_transpose2d", "depthwise_conv2d", "pointwise", "separable_conv2d"]

_COMMON = ("stride", "padding", "dilation", "groups", "padding_mode", "out", "method", "backend", "workers")
_NO_GROUPS = tuple(name for name in _COMMON if name != "groups")


@documented("x", "bias", *_COMMON)
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "constant",
    out: np.ndarray | None = None,
    method: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
) -> np.ndarray:
    """Convolve images over their channels, as PyTorch means it (a correlation: the kernel is not turned).

    ``out[n, o, y, x] = bias[o] + sum over c, i, j of weight[o, c, i, j] * padded[n, c, y s + i d, x s + j d]``

    Parameters
    ----------
    weight : array (C_out, C / groups, kH, kW) of x's dtype, or what `prepare` made of one.
    {options}

    Returns
    -------
    array (N, C_out, Ho, Wo), or (C_out, Ho, Wo); see `output_shape`.

    Raises
    ------
    {errors}

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016); Winograd's algorithms after
    Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016).

    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), padding=((0, 1), (0, 0)), stride=2).tolist()
    [[[[8.0], [13.0]]]]
    """
    return run_channels(
        "conv", x, weight, bias, stride=stride, padding=padding, output_padding=0, dilation=dilation, groups=groups,
        padding_mode=padding_mode, out=out, method=method, backend=backend, workers=workers,
    )  # fmt: skip


@documented("x", "bias", *_COMMON)
def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    padding_mode: str = "constant",
    out: np.ndarray | None = None,
    method: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
) -> np.ndarray:
    """The adjoint of `conv2d` with the same weight and parameters: transposed (fractionally strided) convolution.

    ``sum(conv2d(y, w) * x) == sum(y * conv_transpose2d(x, w))`` for every stride, dilation, groups, padding and, what
    no other library has, every border.  It is computed by output phases: no zeros are put between samples.

    Parameters
    ----------
    weight : array (C, C_out / groups, kH, kW) of x's dtype, or what `prepare` made of one.
    output_padding : outputs added behind, less than max(stride, dilation): an integer or a pair.
    {options}
        Here padding is that of the convolution of which this is the adjoint: it makes the output smaller, and with
        "same" the output is ``stride`` times the image.

    Returns
    -------
    array (N, C_out, Ho, Wo), or (C_out, Ho, Wo); see `transposed_output_shape`.

    Raises
    ------
    {errors}

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016).

    >>> conv_transpose2d([[[1.0, 2.0]]], np.ones((1, 1, 1, 3)), stride=2).tolist()
    [[[1.0, 1.0, 3.0, 2.0, 2.0]]]
    """
    return run_channels(
        "transposed", x, weight, bias, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation, groups=groups, padding_mode=padding_mode, out=out, method=method, backend=backend,
        workers=workers,
    )  # fmt: skip


@documented("x", "bias", *_NO_GROUPS)
def depthwise_conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    padding_mode: str = "constant",
    out: np.ndarray | None = None,
    method: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
) -> np.ndarray:
    """Filter each channel with kernels of its own: `conv2d` with ``groups`` equal to the channels.

    Parameters
    ----------
    weight : array (C m, 1, kH, kW) for any depth multiplier m; outputs ``c m`` to ``c m + m - 1`` see channel c.
    {options}

    Returns
    -------
    array (N, C m, Ho, Wo), or (C m, Ho, Wo).

    Raises
    ------
    {errors}

    Source: F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions (2017).

    >>> depthwise_conv2d(np.ones((2, 1, 3)), np.array([1.0, 2.0]).reshape(2, 1, 1, 1)).tolist()
    [[[1.0, 1.0, 1.0]], [[2.0, 2.0, 2.0]]]
    """
    x, weight = _depthwise(x, weight, "weight")
    return run_channels(
        "conv", x, weight, bias, stride=stride, padding=padding, output_padding=0, dilation=dilation,
        groups=max(1, x.shape[-3]), padding_mode=padding_mode, out=out, method=method, backend=backend, workers=workers,
    )  # fmt: skip


@documented("x", "bias", *_NO_GROUPS)
def separable_conv2d(
    x: Any,
    depthwise: Any,
    pointwise: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    padding_mode: str = "constant",
    out: np.ndarray | None = None,
    method: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
) -> np.ndarray:
    """Depthwise separable convolution: `depthwise_conv2d`, then a 1 x 1 convolution over all channels.

    Of float32 and float64 arrays in C order the two run strip by strip, and what lies between them never exists
    whole.  A ``method`` other than "auto" is the depthwise part's, and the parts then run one after the other.

    Parameters
    ----------
    depthwise : array (C m, 1, kH, kW).
    pointwise : array (C_out, C m, 1, 1).
    {options}

    Returns
    -------
    array (N, C_out, Ho, Wo), or (C_out, Ho, Wo).

    Raises
    ------
    {errors}

    Source: F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions (2017).

    >>> x = np.ones((2, 3, 3))
    >>> separable_conv2d(x, np.ones((2, 1, 3, 3)), np.array([1.0, 10.0]).reshape(1, 2, 1, 1)).tolist()
    [[[99.0]]]
    """
    x, depthwise = _depthwise(x, depthwise, "depthwise")
    return run_separable(
        x, depthwise, pointwise, bias, stride=stride, padding=padding, dilation=dilation,
        padding_mode=padding_mode, out=out, method=method, backend=backend, workers=workers,
    )  # fmt: skip


@documented("x", "bias", "groups", "out", "method", "backend", "workers")
def pointwise(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    groups: int = 1,
    out: np.ndarray | None = None,
    method: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
) -> np.ndarray:
    """A 1 x 1 convolution: each pixel's channels times a matrix.

    Parameters
    ----------
    weight : array (C_out, C / groups) or (C_out, C / groups, 1, 1).
    {options}

    Returns
    -------
    array (N, C_out, H, W), or (C_out, H, W).

    Raises
    ------
    {errors}

    Source: M. Lin, Q. Chen and S. Yan, Network In Network (2014).

    >>> pointwise(np.ones((2, 1, 2)), [[1.0, 2.0], [3.0, 4.0]]).tolist()
    [[[3.0, 3.0]], [[7.0, 7.0]]]
    """
    if type(weight) is not Prepared:
        weight = tensor("weight", weight, (2, 4), "an array (C_out, C / groups), with or without two axes of 1 behind")
        weight = weight.reshape(*weight.shape, 1, 1) if weight.ndim == 2 else weight
    if tuple(weight.shape[2:]) != (1, 1):
        raise bad_value("weight", weight, "of 1 x 1 taps")
    return run_channels(
        "conv", x, weight, bias, stride=1, padding=0, output_padding=0, dilation=1, groups=groups,
        padding_mode="constant", out=out, method=method, backend=backend, workers=workers,
    )  # fmt: skip


def _depthwise(x: Any, weight: Any, name: str) -> tuple[np.ndarray, Any]:
    x = tensor("x", x, (3, 4), "an array (N, C, H, W) or (C, H, W)")
    if type(weight) is not Prepared:
        weight = tensor(name, weight, (4,), "an array (C m, 1, kH, kW)")
    c = x.shape[-3]
    if weight.shape[1] != 1 or (weight.shape[0] % c if c else weight.shape[0]):
        raise bad_value(name, weight, f"of shape (C m, 1, kH, kW): x has {c} channels")
    return x, weight
