"""`apply`: what an operator's call becomes.  One that was made before is one look-up, by the words in which it came.

A key holds what the caller said, its types (1, 1.0 and True are equal but not equally allowed) and how the arrays lie.
It stands for a call that has been checked and planned in `dispatch.run`, so what is found under it needs no second
look; whatever is not worth a key (device arrays, subclasses, large kernels) goes there every time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from fastconv.core.ir import Weights

from . import arrays, dispatch
from .normalise import LARGE
from .words import OPTIONS

__all__ = ["apply", "clear_caches"]

#: calls that are kept
_MOST = 128
_dtypes = [np.dtype(character) for character in "?bBhHiIlLqQefd"]
#: types whose equal values mean the same
_PLAIN = frozenset({int, float, str, bool, type(None), type, *map(type, _dtypes), *(dtype.type for dtype in _dtypes)})
#: sequences are looked at item by item: so many at most, and in sequences so deep
_FEW, _DEEP = 16, 3


class _Known:
    """A call that was made before."""

    __slots__ = ("call", "combine", "ready", "workers")

    def __init__(self, call: dispatch.Call, combine: str, workers: int | None) -> None:
        self.call = call
        self.combine = combine
        self.workers = workers
        self.ready: Any = None

    def run(self, image: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        call, ready = self.call, self.ready
        watched = dispatch.watching.get()
        if watched is not None:
            watched.append(call.plans)
        if out is None:
            result = np.empty(call.out_shape, call.out_dtype)
            if ready is None or not ready.again(image, result, self.workers):
                self._execute(image, result, image, result)
            return result
        if ready is None or not ready.again(image, out, self.workers):
            if not out.flags.writeable:
                arrays.as_output(out, None, image.dtype)
            arrays.fill(out, image, partial(self._execute, image, out))
        return out

    def _execute(self, image: np.ndarray, out: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
        """Filter ``source`` into ``target``: the caller's own arrays, or what stands in for one of them."""
        ready, own = self.ready, source is image and target is out
        if ready is None or not own:
            assert self.call.ready is not None
            ready = self.call.ready(self.call.plans, self.combine, source, target)
            if own:
                self.ready = ready
        ready.execute(source, target, self.workers)


_known: dict[Any, _Known] = {}


def clear_caches() -> None:
    """Forget every remembered plan and call."""
    _known.clear()
    for cache in dispatch.REMEMBERED:
        cache.cache_clear()


def _remember(key: Any, call: dispatch.Call, combine: str, workers: int | None) -> None:
    _known[key] = _Known(call, combine, workers)
    if len(_known) > _MOST:
        with suppress(RuntimeError, StopIteration):  # no lock, which a fork might find held: another thread may be here
            _known.pop(next(iter(_known)), None)


class _Unsaid(Exception):
    """A value that is not kept in a key."""


def _said(value: Any, depth: int = 0) -> Any:
    """What stands for a value in a key: of sequences their items and types, of arrays all their bytes."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is np.ndarray and value.nbytes <= LARGE:
        return value.dtype, value.shape, value.tobytes()
    if kind not in (tuple, list) or len(value) > _FEW or depth == _DEEP:
        raise _Unsaid
    kinds = tuple(map(type, value))
    return kind, kinds, tuple(value if _PLAIN.issuperset(kinds) else [_said(item, depth + 1) for item in value])


def apply(
    image: Any,
    make: Callable[..., Weights | dispatch.Maker],
    parameters: tuple[Any, ...],
    options: Any,
    fixed: tuple[tuple[str, Any], ...] = (),
    without: tuple[str, ...] = (),
) -> Any:
    """`run` with the weights ``make(*parameters)`` and an operator's options, after refusing words it does not know.

    parameters : what the caller said, in its own words.
    options : a dictionary for this call alone.
    fixed : arguments of `run` that the operator itself decides, hashable.
    without : options that the operator does not take.

    >>> apply([1.0], Weights, (), {"sgima": 1})
    Traceback (most recent call last):
    TypeError: no option is called 'sgima'; allowed are mode, cval, ...
    """
    if type(image) is not np.ndarray:
        return _run(image, make, parameters, options, fixed, without)
    said, out, layout = parameters, None, None
    if options:
        if "out" in options:
            out = options.pop("out")
            layout = (out.dtype, out.shape, out.strides) if type(out) is np.ndarray else ()
        if options:
            said = (*parameters, *options, *options.values())
    key: Any = None
    if layout != () or out is None:
        kinds = tuple(map(type, said))
        try:
            if _PLAIN.issuperset(kinds):
                words = said
            else:  # a kernel alone is the common case, and a tuple of an iterator's items slow to make
                words = (_said(said[0]),) if len(said) == 1 else tuple(map(_said, said))
        except _Unsaid:
            pass
        else:
            key = make, fixed, words, kinds, image.dtype, image.shape, image.strides, layout
            known = _known.get(key)
            if known is not None:
                return known.run(image, out)
    if layout is not None:
        options["out"] = out
    return _run(image, make, parameters, options, fixed, without, key)


_ALLOWED = frozenset(OPTIONS)


def _run(
    image: Any,
    make: Callable[..., Any],
    parameters: tuple[Any, ...],
    options: Any,
    fixed: tuple[tuple[str, Any], ...],
    without: tuple[str, ...],
    key: Any = None,
) -> Any:
    if not options.keys() <= _ALLOWED or (without and not options.keys().isdisjoint(without)):
        allowed = [name for name in OPTIONS if name not in without]
        unknown = next(name for name in options if name not in allowed)
        raise TypeError(f"no option is called {unknown!r}; allowed are {', '.join(allowed)}")
    remember = None if key is None else partial(_remember, key)
    return dispatch.run(image, make(*parameters), **dict(fixed), **options, remember=remember)
