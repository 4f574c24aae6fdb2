"""Row functions of the march: four output rows of a small kernel, see `march_blocks`."""

import numpy as np

from .blocks import fetch
from .jit import helper, loop
from .march_blocks import march_dense, march_separable

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = DOWN = DOWN_FOLD = ALONG = ALONG_FOLD = STEP = CROSS = VECTORS = ()
#: samples of a vector, and bytes of as many source samples
LANES = LANES_SIZE = 1
FOUR = (None,) * 4


@helper
def samples_to_go(table, size, samples):
    """Samples until the first row of a table reaches a multiple of ``size``, the bytes of so many ``samples``."""
    return -fetch(table, np.int64) % size * samples // size


@loop
def march_separable_rows(table, wv, wh, outs, plan):
    """outs[r][i] = sum over j of wh[j] * sum over k of wv[k] * row[r + k][i + j * step]."""
    lead = samples_to_go(table, LANES_SIZE, LANES)
    march_separable(
        table, wv, wh, outs, plan, lead, SRC, ACC, OUT, DOWN, DOWN_FOLD, ALONG, ALONG_FOLD, STEP, FOUR
    )  # fmt: skip


@loop
def march_dense_rows(table, w, outs, plan):
    """outs[r][i] = sum over k, j of w[k, j] * row[r + k][i + j * step]."""
    lead = samples_to_go(table, LANES_SIZE, LANES)
    march_dense(table, w, outs, plan, lead, SRC, ACC, OUT, DOWN, ALONG, STEP, CROSS, FOUR, VECTORS)


__all__ = ["march_dense_rows", "march_separable_rows"]
