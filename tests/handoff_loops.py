"""Loops for the tests of handing work over."""

import numpy as np

from fastconv.loops.blocks import fetch
from fastconv.loops.handoff import pause, seen, told
from fastconv.loops.jit import loop


@loop
def add(target, square, count, first, second):
    """Add a table's last entry and the other arguments to every sample of a float64 array."""
    for i in range(target.size):
        target[i] += square[square.shape[0] - 1, square.shape[1] - 1] + count + first + second


@loop
def append(target, value):
    """Put a value behind those that are there; the first sample counts them."""
    target[0] += 1
    target[np.int64(target[0])] = value


@loop
def meet(mine, other, looks):
    """Say at an address that we are here, and whether another has said so at another, within some looks, behind it."""
    told(mine, 1)
    for _ in range(looks):
        if seen(other):
            break
        pause()
    told(mine + 8, fetch(other, np.int64))
