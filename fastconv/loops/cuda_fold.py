"""The adjoint of a border: what a transposed convolution puts on the padding, added where the padding was read from.

One thread an output sample; tables say for each row and column which padded ones are its copies.
"""

import functools

import numpy as np

from .cuda_cast import cast, load
from .cuda_target import cuda, kernel, number, pointer, types

__all__ = ["FACTS", "fold_kernel"]

#: what the table ``facts`` holds
FACTS = (
    "height", "width", "channels", "src_pitch", "src_plane", "dst_pitch", "dst_plane", "dst_batch", "bias",
)  # fmt: skip
# constants of a kernel, see cuda_target.kernel
ACC = CAST = TO = None
i64 = types.int64


def fold(src, dst, bias, rows, cols, facts, total):
    """dst[n, c, y, x] = bias[c] + the sum of src[n, c, j, i] over the copies j of y and i of x.

    rows, cols: for each y (x) where its copies begin in the same table, and at its end where the last one's end.
    """
    at = i64(cuda.blockIdx.x) * i64(cuda.blockDim.x) + i64(cuda.threadIdx.x)
    if at >= total:
        return
    width = facts[1]
    x = at % width
    y = at // width % facts[0]
    plane = at // width // facts[0]
    base = plane * facts[4]
    channel = plane % facts[2]
    sums = ACC(0)
    for j in range(rows[y], rows[y + 1]):
        line = base + rows[j] * facts[3]
        for i in range(cols[x], cols[x + 1]):
            sums += src[line + cols[i]]
    if facts[8] != 0:
        sums += TO(bias[channel])
    dst[plane // facts[2] * facts[7] + channel * facts[6] + y * facts[5] + x] = CAST(sums)


@functools.lru_cache(maxsize=32)
def fold_kernel(accumulate, bias, out):
    """The kernel for sums, bias and output of these dtypes."""
    table = pointer(np.int64)
    types_ = (pointer(accumulate), pointer(out), pointer(bias), table, table, table, i64)
    return kernel(fold, types_, ACC=number(accumulate), CAST=cast(accumulate, out), TO=load(bias, accumulate))
