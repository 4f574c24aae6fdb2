"""`run` and `explain`: normalise, choose (once for each problem), execute.

Every argument is put into a canonical, hashable form by cheap checks, and everything that follows from them (problems,
plans, output shape) is remembered under that key.  `asked` remembers calls by the words in which they came.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from fastconv.core import threads
from fastconv.core.dtypes import default_output, resolve_output
from fastconv.core.errors import bad_type, bad_value
from fastconv.core.ir import Plan, Problem, Weights
from fastconv.plan import choose

from . import arrays
from .arrays import as_image, on_device
from .normalise import (
    LARGE,
    canonical_method,
    filtered_axes,
    integers,
    kernel_weights,
    modes,
    problems,
    real,
)
from .words import spliced

__all__ = ["REMEMBERED", "Call", "Maker", "explain", "run", "watch", "watching"]

#: what `watch` fills
watching: ContextVar[list[tuple[Plan, ...]] | None] = ContextVar("watching", default=None)

#: makes the weights of an operator from the filtered axes (in the caller's order) and the number of dimensions
Maker = Callable[[tuple[int, ...], int], "Weights | tuple[Weights, ...]"]

#: backend= -> the module that executes; imported when the first plan needs it
_BACKENDS = {"cpu": "fastconv.backends.cpu", "cuda": "fastconv.backends.cuda"}


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """All that a repeated call needs."""

    plans: tuple[Plan, ...]
    out_shape: tuple[int, ...]
    out_dtype: np.dtype
    execute: Callable[..., None] | None  # None: nothing to compute, the output is empty
    ready: Callable[..., Any] | None = None  # what executes it on arrays that lie alike, where the backend keeps that


class _ByKey:
    """Weights that compare by their coefficients."""

    __slots__ = ("key", "weights")

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.key = weights.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByKey) and self.key == other.key


def _backend(name: str) -> ModuleType:
    return importlib.import_module(_BACKENDS[name])


def _canonical_backend(backend: Any) -> str:
    allowed = "one of auto, " + ", ".join(_BACKENDS)
    if not isinstance(backend, str):
        raise bad_type("backend", backend, allowed)
    if backend == "auto":
        return "cpu"
    if backend not in _BACKENDS:
        raise bad_value("backend", backend, allowed)
    return backend


def _home(image: Any, backend: Any, out: Any) -> tuple[str, Any]:
    """The backend's name, and the module that takes and makes its kind of arrays."""
    if backend == "auto" and type(image) is np.ndarray and (out is None or type(out) is np.ndarray):
        return "cpu", arrays
    name = _canonical_backend(backend)
    if on_device(image):
        if backend == "cpu":
            raise bad_type("image", image, "an array on the host for backend 'cpu'; copy it there first")
        name = "cuda"
    home = arrays if name == "cpu" else _backend(name).home()
    if out is not None and on_device(out) != on_device(image):
        raise bad_type("out", out, "on the device, as the image is, or both on the host")
    return name, home


@lru_cache(maxsize=512)
def _remembered_plan(problem: Problem, weights: _ByKey, backend: str) -> Plan:
    return choose(problem, weights.weights, _backend(backend).CAPS)


def _plan(problem: Problem, weights: Weights, backend: str) -> Plan:
    return _remembered_plan(problem, _ByKey(weights), backend)


def _prepare(
    weights: tuple[Weights, ...],
    reverse: bool,
    shape: tuple[int, ...],
    image_dtype: np.dtype,
    out_dtype: np.dtype,
    axes: tuple[int, ...],
    mode: str | tuple[str, ...],
    cval: float,
    origin: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...],
    method: str,
    backend: str,
) -> Call:
    pairs = problems(
        weights,
        reverse=reverse,
        shape=shape,
        image_dtype=image_dtype,
        out_dtype=out_dtype,
        axes=axes,
        mode=mode,
        cval=cval,
        origin=origin,
        stride=stride,
        dilation=dilation,
        method=canonical_method(method),
    )
    out_shape = pairs[0][0].out_shape
    if 0 in out_shape:
        return Call((), out_shape, out_dtype, None)
    plans = tuple(_plan(problem, w, backend) for problem, w in pairs)
    module = _backend(backend)
    return Call(plans, out_shape, out_dtype, module.execute, getattr(module, "ready", None))


_prepared = lru_cache(maxsize=512)(_prepare)
_prepared_large = lru_cache(maxsize=8)(_prepare)


#: caches of plans and calls
REMEMBERED = (_prepared, _prepared_large, _remembered_plan)


def run(
    image: Any,
    weights: Weights | Sequence[Weights] | Maker,
    *,
    combine: str = "sum",
    reverse: bool = False,
    axes: Any = None,
    channel_axis: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    stride: Any = 1,
    dilation: Any = 1,
    dtype: Any = None,
    out: Any = None,
    method: Any = "auto",
    backend: Any = "auto",
    workers: int | None = None,
    remember: Callable[[Call, str, int | None], None] | None = None,
) -> Any:
    """Filter an image: every operator of the package comes through here.

    Parameters
    ----------
    weights : one `Weights`, several (components, each planned by itself), or a function that makes either from the
        filtered axes and the number of dimensions.
    combine : "sum" adds the components' results, "magnitude" is the root of the sum of their squares.
    reverse : convolve: the weights are reversed and the origin negated, less 1 for even sizes.
    remember : is told what was made of the arguments (`combine` and `workers` too), where a backend keeps that ready.
    others : as in `fastconv.correlate`.

    Returns
    -------
    ``out`` where given, else a new C-contiguous array of the planned shape and dtype.

    Raises
    ------
    TypeError, ValueError : naming the argument; nothing is written before everything is checked.

    >>> run([0.0, 0.0, 1.0, 0.0, 0.0], kernel_weights([1, 2, 3])).tolist()
    [0.0, 3.0, 2.0, 1.0, 0.0]
    """
    where, home = _home(image, backend, out)
    image = home.as_image(image)
    axes = filtered_axes(image.ndim, axes, channel_axis)
    if type(weights) is Weights:
        weights = (weights,)
    else:
        made = weights(axes, image.ndim) if callable(weights) else weights
        weights = (made,) if isinstance(made, Weights) else tuple(made)
    image_dtype = image.dtype
    if out is not None:
        out_dtype = (home if on_device(out) else arrays).as_output(out, dtype, image_dtype)
    else:
        out_dtype = default_output(image_dtype) if dtype is None else resolve_output(dtype, image_dtype)
    large = any(map(_is_large, weights))
    call = (_prepared_large if large else _prepared)(
        weights,
        reverse,
        image.shape,
        image_dtype,
        out_dtype,
        axes,
        mode if type(mode) is str else modes(mode),
        cval if type(cval) is float and cval == cval else real("cval", cval),
        origin if type(origin) is int else integers("origin", origin),
        stride if type(stride) is int and stride > 0 else integers("stride", stride, 1),
        dilation if type(dilation) is int and dilation > 0 else integers("dilation", dilation, 1),
        method if type(method) is str else canonical_method(method),
        where,
    )
    if workers is not None:
        workers = threads.checked_workers(workers)
    if out is not None and tuple(out.shape) != call.out_shape:
        raise bad_value("out", out, f"an array of shape {call.out_shape}")
    watched = watching.get()
    if watched is not None:
        watched.append(call.plans)
    if remember is not None and call.ready is not None and home is arrays:
        remember(call, combine, workers)
    if out is None:
        result = home.empty(call.out_shape, out_dtype, image)
        if call.execute is not None:
            call.execute(call.plans, combine, image, result, workers)
        return home.result(result)
    if (execute := call.execute) is not None:
        home.fill(out, image, lambda source, target: execute(call.plans, combine, source, target, workers))
    return out


@contextmanager
def watch() -> Iterator[list[tuple[Plan, ...]]]:
    """A list that gets the plans of each call made in the block on this thread, one plan for each component.

    >>> import fastconv as fc
    >>> with watch() as calls:
    ...     result = fc.sobel([[1.0, 2.0, 4.0]] * 3, axis=1)
    >>> [plan.method for plan in calls[0]]
    ['separable']
    """
    seen: list[tuple[Plan, ...]] = []
    token = watching.set(seen)
    try:
        yield seen
    finally:
        watching.reset(token)


def _is_large(weights: Weights) -> bool:
    return weights.kernel is not None and weights.kernel.nbytes > LARGE


_EXPLAINED = ("mode", "cval", "origin", "stride", "dilation", "axes", "channel_axis", "dtype", "method", "backend")


def explain(
    image_or_shape: Any,
    kernel: Any,
    *,
    image_dtype: Any = np.float32,
    axes: Any = None,
    channel_axis: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    stride: Any = 1,
    dilation: Any = 1,
    dtype: Any = None,
    method: Any = "auto",
    backend: Any = "auto",
) -> Plan:
    """How `fastconv.correlate` would filter an image with a kernel, and why: the plan, without filtering.

    Parameters
    ----------
    image_or_shape : an image, or a tuple of integers that is the shape of one.
    kernel : as in `fastconv.correlate`.
    image_dtype : the image's dtype where only a shape is given.
    {options}

    Returns
    -------
    Plan : ``str(plan)`` is for people.  ``plan.method`` is the algorithm ("direct", "separable", "low_rank",
        "running_sum" or "fft"), ``plan.passes`` its sweeps over the data, ``plan.offers`` every algorithm that could
        serve with its estimated cost, cheapest first, ``plan.refused`` why the others could not,
        ``plan.multiplications`` a count per output sample, ``plan.error_bound`` relative to sum |w| |x|.

    Raises
    ------
    {errors}

    Sources: the operation counts of each algorithm; the rank of the kernel by its singular values.

    >>> import fastconv as fc
    >>> plan = fc.explain((1080, 1920), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> plan.method
    'separable'
    >>> [taps.tolist() for taps in plan.passes[0].taps]
    [[1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]]
    """
    shape, source = _shape_and_dtype(image_or_shape, image_dtype)
    filtered = filtered_axes(len(shape), axes, channel_axis)
    ((problem, weights),) = problems(
        (kernel_weights(kernel),),
        reverse=False,
        shape=shape,
        image_dtype=source,
        out_dtype=resolve_output(dtype, source),
        axes=filtered,
        mode=modes(mode),
        cval=real("cval", cval),
        origin=integers("origin", origin),
        stride=integers("stride", stride, 1),
        dilation=integers("dilation", dilation, 1),
        method=canonical_method(method),
    )
    where = "cuda" if backend == "auto" and on_device(image_or_shape) else _canonical_backend(backend)
    return _plan(problem, weights, where)


explain.__doc__ = spliced(explain.__doc__, _EXPLAINED)


def _shape_and_dtype(image_or_shape: Any, image_dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
    if isinstance(image_or_shape, tuple) and image_or_shape and not any(hasattr(n, "__len__") for n in image_or_shape):
        shape = integers("image_or_shape", image_or_shape, 0)
        assert isinstance(shape, tuple)
        return shape, resolve_output(image_dtype, np.dtype(np.float32))
    image = _backend("cuda").home().as_image(image_or_shape) if on_device(image_or_shape) else as_image(image_or_shape)
    return image.shape, image.dtype
