"""A convolution as the sparse matrix that it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.core.border import canonical_mode, source_index
from fastconv.core.convolution import conv_size
from fastconv.core.padding import checked_channels, checked_kernel, padding_of, pair, shape_of
from fastconv.engine.arrays import tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["conv_matrix"]


def conv_matrix(
    weight: Any,
    input_shape: Sequence[int],
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "constant",
) -> csr_array:
    """The matrix C of a convolution: ``C @ x.ravel()`` is ``conv2d(x, weight, ...).ravel()``.

    ``C.T @ y.ravel()`` is ``conv_transpose2d(y, weight, ...).ravel()``, with the output_padding that returns to
    ``input_shape``.  For learning and for tests: it has an entry for each product.

    Parameters
    ----------
    weight : array (C_out, C / groups, kH, kW).
    input_shape : (C, H, W) of one image.
    stride, padding, dilation, groups, padding_mode : as in `conv2d`.

    Returns
    -------
    scipy.sparse.csr_array of shape (C_out Ho Wo, C H W) and the weight's dtype.

    Raises
    ------
    TypeError, ValueError : naming the argument.

    Source: Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016), chapter 4.

    >>> conv_matrix(np.array([[[[1.0, 2.0]]]]), (1, 1, 3)).toarray().tolist()
    [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    from scipy.sparse import csr_array

    w = tensor("weight", weight, (4,), "an array of four dimensions")
    c, h, width = shape_of("input_shape", input_shape, (3,))
    k = (w.shape[2], w.shape[3])
    s, d = pair("stride", stride, 1), pair("dilation", dilation, 1)
    g = checked_channels(c, w.shape, groups, transposed=False)
    checked_kernel(k, d)
    mode = canonical_mode(padding_mode)
    around = padding_of(padding, k, s, d, (h, width))
    ho, wo = conv_size((h, width), k, s, d, around)
    rows, columns = (source_index(n, *p, mode) for n, p in zip((h, width), around, strict=True))
    o, per = w.shape[0], c // g
    # the six indices of every product
    oo, yy, xx, cc, ii, jj = np.ix_(*(np.arange(n) for n in (o, ho, wo, per, *k)))
    y = rows[yy * s[0] + ii * d[0]]
    x = columns[xx * s[1] + jj * d[1]]
    channel = oo // max(1, o // g) * per + cc
    full = (o, ho, wo, per, *k)
    inside = np.broadcast_to((y >= 0) & (x >= 0), full).reshape(-1)
    to = np.broadcast_to((oo * ho + yy) * wo + xx, full).reshape(-1)[inside]
    source = np.broadcast_to((channel * h + y) * width + x, full).reshape(-1)[inside]
    values = np.broadcast_to(w[:, None, None], full).reshape(-1)[inside]
    return csr_array((values, (to, source)), shape=(o * ho * wo, c * h * width))
