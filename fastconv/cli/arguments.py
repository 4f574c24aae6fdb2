"""What the commands' parsers share.  Standard library only."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

__all__ = ["Parser", "UsageError", "add_filter_options", "filter_options", "nearest", "positive", "size"]

MODES = "reflect, mirror, nearest, wrap, constant"


class UsageError(Exception):
    """A command line that cannot be followed; the text is all that the user sees."""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors and examples left as they are written."""

    def __init__(self, **options: object) -> None:
        options = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False, **options}
        super().__init__(**options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help says more)")


def nearest(word: str, known: Iterable[str]) -> str:
    """Words like " (did you mean gaussian?)" for a word that resembles a known one, else none.

    >>> nearest("gausian", ["box", "gaussian"])
    ' (did you mean gaussian?)'
    """
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found else ""


def size(text: str) -> tuple[int, int]:
    """Rows and columns from "1080x1920", or a square from "512"."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    if match is None or not all(int(n) for n in match.groups() if n):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, as 1080x1920; got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1; got {text!r}")
    return int(text)


def _step(text: str) -> int | tuple[int, int]:
    """One integer, or "2x3" for rows and columns."""
    parts = tuple(positive(part) for part in text.split("x", 1))
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """The options of a filter that both apply and explain take."""
    group = parser.add_argument_group("filter options")
    group.add_argument("--mode", help=f"what lies outside the picture: {MODES} (default reflect)")
    group.add_argument("--cval", type=float, help="the value outside in mode constant (default 0)")
    group.add_argument("--dilation", type=_step, metavar="N[xN]", help="distance between taps in pixels (default 1)")
    group.add_argument("--stride", type=_step, metavar="N[xN]", help="keep every N-th pixel (default 1)")
    group.add_argument("--method", help="auto (default), direct, separable, low_rank, running_sum or fft")


def filter_options(arguments: argparse.Namespace) -> dict[str, object]:
    """Those of `add_filter_options` that were given."""
    names = ("mode", "cval", "dilation", "stride", "method")
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}
