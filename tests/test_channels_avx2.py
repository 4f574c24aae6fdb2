"""Convolutions over channels with vectors of 32 bytes, as on machines without AVX-512: the same loops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: vectors are settled before any loop is written; the cache of compiled loops does not know of that, so it is another
PROGRAM = """
import fastconv.loops.vec as vec
vec.vector_bytes = lambda: 32
import numpy as np
from channels_naive import conv, conv_problem, transposed, transposed_problem
from fastconv.backends import channels

CONV = [
    ("deep", dict(shape=(9, 21), size=(3, 3), c_in=5, c_out=19)),
    ("deep", dict(shape=(7, 7), size=(3, 3), c_in=70, c_out=40, stride=(2, 2))),
    ("wide", dict(shape=(19, 45), size=(3, 4), c_in=4, c_out=14, groups=2, stride=(2, 3), dilation=(3, 2))),
    ("pointwise", dict(shape=(9, 13), size=(1, 1), c_in=20, c_out=13)),
    ("patches", dict(shape=(7, 7), size=(3, 3), c_in=33, c_out=29)),
    ("patches", dict(shape=(14, 11), size=(3, 2), c_in=10, c_out=14, groups=2, stride=(2, 2))),
    ("strided", dict(shape=(19, 45), size=(3, 4), c_in=4, c_out=26, groups=2, stride=(1, 2))),
    ("depthwise", dict(shape=(23, 45), size=(3, 3), c_in=3, c_out=3, groups=3)),
    ("depthwise", dict(shape=(23, 45), size=(5, 5), c_in=2, c_out=4, groups=2, stride=(2, 2), mode="mirror")),
    ("winograd2", dict(shape=(17, 30), size=(3, 3), c_in=20, c_out=36, mode="reflect")),
    ("winograd4", dict(shape=(17, 30), size=(3, 3), c_in=20, c_out=36)),
    ("winograd3", dict(shape=(23, 41), size=(3, 3), c_in=20, c_out=36, stride=(2, 2))),
]
ADJOINT = [
    ("polyphase", dict(shape=(9, 19), size=(3, 3), c_in=6, c_out=9, stride=(2, 2), extra=(1, 1))),
    ("polyphase", dict(shape=(9, 19), size=(4, 3), c_in=6, c_out=9, stride=(2, 2), mode="wrap")),
    ("winograd2", dict(shape=(11, 19), size=(3, 3), c_in=20, c_out=36, stride=(2, 2))),
]
rng = np.random.default_rng(0)
for make, solve, cases in ((conv_problem, conv, CONV), (transposed_problem, transposed, ADJOINT)):
    for method, values in cases:
        for dtype in ("f4", "f8") if method in ("wide", "strided", "depthwise", "polyphase") else ("f4",):
            before = after = (0, 0) if method == "pointwise" else (1, 1)
            p = make(**values, batch=2, before=before, after=after, dtype=dtype)
            kind = channels.executor(method)
            assert kind.serves(p) == "", (method, kind.serves(p))
            shape = (p.c_in, p.group_out) if p.kind == "transposed" else (p.c_out, p.group_in)
            x = rng.standard_normal((p.batch, p.c_in, *p.shape)).astype(dtype)
            w, b = rng.standard_normal((*shape, *p.size)).astype(dtype), rng.standard_normal(p.c_out).astype(dtype)
            exact = solve(x, w, p, b)
            outs = []
            for workers in (1, 2):
                out = np.full((p.batch, p.c_out, *p.out_shape), np.nan, dtype)
                kind(p, w).execute(x, out, b, workers)
                outs.append(out)
            error = np.abs(outs[0] - exact.value).max() / (np.finfo(dtype).eps * exact.weight.max())
            assert error <= (16 if method.startswith("winograd") else 8), (method, values, dtype, error)
            assert np.array_equal(*outs), (method, values)
print("all agree")
"""


@pytest.mark.slow
def test_vectors_of_32_bytes(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent)])
    environment = {**os.environ, "FASTCONV_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "all agree\n"
