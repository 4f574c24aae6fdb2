"""The one table of border modes.

A border mode says what lies outside an axis of ``n`` samples.  It is data: `source_index` gives, for
every position of the padded axis, the sample that stands there, or -1 for the constant.  Loops,
planner and backends see these numbers only; nothing else in the package compares mode names.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .errors import bad_type, bad_value

__all__ = ["ALIASES", "CONSTANT", "MODES", "canonical_mode", "reads_constant", "source_index"]


def _reflect(i: np.ndarray, n: int) -> np.ndarray:  # (d c b a | a b c d | d c b a)
    i = np.mod(i, 2 * n)
    return np.where(i >= n, 2 * n - 1 - i, i)


def _mirror(i: np.ndarray, n: int) -> np.ndarray:  # (d c b | a b c d | c b a)
    if n == 1:
        return np.zeros_like(i)
    i = np.mod(i, 2 * n - 2)
    return np.where(i >= n, 2 * n - 2 - i, i)


def _nearest(i: np.ndarray, n: int) -> np.ndarray:  # (a a a | a b c d | d d d)
    return np.clip(i, 0, n - 1)


def _wrap(i: np.ndarray, n: int) -> np.ndarray:  # (b c d | a b c d | a b c)
    return np.mod(i, n)


def _constant(i: np.ndarray, n: int) -> np.ndarray:  # (k k k | a b c d | k k k)
    return np.where((i < 0) | (i >= n), -1, i)


CONSTANT = "constant"
#: mode -> (index rule, picture of what lies outside)
MODES = {
    "reflect": (_reflect, "d c b a | a b c d | d c b a"),
    "mirror": (_mirror, "d c b | a b c d | c b a"),
    "nearest": (_nearest, "a a a | a b c d | d d d"),
    "wrap": (_wrap, "b c d | a b c d | a b c"),
    CONSTANT: (_constant, "k k k | a b c d | k k k"),
}
#: other libraries' unambiguous words for the same rows (NumPy's "reflect" is our "mirror": not an alias)
ALIASES = {
    "grid-mirror": "reflect",
    "symmetric": "reflect",
    "edge": "nearest",
    "grid-wrap": "wrap",
    "grid-constant": CONSTANT,
}


def canonical_mode(mode: object) -> str:
    """The table's name for a mode word or one of its aliases; ValueError names the allowed ones."""
    if not isinstance(mode, str):
        raise bad_type("mode", mode, f"a string, one of {', '.join(MODES)}, or one of them per filtered axis")
    name = ALIASES.get(mode, mode)
    if name not in MODES:
        raise bad_value("mode", mode, f"one of {', '.join(MODES)} (or {', '.join(ALIASES)})")
    return name


def reads_constant(modes: tuple[str, ...]) -> bool:
    """Whether ``cval`` may lie outside an axis with one of these modes."""
    return CONSTANT in modes


@lru_cache(maxsize=512)
def source_index(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Source position of each position of an axis padded by ``before`` and ``after`` samples.

    Returns a read-only int64 array of length ``before + n + after`` (negative ``before`` or ``after`` crop);
    -1 stands for the constant.  Any amount of padding is legal: reflections and wraps go on for ever.

    >>> source_index(3, 2, 2, "reflect").tolist()
    [1, 0, 0, 1, 2, 2, 1]
    >>> source_index(3, 2, 2, "constant").tolist()
    [-1, -1, 0, 1, 2, -1, -1]
    """
    position = np.arange(-before, n + after, dtype=np.int64)
    table = position if n == 0 else MODES[mode][0](position, n)
    table = np.ascontiguousarray(table, dtype=np.int64)
    table.flags.writeable = False
    return table
