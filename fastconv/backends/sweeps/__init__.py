"""One sweep for each kind of pass; a new kind is a file here and a row in this table."""

from __future__ import annotations

from collections.abc import Callable

from fastconv.backends.layout import Layout
from fastconv.core.ir import Pass

from .common import Call, Sweep, Target
from .line import LineSweep
from .sums import SumSweep
from .tiles import TileSweep
from .window import WindowSweep

__all__ = ["SWEEPS", "Call", "Sweep", "Target"]

SWEEPS: dict[str, Callable[[Layout, Pass], Sweep]] = {
    "line": LineSweep,
    "window": WindowSweep,
    "sum": SumSweep,
    "tiles": TileSweep,
}
