"""Kernels from text: literal matrices, and names with parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core.errors import bad_type

from . import composed, dense, shapes

__all__ = ["from_spec", "names", "parse"]

_MAKERS: dict[str, Callable[..., np.ndarray]] = {
    "binomial": dense.binomial,
    "box": dense.box,
    "difference_of_gaussians": composed.difference_of_gaussians,
    "disk": shapes.disk,
    "emboss": composed.emboss,
    "farid": dense.farid,
    "gabor": shapes.gabor,
    "gaussian": dense.gaussian,
    "gaussian_laplace": composed.gaussian_laplace,
    "identity": composed.identity,
    "laplace": dense.laplace,
    "motion": shapes.motion,
    "prewitt": dense.prewitt,
    "roberts": composed.roberts,
    "scharr": dense.scharr,
    "sharpen": composed.sharpen,
    "sobel": dense.sobel,
    "unsharp": composed.unsharp,
}

_DECIMAL = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(rf"([+-]?{_DECIMAL})(?:/([+-]?{_DECIMAL}))?")


def names() -> tuple[str, ...]:
    """The names that `from_spec` knows.

    Returns
    -------
    tuple of strings, in alphabetical order.

    >>> "sobel" in names()
    True
    """
    return tuple(_MAKERS)


def _number(text: str) -> float | None:
    """The number that a word spells (a decimal, or a fraction of two); None where it spells none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    top, bottom = float(match[1]), float(match[2] or 1)
    return top / bottom if bottom else float("inf")


def parse(text: str) -> np.ndarray:
    """A kernel from its numbers: ``"1 2 1; 2 4 2; 1 2 1"``.

    Spaces or commas stand between numbers, semicolons or line ends between rows; a line may end in a semicolon, and
    blank lines do not count.  Numbers are decimal (``-0.5``, ``1e-3``) or fractions of decimals (``1/9``).

    Parameters
    ----------
    text : the numbers.

    Returns
    -------
    float64 array of shape ``(rows, columns)``; a single row gives ``(1, columns)``.

    Raises
    ------
    TypeError : ``text`` is no string.
    ValueError : no number at all; rows of different lengths; an empty row; a word that is no finite number.

    >>> parse("1 0; 0 -1/2").tolist()
    [[1.0, 0.0], [0.0, -0.5]]
    >>> parse("1, 2, 1").shape
    (1, 3)
    """
    allowed = "text such as '1 2 1; 2 4 2; 1 2 1'"
    if not isinstance(text, str):
        raise bad_type("text", text, allowed)
    rows: list[list[float]] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        for row in line.strip().removesuffix(";").split(";"):
            rows.append([_element(word, len(rows) + 1) for word in re.split(r"\s*,\s*|\s+", row.strip())])
            if len(rows[-1]) != len(rows[0]):
                raise ValueError(
                    f"kernel rows must have the same length; row 1 has {len(rows[0])} numbers, "
                    f"row {len(rows)} has {len(rows[-1])}"
                )
    if not rows:
        raise ValueError(f"kernel text must hold at least one number, {allowed}; got {text!r}")
    return np.array(rows)


def _element(word: str, row: int) -> float:
    if not word:
        raise ValueError(f"kernel row {row} must have a number between separators; got none")
    value = _number(word)
    if value is None or not np.isfinite(value):
        raise ValueError(f"kernel row {row} must hold finite numbers (as 2, -0.5, 1e-3 or 1/9); got {word!r}")
    return value


def from_spec(spec: str) -> np.ndarray:
    """A kernel from its name and parameters, or from its numbers.

    ``NAME[:value][,key=value ...]``, where NAME is one of `names`, the first value goes to the function's first
    parameter and keys are its parameters: ``"sobel"``, ``"sobel:0"``, ``"gaussian:2"``, ``"gaussian:2,order=1"``,
    ``"box:3x5"`` (3 rows, 5 columns: values joined by x go one to each axis), ``"motion:15,angle=30"``,
    ``"laplace:diagonals=true"``.  Hyphens in NAME count as underscores.
    Anything that does not begin with a letter is read by `parse`.

    Parameters
    ----------
    spec : the text.

    Returns
    -------
    float64 array, in correlation order.

    Raises
    ------
    TypeError : ``spec`` is no string.
    ValueError : an unknown name or key, a key given twice, a missing or wrong value; as `parse` for numbers.

    >>> from_spec("box:1x4").tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    >>> from_spec("sobel:axis=0")[0].tolist()
    [-1.0, -2.0, -1.0]
    >>> from_spec("1 -1").tolist()
    [[1.0, -1.0]]
    """
    if not isinstance(spec, str):
        raise bad_type("spec", spec, "text such as 'gaussian:2' or '1 2 1; 2 4 2; 1 2 1'")
    text = spec.strip()
    if not text[:1].isalpha():
        return parse(text)
    name, colon, rest = text.partition(":")
    name = name.strip().replace("-", "_")
    maker = _MAKERS.get(name)
    if maker is None:
        raise ValueError(f"kernel must be one of {', '.join(_MAKERS)}, or a matrix of numbers; got {name!r}")
    keys = list(inspect.signature(maker).parameters)
    arguments: dict[str, Any] = {}
    for i, word in enumerate(rest.split(",") if colon else ()):
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals and i == 0 and keys:
            key, value = keys[0], key
        if not key or not value or key not in keys or (not equals and i > 0):
            usage = f"{name}[:value][,key=value ...] with keys {', '.join(keys)}" if keys else f"{name} alone"
            raise ValueError(f"kernel must be written {usage}; got {spec!r}")
        if key in arguments:
            raise ValueError(f"kernel must give {key} once; got {spec!r}")
        arguments[key] = _value(value)
    try:
        inspect.signature(maker).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"kernel {spec!r}: {error}") from None
    try:
        return maker(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"kernel {spec!r}: {error}") from None


def _value(text: str) -> Any:
    """A parameter's value: a number, numbers joined by x as a tuple, true or false, else the text itself."""
    words = text.lower()
    if words in ("true", "false"):
        return words == "true"
    if re.fullmatch(r"[0-9./+-]+(x[0-9./+-]+)+", words):
        return tuple(_value(part) for part in words.split("x"))
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    number = _number(text)
    return text if number is None else number
