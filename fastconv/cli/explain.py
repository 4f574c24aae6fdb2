"""``fastconv explain``: the plan for a kernel, and the offers it beat."""

from __future__ import annotations

from collections.abc import Sequence

from .arguments import Parser, add_filter_options, filter_options, size

__all__ = ["run"]

_EXAMPLES = """\
KERNEL is a name with parameters (sobel:0, gaussian:3, box:3x5, motion:15,angle=30, disk:4 ...) or numbers, rows
separated by semicolons.  Numbers that begin with a minus sign need -- before them.

examples:
  fastconv explain gaussian:2
  fastconv explain '1 2 1; 2 4 2; 1 2 1' --size 4000x6000 --dtype uint8
  fastconv explain disk:9 --method direct"""


def parser() -> Parser:
    p = Parser(
        prog="fastconv explain",
        usage="fastconv explain KERNEL [--size HxW] [options]",
        description="Show how a kernel would be computed, and why.",
        epilog=_EXAMPLES,
    )
    p.add_argument("kernel", metavar="KERNEL", help="a kernel's name or its numbers")
    p.add_argument("--size", type=size, default=(1080, 1920), metavar="HxW", help="of the image (default 1080x1920)")
    p.add_argument("--dtype", default="float32", help="of the image (default float32)")
    p.add_argument("--out-dtype", help="of the result (default: what the operators give)")
    p.add_argument("--normalize", action="store_true", help="divide the taps by their sum")
    add_filter_options(p)
    return p


def run(name: str, words: Sequence[str]) -> int:
    """Print the plan."""
    given = parser().parse_args(words)
    import fastconv as fc
    from fastconv.core.dtypes import resolve_output

    kernel = fc.kernels.from_spec(given.kernel)
    if given.normalize:
        if not kernel.sum():
            raise ValueError(f"{given.kernel}: its taps sum to 0, so it cannot be normalized")
        kernel = kernel / kernel.sum()
    image_dtype = resolve_output(given.dtype, fc.kernels.identity().dtype)
    print(fc.explain(given.size, kernel, image_dtype=image_dtype, dtype=given.out_dtype, **filter_options(given)))
    return 0
