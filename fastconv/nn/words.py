"""The text of the parameters that the doors share, written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastconv.core.border import MODES

__all__ = ["documented"]

OPTIONS = {
    "x": "array (N, C, H, W) or (C, H, W) of floats, or of integers (bool counts as one).  Empty batches are legal.",
    "bias": "None, or one number of x's dtype for each output channel.",
    "stride": "samples between neighbouring outputs: an integer of at least 1, or a pair (rows, columns).",
    "padding": """samples around the image: an integer, a pair (rows, columns), a pair of pairs (before, after),
        "valid" (none), "same" or "same_lower": output ``ceil(n / stride)``, odd one behind ("same") or in front.""",
    "dilation": "samples between neighbouring taps: an integer of at least 1, or a pair (rows, columns).",
    "groups": "the channels fall into so many groups that do not see each other.",
    "padding_mode": f"what the padding holds, one of {', '.join(MODES)} (zeros for constant).",
    "out": "None, or a writable array of the result's shape and dtype; it may overlap the others.",
    "method": """"auto" takes the cheapest algorithm; "direct", "winograd", "gathered", "depthwise", "polyphase" or
        "separable" (for weights that are outer products) asks for one, or for the cheapest of its kind.  "auto" may
        use Winograd's algorithms, equal within `explain`'s bound for finite input: a NaN or infinity spreads over a
        tile.  "direct" avoids them.""",
    "backend": """"auto" goes where x is; "cuda" with host arrays copies them to the device and the result back.  A
        device has algorithms of its own, which `explain` names: "wide", "gemm", "depthwise" or "polyphase".""",
    "workers": "most threads to use; None takes what the machine allows.  The result is the same for any number.",
}
_ERRORS = "TypeError, ValueError : naming the argument and the rule it breaks, before anything is written."

F = TypeVar("F", bound=Callable[..., Any])


def documented(*names: str) -> Callable[[F], F]:
    """Fill {options} and {errors} in a function's docstring."""

    def fill(function: F) -> F:
        return _filled(function, names)

    return fill


def _filled(function: F, names: Sequence[str]) -> F:
    options = "\n    ".join(f"{name} : {OPTIONS[name]}" for name in names)
    function.__doc__ = (function.__doc__ or "").replace("{options}", options).replace("{errors}", _ERRORS)
    return function
