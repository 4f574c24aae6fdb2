"""Convolutions of deep learning on the CPU: arrays (N, C, H, W) or (C, H, W), PyTorch's meaning, any border.

float16, float32 and float64 keep their dtype (float16 is summed in float32); integers and bool give int64, exactly:
sums are taken in float64 where every integer fits it, else in parts, and wrap where int64 does.
"""

from __future__ import annotations

from fastconv.core.convolution import (
    multiplications,
    output_shape,
    parameter_count,
    receptive_field,
    transposed_output_shape,
)

from .convolutions import conv2d, conv_transpose2d, depthwise_conv2d, pointwise, separable_conv2d
from .matrix import conv_matrix
from .plans import explain, prepare

__all__ = [
    "conv2d",
    "conv_matrix",
    "conv_transpose2d",
    "depthwise_conv2d",
    "explain",
    "multiplications",
    "output_shape",
    "parameter_count",
    "pointwise",
    "prepare",
    "receptive_field",
    "separable_conv2d",
    "transposed_output_shape",
]
