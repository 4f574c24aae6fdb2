"""Whether there is a device: asked of the driver itself, once, before anything else is imported."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache

__all__ = ["devices"]


def devices() -> int:
    """How many CUDA devices there are; 1 under numba's simulator; 0 where there is no driver."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return 1
    return _driver_devices()


@lru_cache(maxsize=1)
def _driver_devices() -> int:
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
