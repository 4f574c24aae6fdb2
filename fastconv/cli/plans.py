"""A call's plans in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastconv import Plan

__all__ = ["described"]


def described(plans: tuple[Plan, ...]) -> str:
    """The methods of one call's plans: "separable", or "separable + direct" for two components.

    >>> described(())
    'nothing to do'
    """
    methods = [plan.method for plan in plans]
    if len(methods) > 1 and len(set(methods)) == 1:
        return f"{len(methods)} x {methods[0]}"
    return " + ".join(methods) or "nothing to do"
