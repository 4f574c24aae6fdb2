"""Asking the memory for what is read or written next, while what is here is worked on.

The hardware does so for what is read in order, up to the end of a page, and not for what is only written: on rows of
large images this is a third to a half of the time.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .vec import I32

#: bytes beyond what a row reads or writes: the memory's latency passes while it gets there
AHEAD = 8192


def line_ahead(builder, address, write):
    """Write the instruction that asks for the cache line at an address."""
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
    builder.call(function, [builder.inttoptr(address, pointer), I32(len(write)), I32(3), I32(1)])


@intrinsic
def ahead(typingctx, address, write):
    """Ask for the cache line at an address (in no array, perhaps), to read or with ``write`` (None,) to write it."""

    def codegen(context, builder, sig, args):
        line_ahead(builder, args[0], write)
        return context.get_dummy_value()

    return types.void(types.intp, write), codegen


@intrinsic
def copied(typingctx, source, target, size):
    """Copy ``size`` bytes between addresses whose ranges do not overlap."""

    def codegen(context, builder, sig, args):
        cgutils.raw_memcpy(builder, *(builder.inttoptr(a, ir.IntType(8).as_pointer()) for a in (args[1], args[0])),
                           args[2], 1)  # fmt: skip
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@intrinsic
def settled(typingctx):
    """Wait until stores that passed the caches by are seen everywhere."""

    def codegen(context, builder, sig, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


__all__ = ["AHEAD", "ahead", "copied", "line_ahead", "settled"]
