"""Handing short work to a thread that waits for it awake: within a tenth of a microsecond, where waking one takes 75.

A slot is a place where one thread waits, without the interpreter's lock.  Its words:

state   FREE, BUSY, DONE, or the address of calls that are to be made
owner   NOBODY, PRESENT, or CALLED
asleep  1 where the owner waits for the lock, which whoever changes that word back releases
lock    one of CPython's (`PyThread_allocate_lock`), held
thread  the owner's number; mask: the processors on which it may run; other: these but the caller's

Linux likes to wake a thread on the processor of whoever wakes it, where it would have to wait for its caller or, awake,
keep it from working: there a caller sends a sleeper to the others before it wakes it.

Who has work puts the address of its calls into a free slot, does its own part, and takes back what nobody has begun.
Only whoever swaps the address for another state may make the calls, so they are made once.

Calls lie in a table of int64, one behind the other and ended by a zero::

    address of a `forward`, number of words that follow, address of the loop, its arguments in words

An array takes its address and its shape, a float the bits of its value.
"""

import ctypes
import platform
import sys

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .blocks import call_row, fetch
from .jit import helper, loop
from .vec import I32, I64, scalar_type

__all__ = ["LOCK", "SLOT_WORDS", "forward", "lead", "post", "recall", "serve"]

FREE, BUSY, DONE = 0, 1, 2
NOBODY, PRESENT, CALLED = 0, 1, 2
#: words from a slot to the next, each on cache lines of its own; before the first: how often threads were recalled
SLOT_WORDS = 64
SLOT, OWNER, ASLEEP, LOCK, THREAD, MASK, OTHER = 8 * SLOT_WORDS, 8, 16, 24, 32, 128, 256
#: bytes of a set of processors
MASK_BYTES = 128

# not on every system would they be found by name
for _name in ("PyThread_acquire_lock", "PyThread_release_lock"):
    binding.add_symbol(_name, ctypes.cast(getattr(ctypes.pythonapi, _name), ctypes.c_void_p).value)

#: `forward`'s constant: the dtype of each argument, of an array in a tuple of its own, as often as it has dimensions
SHAPE = ()


@intrinsic
def seen(typingctx, address):
    """The word at an address, and with it all that was written before it was."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def told(typingctx, address, value):
    """Write a word at an address after all that was written before."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def swapped(typingctx, address, old, new):
    """Put ``new`` in the place of ``old`` at an address; False where another word stands there."""

    def codegen(context, builder, sig, args):
        place = builder.inttoptr(args[0], I64.as_pointer())
        return builder.extract_value(builder.cmpxchg(place, args[1], args[2], "seq_cst", "seq_cst"), 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Let the processor's other work go first for a moment (nothing where it has no such instruction)."""

    def codegen(context, builder, sig, args):
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), kind), ())
        return context.get_dummy_value()

    return types.void(), codegen


def _lock_call(builder, name, lock, *more):
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(I32 if more else ir.VoidType(), [pointer, *(value.type for value in more)])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(function, [builder.inttoptr(lock, pointer), *more])


@intrinsic
def sleep(typingctx, lock):
    """Wait until a lock is released; it is held again then."""

    def codegen(context, builder, sig, args):
        _lock_call(builder, "PyThread_acquire_lock", args[0], I32(1))
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def wake(typingctx, lock):
    """Release a lock."""

    def codegen(context, builder, sig, args):
        _lock_call(builder, "PyThread_release_lock", args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@helper
def word(address, index):
    return fetch(address + 8 * index, np.int64)


def _system_call(builder, name, *values):
    """The result of a function of Linux's, whose arguments are 32-bit numbers, sizes and addresses; else -1."""
    if sys.platform != "linux":
        return I32(-1)
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(I32, [v.type for v in values]), name)
    return builder.call(function, values)


@intrinsic
def processor(typingctx):
    """The processor that the caller runs on; -1 where that is not told."""

    def codegen(context, builder, sig, args):
        return builder.sext(_system_call(builder, "sched_getcpu"), I64)

    return types.int64(), codegen


@intrinsic
def allowed(typingctx, mask):
    """Write the set of processors that the caller may run on."""

    def codegen(context, builder, sig, args):
        _system_call(builder, "sched_getaffinity", I32(0), I64(MASK_BYTES), args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def allow(typingctx, thread, mask):
    """Let a thread (0: the caller) run on a set of processors only."""

    def codegen(context, builder, sig, args):
        _system_call(builder, "sched_setaffinity", builder.trunc(args[0], I32), I64(MASK_BYTES), args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@helper
def elsewhere(slot):
    """Send the sleeping owner of a slot to processors other than the caller's, if it may run on any."""
    here = processor()
    if 0 <= here < 8 * MASK_BYTES:
        some = False
        for k in range(MASK_BYTES // 8):
            bits = word(slot + MASK, k)
            if here // 64 == k:
                bits &= ~(1 << (here % 64))
            told(slot + OTHER + 8 * k, bits)
            some = some or bits != 0
        if some:
            allow(word(slot + THREAD, 0), slot + OTHER)


@intrinsic
def forwarded(typingctx, function, words, shape):
    """Call the compiled loop at an address with arguments of the dtypes in ``shape``, read from words."""
    kinds = []
    for token in shape:
        whole = isinstance(token, types.BaseTuple)
        dtype = (token[0] if whole else token).dtype
        kinds.append(types.Array(dtype, len(token), "C") if whole else dtype)

    def codegen(context, builder, sig, args):
        at = builder.inttoptr(args[1], I64.as_pointer())
        values, k = [], 0
        for kind in kinds:
            word = builder.load(builder.gep(at, [I64(k)]))
            k += 1
            if isinstance(kind, types.Array):
                shape = [builder.load(builder.gep(at, [I64(k + i)])) for i in range(kind.ndim)]
                k += kind.ndim
                array = context.make_array(kind)(context, builder)
                size = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
                strides = [size]
                for length in shape[:0:-1]:
                    strides.insert(0, builder.mul(strides[0], length))
                data = builder.inttoptr(word, context.get_data_type(kind.dtype).as_pointer())
                context.populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
                values.append(array._getvalue())
            elif isinstance(kind, types.Float):
                bits = word if kind.bitwidth == 64 else builder.trunc(word, ir.IntType(kind.bitwidth))
                values.append(builder.bitcast(bits, scalar_type(kind)))
            else:
                values.append(word if kind.bitwidth == 64 else builder.trunc(word, ir.IntType(kind.bitwidth)))
        packer = context.get_arg_packer(kinds)
        conv = context.call_conv
        kind = conv.get_function_type(types.none, kinds)
        callee = builder.inttoptr(args[0], kind.as_pointer())
        ret = cgutils.alloca_once(builder, kind.args[0].pointee)
        exc = cgutils.alloca_once(builder, kind.args[1].pointee)
        builder.store(ir.Constant(kind.args[1].pointee, None), exc)
        builder.call(callee, [ret, exc, *packer.as_arguments(builder, values)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, shape), codegen


@loop
def forward(function, words):
    """Call a loop with the arguments that lie in words; SHAPE is a constant of its address."""
    forwarded(function, words, SHAPE)


@helper
def make(calls):
    """Make the calls of a table."""
    while True:
        by = word(calls, 0)
        if by == 0:
            return
        call_row(by, (word(calls, 2), calls + 24))
        calls += 16 + 8 * word(calls, 1)


@loop
def serve(slots, count, spins, thread, ticket):
    """Wait in one of ``count`` slots for calls and make them, awake for ``spins`` looks after each.

    True when somebody is recalled, which changes the word at ``slots`` from ``ticket``; False where no slot is free.
    """
    mine = 0
    for wanted in (CALLED, NOBODY):
        for k in range(count):
            if mine == 0 and swapped(slots + SLOT * (k + 1) + OWNER, wanted, PRESENT):
                mine = slots + SLOT * (k + 1)
    if mine == 0:
        return False
    told(mine + THREAD, thread)
    idle = 0
    while True:
        calls = seen(mine)
        if calls > DONE and swapped(mine, calls, BUSY):
            make(calls)
            told(mine, DONE)
            idle = 0
        elif seen(slots) == ticket:
            idle += 1
            if idle < spins:
                pause()
                continue
            idle = 0
            allowed(mine + MASK)
            told(mine + ASLEEP, 1)
            # what came since the last look finds nobody asleep, or has begun to wake somebody
            if (seen(mine) <= DONE and seen(slots) == ticket) or not swapped(mine + ASLEEP, 1, 0):
                sleep(word(mine + LOCK, 0))
                allow(0, mine + MASK)
        else:
            told(mine + OWNER, NOBODY)
            # calls that came while it left: whoever put them there may still have seen an owner
            if seen(mine) <= DONE or not swapped(mine + OWNER, NOBODY, PRESENT):
                return True
            idle = 0


@loop
def post(lanes, n, slots, count, call):
    """Put all lanes but the first into free slots; how many threads have to be called for them.

    lanes: a table of the address of each lane's calls, and of its slot, which is written here (0: none).
    call: whether threads that sleep, or wait nowhere, may be called.
    """
    absent = 0
    for k in range(1, n):
        calls = word(lanes, 2 * k)
        mine = 0
        for awake in (1, 0):
            for s in range(count):
                at = slots + SLOT * (s + 1)
                owner = seen(at + OWNER)
                fits = owner == PRESENT and seen(at + ASLEEP) == 0 if awake else call
                if mine == 0 and fits and seen(at) == FREE and swapped(at, FREE, calls):
                    mine = at
        if mine and call:
            if swapped(mine + ASLEEP, 1, 0):
                elsewhere(mine)
                wake(word(mine + LOCK, 0))
            elif swapped(mine + OWNER, NOBODY, CALLED):
                absent += 1
        told(lanes + 16 * k + 8, mine)
    return absent


@loop
def lead(lanes, n):
    """Make the first lane's calls, those of lanes that nobody has begun, and wait for the others."""
    make(word(lanes, 0))
    for k in range(n - 1, 0, -1):
        calls, at = word(lanes, 2 * k), word(lanes, 2 * k + 1)
        if at == 0 or swapped(at, calls, FREE):
            make(calls)
            told(lanes + 16 * k + 8, 0)
    for k in range(1, n):
        at = word(lanes, 2 * k + 1)
        if at:
            while seen(at) != DONE:
                pause()
            told(at, FREE)


@loop
def recall(slots, count):
    """Send away the threads that wait."""
    while True:
        ticket = seen(slots)
        if swapped(slots, ticket, ticket + 1):
            break
    for s in range(count):
        at = slots + SLOT * (s + 1)
        if swapped(at + ASLEEP, 1, 0):
            elsewhere(at)
            wake(word(at + LOCK, 0))
