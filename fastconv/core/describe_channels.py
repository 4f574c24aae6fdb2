"""A ChannelPlan as text for people, in the style of `describe`."""

from __future__ import annotations

import textwrap

from .channels import ChannelPlan
from .describe import LABEL, WIDTH

__all__ = ["describe_channels"]

_KINDS = {"conv": "convolution", "transposed": "transposed convolution"}


def describe_channels(plan: ChannelPlan) -> str:
    """The plan as a block of aligned lines of at most 100 columns; ``str(plan)`` is this text.

    >>> import numpy as np
    >>> from fastconv.core.channels import ChannelPlan, ChannelProblem
    >>> from fastconv.core.ir import Offer
    >>> pairs = ((32, 48), (32, 48), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    >>> problem = ChannelProblem("conv", 1, 3, 8, 1, *pairs, "constant", np.dtype("float32"))
    >>> plan = ChannelPlan(problem, "direct", (Offer("direct", 12000.0, 27.0),), note="few channels")
    >>> print(describe_channels(plan))
    direct convolution, 1 x 3 x 32 x 48 -> 8 x 32 x 48 float32, kernel 3 x 3, border constant
    why       few channels
    work      27 multiplications an output sample
    error     at most 0.0e+00 sum |w| |x|
    offers    direct       12.0 us   27 products
    """
    p = plan.problem
    parts = [
        f"{plan.method} {_KINDS[p.kind]}, {p.batch} x {p.c_in} x {p.shape[0]} x {p.shape[1]} -> "
        f"{p.c_out} x {p.out_shape[0]} x {p.out_shape[1]} {p.dtype}",
        f"kernel {p.size[0]} x {p.size[1]}",
    ]
    steps = (("stride", p.stride), ("dilation", p.dilation))
    parts += [f"{word} {a if a == b else f'{a} x {b}'}" for word, (a, b) in steps
              if (a, b) != (1, 1)]  # fmt: skip
    if p.groups > 1:
        parts.append(f"{p.groups} groups")
    parts.append(f"border {p.mode}")
    lines = textwrap.wrap(", ".join(parts), WIDTH, subsequent_indent=" " * LABEL)
    tile = " of its tile" if plan.method.startswith("winograd") else ""
    rows = [("why", [plan.note] if plan.note else [])]
    if plan.offers:
        rows += [
            ("work", [f"{plan.multiplications:.4g} multiplications an output sample"]),
            ("error", [f"at most {plan.error_bound:.1e} sum |w| |x|{tile}"]),
        ]
    rows += [
        (
            "offers",
            [f"{o.method:<12} {_time(o.cost_ns)}   {o.multiplications:.4g} products" for o in plan.offers],
        ),
        ("refused", [f"{method:<12} {reason}" for method, reason in plan.refused.items()]),
    ]
    for label, texts in rows:
        for text in texts:
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL, replace_whitespace=False
            )
            label = ""
    return "\n".join(lines)


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e3:.1f} us"
