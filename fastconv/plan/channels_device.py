"""What a convolution over channels would cost on a CUDA device, to compare its algorithms with each other.

Nothing is measured: a cost is the instructions of a loop for each product, idle lanes included, at the rate of one
board (an A100 issues 19.5e12 of them a second), and the bytes that must be moved.
"""

from __future__ import annotations

from fastconv.core.channels import ChannelProblem

__all__ = ["device_estimate"]

#: nanoseconds of a thread's instruction, and of a byte
INSTRUCTION = 5.13e-5
BYTE = 4.9e-4
#: nanoseconds of a launch
LAUNCH = 5000.0
#: instructions for each product, those of float64 and int64 counting double: read off the loops' machine code
EACH = {"wide": 3.1, "polyphase": 3.1, "depthwise": 1.6, "gemm": 1.3}
#: output channels and pixels of a row that a block works on at least; of "gemm" pixels of all rows
TILE = {"wide": (8, 128), "polyphase": (8, 128), "depthwise": (1, 128), "gemm": (64, 128)}


def device_estimate(problem: ChannelProblem, method: str) -> float:
    """Nanoseconds."""
    p = problem
    filters, columns = TILE[method]
    height, width = p.shape if p.kind == "transposed" else p.out_shape
    least = filters
    if method == "gemm":
        width *= height
    else:
        least = min(filters, _power(p.group_out))
    idle = _up(p.group_out, least) * _up(width, columns) / max(1, p.group_out * width)
    if method == "gemm":
        idle *= _up(p.group_in, 8) / max(1, p.group_in)
    launches = p.stride[0] * p.stride[1] if method == "polyphase" else 1
    products = p.products * idle * EACH[method] * (p.dtype.itemsize // 4)
    return launches * LAUNCH + products * INSTRUCTION + (p.input_bytes + p.output_bytes) * BYTE


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _power(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(0, n - 1).bit_length()
