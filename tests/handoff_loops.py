"""Loops for the tests of handing work over."""

from fastconv.loops.jit import loop


@loop
def add(target, count, first, second):
    """Add the arguments to every sample of a float64 array."""
    for i in range(target.size):
        target[i] += count + first + second


@loop
def work(target, rounds):
    """Something that takes a while."""
    value = target[0]
    for _ in range(rounds):
        value = value * 0.999 + 0.001
    target[0] = value
