"""Measurement: one table of rows, timed against other libraries after checking that the answers agree.

>>> from fastconv import measure
>>> len(measure.select(["gaussian"])) > 10
True
"""

from __future__ import annotations

from .peers import PEERS, installed, ours, peer_threads, scale_of
from .rows import MODE, ROWS, Row, select
from .table import Measured, Result, Table, machine
from .timing import difference, run_table, time_in_turn

__all__ = [
    "MODE",
    "PEERS",
    "ROWS",
    "Measured",
    "Result",
    "Row",
    "Table",
    "difference",
    "installed",
    "machine",
    "ours",
    "peer_threads",
    "run_table",
    "scale_of",
    "select",
    "time_in_turn",
]
