"""A written call made again for other arrays, whose addresses are read from the arrays themselves.

To ask NumPy for an address takes longer than a small image's filter, so it is read where NumPy's C interface has it:
behind the object's head stand the address of the data, the number of dimensions, the addresses of shape, strides, base
and dtype, and the flags.  Whoever uses this makes sure first that they do (`fastconv.backends.again`).
"""

import numpy as np

from .blocks import fetch
from .handoff import make, told, word
from .jit import loop

__all__ = ["FLAGS", "WORDS", "again", "entry"]

#: from the address of the data to the flags, in bytes
FLAGS = 48
#: words in front of a call
WORDS = 10


@loop
def again(call, image, out):
    """Make a call for two arrays; False, and nothing done, where the output does not suit it.

    image, out: addresses of the array objects.
    call: address of the words: bytes of an object's head; flags that the output must have; from the first sample of
    the image to the first byte of all and behind the last, then the same of the output, which must not overlap;
    the places, counted from the table on, of the two addresses in it, and what is added to each; then the table.
    """
    source = fetch(image + word(call, 0), np.int64)
    target = fetch(out + word(call, 0), np.int64)
    wanted = word(call, 1)
    if fetch(out + word(call, 0) + FLAGS, np.int32) & wanted != wanted:
        return False
    if source + word(call, 2) < target + word(call, 5) and target + word(call, 4) < source + word(call, 3):
        return False
    table = call + 8 * WORDS
    told(table + 8 * word(call, 6), source + word(call, 8))
    told(table + 8 * word(call, 7), target + word(call, 9))
    make(table)
    return True


def entry(compiled):
    """Of what `Loop.compiled` gives: what Python calls in the end, without a look at the arguments' types.

    They must convert to those that it was compiled for.
    """
    (result,) = compiled.overloads.values()
    return result.entry_point
