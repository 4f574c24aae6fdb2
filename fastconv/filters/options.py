"""What every operator accepts: the options' types, and how they reach its signature and its docstring.

Names, order and defaults are those of `fastconv.engine.run`, the text is `fastconv.engine.words`'.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastconv.engine import apply, run
from fastconv.engine.words import OPTIONS, spliced

__all__ = ["Array", "ArrayLike", "LineOptions", "Options", "PairOptions", "Unpack", "apply", "described"]

Array = np.ndarray
F = TypeVar("F", bound=Callable[..., Any])


class PairOptions(TypedDict, total=False):
    """Options of an operator that returns more than one array."""

    mode: str | Sequence[str]
    cval: float
    origin: int | Sequence[int]
    stride: int | Sequence[int]
    dilation: int | Sequence[int]
    axes: int | Sequence[int] | None
    channel_axis: int | None
    dtype: DTypeLike
    method: str
    backend: str
    workers: int | None


class Options(PairOptions, total=False):
    """Options of an operator."""

    out: Array | None


class LineOptions(TypedDict, total=False):
    """Options of an operator along one axis, which is its own argument."""

    mode: str
    cval: float
    origin: int
    stride: int
    dilation: int
    dtype: DTypeLike
    out: Array | None
    method: str
    backend: str
    workers: int | None


_ANNOTATIONS = {**LineOptions.__annotations__, **Options.__annotations__}
_DEFAULTS = inspect.signature(run).parameters
_PARAMETERS = {
    name: _DEFAULTS[name].replace(annotation=getattr(_ANNOTATIONS[name], "__forward_arg__", _ANNOTATIONS[name]))
    for name in OPTIONS
}


def described(without: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Put the options into a function's signature and their text where its docstring says {image}, {options} ...

    ``without`` names the options that the function does not take.
    """
    names = [name for name in _PARAMETERS if name not in without]

    def describe(function: F) -> F:
        function.__doc__ = spliced(function.__doc__, names)
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        function.__signature__ = signature.replace(parameters=[*own, *(_PARAMETERS[n] for n in names)])  # type: ignore[attr-defined]
        return function

    return describe
