"""Row functions of the march: four output rows of a small kernel, see `march_blocks`."""

from .jit import loop
from .march_blocks import march_dense, march_separable

# constants of a specialisation, see jit.Loop.address
SRC = ACC = OUT = DOWN = DOWN_FOLD = ALONG = ALONG_FOLD = STEP = CROSS = VECTORS = ()
FOUR = (None,) * 4


@loop
def march_separable_rows(table, x, wv, wh, outs, out_x, samples, begin):
    """outs[r][i] = sum over j of wh[j] * sum over k of wv[k] * row[r + k][x + i + j * step]."""
    march_separable(
        table, x, wv, wh, outs, out_x, samples, begin, SRC, ACC, OUT, DOWN, DOWN_FOLD, ALONG, ALONG_FOLD, STEP, FOUR
    )


@loop
def march_dense_rows(table, x, w, outs, out_x, samples, begin):
    """outs[r][i] = sum over k, j of w[k, j] * row[r + k][x + i + j * step]."""
    march_dense(table, x, w, outs, out_x, samples, begin, SRC, ACC, OUT, DOWN, ALONG, STEP, CROSS, FOUR, VECTORS)


__all__ = ["march_dense_rows", "march_separable_rows"]
