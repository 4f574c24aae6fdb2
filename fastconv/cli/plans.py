"""Which plans the calls in a block were computed by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastconv import Plan

__all__ = ["described", "watched"]


@contextmanager
def watched() -> Iterator[list[tuple[Plan, ...]]]:
    """A list that gets each call's plans, one for each component."""
    from fastconv.engine import dispatch

    seen: list[tuple[Plan, ...]] = []

    def noting(prepare: Callable[..., Any]) -> Callable[..., Any]:
        def prepared(*arguments: Any) -> Any:
            call = prepare(*arguments)
            seen.append(call.plans)
            return call

        return prepared

    # the engine remembers a call's plans under its arguments; it is asked on the way past
    usual = dispatch._prepared, dispatch._prepared_large
    dispatch._prepared, dispatch._prepared_large = noting(usual[0]), noting(usual[1])  # type: ignore[assignment]
    try:
        yield seen
    finally:
        dispatch._prepared, dispatch._prepared_large = usual


def described(plans: tuple[Plan, ...]) -> str:
    """The methods of one call's plans: "separable", or "separable + direct" for two components.

    >>> described(())
    'nothing to do'
    """
    methods = [plan.method for plan in plans]
    if len(methods) > 1 and len(set(methods)) == 1:
        return f"{len(methods)} x {methods[0]}"
    return " + ".join(methods) or "nothing to do"
