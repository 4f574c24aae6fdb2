"""Convolutions over channels on the CPU: one class, the executor, for each algorithm.

An executor of a method is::

    class Executor:
        name = "deep"                                     # the plan's word for it
        def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None
            # on the caller's thread: transforms the weights, fetches compiled loops
        def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None
            # x (N, C, H, W), out (N, C_out, Ho, Wo): C-contiguous, of problem.dtype, not overlapping; bias (C_out,)
        @staticmethod
        def serves(problem: ChannelProblem) -> str        # "" if it can, else the reason in words
        @staticmethod
        def scratch_bytes(problem: ChannelProblem) -> int # beside image, output and weights

It may be executed many times, from several threads at once.  `lines` has what they share: padded rows.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Protocol

import numpy as np

from fastconv.core.channels import ChannelProblem

__all__ = ["EXECUTORS", "Executor", "cut", "executor", "factored_executor", "refusals", "separable_executor"]


class Executor(Protocol):
    """One algorithm made ready for one problem and one set of weights."""

    name: str

    def __init__(self, problem: ChannelProblem, weight: np.ndarray) -> None: ...

    def execute(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray | None, workers: int) -> None: ...

    @staticmethod
    def serves(problem: ChannelProblem) -> str: ...

    @staticmethod
    def scratch_bytes(problem: ChannelProblem) -> int: ...


#: method -> the module of this package and the class in it; imported when first asked for
EXECUTORS: dict[str, tuple[str, str]] = {
    "deep": ("deep", "DeepExecutor"),
    "wide": ("wide", "WideExecutor"),
    "pointwise": ("wide", "PointwiseExecutor"),
    "strided": ("strided", "StridedExecutor"),
    "patches": ("patches", "PatchesExecutor"),
    "depthwise": ("depthwise", "DepthwiseExecutor"),
    "gathered": ("winograd", "GatheredExecutor"),
    "winograd2": ("winograd", "Winograd2Executor"),
    "winograd3": ("winograd", "Winograd3Executor"),
    "winograd4": ("winograd", "Winograd4Executor"),
    "polyphase": ("polyphase", "PolyphaseExecutor"),
}


@cache
def executor(method: str) -> type[Executor]:
    """The class that executes a method."""
    module, name = EXECUTORS[method]
    return getattr(importlib.import_module(f".{module}", __name__), name)


def factored_executor() -> Any:
    """The class that executes stages: it takes these in the weight's place."""
    from .factored import FactoredExecutor

    return FactoredExecutor


def separable_executor(problem: Any) -> Any:
    """The class that executes a `fastconv.core.separable.SeparableProblem`: it takes two weights."""
    from .separable import SeparableExecutor
    from .separable_small import SmallSeparableExecutor, small

    return SmallSeparableExecutor if small(problem) else SeparableExecutor


def cut(*arguments: Any) -> Any:
    """See `fastconv.backends.channels.pieces.cut`."""
    from . import pieces

    return pieces.cut(*arguments)


def refusals(problem: ChannelProblem, stored: np.dtype | None = None, held: int = 0) -> dict[str, str]:
    """For every algorithm "" or, in words, why it cannot serve: its kind of problem, or too much memory.

    stored: the dtype of image, weights and output, where that is not the one in which is summed.  held: bytes of
    copies of the weights that the call makes beside an executor's.
    """
    stored = problem.dtype if stored is None else stored
    exact = stored.kind != "f"
    limit = problem.memory_limit * stored.itemsize // problem.dtype.itemsize
    held += problem.weight_bytes if stored != problem.dtype else 0
    found = {}
    for method in EXECUTORS:
        kind = executor(method)
        reason = kind.serves(problem)
        if not reason and exact and method.startswith("winograd"):
            reason = "its tiles multiply fractions, and integers are summed exactly"
        if not reason and getattr(kind, "fixed_scratch", False) and held + kind.scratch_bytes(problem) > limit:
            reason = "its tiles take more memory than a quarter of image and output, and four times the weights"
        found[method] = reason
    return found
