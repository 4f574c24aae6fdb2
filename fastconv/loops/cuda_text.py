"""Parts of kernels' text that several loops share."""

from .cuda_cast import cast, load
from .cuda_target import inline, store4

__all__ = ["chain_row", "dot", "picker", "storer"]


def dot(terms):
    """The text of a sum of products: [(sample, tap)]."""
    if not terms:
        return "zero"
    return " + ".join(f"{tap} * {sample}" if tap else sample for sample, tap in terms)


def chain_row(each):
    """The text for the first output row of chain ``g``: chains walk every ``spread``-th row, ``each`` rows long."""
    return f"int32(int32(g % uint32(spread)) + int32(int32(g // uint32(spread)) * {each}) * spread)"


def picker(source, accumulate):
    """pick(src, at, k, outside): the sample at place k of the row that begins at ``at``; k < 0 is the constant."""
    lines = ["def pick(src, at, k, outside):", "    if k < int32(0):", "        return outside"]
    return inline("pick", [*lines, "    return to(src[at + uint64(uint32(k))])"], to=load(source, accumulate))


def storer(accumulate, out, far, wide, edge):
    """store(dst, at, c, width, t): the sums t, ``far`` columns from c; edge: only those inside the row.

    wide: the four of them lie together, at a multiple of their size.
    """
    to = cast(accumulate, out)
    values = [f"to(t[{v}])" for v in range(len(far))]
    lines = ["def store(dst, at, c, width, t):"]
    if wide and not edge:
        lines.append(f"    store4(dst, at, ({', '.join(values)}))")
        return inline("store", lines, to=to, store4=store4)
    lines.append(f"    dst[at] = {values[0]}")
    for v in range(1, len(far)):
        indent = "    "
        if edge:
            lines.append(f"    if int32(c + int32({far[v]})) < width:")
            indent *= 2
        lines.append(f"{indent}dst[at + uint64({far[v]})] = {values[v]}")
    return inline("store", lines, to=to)
