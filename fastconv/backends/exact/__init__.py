"""Filters whose every bit is fixed, as `scipy.ndimage` computes them: sums in double, each pass stored in the output's
dtype before the next reads it.

`Line` is one 1-D pass; `LinesJob` makes a chain of them ready for arrays of given strides and dtypes and runs it.
`WindowJob` does that for a correlation in any dimensions, `RunningJob` for means of a `Box` along each of some axes.
"""

from __future__ import annotations

from .chain import LinesJob
from .running import Box, RunningJob
from .steps import Finish, Line, one_sweep
from .window import WindowJob

__all__ = ["Box", "Finish", "Line", "LinesJob", "RunningJob", "WindowJob", "one_sweep"]
