"""Slow answers for convolutions over channels: one 0/1 matrix for each tap and axis, walked bounce by bounce.

Row y of the matrix of tap i says which sample of the image lies under that tap at output y (none where the constant
does).  A convolution multiplies by these matrices, its adjoint by their transposes: they cannot disagree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from oracle import position

from fastconv.core.channels import ChannelProblem


class Answer(NamedTuple):
    """A result and the sum of |w| |x| that went into each of its samples."""

    value: np.ndarray
    weight: np.ndarray


def axis_matrices(n, n_out, size, stride, dilation, before, mode):
    found = np.zeros((size, n_out, n))
    for tap in range(size):
        for y in range(n_out):
            at = position(y * stride + tap * dilation - before, n, mode)
            if at is not None:
                found[tap, y, at] = 1
    return found


def conv(x, w, p: ChannelProblem, bias=None) -> Answer:
    x, w = np.asarray(x, float), np.asarray(w, float)
    rows, columns = (
        axis_matrices(p.shape[a], p.out_shape[a], p.size[a], p.stride[a], p.dilation[a], p.before[a], p.mode)
        for a in (0, 1)
    )
    each_in, each_out = p.c_in // p.groups, p.c_out // p.groups
    value = np.zeros((p.batch, p.c_out, *p.out_shape))
    weight = np.zeros_like(value)
    for i in range(p.size[0]):
        for j in range(p.size[1]):
            seen = rows[i] @ x @ columns[j].T
            for g in range(p.groups):
                part = seen[:, g * each_in : (g + 1) * each_in]
                taps = w[g * each_out : (g + 1) * each_out, :, i, j]
                to = slice(g * each_out, (g + 1) * each_out)
                value[:, to] += np.einsum("oc,ncyx->noyx", taps, part)
                weight[:, to] += np.einsum("oc,ncyx->noyx", abs(taps), abs(part))
    if bias is not None:
        value += np.asarray(bias, float)[:, None, None]
        weight += abs(np.asarray(bias, float))[:, None, None]
    return Answer(value, weight)


def transposed(y, w, p: ChannelProblem, bias=None) -> Answer:
    """p is the transposed problem: from ``shape`` to ``out_shape``, weights (c_in, c_out / groups, kh, kw)."""
    y, w = np.asarray(y, float), np.asarray(w, float)
    rows, columns = (
        axis_matrices(p.out_shape[a], p.shape[a], p.size[a], p.stride[a], p.dilation[a], p.before[a], p.mode)
        for a in (0, 1)
    )
    each_in, each_out = p.c_in // p.groups, p.c_out // p.groups
    value = np.zeros((p.batch, p.c_out, *p.out_shape))
    weight = np.zeros_like(value)
    for g in range(p.groups):
        part = y[:, g * each_in : (g + 1) * each_in]
        to = slice(g * each_out, (g + 1) * each_out)
        for i in range(p.size[0]):
            for j in range(p.size[1]):
                taps = w[g * each_in : (g + 1) * each_in, :, i, j]
                value[:, to] += rows[i].T @ np.einsum("io,niyx->noyx", taps, part) @ columns[j]
                weight[:, to] += rows[i].T @ np.einsum("io,niyx->noyx", abs(taps), abs(part)) @ columns[j]
    if bias is not None:
        value += np.asarray(bias, float)[:, None, None]
        weight += abs(np.asarray(bias, float))[:, None, None]
    return Answer(value, weight)


def conv_problem(
    shape, size, *, batch=1, c_in=1, c_out=1, groups=1, stride=(1, 1), dilation=(1, 1), before=(0, 0), after=(0, 0),
    mode="constant", dtype=np.float32,
) -> ChannelProblem:  # fmt: skip
    out = tuple((shape[a] + before[a] + after[a] - dilation[a] * (size[a] - 1) - 1) // stride[a] + 1 for a in (0, 1))
    return ChannelProblem(
        "conv", batch, c_in, c_out, groups, shape, out, size, stride, dilation, before, after, mode, np.dtype(dtype)
    )


def transposed_problem(
    shape, size, *, extra=(0, 0), batch=1, c_in=1, c_out=1, groups=1, stride=(1, 1), dilation=(1, 1), before=(0, 0),
    after=(0, 0), mode="constant", dtype=np.float32,
) -> ChannelProblem:  # fmt: skip
    """``extra``: output_padding."""
    out = tuple(
        (shape[a] - 1) * stride[a] - before[a] - after[a] + dilation[a] * (size[a] - 1) + extra[a] + 1 for a in (0, 1)
    )
    return ChannelProblem(
        "transposed", batch, c_in, c_out, groups, shape, out, size, stride, dilation, before, after, mode,
        np.dtype(dtype),
    )  # fmt: skip


def assert_close(found: np.ndarray, answer: Answer, dtype, factor=8.0) -> None:
    bound = factor * np.finfo(dtype).eps * answer.weight + np.finfo(dtype).tiny
    wrong = ~(abs(found - answer.value) <= bound)
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} wrong, first at {np.argwhere(wrong)[0]}: "
        f"{found[wrong][0]} for {answer.value[wrong][0]}"
    )


def arrays(p, seed=0):
    """Image, weights and bias of a problem: noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(p.dtype)
    w = rng.standard_normal((p.c_out, p.group_in, *p.size)).astype(p.dtype)
    return x, w, rng.standard_normal(p.c_out).astype(p.dtype)


def executed(kind, p, x, w, bias=None, workers=1):
    """What an executor, which must serve the problem, makes of it."""
    assert kind.serves(p) == ""
    out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, p.dtype)
    kind(p, w).execute(x, out, bias, workers)
    return out
