"""Winograd's (Cook and Toom's) transforms of one axis: lists of vectors to lists of vectors.

``outs`` and ``taps`` (tuples of Nones) name F(outs, taps) along one axis, which reads n = outs + taps - 1 samples;
F(m, 1) is the identity, F(1, r) the plain sum.  Points: F(2, 2) 0, 1, inf; F(2, 3) and F(3, 2) 0, +-1, inf; F(2, 4)
and F(4, 2) 0, +-a, 1/a, inf; F(4, 3) and F(2, 5) 0, +-a, +-1/a, inf with a = sqrt(1/2): a fifth
of the error of 0, +-1, +-2.

``step`` (a tuple of Nones) says how an axis moves: 1, outputs follow each other as samples do; 2, a stride of 2: even
taps read even samples and odd taps odd ones, so that F(outs, taps / 2) does for each and the sums are added; 3 and 4,
the adjoint of that, for padding of even and of odd size: even and odd outputs are two convolutions of the same samples.

References: Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks" (2016), whose B, G and A these are.
"""

from .vec import count

A = 0.5**0.5
B = 2.0**0.5


class _Axis:
    """The transforms of F(outs, taps) with an emitter's vectors."""

    def __init__(self, e, outs, taps):
        self.e = e
        self.outs, self.taps = outs, taps
        self.n = outs + taps - 1

    def _fma(self, c, x, y):
        return self.e.fma(self.e.filled(x, c), x, y)

    def _mul(self, c, x):
        return self.e.b.fmul(self.e.filled(x, c), x)

    def image(self, d):
        """B^T d: n samples to n."""
        e = self.e
        if 1 in (self.taps, self.outs):
            return d
        if self.n == 3:
            return [e.sub(d[0], d[1]), d[1], e.sub(d[2], d[1])]
        if self.n == 4:
            return [e.sub(d[0], d[2]), e.add(d[1], d[2]), e.sub(d[2], d[1]), e.sub(d[1], d[3])]
        if self.n == 5:
            near, far = self._fma(-B, d[2], d[3]), self._fma(-B, d[1], d[2])
            third = self._fma(-A * A, d[1], d[3])
            return [
                self._fma(-A * A, self._fma(-B, d[0], d[1]), near),
                self._fma(A, far, near),
                self._fma(-A, far, near),
                third,
                self._fma(-B, third, self._fma(-A * A, d[2], d[4])),
            ]
        even, odd = self._fma(-B * B, d[2], d[4]), self._fma(-B * B, d[1], d[3])
        far, farther = self._fma(-A * A, d[2], d[4]), self._fma(-A * A, d[1], d[3])
        s = A * A + B * B
        return [
            self._fma(-s, d[2], e.add(d[0], d[4])),
            self._fma(A, odd, even),
            self._fma(-A, odd, even),
            self._fma(B, farther, far),
            self._fma(-B, farther, far),
            self._fma(-s, d[3], e.add(d[1], d[5])),
        ]

    def weights(self, g):
        """G g: taps to n."""
        e = self.e
        if self.outs == 1:
            return g
        if self.taps == 1:
            return g * self.n
        if self.n == 3:
            return [g[0], e.add(g[0], g[1]), g[1]]
        if self.n == 4 and self.taps == 2:
            even = self._mul(0.5, g[0])
            return [g[0], self._fma(0.5, g[1], even), self._fma(-0.5, g[1], even), g[1]]
        if self.n == 4:
            even = self._mul(0.5, e.add(g[0], g[2]))
            return [g[0], self._fma(0.5, g[1], even), self._fma(-0.5, g[1], even), g[2]]
        if self.n == 5:
            return self._weights_of_five(g)
        found = [g[0]]
        for p, q in ((A, B), (B, A)):
            scale = 1 / (2 * p**2 * (p**2 - q**2))  # 1 / the product of p's distances from the other points
            even = self._fma(scale * p**2, g[2], self._mul(scale, g[0]))
            odd = self._mul(scale * p, g[1])
            if self.taps == 5:
                even = self._fma(scale * p**4, g[4], even)
                odd = self._fma(scale * p**3, g[3], odd)
            found += [e.add(even, odd), e.sub(even, odd)]
        return [*found, g[-1]]

    def _weights_of_five(self, g):
        points = (0.0, A, -A, B)
        found = []
        for p in points:
            scale = 1.0
            for q in points:
                scale /= p - q if p != q else 1.0
            value = self._mul(scale, g[0])
            for k in range(1, self.taps if p else 1):
                value = self._fma(scale * p**k, g[k], value)
            found.append(value)
        return [*found, g[-1]]

    def result(self, m):
        """A^T m: n products to outs."""
        e = self.e
        if self.outs == 1:
            total = m[0]
            for v in m[1:]:
                total = e.add(total, v)
            return [total]
        if self.taps == 1:
            return m
        if self.n == 3:
            return [e.add(m[0], m[1]), e.add(m[1], m[2])]
        if self.n == 4 and self.outs == 3:
            both = e.add(m[1], m[2])
            return [e.add(m[0], both), e.sub(m[1], m[2]), e.sub(both, m[3])]
        if self.n == 4:
            return [e.add(e.add(m[0], m[1]), m[2]), e.sub(e.sub(m[1], m[2]), m[3])]
        if self.n == 5:
            both, across = e.add(m[1], m[2]), e.sub(m[1], m[2])
            found = [e.add(e.add(m[0], both), m[3])]
            for k in range(1, self.outs):
                found.append(self._fma(A**k, across if k % 2 else both, self._mul(B**k, m[3])))
            found[-1] = e.add(found[-1], m[4])
            return found
        near, across = e.add(m[1], m[2]), e.sub(m[1], m[2])
        far, farther = e.add(m[3], m[4]), e.sub(m[3], m[4])
        first = e.add(e.add(near, far), m[0])
        if self.outs == 2:
            return [first, self._fma(A, across, self._fma(B, farther, m[5]))]
        return [
            first,
            self._fma(A, across, self._mul(B, farther)),
            self._fma(A * A, near, self._mul(B * B, far)),
            self._fma(A**3, across, self._fma(B**3, farther, m[5])),
        ]


class _Strided:
    """Two samples on for each output: even taps on even samples, odd taps on odd ones."""

    def __init__(self, e, outs, taps):
        self.e = e
        self.parts = [_Axis(e, outs, (taps + 1) // 2), _Axis(e, outs, taps // 2)]

    def image(self, d):
        return [v for i, part in enumerate(self.parts) for v in part.image(d[i::2])]

    def weights(self, g):
        return [v for i, part in enumerate(self.parts) for v in part.weights(g[i::2])]

    def result(self, m):
        even, odd = (part.result(products) for part, products in zip(self.parts, self._cut(m), strict=True))
        return [self.e.add(x, y) for x, y in zip(even, odd, strict=True)]

    def _cut(self, m):
        return m[: self.parts[0].n], m[self.parts[0].n :]


class _Expanded(_Strided):
    """Two outputs on for each sample: output 2 t + f sums the taps k of f + odd - k even, over samples t + that / 2."""

    def __init__(self, e, outs, taps, odd):
        self.e = e
        reached = [[k for k in reversed(range(taps)) if (f + odd - k) % 2 == 0] for f in range(2)]
        firsts = [(f + odd - ks[0]) // 2 for f, ks in enumerate(reached)]
        self.firsts = [first - min(firsts) for first in firsts]
        self.reached = reached
        self.parts = [_Axis(e, outs, len(ks)) for ks in reached]

    def image(self, d):
        parts = zip(self.parts, self.firsts, strict=True)
        return [v for part, first in parts for v in part.image(d[first : first + part.n])]

    def weights(self, g):
        return [v for part, ks in zip(self.parts, self.reached, strict=True) for v in part.weights([g[k] for k in ks])]

    def result(self, m):
        even, odd = (part.result(products) for part, products in zip(self.parts, self._cut(m), strict=True))
        return [v for pair in zip(even, odd, strict=True) for v in pair]


def axis_of(e, outs, taps, step):
    step = count(step)
    if step == 1:
        return _Axis(e, outs, taps)
    return _Strided(e, outs, taps) if step == 2 else _Expanded(e, outs, taps, step - 3)


def axis_counts(outs, taps, step):
    """(samples read, products, samples from a tile to the next, outputs made) of one axis; ``step`` as a number.

    >>> axis_counts(2, 3, 1), axis_counts(2, 3, 2), axis_counts(2, 3, 4)
    ((4, 4, 2, 2), (5, 5, 4, 2), (3, 5, 2, 4))
    """
    if step == 1:
        return outs + taps - 1, outs + taps - 1, outs, outs
    products = 2 * outs + taps - 2
    if step == 2:
        return 2 * outs + taps - 2, products, 2 * outs, outs
    axis = _Expanded(None, outs, taps, step - 3)
    samples = max(first + part.n for part, first in zip(axis.parts, axis.firsts, strict=True))
    return samples, products, outs, 2 * outs


__all__ = ["axis_counts", "axis_of"]
