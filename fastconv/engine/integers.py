"""Integers exactly: sums that fit float64's integers are taken there, larger ones in parts, modulo 2**64."""

from __future__ import annotations

import numpy as np

from fastconv.core.channels import ChannelPlan, ChannelProblem

__all__ = ["convolve_integers"]

#: every integer up to this is a float64
EXACT = 1 << 53


def _largest(array: np.ndarray) -> int:
    return max(abs(int(array.max())), abs(int(array.min()))) if array.size else 0


def _parts(array: np.ndarray, bits: int) -> list[np.ndarray]:
    """Arrays a0, a1, ... of integers below 2**bits with ``array = a0 + a1 * 2**bits + ...`` modulo 2**64."""
    if _largest(array) < 1 << bits:
        return [array.astype(np.float64)]
    rest = array.astype(np.uint64) if array.dtype.kind != "i" else array.astype(np.int64).view(np.uint64)
    mask, found = np.uint64((1 << bits) - 1), []
    for shift in range(0, 64, bits):
        found.append(((rest >> np.uint64(shift)) & mask).astype(np.float64))
    return found


def convolve_integers(
    problem: ChannelProblem,
    plan: ChannelPlan,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    out: np.ndarray,
    workers: int,
) -> None:
    """Fill ``out`` (int64) sample by sample; what passes int64 wraps, as NumPy's integers do."""
    from .channels import _made, _single

    terms = max(problem.group_in, problem.group_out) * problem.taps
    if problem.mode and problem.kind == "transposed":  # a border may fold many samples onto one
        terms *= 1 + max(problem.before + problem.after)
    single = _single(problem)
    fits = terms * _largest(x) * _largest(weight) < EXACT
    bits = 63 if fits else (53 - terms.bit_length()) // 2
    method = plan.method if plan.method in ("depthwise", "polyphase") else "deep"
    pieces = [weight.astype(np.float64)] if fits else _parts(weight, bits)
    executors = [_made(single, method, piece, False) for piece in pieces]
    x4, out4 = (a if a.ndim == 4 else a[None] for a in (x, out))
    sums = np.empty((1, *out4.shape[1:]), np.float64)
    for n in range(len(x4)):
        sample = x4[n : n + 1]
        total = np.zeros(sums.shape, np.uint64)
        for i, part in enumerate([sample.astype(np.float64)] if fits else _parts(sample, bits)):
            for j, executor in enumerate(executors):
                if bits * (i + j) >= 64 and not fits:
                    continue
                executor.execute(np.ascontiguousarray(part), sums, None, workers)
                whole = sums.astype(np.int64).view(np.uint64)
                total += whole if fits else whole << np.uint64(bits * (i + j))
        out4[n] = total.view(np.int64)[0]
        if bias is not None:
            out4[n] += bias.astype(np.int64)[:, None, None]
