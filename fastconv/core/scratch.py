"""Memory to write on: an array for each thread and slot, kept between calls (fresh pages cost more than a filter)."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np

__all__ = ["aligned", "release_scratch", "scratch", "use_lane"]

#: a scratch array above this is handed out but not kept
KEPT_BYTES = 64 * 2**20
_ALIGNMENT = 64


class _Local(threading.local):
    kept: _Kept | None = None
    lane = 0


class _Kept(dict[tuple[str, int], np.ndarray]):
    """One thread's scratch arrays, by slot; a class of its own so that it can be referred to weakly."""

    __hash__ = object.__hash__  # type: ignore[assignment]


_local = _Local()
_lock = threading.Lock()
_all_kept: weakref.WeakSet[_Kept] = weakref.WeakSet()


def scratch(slot: str, size: int, dtype: Any) -> np.ndarray:
    """A 1-D array of ``size`` items for the calling thread to write on: 64-byte aligned, content undefined.

    The memory belongs to the thread and the slot, and is handed out again at the next call with the same slot: one
    slot is for one function that is done with it when it returns.  Fresh pages cost more than many a filter, so it
    is kept between calls, up to 64 MiB a slot; more than that is fresh each time.

    Examples
    --------
    >>> row = scratch("doctest row", 100, "float32")
    >>> row.shape, row.dtype.name, row.ctypes.data % 64
    ((100,), 'float32', 0)
    """
    dtype = np.dtype(dtype)
    needed = size * dtype.itemsize
    kept = _local.kept
    if kept is None:
        kept = _local.kept = _Kept()
        with _lock:
            _all_kept.add(kept)
    place = slot, _local.lane
    memory = kept.get(place)
    if memory is None or memory.size < needed:
        if needed > KEPT_BYTES:
            return aligned(needed)[:needed].view(dtype)
        grown = 0 if memory is None else memory.size * 3 // 2
        memory = kept[place] = aligned(min(max(needed, grown), KEPT_BYTES))
    return memory[:needed].view(dtype)


def use_lane(lane: int) -> None:
    """Take the calling thread's scratch memory from lane ``lane`` from now on; from 0 where nobody says otherwise.

    For a thread that gets work ready which others do at the same time, each on memory of its own.
    """
    _local.lane = lane


def aligned(size: int) -> np.ndarray:
    """At least ``size`` fresh bytes, from a multiple of 64 on."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % _ALIGNMENT
    return memory[start : start + size]


def release_scratch() -> None:
    """Let go of every thread's scratch memory (arrays that are in use live on until they are done with)."""
    with _lock:
        everyone = list(_all_kept)
    for kept in everyone:
        kept.clear()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # no thread may be half way through entering its arrays
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=_after_fork_in_child,
    )
