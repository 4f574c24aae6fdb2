"""Blocks of the tiled spectrum: butterflies whose every item is a vector of neighbouring samples.

An entry is two vectors, the real parts and the imaginary ones.  The transforms are the radix 4 and 8 steps of Cooley
and Tukey (An algorithm for the machine calculation of complex Fourier series, Math. Comp. 19, 1965): forward in
decimation by frequency, which leaves the digits of a frequency's number in reverse, and back in decimation by time,
which takes them so: nothing is ever put in order.
"""

from numba import types
from numba.extending import intrinsic

from .vec import Emitter, count


class _Complex(Emitter):
    """An emitter of complex numbers: pairs of vectors, the real parts first."""

    def entry(self, address):
        """The entry at an address."""
        return tuple(self.load(self.plus(address, part * self.n * self.size), self.acc) for part in (0, 1))

    def put(self, address, z):
        for part, v in enumerate(z):
            self.store(self.plus(address, part * self.n * self.size), v, self.acc)

    def both(self, a, b):
        """a + b and a - b."""
        return tuple((op(a[0], b[0]), op(a[1], b[1])) for op in (self.add, self.sub))

    def quarter(self, z, back):
        """z times -i, or times i on the way back."""
        minus = self.b.fneg
        return (minus(z[1]), z[0]) if back else (z[1], minus(z[0]))

    def product(self, a, b, conjugate):
        """a times b, or times b's conjugate."""
        down = self.b.fmul(a[1], b[1])
        across = self.b.fmul(a[0], b[1])
        if conjugate:
            return self.fma(a[0], b[0], down), self.fma(a[1], b[0], self.b.fneg(across))
        return self.fma(a[0], b[0], self.b.fneg(down)), self.fma(a[1], b[0], across)

    def spread(self, z, half, w):
        """z + half * w and z - half * w for a number w."""
        more, less = self.filled(z[0], w), self.filled(z[0], -w)
        return tuple(tuple(self.fma(k, h, v) for h, v in zip(half, z, strict=True)) for k in (more, less))

    def transform(self, z, back):
        """The discrete Fourier transform of 2, 4 or 8 entries, without the division on the way back."""
        if len(z) == 2:
            return self.both(*z)
        even, odd = self.transform(z[::2], back), self.transform(z[1::2], back)
        half = len(z) // 2
        found = [None] * len(z)
        for k in range(half):
            if k in (0, half / 2):
                turned = self.quarter(odd[k], back) if k else odd[k]
                found[k], found[k + half] = self.both(even[k], turned)
                continue
            # an odd eighth of a turn: (1 - i) or (-1 - i) over the root of two, or their conjugates
            re, im = odd[k]
            total, rest = self.add(re, im), self.sub(im, re)
            negative = self.b.fneg
            if k == 1:
                eighth = (negative(rest), total) if back else (total, rest)
            else:
                eighth = (negative(total), negative(rest)) if back else (rest, negative(total))
            found[k], found[k + half] = self.spread(even[k], eighth, 0.5**0.5)
        return found


@intrinsic
def butterfly(typingctx, first, step, factors, acc_t, radix, turned, back):
    """``radix`` entries, ``step`` bytes from one to the next, become their transform.

    ``turned`` (None,): all but the first are multiplied by the complex numbers at ``factors``, after the transform;
    with ``back`` (None,) by their conjugates, before the transform back.
    """

    def codegen(context, builder, sig, args):
        first, step, factors = args[:3]
        e = _Complex(builder, acc_t.dtype)
        places = [builder.add(first, e.times(step, k)) for k in range(count(radix))]
        z = [e.entry(at) for at in places]

        def turn(z):
            if not count(turned):
                return z
            numbers = [(e.weight(factors, 2 * k), e.weight(factors, 2 * k + 1)) for k in range(count(radix) - 1)]
            return [z[0], *(e.product(a, w, count(back)) for a, w in zip(z[1:], numbers, strict=True))]

        z = e.transform(turn(z), True) if count(back) else turn(e.transform(z, False))
        for at, v in zip(places, z, strict=True):
            e.put(at, v)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, acc_t, radix, turned, back), codegen


@intrinsic
def filtered(typingctx, first, step, spectrum, acc_t, radix):
    """``radix`` entries transformed, multiplied by those at ``spectrum`` (as far apart), and transformed back."""

    def codegen(context, builder, sig, args):
        first, step, spectrum = args[:3]
        e = _Complex(builder, acc_t.dtype)
        offsets = [e.times(step, k) for k in range(count(radix))]
        z = e.transform([e.entry(builder.add(first, k)) for k in offsets], False)
        z = [e.product(v, e.entry(builder.add(spectrum, k)), False) for v, k in zip(z, offsets, strict=True)]
        for k, v in zip(offsets, e.transform(z, True), strict=True):
            e.put(builder.add(first, k), v)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, acc_t, radix), codegen


@intrinsic
def move_vector(typingctx, source, target, source_t, acc_t):
    """One vector of samples from an address to another, converted to the dtype of the sums."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, acc_t.dtype)
        e.store(args[1], e.load(args[0], source_t.dtype), acc_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, source_t, acc_t), codegen


@intrinsic
def store_vector(typingctx, source, target, some, acc_t, target_t, partial):
    """One vector of sums from an address to another, converted to the dtype of the output.

    ``partial`` (None,): only its first ``some`` samples.
    """

    def codegen(context, builder, sig, args):
        source, target, some = args[:3]
        e = Emitter(builder, acc_t.dtype)
        v = e.load(source, acc_t.dtype)
        if count(partial):
            e.store_some(target, v, target_t.dtype, some)
        else:
            e.store(target, v, target_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, acc_t, target_t, partial), codegen


@intrinsic
def clear_vector(typingctx, target, acc_t):
    """One vector of zeros."""

    def codegen(context, builder, sig, args):
        e = Emitter(builder, acc_t.dtype)
        e.store(args[0], e.zero(), acc_t.dtype)
        return context.get_dummy_value()

    return types.void(types.intp, acc_t), codegen


__all__ = ["butterfly", "clear_vector", "filtered", "move_vector", "store_vector"]
