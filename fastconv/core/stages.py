"""Convolutions over channels that are made of smaller ones: the stages, and the problem of each for some rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .channels import ChannelProblem

__all__ = ["Stage", "Step", "stage_problems"]


@dataclass(frozen=True)
class Step:
    """One of several convolutions that follow each other.

    axes: those along which it has the kernel's size, stride, dilation and padding: "y", "x", "yx" or "".
    """

    axes: str
    c_out: int
    groups: int


@dataclass(frozen=True, eq=False)
class Stage:
    """A step, the algorithm that computes it, and its weights (c_out, c_in / groups, kh, kw)."""

    step: Step
    method: str
    weight: np.ndarray


def stage_problems(problem: ChannelProblem, steps: Sequence[Step], rows: int) -> tuple[ChannelProblem, ...]:
    """The problem of each step for ``rows`` output rows of one sample: the padded image rows under them lie ready."""
    p, found = problem, []
    channels, height, width = p.c_in, (rows - 1) * p.stride[0] + p.reach[0] + 1, p.shape[1]
    for step in steps:
        down, along = "y" in step.axes, "x" in step.axes
        out = rows if down else height, p.out_shape[1] if along else width
        made = replace(
            p,
            batch=1,
            c_in=channels,
            c_out=step.c_out,
            groups=step.groups,
            shape=(height, width),
            out_shape=out,
            size=(p.size[0] if down else 1, p.size[1] if along else 1),
            stride=(p.stride[0] if down else 1, p.stride[1] if along else 1),
            dilation=(p.dilation[0] if down else 1, p.dilation[1] if along else 1),
            before=(0, p.before[1] if along else 0),
            after=(0, p.after[1] if along else 0),
        )
        found.append(made)
        channels, (height, width) = step.c_out, out
    return tuple(found)
