"""The 1x1 part of a separable convolution: register tiles over a strip of filtered rows that is still in cache."""

from .blocks import call_row
from .jit import loop

#: output channels of every block but the last
BLOCK = 12


@loop
def pointwise_strip(
    strip, channels, pitch, zero, w, bias, target, plane_out, size, outputs, blocks, tail, row, last
):  # fmt: skip
    """target[o][:outputs] = bias[o] + sum over c of w[o][c] * strip[c][:outputs].

    strip: address of ``channels`` runs of samples, ``pitch`` bytes apart; zero: of an int64 0; w: packed blocks of
    `BLOCK` output channels, then one of ``tail``; row, last: `channels_polyphase.polyphase_row` for them.
    """
    for _ in range(blocks):
        call_row(row, (strip, channels, pitch, zero, 1, w, bias, target, plane_out, outputs))
        w += BLOCK * channels * size
        bias += BLOCK * size
        target += BLOCK * plane_out
    if tail:
        call_row(last, (strip, channels, pitch, zero, 1, w, bias, target, plane_out, outputs))


__all__ = ["BLOCK", "pointwise_strip"]
