"""Written calls made again for other arrays, whose addresses are read from the arrays themselves.

To ask NumPy for an address takes longer than a small image's filter, so it is read where NumPy's C interface has it:
behind the object's head stand the address of the data, the number of dimensions, the addresses of shape, strides, base
and dtype, and the flags.  Whoever uses this makes sure first that they do (`fastconv.backends.again`).
"""

import numpy as np

from .blocks import fetch
from .handoff import make, told, word
from .jit import loop

__all__ = ["FLAGS", "again", "entry"]

#: from the address of the data to the flags, in bytes
FLAGS = 48


@loop
def again(calls, image, out):
    """Make calls for two arrays; False, and nothing done, where the output does not suit them.

    image, out: addresses of the array objects.
    calls: address of the words: bytes of an object's head; flags that the output must have; from the first sample of
    the image to the first byte of all and behind the last, then the same of the output, which must not overlap; how
    many places of the calls the image's address goes to, and how many the output's; each place's address and what is
    added there; then the calls.
    """
    source = fetch(image + word(calls, 0), np.int64)
    target = fetch(out + word(calls, 0), np.int64)
    wanted = word(calls, 1)
    if fetch(out + word(calls, 0) + FLAGS, np.int32) & wanted != wanted:
        return False
    if source + word(calls, 2) < target + word(calls, 5) and target + word(calls, 4) < source + word(calls, 3):
        return False
    first = calls + 64
    second = first + 16 * word(calls, 6)
    table = second + 16 * word(calls, 7)
    for place in range(first, second, 16):
        told(word(place, 0), source + word(place, 1))
    for place in range(second, table, 16):
        told(word(place, 0), target + word(place, 1))
    make(table)
    return True


def entry(compiled):
    """Of what `Loop.compiled` gives: what Python calls in the end, without a look at the arguments' types.

    They must convert to those that it was compiled for.
    """
    (result,) = compiled.overloads.values()
    return result.entry_point
