"""A Plan as text for people: what is computed, how and why, what it costs, and what it was chosen over."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from .ir import Pass, Plan

__all__ = ["describe"]

#: columns of the text
WIDTH = 100
#: width of the words at the left
LABEL = 10
#: a space at which no line breaks, until the text is done
NO_BREAK = "\N{NO-BREAK SPACE}"
#: what the error is relative to, where that is not the window's own sum |w| |x|
RELATIVE_TO = {
    "low_rank": "sum |w| max |x|",
    "running_sum": "sum |w| max |x| of a line",
    "fft": "sum |w| max |x| of a tile",
}
#: passes shown before the rest is counted
PASSES_SHOWN = 4


def describe(plan: Plan) -> str:
    """The plan as a short block of aligned lines of at most 100 columns; `str(plan)` is this text.

    >>> import numpy as np
    >>> from fastconv.core.ir import Pass, Plan, Problem, Term, Weights
    >>> u8, f32 = np.dtype("uint8"), np.dtype("float32")
    >>> problem = Problem((480, 640), (0, 1), (3, 3), (1, 1), (1, 1), (1, 1), ("reflect",) * 2, 0.0, u8, f32, f32)
    >>> weights = Weights(taps=(np.array([1.0, 2, 1]), np.array([-1.0, 0, 1])))
    >>> term = Term((Pass("line", (0, 1), taps=weights.taps),))
    >>> plan = Plan(problem, weights, "separable", (term,), (), 5.0, 307200, 1228800, 4.8e-7, note="its rank is 1")
    >>> print(describe(plan))
    separable correlation, 480 x 640 uint8 -> float32, kernel 3 x 3, border reflect
    why       its rank is 1
    pass      [1 2 1] along axis 0, [-1 0 1] along axis 1
    work      5 multiplications a pixel (direct: 6), sums in float32
    memory    reads 307 kB, writes 1.23 MB, and a few rows for each worker
    error     at most 4.8e-07 sum |w| |x|
    """
    parts = [
        ("why", [plan.note] if plan.note else []),
        ("pass" if len(plan.passes) == 1 else "passes", _passes(plan)),
        ("work", [_work(plan)]),
        ("memory", [_memory(plan)]),
        ("error", [_error(plan)]),
        ("offers", _offers(plan)),
        ("refused", [f"{method:<12} {reason}" for method, reason in plan.refused.items()]),
    ]
    lines = textwrap.wrap(_title(plan), WIDTH, subsequent_indent=" " * LABEL)
    for label, texts in parts:
        for text in texts:
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL, replace_whitespace=False
            )
            label = ""  # only a part's first line carries its label
    return "\n".join(lines).replace(NO_BREAK, " ")


def _title(plan: Plan) -> str:
    p = plan.problem
    parts = [f"{plan.method} correlation, {_times(p.shape)} {p.image_dtype} -> {p.out_dtype}"]
    if p.axes != tuple(range(len(p.shape))):
        parts.append(f"along {'axis' if len(p.axes) == 1 else 'axes'} {', '.join(map(str, p.axes))}")
    parts.append(f"kernel {_times(p.size)}")
    border = f"border {_alike(p.mode)}"
    if p.reads_constant:
        border += f" {_number(p.cval)}"
    parts.append(border)
    parts += [
        f"{word} {_alike(steps)}" for word, steps in (("stride", p.stride), ("dilation", p.dilation)) if max(steps) > 1
    ]
    return ", ".join(part.replace(" ", NO_BREAK) for part in parts)


def _passes(plan: Plan) -> list[str]:
    axes = plan.problem.axes
    passes = plan.passes
    shown = [_pass(p, axes, "+ " if i else "  " * (len(passes) > 1)) for i, p in enumerate(passes[:PASSES_SHOWN])]
    rest = len(passes) - len(shown)
    return [*shown, f"+ {rest} more of the same kind"] if rest else shown


def _pass(p: Pass, axes: Sequence[int], lead: str) -> str:
    if p.kind == "line":
        return lead + (_lines(p, axes, WIDTH - LABEL - len(lead)) or "a copy")
    if p.kind == "sum":
        scale = "" if p.scale == 1 else f", times {_number(p.scale)}"
        sums = [f"{n} samples along axis {axes[a]}" for a, n in zip(p.axes, p.size, strict=True) if n > 1]
        return f"{lead}running sums of {', '.join(sums)}{scale}"
    assert p.kernel is not None
    if p.kind in ("spectrum", "tiles"):
        tiles = f"{_times(p.size)} tiles" if p.size else "tiles"
        return f"{lead}spectra of {tiles} times the spectrum of the kernel"
    room = WIDTH - LABEL - len(lead)
    rows = p.kernel.reshape(-1, p.kernel.shape[-1])
    text = "; ".join(" ".join(_number(v) for v in row) for row in rows) if p.kernel.size <= 49 else ""
    if not text or len(text) + 2 > room:
        return f"{lead}window of {np.count_nonzero(p.kernel)} taps"
    return f"{lead}[{text}]"


def _lines(p: Pass, axes: Sequence[int], room: int) -> str:
    """Taps and their axes, equal ones together: in full where they fit, else the longer ones by their largest."""
    each: dict[bytes, tuple[np.ndarray, list[str]]] = {}
    for a, t in zip(p.axes, p.taps, strict=True):
        if not (len(t) == 1 and t[0] == 1):
            each.setdefault(t.tobytes(), (t, []))[1].append(str(axes[a]))
    texts = [_taps(t) for t, _ in each.values()]
    along = [f" along {'axis' if len(on) == 1 else 'axes'} {' and '.join(on)}" for _, on in each.values()]
    if len(", ".join(map(str.__add__, texts, along))) > room:
        texts = [
            text if len(text) <= 30 else f"{len(t)} taps of up to {_number(np.abs(t).max())}"
            for text, (t, _) in zip(texts, each.values(), strict=True)
        ]
    return ", ".join(map(str.__add__, texts, along))


def _taps(taps: np.ndarray) -> str:
    return f"[{' '.join(_number(v) for v in taps)}]"


def _work(plan: Plan) -> str:
    direct = float(np.count_nonzero(plan.weights.dense))
    text = f"{_count(plan.multiplications, 'multiplication')} a pixel"
    if plan.method != "direct":
        text += f" (direct: {_number(direct)})"
    return f"{text}, sums in {plan.problem.accumulate}"


def _memory(plan: Plan) -> str:
    extra = "a few tiles" if plan.method == "fft" else "a few rows"
    return f"reads {_bytes(plan.bytes_read)}, writes {_bytes(plan.bytes_written)}, and {extra} for each worker"


def _error(plan: Plan) -> str:
    text = f"at most {plan.error_bound:.2g} {RELATIVE_TO.get(plan.method, 'sum |w| |x|')}"
    if plan.problem.out_dtype.kind in "iu":
        text += ", and half a grey level by rounding"
    elif plan.problem.out_dtype.kind == "b":
        text += ", then True unless it rounds to 0"
    return text


def _offers(plan: Plan) -> list[str]:
    """The offers below each other: cost, and its ratio to the chosen one's."""
    own = next((o.cost_ns for o in plan.offers if o.method == plan.method), 0.0)
    lines = []
    for offer in plan.offers:
        ratio = "chosen" if offer.method == plan.method else _ratio(offer.cost_ns / own) if own > 0 else ""
        lines.append(f"{offer.method:<12} {_milliseconds(offer.cost_ns):>9}  {ratio:>8}".rstrip())
    return lines


# ---- words for numbers


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _alike(values: Sequence[object]) -> str:
    """One word where all axes agree."""
    return str(values[0]) if len(set(values)) == 1 else " x ".join(map(str, values))


def _number(value: float) -> str:
    return f"{float(value):.4g}"


def _ratio(value: float) -> str:
    return f"{value:.2f} x" if value < 10 else f"{value:.0f} x"


def _count(value: float, word: str) -> str:
    text = _number(value) if value < 100 else f"{value:.0f}"
    return f"{text} {word}{'' if text == '1' else 's'}"


def _bytes(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    power = min(4, int(math.log10(count) // 3))
    return f"{count / 1000**power:.3g} {' kMGT'[power]}B"


def _milliseconds(ns: float) -> str:
    return f"{ns / 1e6:.3g} ms" if ns < 1e9 else f"{ns / 1e9:.3g} s"
