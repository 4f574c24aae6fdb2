"""The frozen values that the rooms hand each other: Problem, Weights, Pass, Term, Offer, Plan, Caps.

`engine` makes a `Problem` and `Weights` from what the caller said; `plan` turns them into a `Plan`;
a backend executes the plan.  Nothing below the engine sees an origin, a flip or a word such as "same".
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .border import reads_constant
from .geometry import padding_after, reach, strided_size

__all__ = ["METHODS", "Caps", "Offer", "Pass", "Plan", "Problem", "Term", "Weights"]

#: what `method=` may say, besides "auto"
METHODS = ("direct", "separable", "low_rank", "running_sum", "fft")


@dataclass(frozen=True)
class Problem:
    """One correlation of one array, in integers.

    ``axes`` are the filtered axes, ascending; every other tuple has one entry for each of them.
    ``before`` is how many samples the first tap lies before the output sample (origin and even sizes are in it).
    The output has ``ceil(n / stride)`` samples on a filtered axis and ``n`` on the others.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    size: tuple[int, ...]
    before: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    mode: tuple[str, ...]
    cval: float
    image_dtype: np.dtype
    accumulate: np.dtype
    out_dtype: np.dtype
    method: str = "auto"

    @cached_property
    def out_shape(self) -> tuple[int, ...]:
        shape = list(self.shape)
        for axis, step in zip(self.axes, self.stride, strict=True):
            shape[axis] = strided_size(shape[axis], step)
        return tuple(shape)

    @cached_property
    def after(self) -> tuple[int, ...]:
        """Samples needed behind each filtered axis (negative: its last samples are never read)."""
        return tuple(
            padding_after(self.out_shape[a], s, k, d, b, self.shape[a])
            for a, s, k, d, b in zip(self.axes, self.stride, self.size, self.dilation, self.before, strict=True)
        )

    @cached_property
    def reach(self) -> tuple[int, ...]:
        """Distance between first and last tap on each filtered axis."""
        return tuple(reach(k, d) for k, d in zip(self.size, self.dilation, strict=True))

    @property
    def reads_constant(self) -> bool:
        """Whether ``cval`` may lie outside some axis."""
        return reads_constant(self.mode)

    @property
    def pixels(self) -> int:
        """Output samples."""
        return int(np.prod(self.out_shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Weights:
    """The coefficients: a dense ``kernel`` (float64, one dimension per filtered axis), or 1-D ``taps``, one for each.

    Exactly one of the two is given; taps mean their outer product.  They are in correlation order already.
    """

    kernel: np.ndarray | None = None
    taps: tuple[np.ndarray, ...] | None = None

    @cached_property
    def key(self) -> tuple:
        """What tells two weights apart in a cache."""
        if self.kernel is not None:
            return ("kernel", self.kernel.shape, self.kernel.tobytes())
        assert self.taps is not None
        return ("taps", *(t.tobytes() for t in self.taps))

    @cached_property
    def found(self) -> dict[Hashable, Any]:
        """What was found out about the coefficients that no problem changes; one set of them serves many shapes."""
        return {}

    @cached_property
    def dense(self) -> np.ndarray:
        """The full kernel, whichever way it was given."""
        if self.kernel is not None:
            return self.kernel
        assert self.taps is not None
        full = self.taps[0]
        for t in self.taps[1:]:
            full = np.multiply.outer(full, t)
        return full


@dataclass(frozen=True, eq=False)
class Pass:
    """One sweep over the data.

    kind "line": ``taps[i]`` along the i-th axis of ``axes`` (a fused separable sweep; one axis is a plain 1-D pass);
    kind "window": the non-zero taps of an N-D ``kernel`` over ``axes``;
    kind "sum": a running sum of ``size`` samples along each axis of ``axes``, times ``scale``;
    kind "spectrum": a product of the spectrum of ``kernel`` (its taps not yet spread by the dilation), in tiles of
    ``size`` samples;
    kind "tiles": the same for two neighbouring axes, in tiles of exactly ``size`` samples (`core.spectrum_tiles`).
    ``axes`` index the Problem's tuples (0 is its first filtered axis), not the array's.
    """

    kind: str
    axes: tuple[int, ...]
    taps: tuple[np.ndarray, ...] = ()
    kernel: np.ndarray | None = None
    size: tuple[int, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Term:
    """A product of passes: each works on the one before's result."""

    passes: tuple[Pass, ...]


@dataclass(frozen=True)
class Offer:
    """What one algorithm would cost, in estimated nanoseconds of one core for the whole problem."""

    method: str
    cost_ns: float
    multiplications: float  # per output sample
    note: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """A decision: how one problem with one set of weights is computed, and why.

    The result is the sum of ``terms``.  ``offers`` holds every algorithm that could serve, cheapest first, the
    chosen one among them; ``refused`` says in a few words why each of the others could not.
    ``error_bound`` is relative, for finite input: direct and separable stay within error_bound * sum |w| |x| over the
    window; the others within error_bound * sum |w| * max |x|, over the image (low_rank), a line (running_sum) or a
    tile (fft).
    """

    problem: Problem
    weights: Weights
    method: str
    terms: tuple[Term, ...]
    offers: tuple[Offer, ...]
    multiplications: float  # per output sample
    bytes_read: int
    bytes_written: int
    error_bound: float
    cost_ns: float = 0.0
    refused: dict[str, str] = field(default_factory=dict)
    rank: int | None = None
    note: str = ""

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Every pass of every term, in the order of execution."""
        return tuple(p for term in self.terms for p in term.passes)

    def __str__(self) -> str:
        from .describe import describe

        return describe(self)


@dataclass(frozen=True)
class Caps:
    """What a backend can do, given to the planner as a value: its name, pass kinds, cost constants.

    ``by_name``: algorithms that "auto" never takes, and why; ``tile_edges``: edges of a spectrum's tile for 1, 2, 3 and
    more axes, where they are not the planner's own.
    """

    backend: str
    kinds: frozenset[str]
    constants: dict[str, float] = field(default_factory=dict, hash=False)
    by_name: dict[str, str] = field(default_factory=dict, hash=False)
    tile_edges: tuple[int, ...] = ()
