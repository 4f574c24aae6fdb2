"""FILTER words made into calls, and the calls made one after the other on a picture."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import fastconv as fc
from fastconv import files, kernels
from fastconv.engine import watch
from fastconv.loops import jit  # loaded before anything is timed

from .arguments import UsageError, nearest
from .names import KERNELS, LITERAL, OPERATORS, split
from .plans import described

if TYPE_CHECKING:
    from fastconv import Plan

__all__ = ["Filtered", "Step", "chain", "filtered", "stored"]

#: options of an operator that a FILTER word may set (the others belong to the picture or to the whole command)
_SETTABLE = ("mode", "cval", "origin", "stride", "dilation", "method")
_NEGLIGIBLE = 1e-6  # a kernel whose sum is this small beside its taps is a derivative


@dataclass(frozen=True)
class Step:
    """One filter of a chain.

    ``gain`` is what a constant picture is multiplied by, 0 for a derivative.  ``signed`` says whether results around
    zero are meant, both signs alike: None leaves it to the step before.
    """

    text: str
    call: Callable[..., np.ndarray]
    parameters: dict[str, Any]
    gain: float
    signed: bool | None

    def __call__(self, pixels: np.ndarray, plane: tuple[int, int], **options: Any) -> np.ndarray:
        parameters = {**options, **self.parameters}
        axis = parameters.get("axis")
        if isinstance(axis, int) and -2 <= axis <= 1:
            parameters["axis"] = plane[axis]
        return self.call(pixels, axes=plane, **parameters)


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    if re.fullmatch(r"[-+.0-9eE]+(x[-+.0-9eE]+)+", text):
        return tuple(_value(part) for part in text.split("x"))
    return text


def _operator(word: str, name: str, rest: str) -> Step:
    function = getattr(fc, OPERATORS[name])
    parameters = inspect.signature(function).parameters
    own = [p for p in list(parameters)[1:] if p not in inspect.signature(fc.correlate).parameters]
    given: dict[str, Any] = {}
    for i, part in enumerate(rest.split(",") if rest else ()):
        key, equals, text = (t.strip() for t in part.partition("="))
        if not equals:
            if i >= len(own):
                raise UsageError(f"{word}: {name} takes {len(own) or 'no'} parameters ({', '.join(own)})")
            key, text = own[i], key
        allowed = [*own, *(s for s in _SETTABLE if s in parameters)]
        if key not in allowed:
            raise UsageError(
                f"{word}: {name} has no parameter {key!r}{nearest(key, allowed)}; it takes {', '.join(allowed)}"
            )
        if key in given or not text:
            raise UsageError(f"{word}: {key} must be given one value")
        given[key] = _value(text)
    missing = [p for p in own if parameters[p].default is inspect.Parameter.empty and p not in given]
    if missing:
        raise UsageError(f"{word}: {name} needs {missing[0]}, as {name}:2 or {name}:{missing[0]}=2")
    order = given.get("order", 0)
    target = OPERATORS[name]
    if target in ("box", "unsharp_mask") or (target == "gaussian" and not np.any(order)):
        return Step(word, function, given, 1.0, None)
    magnitude = target in ("roberts", "gradient_magnitude") or ("axis" in own and given.get("axis") is None)
    return Step(word, function, given, 0.0, not magnitude)


def _kernel(word: str, name: str, rest: str, normalize: bool) -> Step:
    kernel = kernels.from_spec(rest if name in LITERAL else word.replace("-", "_", word.partition(":")[0].count("-")))
    if kernel.ndim != 2:
        raise UsageError(f"{word}: the kernel must have two dimensions; got {kernel.ndim}")
    total, weight = float(kernel.sum()), float(np.abs(kernel).sum())
    flat = abs(total) <= _NEGLIGIBLE * weight
    if normalize:
        if flat:
            raise UsageError(f"{word}: its taps sum to 0, so it cannot be normalized")
        kernel, total = kernel / total, 1.0
    call = fc.convolve if name == "convolve" else fc.correlate
    return Step(word, call, {"kernel": kernel}, 0.0 if flat else total, True if flat or total < 0 else None)


def chain(words: Sequence[str], options: dict[str, Any], normalize: bool = False) -> tuple[Step, ...]:
    """The steps that FILTER words ask for; ``options`` are the command's, for every step, but stride for the last."""
    steps: list[Step] = []
    for i, word in enumerate(words):
        name, rest = split(word)
        step = _kernel(word, name, rest, normalize) if name in (*KERNELS, *LITERAL) else _operator(word, name, rest)
        last = i == len(words) - 1
        common = {k: v for k, v in options.items() if k != "stride" or last}
        steps.append(replace(step, parameters={**common, **step.parameters}))
    if normalize and not any(split(w)[0] in (*KERNELS, *LITERAL) for w in words):
        raise UsageError("--normalize is for a kernel: there is none among the filters")
    return tuple(steps)


@dataclass(frozen=True)
class Filtered:
    """A chain's result, in float, and each step's plans; ``readied`` of the ``seconds`` was compiling or loading."""

    values: np.ndarray
    signed: bool
    seconds: float
    readied: float
    plans: tuple[tuple[Plan, ...], ...]
    stride: tuple[int, int]

    @property
    def methods(self) -> tuple[str, ...]:
        """Each step's plans in a few words."""
        return tuple(map(described, self.plans))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _alpha_step(step: Step, alpha: np.ndarray, plane: tuple[int, int], workers: int | None) -> np.ndarray:
    """Alpha filtered like the colour, at unit gain (a given cval is opaque); a derivative leaves it as it is."""
    if not step.gain:
        y, x = _pair(step.parameters.get("stride", 1))
        return alpha[(slice(None),) * plane[0] + (slice(None, None, y), slice(None, None, x))]
    outside = {"cval": 1.0} if "cval" in step.parameters else {}
    return replace(step, parameters={**step.parameters, **outside})(alpha, plane, workers=workers) / step.gain


def filtered(picture: files.Picture, steps: Sequence[Step], workers: int | None = None) -> Filtered:
    """Run the steps in order.  Nothing is rounded between them; colours beside transparency are premultiplied."""
    plane, pixels, alpha = picture.plane, picture.pixels, None
    if picture.alpha:
        pixels, alpha = files.split_alpha(pixels)
    signed, plans, stride = False, list["tuple[Plan, ...]"](), (1, 1)
    readied = jit.stats()["seconds"]
    start = time.perf_counter()
    for step in steps:
        with watch() as calls:
            pixels = step(pixels, plane, workers=workers)
        plans.append(calls[-1] if calls else ())
        if alpha is not None:
            alpha = _alpha_step(step, alpha, plane, workers)
        signed = signed if step.signed is None else step.signed
        y, x = _pair(step.parameters.get("stride", 1))
        stride = (stride[0] * y, stride[1] * x)
    seconds = time.perf_counter() - start
    readied = jit.stats()["seconds"] - readied
    if alpha is not None:
        pixels = files.join_alpha(pixels, alpha, picture.pixels.dtype)
    return Filtered(pixels, signed, seconds, readied, tuple(plans), stride)


def stored(
    picture: files.Picture, result: Filtered, dtype: np.dtype, signed: str | None = None, scale: float = 1.0
) -> tuple[files.Picture, tuple[str, ...]]:
    """The picture to write, in the file's dtype, and what is to be said about the conversion."""
    values, notes = result.values, list[str]()
    colour = values[..., :-1] if picture.alpha else values
    if scale != 1.0:
        colour = colour * scale
        notes.append(f"times {scale:g}")
    way = signed or ("abs" if result.signed else "clip")
    if dtype.kind == "u" and (result.signed or signed) and way != "clip":
        middle = f"zero is stored as {2 ** (8 * dtype.itemsize - 1)}"
        notes.append({"abs": "negative values made positive (abs)", "mid": f"{middle} (mid)"}[way])
    elif dtype.kind == "u" and result.signed:
        notes.append("negative values made 0 (clip)")
    pixels, cut = files.to_dtype(colour, dtype, way)
    if cut >= 5e-4:
        notes.append(f"{cut:.1%} of samples beyond the {dtype} range, saturated")
    if picture.alpha:
        full = 1.0 if picture.pixels.dtype.kind == "f" else np.iinfo(picture.pixels.dtype).max
        top = 1.0 if dtype.kind == "f" else np.iinfo(dtype).max
        opaque, _ = files.to_dtype(values[..., -1:] * (top / full), dtype)
        pixels = np.concatenate((pixels, opaque), axis=-1)
    return picture.with_pixels(pixels, result.stride), tuple(notes)
