"""Which convolutions over channels the CUDA loops serve: asked by the planner, so nothing here imports CUDA."""

from __future__ import annotations

from fastconv.core.channels import ChannelProblem

__all__ = ["MOST_BLOCKS", "MOST_TAPS", "refusals"]

#: taps along an axis that the column march holds in registers
MOST_TAPS = 9
#: largest grid along y and z; more is a second launch
MOST_BLOCKS = 65535
#: output channels of a group, and products of a sample, that a matrix product in shared memory is worth for
LEAST_FILTERS, LEAST_PRODUCTS = 32, 64


def refusals(problem: ChannelProblem) -> dict[str, str]:
    """For every algorithm of the device "" or, in words, why it cannot serve."""
    back = problem.kind == "transposed"
    return {
        "wide": "it serves convolutions, not their adjoints" if back else "",
        "gemm": _gemm(problem),
        "depthwise": _depthwise(problem),
        "polyphase": "" if back else "it serves transposed convolutions",
    }


def _gemm(problem: ChannelProblem) -> str:
    p = problem
    if p.kind == "transposed":
        return "it serves convolutions, not their adjoints"
    if p.dtype.name != "float32":
        return "it sums float32"
    if p.group_out < LEAST_FILTERS or p.group_in * p.taps < LEAST_PRODUCTS:
        return f"it is for {LEAST_FILTERS} channels out and {LEAST_PRODUCTS} products a sample, or more"
    return "" if p.group_out <= MOST_BLOCKS else f"a grid has {MOST_BLOCKS} parts"


def _depthwise(problem: ChannelProblem) -> str:
    p = problem
    if p.kind == "transposed":
        return "it serves convolutions, not their adjoints"
    if not p.group_in == p.group_out == 1:
        return "a filter reads or makes more than one channel"
    if p.stride != (1, 1):
        return "it makes every sample of a row: no stride"
    if max(p.size) > MOST_TAPS:
        return f"registers hold {MOST_TAPS} taps along an axis"
    if p.groups > MOST_BLOCKS:
        return f"a grid has {MOST_BLOCKS} planes"
    return "" if p.dtype.kind == "f" else "it sums floats, not integers"
