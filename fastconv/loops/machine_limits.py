"""What bounds any filter: bytes copied, and fused multiply-adds in registers.  Only measured, no filter calls these."""

from numba import types
from numba.extending import intrinsic

from .blocks import call_row
from .jit import loop
from .memory import copied, settled
from .vec import I32, Emitter, count

# constants of a specialisation, see jit.Loop.address
READ = WRITTEN = PASSING = ACC = ()
VECTOR = 0

#: vectors of the narrower side that a step of a copy moves
STEP = 4
#: sums that are under way at once: more than latency times units on the machines we know, and no register spilled
SUMS = 12


@intrinsic
def copy_step(typingctx, source, target, read, written, passing):
    """Read vectors of bytes and write as many or more or fewer: each is written again, or several become one.

    ``read`` and ``written`` are vectors for one of the other (one of them is 1); several that are read become their
    exclusive or, so that none need not be read.  ``passing`` (None,): stores that pass the caches by.
    """

    def codegen(context, builder, sig, args):
        source, target = args[:2]
        e = Emitter(builder, types.int8)
        into, from_ = count(written), count(read)
        for k in range(STEP):
            v = e.load(e.plus(source, k * from_ * e.n), types.int8)
            for j in range(1, from_):
                v = builder.xor(v, e.load(e.plus(source, (k * from_ + j) * e.n), types.int8))
            for j in range(into):
                store = builder.store(v, e.pointer(e.plus(target, (k * into + j) * e.n), v.type))
                store.align = e.n if count(passing) else 1
                if count(passing):
                    store.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, read, written, passing), codegen


@loop
def copy_bytes(source, target, steps, rest):
    """``steps`` steps of a copy, then ``rest`` bytes as they are."""
    near, far = STEP * len(READ) * VECTOR, STEP * len(WRITTEN) * VECTOR
    for i in range(steps):
        copy_step(source + i * near, target + i * far, READ, WRITTEN, PASSING)
    settled()
    copied(source + steps * near, target + steps * far, rest)


@intrinsic
def multiply_add_chains(typingctx, numbers, sums, rounds, acc_t):
    """sum = sum * numbers[0] + numbers[1], ``rounds`` times for each lane of `SUMS` vectors; they end in ``sums``."""

    def codegen(context, builder, sig, args):
        numbers, sums, rounds = args[:3]
        e = Emitter(builder, acc_t.dtype)
        factor, term = e.weight(numbers, 0), e.weight(numbers, 1)
        begun = [e.filled(e.zero(), float(k)) for k in range(SUMS)]
        done = e.repeat(
            e.const(0), rounds, e.const(1), begun, lambda i, values: [e.fma(v, factor, term) for v in values]
        )
        for k, v in enumerate(done):
            e.store(e.plus(sums, k * e.n * e.size), v, acc_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, acc_t), codegen


@loop
def multiply_adds(numbers, sums, rounds):
    """``rounds`` times `SUMS` vectors of fused multiply-adds that touch no memory."""
    multiply_add_chains(numbers, sums, rounds, ACC)


@loop
def call_copy(function, source, target, steps, rest):
    """`copy_bytes` at its address."""
    call_row(function, (source, target, steps, rest))


@loop
def call_multiply_adds(function, numbers, sums, rounds):
    """`multiply_adds` at its address."""
    call_row(function, (numbers, sums, rounds))


__all__ = ["STEP", "SUMS", "call_copy", "call_multiply_adds", "copy_bytes", "multiply_adds"]
