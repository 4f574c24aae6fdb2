"""A depthwise separable convolution: each channel filtered by itself, then mixed by a 1x1 convolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .channels import ChannelProblem

__all__ = ["SeparableProblem"]


@dataclass(frozen=True)
class SeparableProblem:
    """``depthwise`` says the first part (its ``c_out`` channels are the second's input), ``c_out`` what comes out.

    Weights: depthwise (depthwise.c_out, 1, kh, kw), pointwise (c_out, depthwise.c_out).
    """

    depthwise: ChannelProblem
    c_out: int

    @cached_property
    def products(self) -> int:
        """Multiplications of both parts."""
        d = self.depthwise
        return d.products + d.pixels * d.c_out * self.c_out

    @cached_property
    def memory_limit(self) -> int:
        """Bytes of scratch and of transformed weights: 0.25 (in + out) + 4 weights."""
        d = self.depthwise
        size = d.dtype.itemsize
        weights = d.weight_bytes + self.c_out * d.c_out * size
        return (d.input_bytes + d.pixels * self.c_out * size) // 4 + 4 * weights
