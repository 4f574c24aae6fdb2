"""Row functions of the march: four output rows of a small kernel, see `march_blocks`."""

import numpy as np

from .blocks import fetch
from .jit import helper, loop
from .march_blocks import march_dense, march_separable

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = DOWN = DOWN_FOLD = ALONG = ALONG_FOLD = STEP = CROSS = VECTORS = ()
SRC_SIZE = OUT_SIZE = LANES = 1
FOUR = (None,) * 4
PLAIN, STREAM = (), (None,)


@helper
def _source_lead(table, size, lanes):
    """Outputs to leave out in front, so that vectors of the first source row lie on multiples of their size."""
    return -(fetch(table, np.int64) // size) % lanes


@helper
def _output_lead(outs, plan, size, lanes):
    """The same for vectors of all output rows; -1 where they do not lie so together, or begin too late."""
    before, most = fetch(plan + 16, np.int64), fetch(plan + 24, np.int64)
    first = fetch(outs, np.int64)
    lead = -(first // size + before) % lanes
    together = first % size == 0 and before + lead <= most
    for r in range(1, 4):
        together = together and (fetch(outs + 8 * r, np.int64) - first) % (lanes * size) == 0
    return lead if together else -1


@loop
def march_separable_rows(table, wv, wh, outs, plan):
    """outs[r][i] = sum over j of wh[j] * sum over k of wv[k] * row[r + k][i + j * step]."""
    lead = _source_lead(table, SRC_SIZE, LANES)
    march_separable(
        table, wv, wh, outs, plan, lead, SRC, ACC, OUT, DOWN, DOWN_FOLD, ALONG, ALONG_FOLD, STEP, FOUR, PLAIN
    )


@loop
def march_separable_stream(table, wv, wh, outs, plan):
    """The same, past the caches where output rows lie together on multiples of vectors."""
    lead = _output_lead(outs, plan, OUT_SIZE, LANES)
    if lead >= 0:
        march_separable(
            table, wv, wh, outs, plan, lead, SRC, ACC, OUT, DOWN, DOWN_FOLD, ALONG, ALONG_FOLD, STEP, FOUR, STREAM
        )
    else:
        lead = _source_lead(table, SRC_SIZE, LANES)
        march_separable(
            table, wv, wh, outs, plan, lead, SRC, ACC, OUT, DOWN, DOWN_FOLD, ALONG, ALONG_FOLD, STEP, FOUR, PLAIN
        )


@loop
def march_dense_rows(table, w, outs, plan):
    """outs[r][i] = sum over k, j of w[k, j] * row[r + k][i + j * step]."""
    lead = _source_lead(table, SRC_SIZE, LANES)
    march_dense(table, w, outs, plan, lead, SRC, ACC, OUT, DOWN, ALONG, STEP, CROSS, FOUR, VECTORS, PLAIN)


@loop
def march_dense_stream(table, w, outs, plan):
    """The same, past the caches where output rows lie together on multiples of vectors."""
    lead = _output_lead(outs, plan, OUT_SIZE, LANES)
    if lead >= 0:
        march_dense(table, w, outs, plan, lead, SRC, ACC, OUT, DOWN, ALONG, STEP, CROSS, FOUR, VECTORS, STREAM)
    else:
        lead = _source_lead(table, SRC_SIZE, LANES)
        march_dense(table, w, outs, plan, lead, SRC, ACC, OUT, DOWN, ALONG, STEP, CROSS, FOUR, VECTORS, PLAIN)


__all__ = ["march_dense_rows", "march_dense_stream", "march_separable_rows", "march_separable_stream"]
