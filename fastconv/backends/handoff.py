"""Short work shared among threads: its calls of compiled loops are written down first, and made without Python.

A thread that sleeps takes some 75 us to begin, and longer where it then waits for the interpreter's lock, so work of
less than a millisecond gains little from it.  Here helpers of the pool (`fastconv.core.threads`) stay in compiled
code, awake for a moment after each call, watching for the next one: whoever has work writes down its calls, one lane
for each worker, hands them over and makes its own.  A lane that nobody has begun by then is done by the caller, so
that a busy machine costs speed and never an answer.
"""

from __future__ import annotations

import atexit
import math
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.core import threads
from fastconv.core.address import address
from fastconv.core.scratch import use_lane
from fastconv.loops import handoff as loops
from fastconv.loops.again import entry
from fastconv.loops.jit import held_lock, machine_call

__all__ = ["Calls", "Now", "Written", "few_parts", "lanes_of", "now", "ready", "share", "short", "wanted"]

#: work that is handed over, in nanoseconds; longer work is shared out task by task, so that nobody waits for a core
#: that is busy elsewhere
LEAST_NS, MOST_NS = 25_000, 4_000_000
#: what it takes to write down the calls of a lane
LANE_NS = 10_000
#: looks of a helper that stays awake: about a quarter of a millisecond
SPINS = 10_000
#: calls that follow each other so soon call a helper out for less than `SERIAL_NS`
SOON_NS = 1_000_000
#: calls in a process that are not worth compiling this for
FIRST = 4
#: places where helpers wait
SLOTS = 63

#: how `share` hands a compiled loop and its arguments over
Now = Callable[..., None]


def now(loop: Callable[..., None], *args: Any) -> None:
    """Make the call."""
    loop(*args)


class Written:
    """Calls written down."""

    def __init__(self) -> None:
        self.words: list[int] = []
        #: where the arguments' words stand, call after call
        self.places: list[int] = []
        self.held: list[Any] = []

    def __call__(self, loop: Callable[..., None], *args: Any) -> None:
        function, kinds, forward = _machine_call(loop)
        words = self.words
        start = len(words)
        words += (forward, 0, function)
        for kind, value in zip(kinds, args, strict=True):
            self.places.append(len(words))
            if kind == "i":
                words.append(value)
            elif kind == "1":
                words += (address(value), value.size)
            elif kind in "fd":
                words.append(struct.unpack("<q", struct.pack("<d" if kind == "d" else "<fxxxx", value))[0])
            else:
                words += (address(value), *value.shape)
        words[start + 1] = len(words) - start - 2
        self.held.append(args)

    def table(self) -> np.ndarray:
        """What `fastconv.loops.handoff` reads."""
        return np.array([*self.words, 0], np.int64)


class Calls:
    """Lanes of calls, to be made at once by as many threads; they may be made again and again, by one thread."""

    def __init__(self, lanes: list[Written]) -> None:
        self.written = lanes
        self.tables = [lane.table() for lane in lanes]
        self.lanes = np.zeros((len(lanes), 2), np.int64)
        self.lanes[:, 0] = [address(table) for table in self.tables]
        self.at = address(self.lanes)

    def make(self, call: bool = True) -> None:
        """Make them all.  call: whether helpers that sleep are to be woken."""
        ready()
        absent = _post(self.at, len(self.written), _at, SLOTS, call)
        if absent:
            threads.call_out(absent)
        _lead(self.at, len(self.written))


_asked = 0


def ready() -> None:
    """Compile what hands work over, if that has not been done; it is used from now on."""
    global _asked
    _asked = max(_asked, FIRST)
    if not _used:
        with _lock:
            if not _used:
                _make_slots()


def short(ns: float, workers: int) -> bool:
    """Whether work of so many nanoseconds of one core is for `share`'s helpers, and these may be used."""
    global _asked
    if workers == 1 or not LEAST_NS <= ns <= MOST_NS or threads.in_task() or sys.is_finalizing():
        return False
    _asked += 1
    return _asked > FIRST


def few_parts(ns: float, workers: int) -> int:
    """Parts to cut work into that is too short to be cut at will: 1, or one for each worker; else 0."""
    if ns < LEAST_NS or (workers == 1 and ns <= MOST_NS):
        return 1
    return lanes_of(ns, workers) if short(ns, workers) else 0


def lanes_of(ns: float, workers: int) -> int:
    """How many of the workers are worth a lane: writing one down takes some 10 us of the caller's time."""
    return min(workers, max(2, round(math.sqrt(ns / LANE_NS))))


_last = 0


def wanted(ns: float) -> bool:
    """Whether sleeping helpers should be called out for work of so many nanoseconds."""
    global _last
    before, _last = _last, time.perf_counter_ns()
    return ns > threads.SERIAL_NS or _last - before < SOON_NS


def share(part: Callable[[int, Now], None], count: int, workers: int, ns: float) -> None:
    """Do ``part(0, call)`` ... ``part(count - 1, call)``, work of ``ns`` nanoseconds in all, on up to so many threads.

    A part makes its calls of compiled loops as ``call(loop, *args)``, in the order in which they must happen; what
    else it does may happen before any of them.  Its scratch memory is `fastconv.core.scratch.scratch`, asked for
    within the part.  Parts may be done at the same time.
    """
    workers = min(workers, count)
    if not short(ns, workers):
        threads.run(lambda i: part(i, now), count, workers if ns > threads.SERIAL_NS else 1)
        return
    lanes, workers = [], lanes_of(ns, workers)
    try:
        for lane in range(workers):
            use_lane(lane)
            lanes.append(Written())
            for i in range(count * lane // workers, count * (lane + 1) // workers):
                part(i, lanes[-1])
    finally:
        use_lane(0)
    Calls(lanes).make(wanted(ns))


_calls: dict[Any, tuple[int, str, int]] = {}


def _machine_call(loop: Any) -> tuple[int, str, int]:
    """Address, kinds of arguments, and address of the `forward` for them; compiled on the caller's thread."""
    found = _calls.get(loop)
    if found is None:
        function, kinds, shape = machine_call(loop)
        found = _calls[loop] = function, kinds, loops.forward.address(SHAPE=shape)
    return found


_lock = threading.Lock()
_memory = np.zeros((SLOTS + 2) * loops.SLOT_WORDS, np.int64)
_at = address(_memory) + -address(_memory) % (8 * loops.SLOT_WORDS)
_first = (_at - address(_memory)) // 8
_used = False
#: the entries of `loops.post` and `loops.lead`, once they are used
_post: Callable[..., int] = int
_lead: Callable[..., None] = now


def _ticket() -> int:
    return int(_memory[_first])


def _wait(ticket: int) -> bool:
    return _used and loops.serve(_at, SLOTS, SPINS, threading.get_native_id(), ticket)


def _recall() -> None:
    if _used:
        loops.recall(_at, SLOTS)


def _make_slots() -> None:
    """Slots with locks of their own, in which nobody waits: those of a parent process hold its threads' places."""
    global _used, _post, _lead
    slots = _memory[_first : _first + (SLOTS + 1) * loops.SLOT_WORDS].reshape(SLOTS + 1, -1)
    slots[:] = 0
    slots[1:, loops.LOCK // 8] = [held_lock() for _ in range(SLOTS)]
    # compiled now, and not when a fork is about to happen
    loops.recall(_at, SLOTS)
    loops.serve.compiled(*(0,) * 5)
    _post, _lead = entry(loops.post.compiled(*(0,) * 5)), entry(loops.lead.compiled(0, 0))
    _used = True


def _leave() -> None:
    """Send away those that are awake: the code that they run is about to go."""
    global _used
    _used = False
    _memory[_first] += 1


def _after_fork_in_child() -> None:
    global _lock, _used
    _lock, _used = threading.Lock(), False


threads.wait_by(_ticket, _wait, _recall)
atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
