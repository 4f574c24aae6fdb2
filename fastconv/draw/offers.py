"""A plan as a picture: the offers, the one chosen, and its passes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from fastconv.core.errors import bad_type
from fastconv.core.ir import Pass, Plan

from .canvas import BEATEN, CHOSEN, INK, MUTED, bare, bars, checked_path, figure, heat, number, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plan"]


def _time(nanoseconds: float) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def plan(plan: Plan, path: str | os.PathLike[str] | None = None) -> Figure:
    """A plan as a picture: what each method would cost, the one chosen, and its passes with their coefficients.

    Parameters
    ----------
    plan : what `fastconv.explain` returns.  Costs are estimates of one core's time for the whole problem.
    path : where to write the picture: .png, .svg or .pdf; None writes nothing.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError : matplotlib is not installed.
    TypeError, ValueError : ``plan`` is no Plan; ``path`` has another suffix.

    Source of the costs: the cost model of `fastconv.plan`.

    >>> plan(fc.explain((2048, 2048), fc.kernels.sobel()), "plan.svg")  # doctest: +SKIP
    """
    target = checked_path(path)
    if not isinstance(plan, Plan):
        raise bad_type("plan", plan, "a Plan, as fastconv.explain returns it")
    lines = [(t, p, i) for t, term in enumerate(plan.terms) for p in term.passes for i in range(max(1, len(p.taps)))]
    shown = lines[:8]
    refused = list(plan.refused.items())
    upper = 0.42 * max(1, len(plan.offers)) + 0.2 * len(refused) + 0.9
    drawing = figure(7.6, upper + (2.2 if shown else 0.3))
    (upper_part,), (lower_part,) = drawing.subfigures(2, 1, squeeze=False, height_ratios=[upper, 2.2 if shown else 0.3])
    axes = upper_part.add_subplot()
    names = [offer.method for offer in plan.offers]
    costs = [offer.cost_ns for offer in plan.offers]
    colours = [CHOSEN if name == plan.method else BEATEN for name in names]
    bars = axes.barh(range(len(names)), costs, 0.62, color=colours)
    labels = [
        f"{_time(o.cost_ns)}, {number(o.multiplications)} multiplications a pixel"
        + (", chosen" if n == plan.method else "")
        for n, o in zip(names, plan.offers, strict=True)
    ]
    axes.bar_label(bars, labels, padding=5, fontsize=9, color=INK)
    axes.set_xlim(0, 1.75 * max([*costs, 1.0]))
    axes.set_ylim(max(len(names), 2) - 0.5, -0.5)
    bare(axes)
    axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axes.tick_params(length=0)
    problem = plan.problem
    size = " x ".join(map(str, problem.shape))
    taps = " x ".join(map(str, problem.size))
    upper_part.suptitle(
        f"{plan.method}: a {taps} kernel over {size} {problem.image_dtype}",
        x=0.012, ha="left", color=INK, fontsize=11, fontweight="bold",
    )  # fmt: skip
    axes.set_title(
        f"estimated time on one core; relative error at most {plan.error_bound:.1e}",
        loc="left", color=MUTED, fontsize=9,
    )  # fmt: skip
    if refused:
        text = "\n".join(f"{method}: {why}" for method, why in refused)
        axes.set_xlabel(text, loc="left", fontsize=8.5, color=MUTED)
    if shown:
        row = lower_part.subplots(1, max(4, len(shown)))
        for spot in row[len(shown) :]:
            spot.set_visible(False)
        for spot, (term, step, i) in zip(row, shown, strict=False):
            _pass(spot, step, i)
            spot.set_xlabel(f"term {term + 1}: {_words(step, i, problem.axes)}", fontsize=8.5, color=INK)
        more = f" (the first {len(shown)} of {len(lines)})" if len(lines) > len(shown) else ""
        lower_part.suptitle(f"passes, in order{more}", x=0.012, ha="left", color=MUTED, fontsize=9)
    return saved(drawing, target)


def _words(step: Pass, i: int, axes: tuple[int, ...]) -> str:
    if step.kind == "line":
        return f"{len(step.taps[i])} taps\nalong axis {axes[step.axes[i]]}"
    if step.kind == "sum":
        return f"running sum\n{' x '.join(map(str, step.size))}"
    shape = " x ".join(map(str, step.kernel.shape)) if step.kernel is not None else ""
    return f"{step.kind}\n{shape}"


def _pass(axes: Axes, step: Pass, i: int) -> None:
    """The coefficients of one pass: bars, or a heat map where they are 2-D."""
    if step.kind == "line":
        bars(axes, step.taps[i], upright=True, written=len(step.taps[i]) <= 5)
    elif step.kernel is not None and step.kernel.ndim == 2:
        heat(axes, step.kernel, written=max(step.kernel.shape) <= 3)
    else:
        coefficients = step.kernel.ravel() if step.kernel is not None else np.full(max(step.size), step.scale)
        bars(axes, coefficients, upright=True, written=False)
