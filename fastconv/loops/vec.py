"""The vector layer: how a loop says "16 samples at once" without trusting the auto-vectoriser.

An `Emitter` writes LLVM IR for one straight-line block: loads that convert to the accumulate dtype, fused
multiply-adds, stores that round and saturate.  Blocks built on it (`blocks.py`) are Numba intrinsics over plain
integer addresses, so a loop that uses them depends on dtypes only through the tokens it is handed
(`np.float32` and its kin) and compiles in a tenth of a second a block.

A count that shapes the code (taps, rows, vectors) is passed as a tuple of Nones, ``(None,) * n``: it has a type of
its own for each length and costs nothing at run time.
"""

import platform
from functools import lru_cache

from llvmlite import binding, ir
from numba import types

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
PTR = I8.as_pointer()


@lru_cache(maxsize=1)
def vector_bytes() -> int:
    """Bytes of one vector value: 64 where the machine has AVX-512 (32 registers of 256 bits at least), else 32."""
    if platform.machine() in ("x86_64", "AMD64") and binding.get_host_cpu_features().get("avx512vl"):
        return 64
    return 32


def lanes(itemsize: int) -> int:
    """Samples of ``itemsize`` bytes in one vector value."""
    return vector_bytes() // itemsize


def count(token) -> int:
    """The number that a tuple of Nones stands for."""
    return getattr(token, "count", 0) or len(token)


def scalar_type(dtype):
    """LLVM's type for a Numba number."""
    if dtype == types.float32:
        return F32
    if dtype == types.float64:
        return F64
    return ir.IntType(dtype.bitwidth)


class Emitter:
    """Writes one block with ``builder``; sums are vectors of ``acc``, ``n`` lanes each.

    ``acc`` is a Numba float type, or a signed integer type that the caller knows to hold every sum.
    """

    def __init__(self, builder, acc, n=None):
        self.b = builder
        self.acc = acc
        self.whole = isinstance(acc, types.Integer)
        self.n = n or lanes(acc.bitwidth // 8)
        self.vector = ir.VectorType(scalar_type(acc), self.n)
        self.size = acc.bitwidth // 8

    # addresses -------------------------------------------------------------------------------------------------
    def const(self, value):
        return ir.Constant(I64, value)

    def plus(self, address, offset):
        """address + offset, where the offset is a number known now or an LLVM value."""
        if isinstance(offset, int):
            if offset == 0:
                return address
            offset = self.const(offset)
        return self.b.add(address, offset)

    def times(self, a, k):
        return self.const(0) if k == 0 else a if k == 1 else self.b.mul(a, self.const(k))

    def pointer(self, address, to):
        return self.b.inttoptr(address, to.as_pointer())

    def integer(self, table, index):
        """table[index] of an int64 table at an address; the index is a number or an LLVM value."""
        base = self.pointer(table, I64)
        return self.b.load(self.b.gep(base, [self.const(index) if isinstance(index, int) else index]))

    # values ----------------------------------------------------------------------------------------------------
    def splat(self, scalar):
        undef = ir.Constant(self.vector, ir.Undefined)
        one = self.b.insert_element(undef, scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(one, undef, ir.Constant(ir.VectorType(I32, self.n), [0] * self.n))

    def weight(self, w, index):
        """Coefficient ``index`` of the table at address ``w`` in every lane."""
        base = self.pointer(w, self.vector.element)
        return self.splat(self.b.load(self.b.gep(base, [self.const(index) if isinstance(index, int) else index])))

    def zero(self):
        return ir.Constant(self.vector, None)

    def filled(self, vector, value):
        return ir.Constant(vector.type, [value] * vector.type.count)

    def load(self, address, dtype):
        """``n`` samples of ``dtype`` from ``address`` (any alignment), converted to the accumulate dtype."""
        raw = ir.VectorType(scalar_type(dtype), self.n)
        v = self.b.load(self.pointer(address, raw))
        v.align = 1
        if dtype == self.acc:
            return v
        if isinstance(dtype, types.Float):
            return (self.b.fptrunc if dtype.bitwidth > self.acc.bitwidth else self.b.fpext)(v, self.vector)
        if self.whole:
            return (self.b.sext if dtype.signed else self.b.zext)(v, self.vector)
        return (self.b.sitofp if dtype.signed else self.b.uitofp)(v, self.vector)

    def fma(self, a, b, c):
        """a * b + c: rounded once for floats, exact for integers."""
        return self.b.add(self.b.mul(a, b), c) if self.whole else self.call("fma", a, b, c)

    def add(self, a, b):
        return (self.b.add if self.whole else self.b.fadd)(a, b)

    def sub(self, a, b):
        return (self.b.sub if self.whole else self.b.fsub)(a, b)

    def call(self, name, *args):
        """An LLVM vector intrinsic on vectors of one type."""
        v = args[0].type
        element = {F32: "f32", F64: "f64"}.get(v.element) or f"i{v.element.width}"
        full = f"llvm.{name}.v{v.count}{element}"
        module = self.b.module
        found = module.globals.get(full) or ir.Function(module, ir.FunctionType(v, [v] * len(args)), full)
        return self.b.call(found, args)

    def converted(self, v, dtype):
        """A sum as the output's dtype: floats convert; integers round half to even and saturate, NaN becomes 0."""
        b = self.b
        if dtype == self.acc:
            return v
        if self.whole:
            return self._from_whole(v, dtype)
        if isinstance(dtype, types.Float):
            to = ir.VectorType(scalar_type(dtype), self.n)
            return (b.fptrunc if dtype.bitwidth < self.acc.bitwidth else b.fpext)(v, to)
        low, high = int(dtype.minval), int(dtype.maxval)
        if low:  # maxnum would turn NaN into the lowest value; with low == 0 that is the 0 we want
            v = b.select(b.fcmp_ordered("ord", v, v), v, self.zero())
        v = self.call("maxnum", v, self.filled(v, float(low)))
        v = self.call("minnum", v, self.filled(v, float(high)))
        # 1.5 * 2**23 (or 2**52): the integer then sits in the low bits of the mantissa, rounded half to even
        magic, bits = (12582912.0, I32) if self.acc == types.float32 else (6755399441055744.0, I64)
        v = b.bitcast(b.fadd(v, self.filled(v, magic)), ir.VectorType(bits, self.n))
        if low == 0:
            v = b.and_(v, ir.Constant(v.type, [high] * self.n))  # lets LLVM use saturating packs
        return b.trunc(v, ir.VectorType(ir.IntType(dtype.bitwidth), self.n))

    def _from_whole(self, v, dtype):
        """An integer sum as another dtype: exact in floats, saturated in narrower integers."""
        b = self.b
        to = ir.VectorType(scalar_type(dtype), self.n)
        if isinstance(dtype, types.Float):
            return b.sitofp(v, to)
        low = max(int(dtype.minval), int(self.acc.minval))
        high = min(int(dtype.maxval), int(self.acc.maxval))
        v = self.call("smin", self.call("smax", v, self.filled(v, low)), self.filled(v, high))
        if dtype.bitwidth < self.acc.bitwidth:
            return b.trunc(v, to)
        return b.zext(v, to) if dtype.bitwidth > self.acc.bitwidth else v

    def store(self, address, v, dtype):
        """Store a sum as ``dtype`` at any address."""
        v = self.converted(v, dtype)
        self.b.store(v, self.pointer(address, v.type)).align = 1

    def store_some(self, address, v, dtype, samples):
        """Store only the first ``samples`` (an LLVM value) lanes of a sum."""
        b = self.b
        v = self.converted(v, dtype)
        with b.goto_entry_block():
            room = b.alloca(v.type)
        b.store(v, room).align = 1
        size = b.mul(samples, self.const(dtype.bitwidth // 8))
        name = "llvm.memcpy.p0.p0.i64"
        module = b.module
        found = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(ir.VoidType(), [PTR, PTR, I64, ir.IntType(1)]), name
        )
        b.call(found, [self.pointer(address, I8), b.bitcast(room, PTR), size, ir.Constant(ir.IntType(1), 0)])

    # control ---------------------------------------------------------------------------------------------------
    def repeat(self, start, stop, step, values, body):
        """``values = body(i, values)`` for i in range(start, stop, step), all LLVM int64; returns the last values."""
        b = self.b
        head, inner, after = (b.append_basic_block(name) for name in ("head", "inner", "after"))
        entry = b.block
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, entry)
        carried = []
        for v in values:
            p = b.phi(v.type)
            p.add_incoming(v, entry)
            carried.append(p)
        b.cbranch(b.icmp_signed("<", i, stop), inner, after)
        b.position_at_end(inner)
        new = body(i, list(carried))
        i.add_incoming(b.add(i, step), b.block)
        for p, v in zip(carried, new, strict=True):
            p.add_incoming(v, b.block)
        b.branch(head)
        b.position_at_end(after)
        return carried
