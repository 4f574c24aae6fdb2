"""Executors that are kept: for prepared weights, for small ones by their bytes, for large ones when they come again.

Beside what `prepare` makes, which is the caller's, at most `KEPT_COUNT` executors of small weights (`KEPT_BYTES` of
them, and what was made of these: about four times as much) and `REPEATED_BYTES` of large weights with what was made of
them are held from one call to the next.
"""

from __future__ import annotations

import importlib
import math
import sys
from typing import Any

import numpy as np

from fastconv.core.channels import LEAST_BYTES, ChannelProblem
from fastconv.core.errors import bad_value
from fastconv.core.kept import Kept
from fastconv.core.separable import SeparableProblem
from fastconv.plan.channel_factors import Factored, begins_factored, find_stages, promising
from fastconv.plan.channels import estimate

from .repeated import Repeated, fingerprint

__all__ = [
    "Prepared",
    "array_of",
    "backend",
    "copied_bytes",
    "executor_of",
    "forget",
    "make",
    "separable_executor_of",
    "stages_of",
]

#: bytes of weights whose executor is kept for the next call, and how many are
KEPT_BYTES = 1 << 16
KEPT_COUNT = 64
#: bytes of larger ones, and of what was made of them, that are kept if they come again
REPEATED_BYTES = 128 << 20
#: problems whose executor without weights is kept
PLAIN_COUNT = 256

_small = Kept(KEPT_COUNT)
_plain = Kept(PLAIN_COUNT)
_repeated = Repeated(REPEATED_BYTES)


class Prepared:
    """Weights with what was made of them, for calls that use them again: see `fastconv.nn.prepare`."""

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight.copy(order="C")
        self.weight.flags.writeable = False
        self.kept = Kept(8)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weight.shape

    @property
    def dtype(self) -> np.dtype:
        return self.weight.dtype

    def __repr__(self) -> str:
        return f"<prepared weight of {self.dtype} with shape {self.shape}>"


def backend(name: str = "cpu") -> Any:
    """The package of executors, imported when first asked for."""
    return importlib.import_module("fastconv.backends.channels" if name == "cpu" else f"fastconv.backends.{name}")


def array_of(weight: np.ndarray | Prepared) -> np.ndarray:
    return weight.weight if type(weight) is Prepared else weight  # type: ignore[return-value]


def copied_bytes(problem: ChannelProblem, stored: np.dtype) -> int:
    """Bytes of the copy that is made of new weights, so that they are known again."""
    found = problem.weight_bytes // problem.dtype.itemsize * stored.itemsize
    return found if found <= KEPT_BYTES else 0


def executor_of(problem: ChannelProblem, method: str, weight: np.ndarray | Prepared, block: Any = None) -> Any:
    """The executor of a problem and weights, or of a block of prepared weights."""
    if isinstance(weight, Prepared):
        part = weight.weight if block is None else block[1].weights(block[0], weight.weight)
        return weight.kept.get((problem, block), lambda: make(problem, method, part, True))
    given: np.ndarray = weight if block is None else block[1].weights(block[0], weight)
    if block is None and given.dtype == problem.dtype and given.flags.c_contiguous:
        found = _plain_executor(problem, method, given)
        if found is not None:
            return found
    if block is not None and given.size < weight.size:  # of several, which together may be more than a call may take
        return make(problem, method, given)
    key = problem, given.dtype.str
    if given.nbytes > KEPT_BYTES:
        return _repeated.get(key, given, lambda again, keep: make(problem, method, again, keep))
    given = np.ascontiguousarray(given)
    return _small.get((*key, fingerprint(given)), lambda: make(problem, method, given.copy()))


def _plain_executor(problem: ChannelProblem, method: str, weight: np.ndarray) -> Any:
    """Of an algorithm that makes nothing of weights: its executor with these ones, which need not be known again.

    None where the algorithm is no such one, or the weights may be outer products, which is found out once.
    """
    kept = _plain.get((problem, method), lambda: _plain_of(problem, method))
    if not kept or (kept[1] and begins_factored(problem, weight, kept[1])):
        return None
    return _with(kept[0], weight=weight)


def _with(plain: Any, **weights: Any) -> Any:
    """A copy of an executor that has the weights of one call."""
    executor = plain.__new__(type(plain))
    executor.__dict__.update(plain.__dict__, **weights)
    return executor


def _plain_separable(problem: SeparableProblem) -> Any:
    kind = backend().separable_executor(problem)
    if not getattr(kind, "in_place", False):
        return False
    nothing = np.empty(0, problem.depthwise.dtype)
    executor = kind(problem, nothing, nothing)
    executor.most_workers = most_workers(kind, problem)
    return executor


def _plain_of(problem: ChannelProblem, method: str) -> Any:
    """An executor without weights, and the forms of these that are worth looking for; else False."""
    kind = backend().executor(method)
    if not getattr(kind, "in_place", False) or problem.method == "separable":
        return False
    executor = kind(problem, np.empty(0, problem.dtype))
    executor.most_workers = most_workers(kind, problem)
    forms = promising(problem, estimate(problem, method)) if problem.method == "auto" else ()
    return executor, forms


def make(problem: ChannelProblem, method: str, weight: np.ndarray, keep: bool = False) -> Any:
    """A new executor; ``keep``: everything that can be made of the weights beforehand is made now."""
    factored = stages_of(problem, method, weight)
    if factored is not None:
        return backend().factored_executor()(problem, factored.stages)
    kind = backend().executor(method)
    executor = kind(problem, np.ascontiguousarray(weight, problem.dtype))
    if keep and hasattr(executor, "keep"):
        executor.keep()
    executor.most_workers = most_workers(kind, problem)
    return executor


def stages_of(problem: ChannelProblem, method: str, weight: np.ndarray) -> Factored | None:
    """What these weights are made of, where that is quicker than ``method``, or is asked for."""
    if problem.method not in ("auto", "separable"):
        return None
    asked = problem.method == "separable"
    found = find_stages(problem, weight, math.inf if asked else estimate(problem, method))
    if asked and found is None:
        raise bad_value("method", "separable", "another one for these weights: they are no outer products")
    return found


def most_workers(kind: Any, problem: Any) -> int:
    """Workers whose scratch memory a call may take."""
    if getattr(kind, "fixed_scratch", False):  # these see to it themselves
        return sys.maxsize
    whole = kind.scratch_bytes(problem)
    each = kind.worker_bytes(problem) if hasattr(kind, "worker_bytes") else whole
    return max(1, (max(problem.memory_limit, LEAST_BYTES) - whole + each) // max(1, each))


def separable_executor_of(problem: SeparableProblem, depthwise: np.ndarray, pointwise: np.ndarray) -> Any:
    """The executor of a depthwise separable convolution."""
    plain = _plain.get(problem, lambda: _plain_separable(problem))
    if plain and all(w.dtype == problem.depthwise.dtype and w.flags.c_contiguous for w in (depthwise, pointwise)):
        return _with(plain, weights=(depthwise, pointwise))
    kind = backend().separable_executor(problem)
    depthwise = np.ascontiguousarray(depthwise)
    key = (problem, depthwise.dtype.str, fingerprint(depthwise))

    def made(first: np.ndarray, second: np.ndarray) -> Any:
        executor = kind(problem, first, second)
        executor.most_workers = most_workers(kind, problem)
        return executor

    if depthwise.nbytes + pointwise.nbytes > KEPT_BYTES:
        return _repeated.get(key, pointwise, lambda given, keep: made(depthwise.copy(), given))
    pointwise = np.ascontiguousarray(pointwise)
    return _small.get((*key, fingerprint(pointwise)), lambda: made(depthwise.copy(), pointwise.copy()))


def forget() -> None:
    """Let go of every executor that is kept."""
    _small.clear()
    _plain.clear()
    _repeated.clear()
