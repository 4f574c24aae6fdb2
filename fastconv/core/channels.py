"""The frozen values of a convolution over channels: what is asked (`ChannelProblem`), what was decided (`ChannelPlan`).

Below the engine a convolution of (N, C, H, W) arrays is integers: padding words, defaults and one-number arguments
have ended, and every executor of `fastconv.backends.channels` reads the same fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from .convolution import count_multiplications, count_parameters
from .ir import Offer

__all__ = ["LEAST_BYTES", "ChannelPlan", "ChannelProblem"]

#: memory that any call may take, however small: tables, and scratch of whole vectors
LEAST_BYTES = 64 * 1024

Pair = tuple[int, int]


@dataclass(frozen=True)
class ChannelProblem:
    """One convolution of one batch, in integers.

    kind "conv": ``out[n, o, y, x] = sum w[o, c, i, j] * padded[n, c, y * sy + i * dy, x * sx + j * dx]`` over the
    input channels of o's group; weights (c_out, c_in / groups, kh, kw).
    kind "transposed": the adjoint of such a convolution, from ``shape`` to ``out_shape``; ``before`` and ``after`` are
    the padding of the convolution it is the adjoint of (whose image has ``out_shape``); weights
    (c_in, c_out / groups, kh, kw).
    mode: a name of `fastconv.core.border`; its constant is zero.
    dtype: of image, weights and output as loops see them, float32 or float64.
    """

    kind: str
    batch: int
    c_in: int
    c_out: int
    groups: int
    shape: Pair
    out_shape: Pair
    size: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    mode: str
    dtype: np.dtype
    method: str = "auto"

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    @cached_property
    def reach(self) -> Pair:
        """Samples between the first and the last tap, along each axis."""
        return (self.size[0] - 1) * self.dilation[0], (self.size[1] - 1) * self.dilation[1]

    @cached_property
    def group_in(self) -> int:
        """Input channels of a group."""
        return self.c_in // self.groups

    @cached_property
    def group_out(self) -> int:
        """Output channels of a group."""
        return self.c_out // self.groups

    @cached_property
    def taps(self) -> int:
        """Taps of one kernel slice."""
        return self.size[0] * self.size[1]

    @cached_property
    def pixels(self) -> int:
        """Output samples of one channel of the whole batch."""
        return self.batch * math.prod(self.out_shape)

    @cached_property
    def products(self) -> int:
        """Multiplications of the direct sum; borders count as if they were samples."""
        across = self.shape if self.kind == "transposed" else self.out_shape
        return count_multiplications(self.c_in, self.c_out, self.taps, self.groups, self.batch * math.prod(across))

    @cached_property
    def input_bytes(self) -> int:
        return self.batch * self.c_in * math.prod(self.shape) * self.dtype.itemsize

    @cached_property
    def output_bytes(self) -> int:
        return self.pixels * self.c_out * self.dtype.itemsize

    @cached_property
    def weight_bytes(self) -> int:
        return count_parameters(self.c_in, self.c_out, self.taps, self.groups) * self.dtype.itemsize

    @cached_property
    def memory_limit(self) -> int:
        """Bytes of scratch and of transformed weights that an algorithm may take: 0.25 (in + out) + 4 weights."""
        return (self.input_bytes + self.output_bytes) // 4 + 4 * self.weight_bytes


@dataclass(frozen=True, eq=False)
class ChannelPlan:
    """How one convolution over channels is computed, and why.

    ``offers``: every algorithm that could serve, cheapest first (nanoseconds of one core, multiplications for each
    output sample); ``refused``: why each of the others could not.  ``error_bound``: for finite input the result lies
    within error_bound * sum |w| |x| of the exact one; for Winograd's algorithms the sum runs over their tile.
    """

    problem: ChannelProblem
    method: str
    offers: tuple[Offer, ...]
    refused: dict[str, str] = field(default_factory=dict)
    error_bound: float = 0.0
    note: str = ""

    @property
    def cost_ns(self) -> float:
        return next(offer.cost_ns for offer in self.offers if offer.method == self.method)

    @property
    def multiplications(self) -> float:
        """Multiplications for each output sample."""
        return next(offer.multiplications for offer in self.offers if offer.method == self.method)

    def __str__(self) -> str:
        from .describe_channels import describe_channels

        return describe_channels(self)
