"""Where an array's first sample lies, as the loops are told."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["address"]

_byte: Callable[[Any], Any] = ctypes.c_char.from_buffer
_address = ctypes.addressof


def address(array: np.ndarray) -> int:
    """The address of the first sample (four times as fast as asking the array interface, where it can be)."""
    try:
        return _address(_byte(array))
    except (TypeError, ValueError, BufferError):  # read-only, not contiguous, empty
        return array.__array_interface__["data"][0]
