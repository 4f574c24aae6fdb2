"""Measurement: one table of rows, timed against other libraries after checking that the answers agree.

>>> from fastconv import measure
>>> len(measure.select(["gaussian"])) > 10
True
"""

from __future__ import annotations

from .limits import multiply_adds
from .peers import PEERS, installed, ours, peer_threads, scale_of
from .rows import MODE, ROWS, Row, select
from .table import Limit, Measured, Result, Table, machine
from .timing import difference, run_table
from .turns import in_turn, time_in_turn

__all__ = [
    "MODE",
    "PEERS",
    "ROWS",
    "Limit",
    "Measured",
    "Result",
    "Row",
    "Table",
    "difference",
    "in_turn",
    "installed",
    "machine",
    "multiply_adds",
    "ours",
    "peer_threads",
    "run_table",
    "scale_of",
    "select",
    "time_in_turn",
]
