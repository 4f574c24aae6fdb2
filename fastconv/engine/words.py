"""The text of every parameter that operators share, written once and spliced into their docstrings."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.core.border import ALIASES, MODES

__all__ = ["OPTIONS", "spliced"]


def _drawn() -> str:
    """The border table as lines of text: name, picture, other names."""
    width = max(len(picture) for _, picture in MODES.values())
    lines = []
    for name, (_, picture) in MODES.items():
        also = ", ".join(alias for alias, meant in ALIASES.items() if meant == name)
        lines.append(f"        {name:9} {picture.center(width)}   {f'(also {also})' if also else ''}".rstrip())
    return "\n".join(lines)


#: option -> its text
OPTIONS = {
    "mode": f"""what lies outside an axis ``a b c d``, one word or one for each filtered axis (k is ``cval``)::

{_drawn()}

        A kernel may be larger than the image: reflections and repetitions go on for ever.""",
    "cval": "the value outside in mode ``constant``.",
    "origin": """shift of the kernel in taps, one integer or one for each filtered axis, from ``-(size // 2)`` to
        ``(size - 1) // 2``.  Correlating, a positive one reads samples further to the left (or above); convolving,
        further to the right (or below).""",
    "stride": """every how many samples an output is computed, one integer >= 1 or one for each filtered axis: the
        result without stride taken at ``[::stride]``, ``ceil(n / stride)`` samples.""",
    "dilation": "distance between neighbouring taps in samples, one integer >= 1 or one for each filtered axis.",
    "axes": """the filtered axes, an integer or several different ones; whatever is given for each axis follows their
        order.  The others are carried along.  By default both axes of a 2-D image, the one of a 1-D image.""",
    "channel_axis": """the one axis that is not filtered (-1 for a colour photograph), instead of ``axes``.  An image
        of three or more dimensions needs one of the two.""",
    "dtype": """of the result.  None keeps float16, float32 and float64, and makes float32 of bool and integers of at
        most 16 bits, float64 of wider ones; "same" is the image's.  An integer result is rounded half to even and
        saturates, NaN becomes 0.  Sums are taken in float32 where image and result fit it, else in float64.""",
    "out": """writable array of the result's shape that the result is written to; its dtype is the result's.  It may
        be the image, or overlap it.""",
    "method": """"auto" takes the cheapest of "direct", "separable", "low_rank", "running_sum" and "fft"; a name
        forces one, or is a ValueError where that one cannot serve the kernel.""",
    "backend": """"auto" follows the array: a device array is filtered on its device, every other on the processor.
        "cuda" with a host image copies it to the device and the result back; "cpu" takes host arrays only.""",
    "workers": """most threads to use; None takes what the machine and its settings allow.  The result is the same for
        any number.""",
}

_IMAGE = """image : array or nested lists of bool, integers or floats (not complex) of at least one dimension, in any
        strides and byte order.  Masked arrays are refused: fill them first.  Empty ones give empty results."""
_RETURNS = "``out``, or a new array of the image's shape (``ceil(n / stride)`` samples along a filtered axis)."
_ERRORS = "TypeError, ValueError : naming the argument, what came and what is allowed; before anything is written."


def spliced(doc: str | None, names: Sequence[str]) -> str:
    """A docstring with {image}, {returns}, {errors} and {options} filled in; ``names`` are the options' names."""
    options = "\n    ".join(f"{name} : {OPTIONS[name]}" for name in names)
    words = {"{image}": _IMAGE, "{options}": options, "{returns}": _RETURNS, "{errors}": _ERRORS}
    text = doc or ""
    for mark, meaning in words.items():
        text = text.replace(mark, meaning)
    return text
