"""Telling arrays apart by all of their bytes, as fast as these can be read.

Every word of 64 bits goes, as it is, into the sum beside its own, and into its own as the product of its halves, which
a secret key has changed; sums are turned by seven bits in between, so that order counts.  A single word that differs
always shows; several would have to cancel each other in the sums and, unpredictably, in the products.  The form is that
of XXH3 (Y. Collet, xxHash); the sums are not mixed further, since they are compared whole.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import loop
from .memory import copied
from .vec import I32, I64

__all__ = ["SUMS", "fingerprint"]

#: 64-bit words of the sums and of the key
SUMS = 32
_LANES, _STRIPES = 8, 4
_BLOCK = 8 * SUMS * _STRIPES


@intrinsic
def stirred(typingctx, data, key, sums):
    """Add a block of bytes at an address to the sums at an address."""

    def codegen(context, builder, sig, args):
        vector = ir.VectorType(I64, _LANES)
        swap = ir.Constant(ir.VectorType(I32, _LANES), [i ^ 1 for i in range(_LANES)])

        def splat(value):
            return ir.Constant(vector, [value] * _LANES)

        def pointer(address, offset):
            return builder.inttoptr(builder.add(address, I64(offset)), vector.as_pointer())

        def load(address, offset):
            found = builder.load(pointer(address, offset))
            found.align = 1
            return found

        keys, totals = ([load(at, 8 * _LANES * i) for i in range(SUMS // _LANES)] for at in args[1:])
        for stripe in range(_STRIPES):
            for i, total in enumerate(totals):
                v = load(args[0], 8 * (SUMS * stripe + _LANES * i))
                x = builder.xor(v, keys[i])
                product = builder.mul(builder.and_(x, splat(2**32 - 1)), builder.lshr(x, splat(32)))
                turned = builder.or_(builder.shl(total, splat(7)), builder.lshr(total, splat(57)))
                beside = builder.shuffle_vector(v, v, swap)
                totals[i] = builder.add(builder.add(turned, product), beside)
        for i, total in enumerate(totals):
            builder.store(total, pointer(args[2], 8 * _LANES * i)).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@loop
def fingerprint(data, size, key, sums):
    """Add ``size`` bytes at an address, and zeros up to a whole block, to the sums at an address."""
    at = 0
    while at + _BLOCK <= size:
        stirred(data + at, key, sums)
        at += _BLOCK
    if at < size:
        last = np.zeros(_BLOCK, np.uint8)
        copied(data + at, last.ctypes.data, size - at)
        stirred(last.ctypes.data, key, sums)
