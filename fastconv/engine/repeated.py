"""Weights that come again: recognised by a fingerprint of all their bytes, so that what was made of them serves.

The first call with some large weights leaves a sample of them; the second keeps what is made of a copy, by the copy's
fingerprint; from the third on a call takes that of its weights, a fiftieth of what making it anew costs.  Weights that
change at every call are only sampled.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

import numpy as np

from fastconv.core.address import address
from fastconv.loops import fingerprint as loops

__all__ = ["Repeated", "fingerprint"]

#: values in a sample
_SAMPLE = 64
#: nobody can choose weights that are taken for others
_KEY = np.frombuffer(os.urandom(8 * loops.SUMS), np.uint64)


class Repeated:
    """At most ``limit`` bytes of weights and of arrays made of them, the least recently used leaving first.

    The newest stays, however much it is; of weights that alone are more than a fifth of the limit nothing is kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._found: OrderedDict[Hashable, tuple[bytes, Any, int] | None] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, weight: np.ndarray, make: Callable[[np.ndarray, bool], Any]) -> Any:
        """``make(weight, False)`` for weights that are new, else the value of ``make(copy, True)``, made once."""
        if 5 * weight.nbytes > self.limit or not weight.flags.c_contiguous:
            return make(weight, False)
        flat = weight.reshape(-1)
        sampled = (key, flat[:: max(1, flat.size // _SAMPLE)].tobytes())
        with self._lock:
            seen = sampled in self._found
            entry = self._found.setdefault(sampled, None)
            self._found.move_to_end(sampled)
        if entry is not None and entry[0] == fingerprint(weight):
            return entry[1]
        if not seen or entry is not None:  # new, or others with the same sample: these may come again
            with self._lock:
                self._found[sampled] = None
            self._trim()
            return make(weight, False)
        copy = weight.copy()
        mark = fingerprint(copy)
        made = make(copy, True)
        arrays = {id(a): a.nbytes for a in getattr(made, "__dict__", {}).values() if isinstance(a, np.ndarray)}
        with self._lock:
            self._found[sampled] = (mark, made, copy.nbytes + sum(arrays.values()) - arrays.get(id(copy), 0))
        self._trim()
        return made

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found.clear()

    def _trim(self) -> None:
        with self._lock:
            held = sum(entry[2] for entry in self._found.values() if entry is not None)
            while len(self._found) > 1 and (held > self.limit or len(self._found) > _SAMPLE):
                _, entry = self._found.popitem(last=False)
                held -= 0 if entry is None else entry[2]


def fingerprint(array: np.ndarray) -> bytes:
    """What the bytes of a C-contiguous array come to: other bytes of as many come to something else."""
    sums = np.zeros(loops.SUMS, np.uint64)
    loops.fingerprint(address(array), array.nbytes, address(_KEY), address(sums))
    return sums.tobytes()
