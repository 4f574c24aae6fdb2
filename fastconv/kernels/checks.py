"""Checks of the coefficient makers' arguments, each written once.

Every function returns the argument in plain Python form (``float``, ``int``, a tuple with one entry for each axis) or
raises through `fastconv.core.errors`: TypeError for the wrong kind of thing, ValueError for a wrong value.
Sizes are checked before anything is allocated, so that ``sigma=1e12`` is a ValueError and no MemoryError.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from fastconv.core.errors import bad_type, bad_value

__all__ = [
    "MAX_COEFFICIENTS",
    "MAX_ORDER",
    "MAX_RADIUS",
    "NO_BLUR",
    "axis_number",
    "coefficients",
    "dimensions",
    "flag",
    "integer",
    "one_of",
    "order_number",
    "per_axis",
    "radius_number",
    "radius_of",
    "real",
    "sigma_number",
    "size_number",
    "truncate_number",
]

#: largest half-width of 1-D taps, in samples: far beyond any image line that is filtered in practice
MAX_RADIUS = 2**20
#: most coefficients of one dense kernel: 128 MiB of float64
MAX_COEFFICIENTS = 2**24
#: a standard deviation up to this leaves its axis alone, as in SciPy
NO_BLUR = 1e-15
#: highest derivative of a Gaussian: above it the polynomial's cancellation leaves no digit
MAX_ORDER = 32

T = TypeVar("T")


def real(
    name: str, value: Any, *, least: float = -math.inf, most: float = math.inf, above: float | None = None
) -> float:
    """A finite real number within [least, most] (and greater than ``above``), as a float; bools are refused.

    >>> real("amount", 2)
    2.0
    """
    if above is not None:
        bounds = f"a finite number > {above:.15g}"
    elif least > -math.inf:
        bounds = f"a finite number >= {least:.15g}"
    else:
        bounds = "a finite number"
    if most < math.inf:
        bounds += f" and <= {most:.15g}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise bad_type(name, value, bounds)
    try:
        number = float(value)
    except OverflowError:  # an int beyond float64
        raise bad_value(name, value, bounds) from None
    if not math.isfinite(number) or not least <= number <= most or (above is not None and number <= above):
        raise bad_value(name, value, bounds)
    return number


def integer(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """An integer within [least, most]; bools and floats (3.0 too) are refused.

    >>> integer("size", 3, least=1)
    3
    """
    bounds = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"
    if isinstance(value, (bool, np.bool_)):
        raise bad_type(name, value, bounds)
    try:
        number = operator.index(value)
    except TypeError:
        raise bad_type(name, value, bounds) from None
    if number < least or (most is not None and number > most):
        raise bad_value(name, value, bounds)
    return number


def sigma_number(value: Any, name: str = "sigma") -> float:
    """A Gaussian's standard deviation in samples: finite, >= 0, at most `MAX_RADIUS`.

    >>> sigma_number(2)
    2.0
    """
    return real(name, value, least=0.0, most=MAX_RADIUS)


def order_number(value: Any, name: str = "order") -> int:
    """A derivative's order: an integer from 0 to `MAX_ORDER`.

    >>> order_number(1)
    1
    """
    return integer(name, value, least=0, most=MAX_ORDER)


def truncate_number(value: Any, name: str = "truncate") -> float:
    """Where a Gaussian is cut, in standard deviations: finite and > 0.

    >>> truncate_number(4)
    4.0
    """
    return real(name, value, above=0.0)


def size_number(value: Any, name: str = "size") -> int:
    """A number of taps: an integer >= 1, at most ``2 * MAX_RADIUS + 1``.

    >>> size_number(5)
    5
    """
    return integer(name, value, least=1, most=2 * MAX_RADIUS + 1)


def radius_of(sigma: float, truncate: float, radius: Any = None) -> int:
    """Half-width of a Gaussian's taps: ``radius`` where given, else ``int(truncate * sigma + 0.5)``.

    0 where ``sigma`` is at most `NO_BLUR`, whatever the others say.

    >>> radius_of(1.0, 4.0), radius_of(1.0, 4.0, 2), radius_of(0.0, 4.0, 2)
    (4, 2, 0)
    """
    if radius is not None:
        radius = radius_number(radius)
    if sigma <= NO_BLUR:
        return 0
    if radius is not None:
        return radius
    reach = truncate * sigma + 0.5
    if not reach < MAX_RADIUS + 1:
        raise bad_value("truncate * sigma", truncate * sigma, f"at most {MAX_RADIUS} samples")
    return int(reach)


def radius_number(value: Any, name: str = "radius") -> int:
    """A half-width in samples: an integer from 0 to `MAX_RADIUS`.

    >>> radius_number(4)
    4
    """
    return integer(name, value, least=0, most=MAX_RADIUS)


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely looks like it.

    >>> flag("diagonals", True)
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise bad_type(name, value, "True or False")
    return bool(value)


def axis_number(value: Any, ndim: int, name: str = "axis") -> int:
    """An axis of ``ndim``, counted from 0; negative ones count from the end.

    >>> axis_number(-1, 2)
    1
    """
    return integer(name, value, least=-ndim, most=ndim - 1) % ndim


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the ``allowed`` words.

    >>> one_of("part", "real", ("real", "imag"))
    'real'
    """
    words = f"one of {', '.join(allowed)}"
    if not isinstance(value, str):
        raise bad_type(name, value, words)
    if value not in allowed:
        raise bad_value(name, value, words)
    return value


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def dimensions(ndim: Any, **arguments: Any) -> int:
    """The kernel's number of axes: ``ndim`` where given, else the length of the first sequence given, else 2.

    >>> dimensions(None, sigma=(1, 2, 3)), dimensions(None, sigma=1), dimensions(3, sigma=1)
    (3, 2, 3)
    """
    if ndim is not None:
        return integer("ndim", ndim, least=1, most=32)
    for name, value in arguments.items():
        if _is_sequence(value):
            if not 1 <= len(value) <= 32:
                raise bad_value(name, value, "one number, or one for each axis")
            return len(value)
    return 2


def per_axis(name: str, value: Any, ndim: int, check: Callable[[Any, str], T]) -> tuple[T, ...]:
    """One checked value for each of ``ndim`` axes, from a single one or a list, tuple or 1-D array of them.

    >>> per_axis("size", 3, 2, size_number), per_axis("size", (3, 5), 2, size_number)
    ((3, 3), (3, 5))
    """
    if not _is_sequence(value):
        return (check(value, name),) * ndim
    if len(value) != ndim:
        raise bad_value(name, value, f"one number, or {ndim} of them (one for each axis)")
    return tuple(check(v, f"{name}[{i}]") for i, v in enumerate(value))


def coefficients(sizes: Sequence[int], name: str = "kernel") -> None:
    """Raises unless a dense kernel of these sizes has at most `MAX_COEFFICIENTS` coefficients.

    >>> coefficients((5, 5))
    """
    if math.prod(sizes) > MAX_COEFFICIENTS:
        shape = " x ".join(map(str, sizes))
        raise ValueError(f"{name} must have at most {MAX_COEFFICIENTS} coefficients; got {shape}")
