"""What a loop costs on a board, read from its machine code: PTX, cubin (nvJitLink), SASS (nvdisasm); pip packages only.

Figures: registers, bytes of stack (local memory) and of spills, float64 operations, and instructions an output sample.
Those come from the main loop: of the loops that a thread walks through the one with the most arithmetic, and of equal
ones the shortest, which is the copy for inner columns.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from shutil import which

__all__ = ["ARCHITECTURES", "BOARDS", "Figures", "ceiling", "figures", "occupancy"]

ARCHITECTURES = (75, 80, 86, 90, 100, 120)


@dataclass(frozen=True)
class Board:
    """A board of an architecture.  Source: NVIDIA's data sheets and the tables of the CUDA programming guide."""

    name: str
    bandwidth: float  # GB/s of its memory
    multiprocessors: int
    clock: float  # GHz, boost
    lanes: int  # float32 operations of a multiprocessor and a cycle
    warps: int  # resident warps of a multiprocessor
    blocks: int  # resident blocks
    shared: int  # bytes of shared memory of a multiprocessor
    reserved: int  # bytes that the system takes from it for each block


BOARDS = {
    75: Board("T4", 320, 40, 1.59, 64, 32, 16, 65536, 0),
    80: Board("A100", 2039, 108, 1.41, 64, 64, 32, 167936, 1024),
    86: Board("RTX 3090", 936, 82, 1.70, 128, 48, 16, 102400, 1024),
    90: Board("H100", 3350, 132, 1.755, 128, 64, 32, 233472, 1024),
    100: Board("B200", 8000, 148, 1.85, 128, 64, 32, 233472, 1024),
    120: Board("RTX 5090", 1792, 170, 2.41, 128, 48, 24, 102400, 1024),
}
REGISTERS = 65536

_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)(.*?);")
_LABEL = re.compile(r"^(\.L_\w+):")
_FLOAT32 = ("FFMA", "FADD", "FMUL", "FFMA2", "FADD2", "FMUL2")
_FLOAT64 = ("DFMA", "DADD", "DMUL", "DSETP", "DMNMX")


@dataclass(frozen=True)
class Figures:
    """One loop on one architecture."""

    registers: int
    local_bytes: int
    spill_bytes: int
    local_in_loop: int
    float64: int
    shared_bytes: int
    #: instructions and float32 operations for each output sample; None: the loop's length varies
    instructions: float | None
    float32: float | None

    def as_row(self) -> dict[str, float | None]:
        return asdict(self)


def _cubin(ptx: str, arch: int) -> tuple[bytes, str]:
    from cuda.bindings import nvjitlink

    options = [f"-arch=sm_{arch}", "-verbose"]
    handle = nvjitlink.create(len(options), options)
    try:
        data = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "loop.ptx")
        nvjitlink.complete(handle)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    finally:
        nvjitlink.destroy(handle)
    return bytes(code), log.decode(errors="replace")


@cache
def _disassembler() -> str:
    packaged = sorted(Path(sysconfig.get_paths()["purelib"]).glob("nvidia/*/bin/nvdisasm"))
    found = str(packaged[0]) if packaged else which("nvdisasm")
    if found is None:
        raise FileNotFoundError("nvdisasm: pip install nvidia-cuda-nvdisasm")
    return found


def _sass(cubin: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run(
            [_disassembler(), "-c", "-ndf", file.name], capture_output=True, text=True, check=True, timeout=120
        ).stdout


def _parsed(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Opcodes in order, and the stretches that a jump back repeats."""
    code: list[tuple[str, str]] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        label = _LABEL.match(line.strip())
        if label:
            labels[label[1]] = len(code)
        elif found := _INSTRUCTION.search(line):
            code.append((found[2], found[3]))
    loops = set()
    for at, (name, operands) in enumerate(code):
        target = re.search(r"\.L_\w+", operands) if name.startswith("BRA") else None
        # a jump to itself is the padding after the end
        if target and labels.get(target[0], at + 1) < at:
            loops.add((labels[target[0]], at + 1))
    return [name for name, _ in code], sorted(loops)


def _count(code: list[str], *roots: str) -> int:
    names = Counter(name.split(".")[0] for name in code)
    return sum(names[root] for root in roots)


def _bytes_stored(code: list[str]) -> int:
    sizes = {"128": 16, "64": 8, "U8": 1, "S8": 1, "U16": 2, "S16": 2}
    total = 0
    for name in code:
        words = name.split(".")
        if words[0] == "STG":
            total += next((sizes[word] for word in words if word in sizes), 4)
    return total


def figures(ptx: str, arch: int, itemsize: int, work: float | None, pixels: int) -> Figures:
    """Compile and read one loop.

    A thread makes ``pixels`` output samples, for which its main loop does ``work`` operations, however far the compiler
    has unrolled it; everything else is counted once.  pixels = 0: what one trip of the main loop stores (samples of
    ``itemsize`` bytes); work None: not known, nothing is counted.
    """
    cubin, log = _cubin(ptx, arch)
    registers = re.search(r"Used (\d+) registers", log)
    stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    shared = re.search(r"(\d+) bytes smem", log)
    assert registers, log
    code, loops = _parsed(_sass(cubin))
    main = max((code[a:b] for a, b in loops), key=lambda c: (_count(c, *_FLOAT32, *_FLOAT64), -len(c)), default=[])
    instructions = operations = None
    if work is not None:
        rest = code if pixels else []
        repeated = work / _count(main, *_FLOAT32, *_FLOAT64) - 1 if pixels else 1.0
        made = pixels or _bytes_stored(main) / itemsize
        instructions = round((len(rest) + repeated * len(main)) / made, 2)
        operations = round((_count(rest, *_FLOAT32) + repeated * _count(main, *_FLOAT32)) / made, 2)
    return Figures(
        registers=int(registers[1]),
        local_bytes=int(stack[1]) if stack else 0,
        spill_bytes=int(stack[2]) + int(stack[3]) if stack else 0,
        local_in_loop=_count(main, "LDL", "STL"),
        float64=_count(code, *_FLOAT64),
        shared_bytes=int(shared[1]) if shared else 0,
        instructions=instructions,
        float32=operations,
    )


def occupancy(arch: int, threads: int, registers: int, shared: int) -> float:
    """Share of a multiprocessor's warps that can be resident: registers, shared memory and blocks permitting."""
    board = BOARDS[arch]
    warps = -(-threads // 32)
    each = -(-registers * 32 // 256) * 256
    by_registers = REGISTERS // each // 4 * 4 // warps
    by_shared = board.shared // (shared + board.reserved) if shared else board.blocks
    return min(board.warps // warps, board.blocks, by_registers, by_shared) * warps / board.warps


def ceiling(arch: int, row: dict[str, float | None], bytes_moved: float) -> tuple[float, str]:
    """Billions of output samples a second that a board cannot exceed, and what sets the limit."""
    board = BOARDS[arch]
    limits = {"memory": board.bandwidth / bytes_moved}
    cycles = board.multiprocessors * board.clock
    if row["instructions"] and row["float32"]:
        limits["instructions"] = cycles * 128 / row["instructions"]
        limits["float32"] = cycles * board.lanes / row["float32"]
    least = min(limits, key=lambda name: limits[name])
    return limits[least], least
