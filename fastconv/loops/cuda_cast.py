"""How samples become numbers of the sums' dtype on a CUDA device, and sums become samples: core/dtypes' one cast.

Integers round half to even and saturate, NaN becomes 0; bool is whether the rounded sum is not zero.
"""

import functools

import numpy as np

from .cuda_target import SIMULATED, inline, number

__all__ = ["cast", "load", "root", "same"]


if SIMULATED:
    _ROUND = {4: np.rint, 8: np.rint}
    _ROOT = {4: np.sqrt, 8: np.sqrt}
else:
    from numba.cuda import libdevice

    _ROUND = {4: libdevice.rintf, 8: libdevice.rint}
    _ROOT = {4: libdevice.fsqrt_rn, 8: libdevice.sqrt}


#: the function ``same(x)``: a sample as it is
same = inline("same", ["def same(x):", "    return x"])


@functools.cache
def load(source, accumulate):
    """The function ``load(x)``: a sample of dtype ``source`` as a number of dtype ``accumulate``."""
    source, accumulate = np.dtype(source), np.dtype(accumulate)
    scope = {"ACC": number(accumulate), "HALF": number(np.float32)}
    text = "ACC(HALF(x))" if source.name == "float16" else "x" if source == accumulate else "ACC(x)"
    return inline("load", ["def load(x):", f"    return {text}"], **scope)


@functools.cache
def cast(accumulate, out):
    """The function ``cast(v)``: a sum of dtype ``accumulate`` as a sample of dtype ``out``."""
    accumulate, out = np.dtype(accumulate), np.dtype(out)
    if out == accumulate:
        return same
    acc = number(accumulate)
    scope = {"ACC": acc, "OUT": number(out), "rint": _ROUND[accumulate.itemsize], "HALF": number(np.float32)}
    if out.kind == "f":
        text = "OUT(HALF(v))" if out.name == "float16" else "OUT(v)"
        return inline("cast", ["def cast(v):", f"    return {text}"], **scope)
    if out.kind == "b":
        lines = ["def cast(v):", "    r = rint(v)", "    return OUT(1) if r == r and r != ACC(0) else OUT(0)"]
        return inline("cast", lines, **scope)
    info = np.iinfo(out)
    top = accumulate.type(info.max)
    exact = int(top) <= info.max
    scope["WIDE"] = number(out) if out.itemsize >= 4 else number(np.int32 if info.min else np.uint32)
    last = int(top) if exact else int(np.nextafter(top, accumulate.type(0)))
    lines = [
        "def cast(v):",
        "    r = rint(v)",
        "    r = r if r == r else ACC(0)",
        f"    low = r if r > ACC({info.min}.0) else ACC({info.min}.0)",
        f"    both = low if low < ACC({last}.0) else ACC({last}.0)",
        "    whole = OUT(WIDE(both))",
    ]
    # the type's maximum is no float: everything from 2**bits on is set by hand
    lines += ["    return whole"] if exact else [f"    return OUT({info.max}) if r >= ACC({int(top)}.0) else whole"]
    return inline("cast", lines, **scope)


@functools.cache
def root(accumulate):
    """The square root of a number of this dtype."""
    return _ROOT[np.dtype(accumulate).itemsize]
